//! The roster: who is in the conference, as the Focus tells it.

mod snapshot;

pub use snapshot::{Difference, Participant, PropertyChange, PropertyName, PropertyValue, RosterSnapshot};
