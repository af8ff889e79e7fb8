//! The table of transitions as people see it: `cargo xtask picture` draws it into `docs/recovery.md`.
//!
//! The picture is text (Mermaid, which code hosts and editors draw), made from `transitions.csv` and nothing else: the same
//! table gives the same bytes. It stands between two marks; `cargo xtask transitions` fails when what stands there is not
//! what the table gives.
//!
//! Not here: whether code and tests have the rows ([`crate::transitions`]).

use std::fs;

use crate::{Outcome, shell};

/// The table, from the root of the workspace.
pub(crate) const TABLE: &str = "crates/conference/tests/transitions.csv";
/// The document that has the picture.
pub(crate) const DOCUMENT: &str = "docs/recovery.md";

const BEGIN: &str =
    "<!-- picture: made by `cargo xtask picture` from the table of transitions; not by hand -->\n";
const END: &str = "<!-- end of the picture -->\n";

/// One row of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// `T6a`.
    pub(crate) id: String,
    /// `ConferenceSession` or `McuSession`.
    pub(crate) machine: String,
    /// The states in which it starts.
    pub(crate) from: Vec<String>,
    /// The state in which it ends.
    pub(crate) to: String,
    /// What makes it happen.
    pub(crate) trigger: String,
}

/// Reads the table of the workspace.
pub(crate) fn table() -> Result<Vec<Row>, String> {
    parse(&read(TABLE)?)
}

/// Draws the picture into the document.
pub(crate) fn run() -> Outcome {
    let rows = table()?;
    let old = read(DOCUMENT)?;
    let new = put(&old, &draw(&rows))?;
    if new == old {
        return Ok(format!("{DOCUMENT} has the picture of the table"));
    }
    fs::write(shell::root().join(DOCUMENT), new).map_err(|error| format!("{DOCUMENT}: {error}"))?;
    Ok(format!("{DOCUMENT} is new: {} rows", rows.len()))
}

/// Fails when the picture of the document is not the table's.
pub(crate) fn check(rows: &[Row]) -> Result<(), String> {
    is_current(&read(DOCUMENT)?, rows)
}

fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(shell::root().join(path)).map_err(|error| format!("{path}: {error}"))
}

/// The rows of a table: a head, then `id,machine,from,to,trigger,source` with `|` between the states of `from`.
fn parse(table: &str) -> Result<Vec<Row>, String> {
    let lines = table.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(index, line)| {
            let columns: Vec<&str> = line.split(',').map(str::trim).collect();
            let [id, machine, from, to, trigger, _source] = columns[..] else {
                return Err(format!("{TABLE}:{}: {} columns instead of 6", index + 1, columns.len()));
            };
            Ok(Row {
                id: id.to_owned(),
                machine: machine.to_owned(),
                from: from.split('|').map(str::to_owned).collect(),
                to: to.to_owned(),
                trigger: trigger.to_owned(),
            })
        })
        .collect()
}

/// The picture of each machine with its legend, in the order of the table.
fn draw(rows: &[Row]) -> String {
    let mut machines: Vec<&str> = Vec::new();
    for row in rows {
        if !machines.contains(&row.machine.as_str()) {
            machines.push(&row.machine);
        }
    }
    let pictures: Vec<String> = machines
        .into_iter()
        .map(|machine| {
            let own: Vec<&Row> = rows.iter().filter(|row| row.machine == machine).collect();
            format!("**{machine}**\n\n{}\n{}", diagram(&own), legend(&own))
        })
        .collect();
    pictures.join("\n")
}

/// One arrow for each pair of states, with all numbers that lead from the one to the other.
fn diagram(rows: &[&Row]) -> String {
    let mut arrows: Vec<(&str, &str, Vec<&str>)> = Vec::new();
    for row in rows {
        for from in &row.from {
            match arrows.iter_mut().find(|(a, b, _)| a == from && *b == row.to) {
                Some((_, _, ids)) => ids.push(&row.id),
                None => arrows.push((from, &row.to, vec![&row.id])),
            }
        }
    }
    let mut text = "```mermaid\nstateDiagram-v2\n".to_owned();
    if let Some((first, _, _)) = arrows.first() {
        text.push_str(&format!("    [*] --> {first}\n"));
    }
    for (from, to, ids) in &arrows {
        text.push_str(&format!("    {from} --> {to}: {}\n", ids.join(", ")));
    }
    let mut finals: Vec<&str> = Vec::new();
    for (_, to, _) in &arrows {
        let leaves = arrows.iter().any(|(from, _, _)| from == to);
        if !leaves && !finals.contains(to) {
            finals.push(to);
        }
    }
    for last in finals {
        text.push_str(&format!("    {last} --> [*]\n"));
    }
    text.push_str("```\n");
    text
}

