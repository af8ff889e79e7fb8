//! Zones as text, and the loop that answers the questions of a search from one.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sip_core::resolve::{
    Answer, Cache, CacheConfig, DomainName, LocateError, Location, Naptr, Question, QuestionKind, Record,
    RecordData, Srv,
};

pub(crate) const TTL: Duration = Duration::from_secs(60);

/// What name servers know. `@` in the text stands for `example.test`; lines are `name KIND data`, with `-` for an empty text
/// and `.` for no name. `name KIND !fail` and `!silent` make a question fail; other words with `!` are for the name server of the
/// tests on sockets.
#[derive(Debug, Default)]
pub(crate) struct Zone {
    records: HashMap<Question, Vec<Record>>,
    names: Vec<DomainName>,
    faults: HashMap<Question, String>,
}

pub(crate) fn name(text: &str) -> DomainName {
    text.replace('@', "example.test").parse().unwrap_or_else(|_| panic!("no name: {text}"))
}

fn kind(text: &str) -> QuestionKind {
    match text {
        "NAPTR" => QuestionKind::Naptr,
        "SRV" => QuestionKind::Srv,
        "A" => QuestionKind::A,
        "AAAA" => QuestionKind::Aaaa,
        other => panic!("no kind: {other}"),
    }
}

pub(crate) fn question(text: &str) -> Question {
    let (asked, of) = text.split_once(' ').expect("kind and name");
    Question::new(name(of), kind(asked))
}

fn data(words: &[&str]) -> RecordData {
    let number = |at: usize| words[at].parse::<u16>().expect("a number");
    let or_none = |text: &str| (text != ".").then(|| name(text));
    let or_empty = |text: &str| if text == "-" { String::new() } else { text.to_owned() };
    match words[0] {
        "NAPTR" => RecordData::Naptr(Naptr {
            order: number(1),
            preference: number(2),
            flags: or_empty(words[3]),
            service: words[4].to_owned(),
            regexp: or_empty(words[5]),
            replacement: or_none(words[6]),
        }),
        "SRV" => RecordData::Srv(Srv {
            priority: number(1),
            weight: number(2),
            port: number(3),
            target: or_none(words[4]),
        }),
        "A" => RecordData::A(words[1].parse().expect("IPv4")),
        "AAAA" => RecordData::Aaaa(words[1].parse().expect("IPv6")),
        "CNAME" => RecordData::Alias(name(words[1])),
        other => panic!("no kind: {other}"),
    }
}

impl Zone {
    pub(crate) fn new(text: &str) -> Self {
        let mut zone = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let owner = name(words[0]);
            if words[2].starts_with('!') {
                zone.faults.insert(Question::new(owner, kind(words[1])), words[2].to_owned());
                continue;
            }
            let data = data(&words[1..]);
            zone.names.push(owner.clone());
            let kinds = match data.kind() {
                Some(kind) => vec![kind],
                None => vec![QuestionKind::Naptr, QuestionKind::Srv, QuestionKind::A, QuestionKind::Aaaa],
            };
            for kind in kinds {
                let record = Record { owner: owner.clone(), ttl: TTL, data: data.clone() };
                zone.records.entry(Question::new(owner.clone(), kind)).or_default().push(record);
            }
        }
        zone
    }

    /// What is wrong with the answer to a question.
    pub(crate) fn fault(&self, question: &Question) -> Option<&str> {
        self.faults.get(question).map(String::as_str)
    }

    pub(crate) fn answer(&self, question: &Question) -> Answer {
        match self.fault(question) {
            Some("!fail") => return Answer::Failed,
            Some("!silent") => return Answer::TimedOut,
            Some(_) | None => {}
        }
        match self.records.get(question) {
            Some(records) => Answer::Records(records.clone()),
            None if self.names.contains(&question.name) => Answer::NoData { ttl: TTL },
            None => Answer::NoSuchName { ttl: TTL },
        }
    }
}

/// What came of a search: the destinations, or the error, and the questions in their order.
pub(crate) struct Search {
    pub(crate) result: Result<Vec<String>, LocateError>,
    pub(crate) asked: Vec<String>,
}

impl Search {
    pub(crate) fn text(&self) -> String {
        match &self.result {
            Ok(all) => all.join(" "),
            Err(error) => format!("{error:?}"),
        }
    }
}

/// Answers every question at once, the newest first, so that no search may count on the order of answers.
pub(crate) fn run(location: Result<Location, LocateError>, zone: &Zone) -> Search {
    run_cached(location, zone, &mut Cache::new(CacheConfig::default()), Instant::now())
}

pub(crate) fn run_cached(
    location: Result<Location, LocateError>,
    zone: &Zone,
    cache: &mut Cache,
    now: Instant,
) -> Search {
    let mut asked = Vec::new();
    let mut location = match location {
        Ok(location) => location,
        Err(error) => return Search { result: Err(error), asked },
    };
    let mut open: Vec<Question> = Vec::new();
    let outcome = loop {
        while let Some(question) = location.poll_question(cache, now) {
            asked.push(question.to_string().replace("example.test", "@"));
            assert!(!open.contains(&question), "{question} asked twice at a time");
            open.push(question);
        }
        if let Some(outcome) = location.outcome() {
            break outcome;
        }
        let question = open.pop().expect("a search that is not over asks");
        location.handle_answer(&question, zone.answer(&question), cache, now);
    };
    let result = outcome.map(|all| all.iter().map(ToString::to_string).collect());
    Search { result, asked }
}
