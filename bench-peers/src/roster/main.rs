//! Measures our roster beside its limit and beside quick-xml in one run; `cargo xtask bench roster` calls it and prints the
//! table.
//!
//! `roster-peers measure` prints one JSON object. `roster-peers repeat limit|read|write|partial <users> <passes>` only works,
//! for counting instructions.
//!
//! Every round runs each contender in turn; the fastest run of each counts. What a run made is let go after its time was
//! taken, for all alike.

mod corpus;
#[path = "../heap.rs"]
mod heap;
mod model;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use c3p::roster::{Applied, Differences, Roster, RosterDocument};
use quick_xml::events::Event;
use serde_json::{Value, json};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// Conferences that are measured, in users, with how often.
const SIZES: [(u32, u32); 5] = [(10, 2_000), (100, 400), (1_000, 120), (10_000, 16), (100_000, 7)];
/// How often small things are measured.
const SMALL_ROUNDS: u32 = 4_000;
/// Who is told of one change.
const WATCHERS: usize = 10_000;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["measure"] => measure(),
        ["repeat", what, users, passes] => match (users.parse(), passes.parse()) {
            (Ok(users), Ok(passes)) => return repeat(what, users, passes),
            _ => return ExitCode::from(2),
        },
        _ => {
            eprintln!("roster-peers measure | repeat limit|read|write|partial <users> <passes>");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

/// Above what the largest document needs; the other limits stay as they are.
fn limits() -> c3p::Limits {
    c3p::Limits::default().with_bytes(1 << 30).with_endpoints(1_000_000).with_entries(10_000_000)
}

/// The least that has to be done: find where markup begins and ends.
fn limit(text: &str) -> usize {
    memchr::memchr2_iter(b'<', b'>', text.as_bytes()).count()
}

fn events(text: &str) -> usize {
    let mut reader = quick_xml::Reader::from_str(text);
    let mut count = 0;
    while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {
        count += 1;
    }
    count
}

fn events_with_namespaces(text: &str) -> usize {
    let mut reader = quick_xml::NsReader::from_str(text);
    let mut count = 0;
    while !matches!(reader.read_event(), Ok(Event::Eof) | Err(_)) {
        count += 1;
    }
    count
}

fn read(text: &str) -> RosterDocument {
    RosterDocument::parse(text.as_bytes(), &limits()).expect("the corpus is a document")
}

fn applied(roster: &Roster, document: &RosterDocument, fresh: bool) -> (Roster, Differences) {
    match roster.apply(document, fresh) {
        Applied::Changed(roster, differences) => (roster, differences),
        other => panic!("the next document: {other:?}"),
    }
}

/// What is measured, by its name in the report.
struct Entry<'a> {
    name: &'static str,
    users: u32,
    best: Duration,
    allocations: u64,
    /// Runs once; the time without the letting go, and the allocations.
    run: Box<dyn Fn() -> (Duration, u64) + 'a>,
}

impl<'a> Entry<'a> {
    fn new<T>(name: &'static str, users: u32, run: impl Fn() -> T + 'a) -> Self {
        let run = Box::new(move || {
            let started = Instant::now();
            let (made, allocations) = heap::allocations(|| black_box(run()));
            let time = started.elapsed();
            drop(made);
            (time, allocations)
        });
        Self { name, users, best: Duration::MAX, allocations: 0, run }
    }

    fn once(&mut self) {
        let (time, allocations) = (self.run)();
        self.best = self.best.min(time);
        self.allocations = allocations;
    }

    fn report(&self) -> Value {
        json!({
            "name": self.name,
            "users": self.users,
            "microseconds": self.best.as_nanos() as f64 / 1e3,
            "allocations": self.allocations,
        })
    }
}

fn alternate(entries: &mut [Entry<'_>], rounds: u32) {
    for _ in 0..rounds {
        entries.iter_mut().for_each(Entry::once);
    }
}

fn measure() {
    let mut reported: Vec<Value> = Vec::new();
    let mut bytes_per_user = 0.0;
    let mut kept_per_user = Vec::new();
    let mut partial_bytes = 0;
    for (users, rounds) in SIZES {
        let text = corpus::full(users);
        bytes_per_user = text.len() as f64 / f64::from(users);
        let (roster, kept) = heap::kept(|| applied(&Roster::default(), &read(&text), true).0);
        assert_eq!(roster.len(), users as usize);
        kept_per_user.push(json!({ "users": users, "bytes": kept as f64 / f64::from(users) }));
        let document = read(&text);
        let mut entries = vec![
            Entry::new("limit", users, || limit(&text)),
            Entry::new("read", users, || read(&text)),
            Entry::new("limit", users, || limit(&text)),
            Entry::new("read", users, || read(&text)),
            Entry::new("apply full", users, || applied(&Roster::default(), &document, true)),
            Entry::new("write full", users, || roster.write()),
            Entry::new("copy", users, || text.as_bytes().to_vec()),
            Entry::new("quick-xml events", users, || events(&text)),
            Entry::new("quick-xml events, namespaces", users, || events_with_namespaces(&text)),
            Entry::new("quick-xml model", users, || model::by_hand(&text).expect("a document")),
            Entry::new("quick-xml serde", users, || model::with_serde(&text).expect("a document")),
        ];
        alternate(&mut entries, rounds);
        // The two that are divided by each other run twice a round; the better run counts.
        let (first, rest) = entries.split_at_mut(2);
        for one in first {
            let again = rest.iter().find(|other| other.name == one.name).map_or(one.best, |other| other.best);
            one.best = one.best.min(again);
        }
        entries.drain(2..4);
        reported.extend(entries.iter().map(Entry::report));
        drop(entries);

        let text = corpus::partial(users / 2, 19);
        partial_bytes = text.len();
        let document = read(&text);
        let (next, differences) = applied(&roster, &document, false);
        assert_eq!(differences.people.len(), 1);
        let tell = || -> Vec<Bytes> {
            let written = differences.write(&next);
            (0..WATCHERS).map(|_| written.clone()).collect()
        };
        let mut entries = vec![
            Entry::new("partial limit", users, || limit(&text)),
            Entry::new("partial read", users, || read(&text)),
            Entry::new("partial apply", users, || applied(&roster, &document, false)),
            Entry::new("partial write", users, || differences.write(&next)),
            Entry::new("partial for 10,000", users, tell),
            Entry::new("partial quick-xml events", users, || events_with_namespaces(&text)),
            Entry::new("partial quick-xml model", users, || model::by_hand(&text).expect("a document")),
            Entry::new("partial quick-xml serde", users, || model::with_serde(&text).expect("a document")),
        ];
        alternate(&mut entries, SMALL_ROUNDS);
        reported.extend(entries.iter().map(Entry::report));
    }
    let report = json!({
        "bytes_per_user": bytes_per_user,
        "partial_bytes": partial_bytes,
        "kept_per_user": kept_per_user,
        "entries": reported,
    });
    println!("{report}");
}

fn repeat(what: &str, users: u32, passes: u32) -> ExitCode {
    let text = if what == "partial" { corpus::partial(users / 2, 19) } else { corpus::full(users) };
    let roster = applied(&Roster::default(), &read(&corpus::full(users)), true).0;
    for _ in 0..passes {
        match what {
            "limit" => drop(black_box(limit(&text))),
            "read" | "partial" => drop(black_box(read(&text))),
            "write" => drop(black_box(roster.write())),
            _ => return ExitCode::from(2),
        }
    }
    println!("{users}");
    ExitCode::SUCCESS
}
