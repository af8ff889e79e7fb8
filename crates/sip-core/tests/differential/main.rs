//! Our parser beside another one, ezk-sip-types: where they disagree, [`table`] says who is right and why.
//!
//! Both read every value of `cases.rs` in its place, the torture messages, and generated messages with several of the values
//! at once. A disagreement without a row fails, and so does a row without a disagreement.

mod cases;
mod readers;
mod table;

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use proptest::prelude::*;
use readers::{Reading, ours, theirs};
use table::{Right, Row, TABLE, What};

/// One point in which the two readings differ.
enum Difference {
    WeRefuse(String),
    TheyRefuse(String),
    Field(String, String),
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WeRefuse(why) => write!(f, "only we refuse it: {why}"),
            Self::TheyRefuse(place) => write!(f, "only they refuse it: {place}"),
            Self::Field(field, values) => write!(f, "{field}: we read {values}"),
        }
    }
}

fn differences(ours: Reading, theirs: Reading) -> Vec<Difference> {
    match (ours, theirs) {
        (Err(_), Err(_)) => Vec::new(),
        (Err(why), Ok(_)) => vec![Difference::WeRefuse(why)],
        (Ok(_), Err(place)) => vec![Difference::TheyRefuse(place)],
        (Ok(a), Ok(b)) => {
            let missing = a.len().abs_diff(b.len());
            let pairs = a.into_iter().zip(b).filter(|(a, b)| a != b);
            let each =
                pairs.map(|((field, a), (_, b))| Difference::Field(field, format!("{a:?}, they {b:?}")));
            each.chain((missing > 0).then(|| Difference::Field("count".into(), missing.to_string())))
                .collect()
        }
    }
}

fn explains(row: &Row, difference: &Difference, text: &str) -> bool {
    match (row.what, difference) {
        (What::WeRefuse(part), Difference::WeRefuse(why)) => why.contains(part),
        (What::TheyRefuse(places, because), Difference::TheyRefuse(place)) => {
            places.contains(&place.as_str()) && because(text)
        }
        (What::Differs(field, because), Difference::Field(found, _)) => {
            (field.is_empty() || field == found) && because(text)
        }
        (What::WeRefuse(_) | What::TheyRefuse(..) | What::Differs(..), _) => false,
    }
}

/// The rows that explain the differences of one message.
fn explained(raw: &Bytes) -> Result<BTreeSet<usize>, String> {
    let text = String::from_utf8_lossy(raw);
    let mut used = BTreeSet::new();
    for difference in differences(ours(raw), theirs(raw)) {
        let rows = 0..TABLE.len();
        let fitting: Vec<usize> = rows.filter(|i| explains(&TABLE[*i], &difference, &text)).collect();
        if fitting.is_empty() {
            return Err(format!("{difference}\n{text}"));
        }
        used.extend(fitting);
    }
    Ok(used)
}

#[test]
fn every_disagreement_is_explained_and_every_explanation_needed() {
    let mut used = BTreeSet::new();
    let mut wrong = Vec::new();
    let cases = cases::all();
    for case in &cases {
        match explained(&case.raw) {
            Ok(rows) => used.extend(rows),
            Err(what) => wrong.push(format!("{} {:?}: {what}", case.place, case.value)),
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
    let unused: Vec<&Row> = (0..TABLE.len()).filter(|i| !used.contains(i)).map(|i| &TABLE[i]).collect();
    assert!(unused.is_empty(), "{unused:?}");
    assert!(TABLE.iter().all(|row| !row.why.is_empty()));
}

#[test]
fn two_values_at_once_are_explained_too() {
    let wrong: Vec<String> = cases::pairs().iter().filter_map(|raw| explained(raw).err()).collect();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
}

/// Where they are right and we are not, we are so on purpose, and these are all.
#[test]
fn we_are_lenient_in_one_point() {
    assert_eq!(TABLE.iter().filter(|row| row.right == Right::Theirs).count(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn generated_messages_too(raw in cases::generated()) {
        if let Err(what) = explained(&raw) {
            return Err(TestCaseError::fail(what));
        }
    }
}
