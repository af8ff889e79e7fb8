//! The numbered transitions are the table's: the rows in the code, the copy beside this file, and the original.

use std::path::Path;

use conference::session::TransitionId;
use mcu::McuTransition;
use mcu::edge::Row;

const COPY: &str = include_str!("transitions.csv");

/// The lines of the table, without its head and its last column, which says where a row comes from.
fn rows(table: &str) -> Vec<String> {
    let without_source = |line: &str| line.rsplit_once(',').map(|(row, _)| row.to_owned());
    table.lines().skip(1).filter(|line| !line.trim().is_empty()).filter_map(without_source).collect()
}

/// The code has the rows of the table, in its order, and no other.
#[test]
fn the_code_has_the_rows_of_the_table() {
    let session = TransitionId::ALL.iter().map(|id| id.row());
    let modality = McuTransition::ALL.iter().map(|id| id.row());
    let code: Vec<String> = session.chain(modality).map(Row::to_string).collect();
    assert_eq!(code, rows(COPY));
}

/// The copy is the original, where the original is at hand (beside the repository).
#[test]
fn the_copy_is_the_original() {
    let original = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/spec/transitions.csv");
    if let Ok(original) = std::fs::read_to_string(original) {
        assert_eq!(COPY, original);
    }
    assert_eq!(rows(COPY).len(), 32);
}
