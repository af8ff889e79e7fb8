//! Replays a corpus: for the tests of the crates, which need no fuzzer for it.

use std::path::{Path, PathBuf};

/// Where the folders of inputs are, one per target.
pub(crate) fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// The folders for whose targets `ours` says yes, in order.
pub(crate) fn folders(ours: fn(&str) -> bool) -> Vec<String> {
    let entries =
        std::fs::read_dir(corpus()).expect("the corpus is there").map(|entry| entry.expect("a folder"));
    let names = entries.map(|entry| entry.file_name().into_string().expect("a name"));
    let mut names: Vec<String> = names.filter(|name| ours(name)).collect();
    names.sort();
    names
}

/// Every input of a target through its body. The last name in the output of a test that fails is the one that did it.
pub(crate) fn replay(target: &str, body: fn(&[u8])) {
    let folder = corpus().join(target);
    let entries =
        std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{target} has no corpus: {error}"));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{target} has no inputs");
    for file in files {
        println!("{}", file.display());
        body(&std::fs::read(&file).expect("an input"));
    }
}
