//! `--capture FILE`: what crosses the sockets, for whoever has to find out what happened.
//!
//! A file is never overwritten: if there is one of that name, the next one gets a number. Each message is in the file before
//! anything else happens, so that the last one before a crash is there, too.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sip_core::FlowId;
use sip_core::redact::Redaction;
use sip_core::transport::capture::Capture;
use sip_core::transport::{Seen, Tap};

use crate::failure::{Failure, chain};

/// Files of one name at most.
const NUMBERS_MAX: u32 = 1_000;

/// A capture that is written out after each message.
#[derive(Debug)]
struct Recorder {
    capture: Capture<File>,
    /// Whether its end was told.
    over: AtomicBool,
}

impl Tap for Recorder {
    fn see(&self, seen: Seen<'_>) {
        self.capture.see(seen);
        if let Err(error) = self.capture.flush()
            && !self.over.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(error = &error as &dyn std::error::Error, "the capture is not complete");
        }
    }

    fn closed(&self, flow: FlowId) {
        self.capture.closed(flow);
    }
}

/// Starts a capture in a new file; secrets are hidden in it.
///
/// # Errors
///
/// The file cannot be made.
pub(crate) fn start(file: &Path) -> Result<Arc<dyn Tap>, Failure> {
    let failed = |error: &dyn std::error::Error| {
        Failure::new(format!("the capture {} cannot be written: {}", file.display(), chain(error)))
            .try_this("a file in a directory that you may write to")
    };
    let new = create(file).map_err(|error| failed(&error))?;
    let capture = Capture::new(new, Redaction::default()).map_err(|error| failed(&error))?;
    Ok(Arc::new(Recorder { capture, over: AtomicBool::new(false) }))
}

/// The file of one node: its name behind that of the file.
pub(crate) fn of_node(file: &Path, node: &str) -> PathBuf {
    with_suffix(file, node)
}

fn create(file: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    // It has what people said.
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut created = options.open(file);
    for number in 2..=NUMBERS_MAX {
        if !created.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::AlreadyExists) {
            break;
        }
        created = options.open(with_suffix(file, &number.to_string()));
    }
    created
}

/// `pool.pcap` and `fe1` make `pool-fe1.pcap`.
fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.file_stem().unwrap_or_default().to_os_string();
    name.push("-");
    name.push(suffix);
    if let Some(extension) = file.extension() {
        name.push(".");
        name.push(extension);
    }
    file.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each node has a file of its own.
    #[test]
    fn names() {
        for (file, expected) in
            [("a/pool.pcap", "a/pool-fe1.pcap"), ("pool", "pool-fe1"), ("x.y.pcap", "x.y-fe1.pcap")]
        {
            assert_eq!(of_node(Path::new(file), "fe1"), Path::new(expected));
        }
    }

    /// What was captured before stays.
    #[test]
    fn nothing_is_overwritten() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("a.pcap");
        for _ in 0..3 {
            start(&file).expect("a capture");
        }
        let mut names: Vec<_> = std::fs::read_dir(directory.path()).expect("a directory").collect();
        names.sort_by_key(|entry| entry.as_ref().map(|entry| entry.file_name()).ok());
        let names: Vec<_> = names.into_iter().map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["a-2.pcap", "a-3.pcap", "a.pcap"]);
        assert!(start(&directory.path().join("no/such")).is_err());
    }
}
