//! Two macros for the vocabularies of the protocol: closed sets of words and open ones.
//!
//! Words are compared without regard to case on input and written in their one spelling.

/// A closed vocabulary: a `Copy` enum, `ALL`, `as_str`, `from_token`, `Display`, serde as the word.
macro_rules! tokens {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
        }

        impl $name {
            /// Every value, in the order of the declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The words, in the order of the values.
            pub const WORDS: &'static [&'static str] = &[$($text,)+];

            /// The word on the wire.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }

            /// The value of a word, compared without regard to case; `None` for an unknown one.
            #[must_use]
            pub fn from_token(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str().eq_ignore_ascii_case(word))
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Self::from_token(&word).ok_or_else(|| {
                    serde::de::Error::invalid_value(
                        serde::de::Unexpected::Str(&word),
                        &concat!("a word of ", stringify!($name)),
                    )
                })
            }
        }
    };
}

/// An open vocabulary: as [`tokens`], and `Other` keeps the text of a word that is not in the set.
///
/// Equality and hash go by the word without regard to case, so `Other("forbidden")` equals the known value.
macro_rules! open_tokens {
    ($(#[$meta:meta])* pub enum $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $text:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        pub enum $name {
            $($(#[$variant_meta])* $variant,)+
            /// A word that is not in the set, as it was written.
            Other(Box<str>),
        }

        impl $name {
            /// Every known value, in the order of the declaration.
            pub const KNOWN: &'static [Self] = &[$(Self::$variant,)+];

            /// The words, in the order of the values.
            pub const WORDS: &'static [&'static str] = &[$($text,)+];

            /// The word on the wire.
            #[must_use]
            pub fn as_str(&self) -> &str {
                match self {
                    $(Self::$variant => $text,)+
                    Self::Other(text) => text,
                }
            }

            /// The value of a word, compared without regard to case.
            #[must_use]
            pub fn from_token(word: &str) -> Self {
                $(
                    if word.eq_ignore_ascii_case($text) {
                        return Self::$variant;
                    }
                )+
                Self::Other(word.into())
            }

            /// Whether the word is one of the set.
            #[must_use]
            pub fn is_known(&self) -> bool {
                !matches!(Self::from_token(self.as_str()), Self::Other(_))
            }
        }

        impl PartialEq for $name {
            fn eq(&self, other: &Self) -> bool {
                self.as_str().eq_ignore_ascii_case(other.as_str())
            }
        }

        impl Eq for $name {}

        impl std::hash::Hash for $name {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                for byte in self.as_str().bytes() {
                    state.write_u8(byte.to_ascii_lowercase());
                }
                state.write_u8(0xff);
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
                Ok(Self::from_token(&word))
            }
        }
    };
}
