//! `reconvene hop`: one record-routing hop in this process, until stopped.

use tokio::sync::mpsc;

use crate::args::{HopOptions, NodeKind};
use crate::event::{Event, NodeInfo};
use crate::failure::Failure;
use crate::node::{self, SharedStore};
use crate::output::Output;
use crate::signals::StopSignals;
use crate::supervisor::{NodeLine, NodeSpec};

/// Lines of the hop that wait to be printed.
const LINES_AHEAD: usize = 16;

/// Runs the hop until SIGINT or SIGTERM.
///
/// # Errors
///
/// It cannot listen, or the files of TLS cannot be used.
pub(crate) async fn run(options: HopOptions, output: &Output) -> Result<(), Failure> {
    options.tls.check(&options.listen, &options.next)?;
    let mut signals = StopSignals::listen()?;
    let mut spec = NodeSpec::hop("hop1".to_owned(), options.listen, options.next);
    (spec.tls, spec.capture) = (options.tls, options.capture);
    let (lines, mut said) = mpsc::channel(LINES_AHEAD);
    let print = async {
        while let Some(line) = said.recv().await {
            if let Some(event) = event_of(line) {
                output.event(&event);
            }
        }
    };
    let serve = node::serve(spec, SharedStore::none(), lines, async move { signals.next().await });
    let (result, ()) = tokio::join!(serve, print);
    result
}

fn event_of(line: NodeLine) -> Option<Event> {
    match line {
        NodeLine::Ready { listen } => Some(Event::Ready {
            nodes: vec![NodeInfo {
                name: "hop1".to_owned(),
                kind: NodeKind::Hop,
                mcu: None,
                listen,
                pid: std::process::id(),
            }],
        }),
        // A hop has no conferences; its failure is the result of the command.
        NodeLine::Conference { .. } | NodeLine::TookOver { .. } | NodeLine::Failed { .. } => None,
    }
}
