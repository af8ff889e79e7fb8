//! Measures our SIP parser, its limit and its peers in one run; `cargo xtask bench sip` calls it and prints the table.
//!
//! `bench-peers measure [rounds]` prints one JSON object. `bench-peers repeat limit|parse|typed <passes>` only parses, for
//! counting instructions; it prints how many messages a pass has.
//!
//! Every round runs a short batch of each contender in turn; the fastest batch of each counts. On a machine with other
//! work that is the nearest to what the code costs.

mod contenders;
mod corpus;
mod heap;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use bytes::Bytes;
use contenders::Contender;
use corpus::Sample;
use serde_json::{Value, json};

#[global_allocator]
static HEAP: heap::Counting = heap::Counting;

/// Passes over the corpus in one batch of a fast contender: some 100 µs.
const PASSES: u32 = 12;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<u32>().ok();
    match words[..] {
        ["measure"] => measure(300),
        ["measure", rounds] if number(rounds).is_some() => measure(number(rounds).unwrap_or(1)),
        ["repeat", what, passes] if number(passes).is_some() => {
            return repeat(what, number(passes).unwrap_or(0));
        }
        _ => {
            eprintln!("bench-peers measure [rounds] | repeat limit|parse|typed <passes>");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn ours() -> [Contender; 5] {
    [
        Contender { name: "limit", run: contenders::limit },
        Contender { name: "parse", run: contenders::parse },
        Contender { name: "typed", run: contenders::typed },
        Contender { name: "taken", run: contenders::taken },
        Contender { name: "message", run: contenders::message },
    ]
}

fn repeat(what: &str, passes: u32) -> ExitCode {
    let samples = corpus::samples();
    let Some(one) = ours().into_iter().find(|c| c.name == what) else { return ExitCode::from(2) };
    for _ in 0..passes {
        for sample in &samples {
            assert!((one.run)(&sample.raw), "{}: {}", one.name, sample.name);
        }
    }
    println!("{}", samples.len());
    ExitCode::SUCCESS
}

/// A contender on the messages that it can read.
struct Entry {
    group: &'static str,
    contender: Contender,
    messages: Vec<Bytes>,
    refused: Vec<&'static str>,
    best: Duration,
}

impl Entry {
    fn new(group: &'static str, contender: Contender, samples: &[Sample]) -> Self {
        let (mut messages, mut refused) = (Vec::new(), Vec::new());
        for sample in samples {
            if (contender.run)(&sample.raw) {
                messages.push(sample.raw.clone());
            } else {
                refused.push(sample.name);
            }
        }
        Self { group, contender, messages, refused, best: Duration::MAX }
    }

    fn batch(&mut self) {
        let started = Instant::now();
        for _ in 0..PASSES {
            for raw in &self.messages {
                black_box((self.contender.run)(black_box(raw)));
            }
        }
        self.best = self.best.min(started.elapsed());
    }

    fn report(&self) -> Value {
        let runs = f64::from(PASSES) * self.messages.len() as f64;
        let pass = || {
            for raw in &self.messages {
                black_box((self.contender.run)(raw));
            }
        };
        let allocations = heap::allocations(pass).1 as f64 / self.messages.len().max(1) as f64;
        json!({
            "group": self.group,
            "name": self.contender.name,
            "nanoseconds": self.best.as_nanos() as f64 / runs,
            "allocations": allocations,
            "refused": self.refused,
        })
    }
}

fn measure(rounds: u32) {
    let samples = corpus::samples();
    let mut entries: Vec<Entry> =
        ours().into_iter().map(|contender| Entry::new("ours", contender, &samples)).collect();
    for peer in contenders::peers() {
        entries.push(Entry::new("parse", peer.parse, &samples));
        let typed = Entry::new("typed", peer.typed, &samples);
        // Ours on the same messages: a peer that cannot read one of them is compared on the others.
        let mut same =
            Entry::new("same", Contender { name: typed.contender.name, run: contenders::typed }, &samples);
        same.messages.clone_from(&typed.messages);
        entries.extend([typed, same]);
    }
    for _ in 0..rounds {
        entries.iter_mut().for_each(Entry::batch);
    }
    let bytes: usize = samples.iter().map(|s| s.raw.len()).sum();
    let lines: usize = samples.iter().map(|s| header_lines(&s.raw)).sum();
    let mean = |sum: usize| sum as f64 / samples.len() as f64;
    let report = json!({
        "messages": samples.len(),
        "bytes": mean(bytes),
        "headers": mean(lines),
        "rounds": rounds,
        "entries": entries.iter().map(Entry::report).collect::<Vec<_>>(),
    });
    println!("{report}");
}

fn header_lines(raw: &[u8]) -> usize {
    let head = raw.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(raw.len());
    raw[..head].split(|b| *b == b'\n').filter(|line| !matches!(line.first(), Some(b' ' | b'\t'))).count() - 1
}
