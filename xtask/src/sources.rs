//! The Rust sources of the workspace, as text.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell;

/// One source file.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path from the root of the workspace.
    pub(crate) path: String,
    pub(crate) text: String,
}

impl Source {
    /// The lines that are not tests: all before the first `#[cfg(test)]`, none of a file of tests.
    pub(crate) fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        let is_test = ["/tests/", "/benches/", "/examples/"].iter().any(|part| self.path.contains(part))
            || ["tests.rs", "/testnet.rs"].iter().any(|end| self.path.ends_with(end));
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .take_while(move |(_, line)| !is_test && line.trim() != "#[cfg(test)]")
    }
}

/// All sources below `crates/*` and `xtask`.
pub(crate) fn all() -> Result<Vec<Source>, String> {
    let root = shell::root();
    let mut sources = Vec::new();
    for folder in ["crates", "xtask"] {
        collect(&root, &root.join(folder), &mut sources)?;
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(sources)
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> Result<(), String> {
    let failed = |path: &Path, error: std::io::Error| format!("{}: {error}", path.display());
    for entry in fs::read_dir(folder).map_err(|error| failed(folder, error))? {
        let path: PathBuf = entry.map_err(|error| failed(folder, error))?.path();
        if path.is_dir() {
            if path.file_name().is_some_and(|name| name != "target") {
                collect(root, &path, sources)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(|error| failed(&path, error))?;
            let path = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            sources.push(Source { path, text });
        }
    }
    Ok(())
}
