//! `reconvene schedule`: creates a conference and prints its URI.

use conference::ScheduleOptions as Schedule;

use crate::args::ScheduleOptions;
use crate::client;
use crate::event::Event;
use crate::failure::{Failure, chain};
use crate::output::Output;

/// Asks the Factory for a conference.
///
/// # Errors
///
/// Nobody answered, or the Factory refused.
pub(crate) async fn run(options: ScheduleOptions, output: &Output) -> Result<(), Failure> {
    let endpoint = client::start(&options.client, true, None).await?;
    let mut what = Schedule::default();
    if let Some(subject) = options.subject {
        what = what.with_subject(subject);
    }
    let result = endpoint.schedule(what).await;
    endpoint.shutdown().await;
    let scheduled = result.map_err(|error| {
        let help = client::password_help(&error);
        let help = help.unwrap_or_else(|| client::servers_help(&options.client));
        Failure::new(format!("the conference could not be scheduled: {}", chain(&error))).try_this(help)
    })?;
    output.event(&Event::Scheduled { uri: scheduled.uri, expires: scheduled.expires });
    Ok(())
}
