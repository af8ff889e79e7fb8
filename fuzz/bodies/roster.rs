//! Documents of a conference, one after the other, a NUL between them, read and merged in two ways: the roster says the same
//! as the plain documents, its differences make the next roster of the one before, and what it writes is itself.

use c3p::info::{ConferenceInfo, State, Users};
use c3p::roster::{Applied, Differences, Person, Roster, RosterDocument};
use c3p::{Limits, change};

/// Documents of one input; more only repeat what fewer show.
const DOCUMENTS: usize = 4;

/// What a roster keeps of a document: people as they hold it, in order.
fn comparable(mut info: ConferenceInfo) -> ConferenceInfo {
    let mut users = info.users.take().map(|users| users.users).unwrap_or_default();
    users.sort_by(|one, other| one.entity.cmp(&other.entity));
    info.users = Some(Users::full(users.iter().map(|user| Person::from(user).to_user()).collect()));
    info
}

/// Whether a stream stands twice in one endpoint, which means nothing.
fn repeats_itself(info: &ConferenceInfo) -> bool {
    let users = info.users.iter().flat_map(|users| &users.users);
    users.flat_map(|user| &user.endpoints).any(|endpoint| {
        let mut ids: Vec<&str> = endpoint.media.iter().map(|media| media.id.as_str()).collect();
        ids.sort_unstable();
        ids.windows(2).any(|pair| pair[0] == pair[1])
    })
}

/// A document as somebody else reads it; what was kept of the unknown may take a little more there.
fn read_again(written: &[u8]) -> RosterDocument {
    let limits = Limits::default();
    let room = limits.with_bytes(4 * limits.bytes).with_unknown_bytes(4 * limits.unknown_bytes);
    RosterDocument::parse(written, &room).unwrap_or_else(|error| panic!("written here: {error}"))
}

/// Documents, each between NULs.
pub(crate) fn run(data: &[u8]) {
    let limits = Limits::default();
    let mut plain =
        ConferenceInfo { version: Some(0), ..ConferenceInfo::new("sip:a@b;gruu;opaque=app:conf:focus:id:1") };
    let Applied::Changed(mut roster, _) = Roster::default().apply(&plain.clone().into(), true) else {
        panic!("a full document");
    };
    for bytes in data.split(|byte| *byte == 0).take(DOCUMENTS) {
        let people = RosterDocument::parse(bytes, &limits);
        let mut document = match ConferenceInfo::parse(bytes, &limits) {
            Ok(document) => document,
            // The roster's reader forgives faults where a person holds nothing; what it found can be applied all the same.
            Err(_) => {
                if let Ok(people) = people
                    && let Applied::Changed(found, _) = Roster::default().apply(&people, true)
                {
                    let _ = read_again(&found.write());
                }
                continue;
            }
        };
        assert_eq!(people, Ok(document.clone().into()));
        if repeats_itself(&document) {
            continue;
        }
        document.version = plain.version.map(|number| number + 1);
        let people = RosterDocument::from(document.clone());
        let (next, differences) = match roster.apply(&people, false) {
            Applied::Changed(next, differences) => (next, differences),
            Applied::Over => {
                assert_eq!(document.state, State::Deleted);
                return;
            }
            other => panic!("the next document: {other:?}"),
        };
        change::apply(&mut plain, &document);
        assert_eq!(comparable(next.to_info()), comparable(plain.clone()));
        assert!(Differences::between(&next, &next).is_empty());

        let partial = read_again(&differences.write(&next));
        let Applied::Changed(retold, again) = roster.apply(&partial, false) else { panic!("a partial one") };
        assert_eq!(again.people, differences.people);
        assert!(Differences::between(&retold, &next).people.is_empty());

        let full = read_again(&next.write());
        let Applied::Changed(same, _) = Roster::default().apply(&full, true) else { panic!("a full one") };
        assert_eq!(same.to_info(), ConferenceInfo { state: State::Full, ..next.to_info() });
        roster = next;
    }
}
