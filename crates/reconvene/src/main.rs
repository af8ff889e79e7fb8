//! The `reconvene` command: reads the arguments, runs one subcommand, turns its end into an exit status.
//!
//! Exit status: 0 done, 1 the operation failed (one line on stderr), 2 wrong usage.
//!
//! Not here: protocol logic. The subcommands are thin users of the library crates.

mod args;
mod capture;
mod client;
mod config;
mod demo;
mod event;
#[cfg(test)]
mod event_tests;
mod failure;
mod hop;
mod human;
mod join;
mod node;
mod output;
mod pool;
mod schedule;
mod security;
mod signals;
mod stdin;
mod supervisor;
mod translate;
mod users;

use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;

use crate::args::{Cli, Command};
use crate::failure::Failure;
use crate::output::Output;

/// How long tasks that are still there at the end may take to stop before the process exits without them.
const SHUTDOWN_GRACE: Duration = Duration::from_millis(500);

fn main() -> ExitCode {
    let cli = match config::parse(std::env::args_os()) {
        Ok(cli) => cli,
        Err(config::ParseFailure::Usage(error)) => {
            // Help and version come here too, with status 0 and on stdout.
            let status = if error.use_stderr() { 2 } else { 0 };
            // Nothing sensible is left to do when the terminal is gone.
            let _ = error.print();
            return ExitCode::from(status);
        }
        Err(config::ParseFailure::Config(failure)) => return finish(Err(failure), &Output::new(false)),
    };
    start_logging(&cli);
    let output = Output::new(cli.common.json);
    let result = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not start: {error}")))
        .and_then(|runtime| {
            let result = runtime.block_on(run(cli.command, &cli.common.log, &output));
            runtime.shutdown_timeout(SHUTDOWN_GRACE);
            result
        });
    finish(result, &output)
}

/// Runs the chosen subcommand to its end.
async fn run(command: Command, log: &str, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Demo(options) => demo::run(options, log, output).await,
        Command::Pool(options) => pool::run(options, log, output).await,
        Command::Schedule(options) => schedule::run(options, output).await,
        Command::Join(options) => join::run(*options, output).await,
        Command::Hop(options) => hop::run(options, output).await,
        Command::Node(options) => node::run(options).await,
    }
}

/// Says what went wrong, if anything, and gives the exit status.
fn finish(result: Result<(), Failure>, output: &Output) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            output.failure(&failure);
            ExitCode::from(failure.status())
        }
    }
}

/// Logs go to stderr always; `--log` chooses how much, `RUST_LOG` refines it.
fn start_logging(cli: &Cli) {
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(cli.common.log.as_str()));
    // Colours are for people: a log in a file has none.
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
}
