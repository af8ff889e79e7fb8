//! Conferences that keep their meetings through failures: the facade library.
//!
//! One dependency with everything an application needs: an [`Endpoint`], its [`Conference`]s, their [`Event`]s, and the
//! vocabulary of the session. The crates behind it can be used one by one: [`conference`] (the session), [`mcu`] (one
//! modality), [`c3p`] (the documents).
//!
//! The `reconvene` command is built from the same crate; `reconvene demo` shows all of it.
//!
//! # Examples
//!
//! ```no_run
//! use reconvene::{Endpoint, EndpointConfig, Event, JoinOptions, McuType, McuSessionState};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let config = EndpointConfig::new("sip:bob@example.com".parse()?)
//!     .with_display_name("Bob")
//!     .with_server("tcp:127.0.0.1:5060".parse()?);
//! let endpoint = Endpoint::start(config).await?;
//! let conference = endpoint.conference();
//! let mut events = conference.events();
//! conference.join("sip:alice@example.com;gruu;opaque=app:conf:focus:id:7Q4W2ZK9", JoinOptions::default()).await?;
//! conference.call(McuType::Im).await?;
//! conference.say("hello").await?;
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::State(change) => println!("{} {} -> {}", change.transition, change.from, change.to),
//!         Event::McuState { mcu: McuType::Im, to: McuSessionState::Active, .. } => println!("IM is back"),
//!         Event::Message { from, text, .. } => println!("{from}: {text}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```

#![forbid(unsafe_code)]

pub use c3p;
pub use c3p::McuType;
pub use conference;
pub use conference::event::{AttendanceChange, Event, StateChange};
pub use conference::roster::{Participant, RosterSnapshot};
pub use conference::session::{
    Cause, OperationError, OperationId, OperationName, OperationValue, RecoveryReport, SessionState, Status,
    TransitionId,
};
pub use conference::{
    Conference, Endpoint, EndpointConfig, Events, JoinOptions, Operation, ScheduleOptions, Scheduled,
    StartError,
};
pub use mcu;
pub use mcu::{CallState, McuSessionState, McuTransition};
