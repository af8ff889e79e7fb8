//! A person taken apart, to be changed and put together in order.

use super::field;
use super::fields::Fields;
use super::packer::Packer;
use super::person::Person;
use super::word::Word;
use crate::info::State;

/// Fields with their values, each once but for lists.
#[derive(Debug, Clone, Default)]
pub(super) struct Values<'a>(Vec<(u8, &'a str)>);

impl<'a> Values<'a> {
    /// Adds a field; of one that is no list the last counts.
    fn set(&mut self, field: u8, value: &'a str) {
        match self.0.iter_mut().find(|(known, _)| *known == field && !field::is_list(field)) {
            Some((_, known)) => *known = value,
            None => self.0.push((field, value)),
        }
    }

    /// Takes over what another says; lists as a whole.
    fn take_over(&mut self, other: Self) {
        self.0
            .retain(|(known, _)| !field::is_list(*known) || other.0.iter().all(|(field, _)| field != known));
        other.0.into_iter().for_each(|(field, value)| self.set(field, value));
    }

    fn get(&self, wanted: u8) -> Option<&'a str> {
        self.0.iter().find_map(|(field, value)| (*field == wanted).then_some(*value))
    }

    fn write(mut self, packer: &mut Packer) {
        self.0.sort_by_key(|(field, _)| field::rank(*field));
        for (field, value) in self.0 {
            match field {
                field::ENDPOINT_URI => packer.put_uri(value.as_bytes()),
                field::EPID => packer.put_epid(value.as_bytes()),
                _ => packer.put(field, value.as_bytes()),
            }
        }
    }
}

/// A person taken apart, to be put together in order.
#[derive(Debug, Default)]
pub(super) struct Parts<'a> {
    pub(super) own: Values<'a>,
    pub(super) endpoints: Vec<EndpointParts<'a>>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct EndpointParts<'a> {
    own: Values<'a>,
    media: Vec<Values<'a>>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        let mut parts = Self::default();
        for (field, value) in Fields::of(text) {
            let endpoint = parts.endpoints.last_mut();
            if field::is_of_person(field) {
                parts.own.set(field, value);
            } else if field == field::ENDPOINT {
                let own = Values(vec![(field, value)]);
                parts.endpoints.push(EndpointParts { own, media: Vec::new() });
            } else if field == field::MEDIA {
                endpoint.into_iter().for_each(|endpoint| endpoint.media.push(Values(vec![(field, value)])));
            } else if field::rank(field) > field::MEDIA_RANK {
                let media = endpoint.and_then(|endpoint| endpoint.media.last_mut());
                media.into_iter().for_each(|media| media.set(field, value));
            } else {
                endpoint.into_iter().for_each(|endpoint| endpoint.own.set(field, value));
            }
        }
        parts
    }

    pub(super) fn merge(&mut self, partial: Self) {
        self.own.take_over(partial.own);
        for new in partial.endpoints {
            let key = |endpoint: &EndpointParts<'a>| {
                (endpoint.own.get(field::ENDPOINT), endpoint.own.get(field::SESSION_TYPE))
            };
            let at = self.endpoints.iter().position(|old| key(old) == key(&new));
            match (new.state(), at) {
                (State::Deleted, Some(at)) => drop(self.endpoints.remove(at)),
                (State::Deleted, None) => {}
                (State::Full, Some(at)) => self.endpoints[at] = new,
                (State::Partial, Some(at)) => self.endpoints[at].merge(new),
                (State::Full | State::Partial, None) => self.endpoints.push(new),
            }
        }
    }

    pub(super) fn person(self) -> Person {
        let mut packer = Packer::default();
        self.own.write(&mut packer);
        for mut endpoint in self.endpoints {
            endpoint.own.0.retain(|(field, _)| *field != field::ENDPOINT_STATE);
            endpoint.own.write(&mut packer);
            endpoint.media.into_iter().for_each(|media| media.write(&mut packer));
        }
        // Everything is in its order now, so that this ends here.
        debug_assert!(!packer.unordered, "written in order");
        packer.unordered = false;
        packer.finish()
    }
}

impl EndpointParts<'_> {
    fn state(&self) -> State {
        self.own.get(field::ENDPOINT_STATE).and_then(State::decode).unwrap_or_default()
    }
}

impl<'a> EndpointParts<'a> {
    pub(super) fn merge(&mut self, partial: Self) {
        self.own.take_over(partial.own);
        for new in partial.media {
            match self.media.iter_mut().find(|old| old.get(field::MEDIA) == new.get(field::MEDIA)) {
                Some(old) => *old = new,
                None => self.media.push(new),
            }
        }
    }
}
