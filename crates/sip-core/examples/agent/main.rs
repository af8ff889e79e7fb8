//! A user agent for tests: it registers, places calls and takes them, and says what happens.
//!
//! Commands come as lines on stdin, what happens goes out as JSON lines on stdout, the first of them `ready` with the port.
//! There is no sound: every call has one description of a session that goes nowhere.
//!
//! ```text
//! agent --listen=udp:127.0.0.1:0 --user=sip:bob@example.com
//! ```
//!
//! Options: `--listen=TRANSPORT:ADDRESS:PORT`, `--user=URI`, `--route=URI` (first hop of what starts outside a dialog),
//! `--password=TEXT` (for any realm that is the user's domain or `--realm=TEXT`), `--answer-after=MILLISECONDS`,
//! `--capture=FILE`, and for TLS `--ca=FILE`, `--certificate=FILE`, `--key=FILE`.
//!
//! Commands: `call URI`, `hold`, `resume`, `update`, `cancel`, `bye`, `bye all`, `register`, `unregister`, `options URI`,
//! `answer-after MILLISECONDS`, `reject STATUS` (of the calls that come from now on), `quit`.

mod options;
mod phone;
mod registration;
mod session;

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, Write};
use std::sync::Arc;

use sip_core::redact::Redaction;
use sip_core::transport::capture::Capture;
use sip_core::transport::tls::TlsConfig;
use sip_core::transport::{now, turn};
use sip_core::{Transport, TransportConfig, TransportKind};
use tokio::sync::mpsc;

use options::Options;
use phone::Phone;

/// Lines that may wait to be obeyed.
const LINES: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(run(options))
}

async fn run(options: Options) -> Result<(), Box<dyn Error>> {
    let capture = match &options.capture {
        Some(file) => Some(Arc::new(Capture::new(File::create(file)?, Redaction::default())?)),
        None => None,
    };
    let mut config = TransportConfig::default();
    if let Some(capture) = &capture {
        config = config.with_tap(capture.clone());
    }
    if options.listen.transport == TransportKind::Tls {
        let mut tls = TlsConfig::new();
        if let Some(file) = &options.ca {
            tls = tls.with_roots_file(file)?;
        }
        if let (Some(certificate), Some(key)) = (&options.certificate, &options.key) {
            tls = tls.with_identity_files(certificate, key)?;
        }
        config = config.with_tls(tls);
    }
    let mut transport = Transport::bind(&[options.listen], config).await?;
    let bound = transport.local_addrs()[0];
    let mut phone = Phone::new(options, bound);
    let mut lines = stdin();
    while !phone.is_done(now()) {
        phone.say(&mut std::io::stdout())?;
        // Whoever ends us by force finds what was captured until then.
        if let Some(capture) = &capture {
            capture.flush()?;
        }
        // Who cannot give commands any more wants nothing any more.
        let line = turn(&mut phone, &mut transport, lines.recv()).await;
        if let Some(line) = line {
            phone.obey(line.as_deref().unwrap_or("quit"), now());
        }
    }
    phone.say(&mut std::io::stdout())?;
    transport.shutdown().await;
    if let Some(capture) = capture {
        capture.flush()?;
    }
    Ok(())
}

/// The lines of stdin. The thread ends with it, or with the process.
fn stdin() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Phone {
    /// Prints what happened since the last time.
    fn say(&mut self, to: &mut impl Write) -> std::io::Result<()> {
        for report in self.take_reports() {
            writeln!(to, "{report}")?;
        }
        to.flush()
    }
}
