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

/// Returns when stdin ends: the supervisor is gone.
pub(crate) async fn closed() {
    let mut lines = lines();
    while lines.recv().await.is_some() {}
}
