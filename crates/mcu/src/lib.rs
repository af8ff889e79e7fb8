//! Client side of one modality of a conference: the McuSession, its call and its commands.
//!
//! - [`session`]: the McuSession machine (rows M1-M8): what the Focus says about one MCU, and the state of our call to
//!   it. Without I/O, clock or lock: it is told what happened and answers with [`Output`]s.
//! - [`im`]: the call to the IM MCU: messages and typing in a dialog that heals by itself.
//! - [`channel`]: the way of an McuSession's commands to the Focus, and these commands.
//! - [`edge`]: numbered transitions as types, shared with the ConferenceSession of crate `conference`.
//!
//! Not here: the roster of the conference and the ConferenceSession (crate `conference`), documents (crate `c3p`).

pub mod channel;
pub mod edge;
pub mod im;
pub mod session;

pub use channel::FocusChannel;
pub use session::{
    Admission, CallCause, CallChange, CallState, EndReason, McuReport, McuSession, McuSessionState,
    McuTransition, Output, QueueTicket, Refused,
};
