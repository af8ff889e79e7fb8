//! Lines of stdin as a channel.
//!
//! A thread of its own reads them: a blocked read must keep neither the runtime nor the process from ending, which
//! is why nobody joins it.

use std::io::BufRead;

use tokio::sync::mpsc;

/// Lines read ahead of whoever takes them.
const LINES_AHEAD: usize = 64;

/// Starts reading; the channel closes at the end of input.
pub(crate) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(LINES_AHEAD);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// What a supervisor writes to a node that is to stop.
pub(crate) const STOP: &str = "stop";

/// Returns when the supervisor asks for the end (`true`), or is gone (`false`: stdin ended without a word).
pub(crate) async fn asked_to_stop() -> bool {
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        if line.trim() == STOP {
            return true;
        }
    }
    false
}
