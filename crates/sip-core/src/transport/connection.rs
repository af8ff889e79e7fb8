//! One connection over TCP or TLS: frames what comes, writes what is queued, in one task.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Internal, TransportConfig};
use crate::endpoint::{CloseReason, FlowId, TransportInput};
use crate::framing::{Frame, StreamFramer};

/// The most messages that one write takes.
const BATCH_MESSAGES: usize = 64;
/// Room made for each read.
const READ_BYTES: usize = 8 * 1024;
/// What the buffer that joins a batch may keep between two batches.
const JOINED_KEPT_BYTES: usize = 64 * 1024;

/// How long a connection whose stream is broken stays, so that the refusal goes out.
const REFUSAL_GRACE: Duration = Duration::from_millis(500);

/// The bytes under one connection.
#[derive(Debug)]
pub(super) enum Stream {
    /// As they are.
    Tcp(TcpStream),
    /// Encrypted; the handshake is over.
    #[cfg(feature = "tls")]
    Tls(Box<tokio_rustls::TlsStream<TcpStream>>),
}

/// What is queued for a connection, in bytes; shared by the one that queues and the one that writes.
pub(super) type Queued = Arc<AtomicUsize>;

/// One connection.
pub(super) struct Connection {
    /// Its flow.
    pub(super) flow: FlowId,
    /// What cuts its bytes into messages.
    pub(super) framer: StreamFramer,
    /// What comes goes here.
    pub(super) inbox: mpsc::Sender<Internal>,
    /// What is to be written; its end closes the connection.
    pub(super) outgoing: mpsc::Receiver<Bytes>,
    /// How much that is.
    pub(super) queued: Queued,
    /// Limits and times.
    pub(super) config: Arc<TransportConfig>,
}

impl Connection {
    /// Lives until either direction ends, and reports why.
    pub(super) async fn run(self, stream: Stream) {
        match stream {
            Stream::Tcp(stream) => {
                let (read, write) = stream.into_split();
                self.run_halves(read, write).await;
            }
            #[cfg(feature = "tls")]
            Stream::Tls(stream) => {
                let (read, write) = tokio::io::split(stream);
                self.run_halves(read, write).await;
            }
        }
    }

    async fn run_halves(self, read: impl AsyncRead + Unpin, write: impl AsyncWrite + Unpin) {
        let Self { flow, framer, inbox, outgoing, queued, config } = self;
        // Both directions in one task: neither waits for the other, so two full pipes cannot block each other.
        let reason = tokio::select! {
            reason = read_all(flow, framer, read, &inbox, &config) => reason,
            reason = write_all(write, outgoing, &queued, config.write_timeout) => reason,
        };
        // The receiver is gone when the transport is: then nobody wants to know.
        let _ = inbox.send(Internal::Closed { flow, reason }).await;
    }
}

async fn read_all(
    flow: FlowId,
    mut framer: StreamFramer,
    mut read: impl AsyncRead + Unpin,
    inbox: &mpsc::Sender<Internal>,
    config: &TransportConfig,
) -> CloseReason {
    let mut partial_since: Option<Instant> = None;
    loop {
        let deadline = match partial_since {
            Some(since) => since + config.partial_timeout,
            None => Instant::now() + config.idle_timeout,
        };
        let buffer = framer.buffer_mut();
        buffer.reserve(READ_BYTES);
        match timeout_at(deadline, read.read_buf(buffer)).await {
            Err(_) => return CloseReason::Idle,
            Ok(Ok(0)) => return CloseReason::Remote,
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return closed_by(&error),
        }
        let mut complete = false;
        loop {
            match framer.next() {
                Ok(Some(frame)) => {
                    complete = true;
                    if inbox.send(internal(flow, frame)).await.is_err() {
                        // The transport shuts down: what is queued may still be written.
                        return std::future::pending().await;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    // The message it broke at was reported: time for its refusal to be written.
                    tokio::time::sleep(REFUSAL_GRACE).await;
                    return CloseReason::Framing;
                }
            }
        }
        partial_since = match (framer.buffered() == 0, complete) {
            (true, _) => None,
            (false, true) => Some(Instant::now()),
            (false, false) => partial_since.or_else(|| Some(Instant::now())),
        };
    }
}

fn internal(flow: FlowId, frame: Frame) -> Internal {
    Internal::Input(match frame {
        Frame::Message(message) => TransportInput::Message { flow, message },
        Frame::KeepAlivePing => TransportInput::Ping { flow },
        Frame::KeepAlivePong => TransportInput::Pong { flow },
        Frame::Malformed { error, raw } => TransportInput::Malformed { flow, error, raw },
    })
}

async fn write_all(
    mut write: impl AsyncWrite + Unpin,
    mut outgoing: mpsc::Receiver<Bytes>,
    queued: &AtomicUsize,
    limit: Duration,
) -> CloseReason {
    let mut batch: Vec<Bytes> = Vec::with_capacity(BATCH_MESSAGES);
    let mut joined = BytesMut::new();
    while outgoing.recv_many(&mut batch, BATCH_MESSAGES).await > 0 {
        let written = timeout(limit, write_batch(&mut write, &batch, &mut joined)).await;
        let bytes: usize = batch.iter().map(Bytes::len).sum();
        queued.fetch_sub(bytes, Ordering::Relaxed);
        batch.clear();
        match written {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return closed_by(&error),
            Err(_) => return CloseReason::Io(io::ErrorKind::TimedOut),
        }
    }
    // A failure here changes nothing: the connection is closed either way.
    let _ = timeout(limit, write.shutdown()).await;
    CloseReason::Local
}

/// One write for the whole batch: one segment, or TLS record, instead of many, with Nagle's algorithm off.
async fn write_batch(
    write: &mut (impl AsyncWrite + Unpin),
    batch: &[Bytes],
    joined: &mut BytesMut,
) -> io::Result<()> {
    match batch {
        [one] => write.write_all(one).await?,
        many => {
            many.iter().for_each(|bytes| joined.extend_from_slice(bytes));
            write.write_all(joined).await?;
            joined.clear();
            if joined.capacity() > JOINED_KEPT_BYTES {
                *joined = BytesMut::new();
            }
        }
    }
    // TLS may have encrypted more than the socket took.
    write.flush().await
}

fn closed_by(error: &io::Error) -> CloseReason {
    #[cfg(feature = "tls")]
    if let Some(failure) = super::tls::failure_of(error) {
        return CloseReason::Tls(failure);
    }
    match error.kind() {
        io::ErrorKind::UnexpectedEof => CloseReason::Remote,
        kind => CloseReason::Io(kind),
    }
}
