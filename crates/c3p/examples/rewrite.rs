//! Reads every document of a directory and writes it anew into another: what this crate writes, for others to check.
//!
//! `cargo run -p c3p --example rewrite -- FROM TO`: the kind of a document is the name of its directory below `FROM`.
//! Documents that cannot be read are an error; the directory `hostile` is left out.

use std::error::Error;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use c3p::command::Document;
use c3p::im::{Imdn, IsComposing, KeyboardActivity};
use c3p::info::ConferenceInfo;
use c3p::invite::ConferenceInvite;
use c3p::{DocumentError, Limits};

/// Reads a document of a kind and writes it; `None` if this kind is not XML of ours.
fn rewrite(kind: &str, name: &str, body: &[u8]) -> Option<Result<Bytes, DocumentError>> {
    let limits = Limits::default();
    Some(match (kind, name) {
        ("request" | "response" | "notify", _) => Document::parse(body, &limits).map(|found| found.write()),
        ("info", _) => ConferenceInfo::parse(body, &limits).map(|found| found.write()),
        ("body", "imdn") => Imdn::parse(body, &limits).map(|found| found.write()),
        ("body", "is_composing") => IsComposing::parse(body, &limits).map(|found| found.write()),
        ("body", "keyboard_activity") => KeyboardActivity::parse(body, &limits).map(KeyboardActivity::write),
        ("body", _) => ConferenceInvite::parse(body, &limits).map(|found| found.write()),
        _ => return None,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [from, to] = arguments.as_slice() else { return Err("usage: rewrite FROM TO".into()) };
    let mut written = 0;
    for kind in fs::read_dir(from)? {
        let kind = kind?.path();
        let kind_name = kind.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for file in fs::read_dir(&kind)? {
            let file = file?.path();
            let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let body = fs::read(&file)?;
            let Some(result) = rewrite(&kind_name, &name, &body) else { continue };
            let bytes = result.map_err(|error| format!("{kind_name}/{name}: {error}"))?;
            let folder = Path::new(to).join(&kind_name);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(format!("{name}.xml")), bytes)?;
            written += 1;
        }
    }
    println!("{written} documents written");
    Ok(())
}
