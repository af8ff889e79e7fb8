//! libxml2 reads what `c3p` writes: `xmllint` with schemas for RFC 4575 and for the documents around it.
//!
//! Every document of the crate's corpus is read and written anew by `cargo run --example rewrite`, and has to be valid
//! under the schemas in `crates/c3p/tests/schemas`. So that a schema which accepts everything is noticed, documents that
//! are wrong in one place each have to be refused.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Outcome, shell};

/// Which schema the documents of a directory are valid under; the small bodies have one each.
const SCHEMAS: [(&str, &str); 8] = [
    ("request", "cccp.xsd"),
    ("response", "cccp.xsd"),
    ("notify", "cccp.xsd"),
    ("info", "conference-info.xsd"),
    ("body/imdn", "imdn.xsd"),
    ("body/is_composing", "composing.xsd"),
    ("body/invite", "bodies.xsd"),
    ("body/keyboard_activity", "bodies.xsd"),
];

/// Documents, the one thing that is changed in each, and the schema that has to refuse it then.
const WRONG: [(&str, &str, &str, &str); 8] = [
    ("info/rich", "<subject>Weekly</subject>", "", "nothing: it is optional"),
    ("info/rich", "<user-count>2</user-count>", "<user-count>two</user-count>", "conference-info.xsd"),
    ("info/rich", "<status>connected</status>", "<status>asleep</status>", "conference-info.xsd"),
    ("info/rich", "<roles>", "<roles/><roles>", "conference-info.xsd"),
    ("info/rich", "ci:state=\"full\"", "ci:state=\"half\"", "conference-info.xsd"),
    ("info/rich", "<msci:is-active>true", "<msci:is-active>perhaps", "conference-info.xsd"),
    ("request/lock", "<locked>true</locked>", "", "cccp.xsd"),
    ("response/pending", "code=\"pending\"", "code=\"soon\"", "cccp.xsd"),
];

/// Runs all checks.
pub(crate) fn run() -> Outcome {
    find_xmllint()?;
    let corpus = shell::root().join("crates/c3p/tests");
    let written = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    let mut rewrite = shell::command("cargo run --quiet --package c3p --example rewrite --");
    rewrite.arg(corpus.join("fixtures")).arg(written.path());
    shell::run_command(rewrite, "c3p's example rewrite")?;
    let schemas = corpus.join("schemas");
    let mut valid = 0;
    for (documents, schema) in SCHEMAS {
        for document in documents_of(&written.path().join(documents))? {
            lint(&schemas.join(schema), &document)?;
            valid += 1;
        }
    }
    let refused = check_wrong(&schemas, written.path())?;
    println!("interop xml: ok ({valid} documents valid, {refused} wrong ones refused)");
    Ok(format!("{valid} documents valid for libxml2, {refused} wrong ones refused"))
}

/// One document, or all of a directory, sorted.
fn documents_of(path: &Path) -> Result<Vec<PathBuf>, String> {
    let file = path.with_extension("xml");
    if file.is_file() {
        return Ok(vec![file]);
    }
    let entries = std::fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    found.sort();
    if found.is_empty() { Err(format!("no documents in {}", path.display())) } else { Ok(found) }
}

/// Each change makes its document invalid, except the first, which shows that changing alone does not.
fn check_wrong(schemas: &Path, written: &Path) -> Result<usize, String> {
    let mut refused = 0;
    for (name, from, to, schema) in WRONG {
        let document = written.join(name).with_extension("xml");
        let text = std::fs::read_to_string(&document).map_err(|error| format!("{name}: {error}"))?;
        if !text.contains(from) {
            return Err(format!("{name} does not contain {from}"));
        }
        let changed = written.join("changed.xml");
        std::fs::write(&changed, text.replacen(from, to, 1)).map_err(|error| format!("{name}: {error}"))?;
        let is_harmless = !schema.ends_with(".xsd");
        let schema = if is_harmless { "conference-info.xsd" } else { schema };
        let result = lint(&schemas.join(schema), &changed);
        match (is_harmless, result) {
            (true, Ok(())) => {}
            (true, Err(what)) => return Err(what),
            (false, Err(_)) => refused += 1,
            (false, Ok(())) => return Err(format!("{schema} accepts {name} with {to} for {from}")),
        }
    }
    Ok(refused)
}

/// Has libxml2 read a document, without going to the network, and check it under a schema.
fn lint(schema: &Path, document: &Path) -> Result<(), String> {
    let output = Command::new("xmllint")
        .args(["--noout", "--nonet", "--schema"])
        .arg(schema)
        .arg(document)
        .output()
        .map_err(|error| format!("xmllint could not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&output.stderr).lines().next().unwrap_or("xmllint failed").to_owned())
}

/// Finds xmllint, or installs it where the system is Debian's.
fn find_xmllint() -> Result<(), String> {
    let is_there = || shell::has("xmllint --version");
    if is_there() {
        return Ok(());
    }
    let sudo = if shell::has("sudo -n true") { "sudo -n " } else { "" };
    let install = format!("{sudo}apt-get install --yes --no-install-recommends libxml2-utils");
    if shell::run(&install).is_err() {
        shell::run(&format!("{sudo}apt-get update"))?;
        shell::run(&install)?;
    }
    if is_there() { Ok(()) } else { Err("xmllint is not there (Debian package libxml2-utils)".to_owned()) }
}
