//! The journal as a message flow: one line for each message, fault and event, for people who look for the reason.

use std::fmt::Write as _;

use crate::journal::{App, Journal, Packet, What};
use crate::wire::Wire;

/// The ladder of a run.
///
/// - `names`: of the hosts, by number.
/// - `last`: how many lines, counted from the end; 0 for all.
#[must_use]
pub fn ladder(journal: &Journal, names: &[String], last: usize) -> String {
    let name = |index: usize| names.get(index).map_or("?", String::as_str);
    let mut lines = Vec::new();
    for record in journal.records() {
        let Some(text) = (match &record.what {
            // Keep-alives are empty lines.
            What::Sent(packet) | What::Lost(packet) if packet.bytes.len() <= 4 => None,
            What::Sent(packet) => Some(message_line(packet, &name)),
            What::Lost(packet) => Some(format!("  x lost: {}", message_line(packet, &name))),
            What::Delivered(_) => None,
            What::Fault(text) => Some(format!("==== {text}")),
            What::Note(host, text) => Some(format!("     ({}: {text})", name(host.0))),
            What::App(host, app) => Some(format!("     [{}] {}", name(host.0), app_text(app))),
        }) else {
            continue;
        };
        lines.push(format!("{:>10.3} {:>6}  {text}", record.at.as_secs_f64(), record.step));
    }
    let skip = if last == 0 { 0 } else { lines.len().saturating_sub(last) };
    let mut out = String::new();
    if skip > 0 {
        let _ = writeln!(out, "... {skip} lines before");
    }
    lines.iter().skip(skip).for_each(|line| {
        let _ = writeln!(out, "{line}");
    });
    out
}

fn message_line<'n>(packet: &Packet, name: &impl Fn(usize) -> &'n str) -> String {
    let to = packet.to.map_or("nobody", |to| name(to.0));
    format!("{:>8} -> {:<8} {}", name(packet.from.0), to, summary(&packet.bytes))
}

/// One message in one line: what it is, in which dialog, and what its body says.
#[must_use]
pub fn summary(bytes: &[u8]) -> String {
    let Some(wire) = Wire::read(bytes) else { return format!("{} bytes", bytes.len()) };
    let (number, method) = wire.cseq();
    let mut text = match (wire.method(), wire.status()) {
        (Some(method), _) => format!("{method} {}", wire.uri().unwrap_or_default()),
        (None, Some(status)) => format!("{status} ({method})"),
        (None, None) => wire.first_line().to_owned(),
    };
    let call: String = wire.call_id().chars().take(12).collect();
    let _ = write!(text, "  [{call} {number}]");
    for header in
        ["Subscription-State", "P-Dialog-Recovery-Action", "ms-diagnostics", "ms-client-diagnostics"]
    {
        if let Some(value) = wire.header(header) {
            let value: String = value.chars().take(48).collect();
            let _ = write!(text, " {value}");
        }
    }
    if let Some(body) = body_summary(&wire) {
        let _ = write!(text, " {{{body}}}");
    }
    text
}

fn body_summary(wire: &Wire<'_>) -> Option<String> {
    let body = wire.body();
    if body.is_empty() {
        return None;
    }
    if body.contains("<conference-info") {
        let state = if wire.is_full_document() { "full" } else { "partial" };
        return Some(format!("{state} {}", wire.attribute("version").unwrap_or("?")));
    }
    if let Some(id) = wire.attribute("requestId") {
        let what = wire.attribute("code").unwrap_or("request");
        return Some(format!("{what} {id}"));
    }
    Some(body.chars().take(32).filter(|c| !c.is_control()).collect())
}

fn app_text(app: &App) -> String {
    match app {
        App::Begun { op, name } => format!("begins {name} #{op}"),
        App::Completed { op, name, failure, status } => match (failure, status) {
            (None, _) => format!("{name} #{op} done"),
            (Some(reason), Some(status)) => format!("{name} #{op} failed: {reason} ({status})"),
            (Some(reason), None) => format!("{name} #{op} failed: {reason}"),
        },
        App::OperationEvent { op } => format!("event: operation #{op} over"),
        App::State { row, from, to, cause } => format!("{row}: {from} -> {to} ({cause})"),
        App::Mcu { row, mcu, from, to } => format!("{row}: {mcu} {from} -> {to}"),
        App::Call { mcu, state, cause } => format!("call {mcu}: {state} ({cause})"),
        App::Attendance { change, user, .. } => format!("{change} {user}"),
        App::Properties => "properties changed".to_owned(),
        App::Message { from, text } => format!("{from}: {text}"),
        App::Repair { repaired, detected_by } => {
            format!("route {} ({detected_by})", if *repaired { "repaired" } else { "not repaired" })
        }
        App::Report { level, result, attempts, roster_changes } => {
            format!("report: {level} {result}, {attempts} attempts, {roster_changes} roster changes")
        }
        App::Over => "session over".to_owned(),
        App::Other(text) => text.clone(),
    }
}
