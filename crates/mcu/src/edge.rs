//! Numbered transitions as types: the table of a machine is data, and each of its rows is a type.
//!
//! The macro [`edges!`](crate::edges) is used by the McuSession here and by the ConferenceSession (crate
//! `conference`). A state can only be left by an edge whose row starts in it, because the one function that changes
//! states asks for `Edge<From>`; a row that no code crosses is a `never constructed` warning.
//!
//! Not here: what is done on the way (each state's module), and the public table (the CSV beside the specification).

use std::fmt;

/// One row of the table of transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The number, e.g. `T6a`.
    pub id: &'static str,
    /// The machine, `ConferenceSession` or `McuSession`.
    pub machine: &'static str,
    /// The states in which the row starts; more than one means "from any of these".
    pub from: &'static [&'static str],
    /// The state in which it ends.
    pub to: &'static str,
    /// What makes it happen.
    pub trigger: &'static str,
}

impl Row {
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        id: &'static str,
        machine: &'static str,
        from: &'static [&'static str],
        to: &'static str,
        trigger: &'static str,
    ) -> Self {
        Self { id, machine, from, to, trigger }
    }
}

impl fmt::Display for Row {
    /// The row as in the CSV, without its last column.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{},{},{},{},{}", self.id, self.machine, self.from.join("|"), self.to, self.trigger)
    }
}

/// Declares the numbered transitions of one machine.
///
/// Makes the enum of numbers with `ALL`, `as_str` and `row`; and per row a unit struct that implements the module's
/// trait `Edge<From>` once for each state in which the row starts.
#[doc(hidden)]
#[macro_export]
macro_rules! edges {
    (
        $(#[$meta:meta])*
        pub enum $name:ident of $machine:literal {
            $($id:ident: $($from:ident)|+ => $to:ident, $trigger:literal;)+
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = $trigger] $id,)+
        }

        impl $name {
            /// Every row, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$id,)+];

            /// The number as written in logs, events and tests.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                self.row().id
            }

            /// The row of the table.
            #[must_use]
            pub const fn row(self) -> &'static $crate::edge::Row {
                match self {
                    $(Self::$id => const {
                        &$crate::edge::Row::new(
                            stringify!($id),
                            $machine,
                            &[$(stringify!($from)),+],
                            stringify!($to),
                            $trigger,
                        )
                    },)+
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        /// A way out of the state `From`; the only ones are the rows of the table.
        pub(super) trait Edge<From> {
            /// Where it ends.
            type To;
            /// Its number.
            const ID: $name;
        }

        $(
            #[doc = $trigger]
            pub(super) struct $id;
            $(impl Edge<$from> for $id {
                type To = $to;
                const ID: $name = $name::$id;
            })+
        )+
    };
}
