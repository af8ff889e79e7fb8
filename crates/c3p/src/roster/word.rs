//! Words of vocabularies as fields: the place of a known one as one character, another one behind `=`.

use crate::info::{
    AccessMethod, AuthMethod, DisconnectionMethod, EndpointStatus, Filter, JoiningMethod, MediaStatus, Role,
    SessionType, State,
};

/// A word of a vocabulary as a field: the place of a known one as one character, another one behind `=`.
pub(super) trait Word: Sized + Clone + 'static {
    /// The words that are known, in their order.
    const WORDS: &'static [&'static str];
    /// Their values.
    const KNOWN: &'static [Self];

    /// The word of a value.
    fn word(&self) -> &str;

    /// Whether other words are values, too.
    const IS_OPEN: bool;

    /// The value of a word that is not known, if the vocabulary is an open one.
    fn other(word: &str) -> Option<Self>;

    /// The value of a field.
    fn decode(value: &str) -> Option<Self> {
        match value.as_bytes() {
            [b'=', ..] => Self::other(&value[1..]),
            [code] => Self::KNOWN.get(usize::from(code.checked_sub(FIRST_CODE)?)).cloned(),
            _ => None,
        }
    }
}

/// The character of the first word of a vocabulary.
pub(super) const FIRST_CODE: u8 = b'A';

macro_rules! words {
    (closed: $($closed:ty),+; open: $($open:ty),+) => {
        $(impl Word for $closed {
            const WORDS: &'static [&'static str] = Self::WORDS;
            const KNOWN: &'static [Self] = Self::ALL;
            const IS_OPEN: bool = false;
            fn word(&self) -> &str { self.as_str() }
            fn other(_: &str) -> Option<Self> { None }
        })+
        $(impl Word for $open {
            const WORDS: &'static [&'static str] = Self::WORDS;
            const KNOWN: &'static [Self] = Self::KNOWN;
            const IS_OPEN: bool = true;
            fn word(&self) -> &str { self.as_str() }
            fn other(word: &str) -> Option<Self> { Some(Self::Other(word.into())) }
        })+
    };
}

words! {
    closed: State, EndpointStatus, JoiningMethod, DisconnectionMethod, MediaStatus, Filter, AccessMethod, AuthMethod;
    open: Role, SessionType
}
