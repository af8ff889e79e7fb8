//! `--config FILE`: options from TOML, by the same names; the command line wins.
//!
//! A key at the top level applies to each subcommand that has an option of that name; a table named like a
//! subcommand holds options of that subcommand only.

use std::ffi::OsString;
use std::path::Path;

use clap::parser::ValueSource;
use clap::{CommandFactory, FromArgMatches};

use crate::args::Cli;
use crate::failure::Failure;

/// Why the arguments gave no command.
#[derive(Debug)]
pub(crate) enum ParseFailure {
    /// Wrong usage, or a request for help; clap prints it.
    Usage(clap::Error),
    /// The configuration file.
    Config(Failure),
}

impl From<clap::Error> for ParseFailure {
    fn from(error: clap::Error) -> Self {
        Self::Usage(error)
    }
}

/// Parses the arguments, with those from `--config` added where the command line is silent.
///
/// # Errors
///
/// Wrong usage, help and version (all for clap to print), or a configuration file that cannot be used.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Cli, ParseFailure> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let command = Cli::command();
    let matches = command.clone().try_get_matches_from(&args)?;
    let cli = Cli::from_arg_matches(&matches)?;
    let (Some(file), Some((name, given))) = (&cli.common.config, matches.subcommand()) else {
        return Ok(cli);
    };
    let table = read(file).map_err(ParseFailure::Config)?;
    args.extend(extra_arguments(&command, name, given, &table).map_err(ParseFailure::Config)?);
    Ok(Cli::from_arg_matches(&command.try_get_matches_from(&args)?)?)
}

fn read(file: &Path) -> Result<toml::Table, Failure> {
    let shown = file.display();
    let text = std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format!("cannot read the configuration {shown}: {error}")))?;
    text.parse().map_err(|error: toml::de::Error| {
        Failure::usage(format!("the configuration {shown} is not TOML: {}", error.message()))
    })
}

/// What the file adds to the arguments of subcommand `name`.
fn extra_arguments(
    command: &clap::Command,
    name: &str,
    given: &clap::ArgMatches,
    table: &toml::Table,
) -> Result<Vec<OsString>, Failure> {
    let mut extra = Vec::new();
    for (key, value) in table {
        match (command.find_subcommand(key), value) {
            (Some(_), toml::Value::Table(inner)) if key == name => {
                for (key, value) in inner {
                    if !add_option(command, name, given, key, value, &mut extra)? {
                        return Err(unknown(&format!("{name}.{key}")));
                    }
                }
            }
            (Some(_), toml::Value::Table(_)) => {}
            (_, value) => {
                let used = add_option(command, name, given, key, value, &mut extra)?;
                if !used && !known_somewhere(command, key) {
                    return Err(unknown(key));
                }
            }
        }
    }
    Ok(extra)
}

fn unknown(key: &str) -> Failure {
    Failure::usage(format!("the configuration has an unknown name: {key}"))
        .try_this("`reconvene help` lists the options")
}

/// The option `key` of `command` itself (for all subcommands) or of its subcommand `name`.
fn find<'a>(command: &'a clap::Command, name: &str, key: &str) -> Option<&'a clap::Arg> {
    let subcommand = command.find_subcommand(name)?;
    subcommand.get_arguments().chain(command.get_arguments()).find(|arg| arg.get_long() == Some(key))
}

fn known_somewhere(command: &clap::Command, key: &str) -> bool {
    command.get_subcommands().any(|sub| find(command, sub.get_name(), key).is_some())
}

/// Adds one option unless the command line has it; `false`: there is no such option here.
fn add_option(
    command: &clap::Command,
    name: &str,
    given: &clap::ArgMatches,
    key: &str,
    value: &toml::Value,
    extra: &mut Vec<OsString>,
) -> Result<bool, Failure> {
    let Some(arg) = find(command, name, key) else { return Ok(false) };
    if given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine) {
        return Ok(true);
    }
    let values = match value {
        toml::Value::Array(values) => values.as_slice(),
        single => std::slice::from_ref(single),
    };
    for value in values {
        let text = match value {
            toml::Value::Boolean(false) => continue,
            toml::Value::Boolean(true) => {
                extra.push(format!("--{key}").into());
                continue;
            }
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(_)
            | toml::Value::Datetime(_)
            | toml::Value::Array(_)
            | toml::Value::Table(_) => {
                return Err(Failure::usage(format!("the configuration's {key} has the wrong kind of value")));
            }
        };
        extra.push(format!("--{key}={text}").into());
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Command;

    fn with_file(text: &str, args: &[&str]) -> Result<Cli, ParseFailure> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("reconvene.toml");
        std::fs::write(&file, text).expect("a file");
        let config = format!("--config={}", file.display());
        parse(["reconvene"].iter().chain(args).map(OsString::from).chain([config.into()]))
    }

    /// The file fills in what the command line does not say; lists repeat the option.
    #[test]
    fn fills_in() {
        let text = "json = true\nserver = [\"tcp:127.0.0.1:1\", \"udp:127.0.0.1:2\"]\n[pool]\nopen = true\n";
        let cli = with_file(text, &["join", "new"]).expect("valid");
        assert!(cli.common.json);
        let Command::Join(join) = cli.command else { panic!("join was asked for") };
        let servers: Vec<String> = join.client.server.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["tcp:127.0.0.1:1", "udp:127.0.0.1:2"]);
    }

    /// The command line wins.
    #[test]
    fn command_line_wins() {
        let cli =
            with_file("as = \"sip:bob@example.com\"", &["join", "new", "--as", "sip:carol@example.com"]);
        let Command::Join(join) = cli.expect("valid").command else { panic!("join was asked for") };
        assert_eq!(join.client.identity, "sip:carol@example.com");
    }

    /// A name that no subcommand has is a mistake worth telling.
    #[test]
    fn unknown_name() {
        let Err(ParseFailure::Config(failure)) = with_file("sever = 1", &["join", "new"]) else {
            panic!("accepted");
        };
        assert_eq!(failure.status(), 2);
        assert!(failure.message().contains("sever"));
    }
}
