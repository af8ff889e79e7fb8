//! `reconvene demo`: the main job on real processes and sockets, with nothing to set up.
//!
//! Six processes: two front ends, two IM MCUs, two hops. Three clients in this process join through the hops over
//! TCP. Each act kills something with SIGKILL and waits for what must follow; nothing waits for a fixed time but the
//! outage of the last act. At the end: what each session went through, and whether all that must hold held.
//!
//! - [`scene`]: the running demo: processes, people, and one loop that takes in whatever happens.
//! - [`person`]: one client and all that it was told.
//! - [`acts`]: what happens, in order.
//! - [`verdict`]: the table of recoveries and the checks.

mod acts;
mod person;
mod scene;
mod verdict;

use crate::args::DemoOptions;
use crate::failure::Failure;
use crate::output::Output;
use scene::Scene;

/// Plays the demo.
///
/// # Errors
///
/// Something did not happen in time, or one of the checks at the end does not hold.
pub(crate) async fn run(options: DemoOptions, log: &str, output: &Output) -> Result<(), Failure> {
    output.note(
        "A pool of two front ends, two IM MCUs and two hops, each a process; three people who meet in it.",
    );
    let mut scene = Scene::open(log, output).await?;
    let played = acts::play(&mut scene, options.outage.0).await;
    let checks = match &played {
        Ok(evidence) => verdict::judge(&scene, evidence),
        Err(_) => Vec::new(),
    };
    verdict::show(&scene, &checks, output);
    scene.close().await;
    played?;
    let failed = checks.iter().filter(|check| !check.holds).count();
    if failed == 0 {
        output.note("Every session recovered, the rosters agree, and no message was lost or doubled.");
        Ok(())
    } else {
        Err(Failure::new(format!("{failed} of {} checks failed", checks.len()))
            .try_this("run it again with --log debug 2> demo.log and read what came before"))
    }
}
