//! Fixtures for the tests of this crate.

use std::path::Path;

/// The conference of all fixtures.
pub(crate) const CONFERENCE: &str = "sip:olga@contoso.test;gruu;opaque=app:conf:focus:id:MEET0042";
/// Its IM MCU.
pub(crate) const CHAT: &str = "sip:olga@contoso.test;gruu;opaque=app:conf:chat:id:MEET0042";
/// Its A/V MCU.
pub(crate) const AV: &str = "sip:olga@contoso.test;gruu;opaque=app:conf:audio-video:id:MEET0042";

/// The bytes of a fixture, by its path below `tests/fixtures` without `.xml`.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format!("{name}.xml"));
    std::fs::read(&path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of all fixtures of one kind.
pub(crate) fn names(kind: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(kind);
    let mut names: Vec<String> = std::fs::read_dir(path)
        .expect("the directory of fixtures")
        .map(|entry| entry.expect("an entry").path())
        .map(|path| format!("{kind}/{}", path.file_stem().expect("a name").to_string_lossy()))
        .collect();
    names.sort();
    names
}
