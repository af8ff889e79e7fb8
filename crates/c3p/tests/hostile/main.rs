//! Hostile XML: a table of documents that are made to hurt. Each is an error of its kind or the right model, and none
//! costs more memory than is stated here.
//!
//! A binary of its own, because it counts what is allocated.

mod cases;

use std::sync::{Mutex, PoisonError};

use c3p::command::Document;
use c3p::im::{Imdn, IsComposing, KeyboardActivity};
use c3p::info::ConferenceInfo;
use c3p::invite::ConferenceInvite;
use c3p::message::MessageBody;
use c3p::provisioning::{Provisioning, ProvisioningRequest};
use c3p::{DocumentError, Limits, mime};
use cases::{Case, Expected};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// One test at a time: the counter is one for all.
static ALONE: Mutex<()> = Mutex::new(());

/// What reading may cost beside what stands in proportion to the document.
const BASE_BYTES: usize = 64 * 1024;
/// How many times its own size a document may cost at most while it is read and kept: the worst is a list of entries
/// that are as short as XML allows, each a value with all its parts absent.
const TIMES_MAX: usize = 96;
/// What any document within the default limits costs at most.
const DEFAULT_LIMITS_BYTES: usize = 160 * 1024 * 1024;

/// The most memory that is in use while something is done, over what was in use before.
fn peak<T>(act: impl FnOnce() -> T) -> (T, usize) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let result = act();
    (result, MEMORY.peak_usage().saturating_sub(before))
}

fn bound(body: &[u8]) -> usize {
    BASE_BYTES + body.len().saturating_mul(TIMES_MAX).min(DEFAULT_LIMITS_BYTES)
}

/// Reads a body as everything that there is.
fn read_all(body: &[u8], limits: &Limits) {
    let _ = Document::parse(body, limits);
    let _ = ConferenceInfo::parse(body, limits);
    let _ = Imdn::parse(body, limits);
    let _ = IsComposing::parse(body, limits);
    let _ = KeyboardActivity::parse(body, limits);
    let _ = ConferenceInvite::parse(body, limits);
    let _ = Provisioning::parse(body, limits);
    let _ = ProvisioningRequest::parse(body, limits);
    let _ = MessageBody::parse(mime::TEXT_PLAIN, body, limits);
    let _ = MessageBody::parse("multipart/alternative; boundary=b", body, limits);
}

fn check(case: &Case) {
    let Case { name, body, limits, expected } = case;
    let (found, cost): (Result<ConferenceInfo, DocumentError>, usize) =
        peak(|| ConferenceInfo::parse(body, limits));
    match (expected, &found) {
        (Expected::Error(kind), Err(error)) => {
            assert_eq!(error.kind, *kind, "{name}: {error}");
            assert!(error.offset <= body.len(), "{name}: {error}");
        }
        (Expected::Model(check), Ok(info)) => {
            assert!(check(info), "{name}: {info:?}");
            // What was read survives being written, however odd it was.
            let room = limits.with_bytes(2 * limits.bytes);
            let again = ConferenceInfo::parse(&info.write(), &room);
            assert_eq!(again.as_ref(), Ok(info), "{name}");
        }
        (Expected::Error(kind), Ok(_)) => panic!("{name}: read, and should be {kind:?}"),
        (Expected::Model(_), Err(error)) => panic!("{name}: {error}"),
    }
    assert!(cost <= bound(body), "{name}: {cost} bytes for {} bytes", body.len());
    let ((), cost) = peak(|| read_all(body, limits));
    assert!(cost <= bound(body), "{name}, all readers: {cost} bytes for {} bytes", body.len());
}

/// Sixty and more cases; each is an error of its kind or the right model, and stays under the bound.
#[test]
fn hostile_documents_are_answered_and_cost_little() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cases = cases::all();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    for case in &cases {
        check(case);
    }
}

/// A quarter of what the default limits allow costs at most a quarter: documents of the shortest entries of each list.
#[test]
fn default_limits_bound_memory() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let whole = Limits::default();
    let quarter = whole
        .with_bytes(whole.bytes / 4)
        .with_endpoints(whole.endpoints / 4)
        .with_entries(whole.entries / 4)
        .with_unknown_bytes(whole.unknown_bytes / 4);
    let mut worst = (0, "");
    for (name, body) in cases::dense(quarter.bytes) {
        let (_, cost) = peak(|| ConferenceInfo::parse(&body, &quarter));
        worst = worst.max((cost, name));
        assert!(cost <= DEFAULT_LIMITS_BYTES / 4, "{name}: {cost} bytes");
    }
    println!("the worst costs {} KiB: {}", worst.0 / 1024, worst.1);
}

/// Truncated at every byte, and with every byte replaced by one that matters: never a panic, never a different conference.
#[test]
fn cut_and_changed_documents_are_answered() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let body = cases::REAL.as_bytes();
    let limits = Limits::default();
    let whole = ConferenceInfo::parse(body, &limits).expect("the document is whole");
    for end in 0..body.len() {
        let (found, cost) = peak(|| ConferenceInfo::parse(&body[..end], &limits));
        assert!(found.is_err() || body[end..].iter().all(u8::is_ascii_whitespace), "{end}");
        assert!(cost <= bound(body), "{end}: {cost} bytes");
    }
    for at in 0..body.len() {
        for byte in [0, b'<', b'>', b'&', b'"', b':', b' ', 0xff] {
            let mut changed = body.to_vec();
            changed[at] = byte;
            let (found, cost) = peak(|| ConferenceInfo::parse(&changed, &limits));
            assert!(cost <= bound(body), "{at}: {cost} bytes");
            if let Ok(info) = found {
                assert!(info.users().count() <= whole.users().count() + 1, "{at} {byte}");
            }
        }
    }
}
