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

/// How long the orderly end of a stream may take.
const FAREWELL: Duration = Duration::from_secs(1);

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

    async fn run_halves(self, read: impl AsyncRead + Unpin, mut write: impl AsyncWrite + Unpin) {
        let Self { flow, framer, inbox, outgoing, queued, config } = self;
        // Both directions in one task: neither waits for the other, so two full pipes cannot block each other.
        let reason = tokio::select! {
            reason = read_all(flow, framer, read, &inbox, &config) => reason,
            reason = write_all(&mut write, outgoing, &queued, config.write_timeout) => reason,
        };
        // The receiver is gone when the transport is: then nobody wants to know.
        let _ = inbox.send(Internal::Closed { flow, reason }).await;
        // TLS has an end of its own: without it the other end would think that the stream was cut.
        let _ = timeout(FAREWELL, write.shutdown()).await;
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

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use super::*;

    /// Takes everything, and notes the size of each write; or takes nothing.
    struct Sink<'a> {
        writes: &'a mut Vec<usize>,
        stuck: bool,
    }

    impl AsyncWrite for Sink<'_> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            if self.stuck {
                return Poll::Pending;
            }
            self.writes.push(bytes.len());
            Poll::Ready(Ok(bytes.len()))
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    /// Messages of this size that are queued, and closed behind; how the writing ended and with which writes.
    async fn written(messages: usize, bytes: usize, stuck: bool) -> (CloseReason, Vec<usize>, usize) {
        let (queue, outgoing) = mpsc::channel(messages);
        let queued = AtomicUsize::new(messages * bytes);
        for _ in 0..messages {
            queue.try_send(Bytes::from(vec![b'x'; bytes])).unwrap();
        }
        drop(queue);
        let mut writes = Vec::new();
        let limit = if stuck { Duration::from_millis(20) } else { Duration::from_secs(20) };
        let sink = Sink { writes: &mut writes, stuck };
        let reason = write_all(sink, outgoing, &queued, limit).await;
        (reason, writes, queued.load(Ordering::Relaxed))
    }

    /// Everything queued goes out in one write, up to a batch.
    #[tokio::test]
    async fn a_batch_is_one_write() {
        for (messages, expected) in [
            (1, vec![100]),
            (50, vec![5_000]),
            (BATCH_MESSAGES, vec![6_400]),
            (2 * BATCH_MESSAGES + 1, vec![6_400, 6_400, 100]),
        ] {
            let ended = written(messages, 100, false).await;
            assert_eq!(ended, (CloseReason::Local, expected, 0), "{messages}");
        }
        // A large batch does not leave its buffer behind.
        let mut joined = BytesMut::new();
        let large = vec![Bytes::from(vec![b'x'; JOINED_KEPT_BYTES]); 2];
        let mut writes = Vec::new();
        write_batch(&mut Sink { writes: &mut writes, stuck: false }, &large, &mut joined).await.unwrap();
        assert_eq!((writes, joined.capacity()), (vec![2 * JOINED_KEPT_BYTES], 0));
    }

    /// A peer that takes nothing is cut off after the write timeout.
    #[tokio::test]
    async fn a_stuck_write_ends_the_connection() {
        let (reason, writes, _) = written(2, 100, true).await;
        assert_eq!((reason, writes), (CloseReason::Io(io::ErrorKind::TimedOut), vec![]));
    }
}