fn legend(rows: &[&Row]) -> String {
    let mut text = "| row | from → to | because |\n|---|---|---|\n".to_owned();
    for row in rows {
        text.push_str(&format!("| {} | {} → {} | {} |\n", row.id, row.from.join(", "), row.to, row.trigger));
    }
    text
}

/// The part of a document between the marks, and where it is.
fn framed(document: &str) -> Result<(usize, usize), String> {
    let begin = document.find(BEGIN).map(|at| at + BEGIN.len());
    let end = document.find(END);
    match (begin, end) {
        (Some(begin), Some(end)) if begin <= end => Ok((begin, end)),
        _ => Err(format!("{DOCUMENT} lacks the marks of the picture")),
    }
}

/// The document with another picture.
fn put(document: &str, picture: &str) -> Result<String, String> {
    let (begin, end) = framed(document)?;
    Ok(format!("{}\n{picture}\n{}", &document[..begin], &document[end..]))
}

fn is_current(document: &str, rows: &[Row]) -> Result<(), String> {
    if put(document, &draw(rows))? == document {
        Ok(())
    } else {
        Err(format!("the picture in {DOCUMENT} is not the table's: run `cargo xtask picture`"))
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    const SMALL: &str = "id,machine,from,to,trigger,source\n\
        T1,Session,Idle,Up,join called,given\n\
        T2a,Session,Up,Over,left,given\n\
        T2b,Session,Up,Over,ejected,given\n\
        M1,Other,Idle|Up,Idle,reset,given\n";

    /// Rows in the order of the table; states that nobody leaves are final; one arrow for two rows between two states.
    #[test]
    fn draws_the_table() {
        let rows = parse(SMALL).expect("a table");
        let expected = "**Session**\n\n```mermaid\nstateDiagram-v2\n    [*] --> Idle\n    Idle --> Up: T1\n    \
                        Up --> Over: T2a, T2b\n    Over --> [*]\n```\n\n| row | from → to | because |\n|---|---|---|\n\
                        | T1 | Idle → Up | join called |\n| T2a | Up → Over | left |\n| T2b | Up → Over | ejected |\n\n\
                        **Other**\n\n```mermaid\nstateDiagram-v2\n    [*] --> Idle\n    Idle --> Idle: M1\n    \
                        Up --> Idle: M1\n```\n\n| row | from → to | because |\n|---|---|---|\n\
                        | M1 | Idle, Up → Idle | reset |\n";
        assert_eq!(draw(&rows), expected);
    }

    /// Drawing again changes nothing; a changed table, or a picture changed by hand, is found.
    #[test]
    fn finds_an_old_picture() {
        let rows = parse(SMALL).expect("a table");
        let empty = format!("# Title\n\n{BEGIN}{END}\nmore\n");
        let document = put(&empty, &draw(&rows)).expect("the marks are there");
        assert!(document.starts_with("# Title\n") && document.ends_with("\nmore\n"));
        assert_eq!(put(&document, &draw(&rows)).as_ref(), Ok(&document));
        assert_eq!(is_current(&document, &rows), Ok(()));
        assert!(is_current(&document, &rows[1..]).is_err(), "a row less");
        assert!(is_current(&document.replace("T2a, T2b", "T2a"), &rows).is_err(), "changed by hand");
        assert!(is_current("# Title\n", &rows).is_err(), "no marks");
    }

    /// A line that is no row is told with its number.
    #[test]
    fn refuses_a_short_line() {
        let error = parse("id,machine\nT1,Session,Idle\n").expect_err("three columns");
        assert!(error.contains(":2: 3 columns"), "{error}");
    }
}
