//! Conferences that keep their meetings through failures: the facade library.
//!
//! One dependency with everything an application needs: an [`Endpoint`], its [`Conference`]s, their [`Event`]s, and the
//! vocabulary of the session; [`lookup`] finds servers by name. The crates behind it can be used one by one: [`conference`] (the session), [`mcu`] (one
//! modality), [`c3p`] (the documents).
//!
//! The `reconvene` command is built from the same crate; `reconvene demo` shows all of it.
//!
//! # Examples
//!
//! A pool in this process (hidden here: `reconvene pool` runs one), one participant, one message:
//!
//! ```
//! use reconvene::{Endpoint, EndpointConfig, Event, JoinOptions, McuType};
//!
//! # use std::sync::Arc;
//! # use focus::{config::FrontEndConfig, mcu::McuConfig, node, report::NodeReport, store::MemoryStore};
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! # let store = Arc::new(MemoryStore::new());
//! # let (reports, mut told) = tokio::sync::mpsc::channel(64);
//! # let im = McuConfig::new("im1", McuType::Im, vec!["tcp:127.0.0.1:0".parse()?]);
//! # tokio::spawn(node::run_mcu(im, store.clone(), reports, std::future::pending()));
//! # assert!(matches!(told.recv().await, Some(NodeReport::Ready { .. })));
//! # let (reports, mut told) = tokio::sync::mpsc::channel(64);
//! # let fe = FrontEndConfig::new("fe1", vec!["tcp:127.0.0.1:0".parse()?]).with_mcu_types(vec!["chat".into()]);
//! # tokio::spawn(node::run_front_end(fe, store, reports, std::future::pending()));
//! # let Some(NodeReport::Ready { listen }) = told.recv().await else { panic!("it listens") };
//! # let server = listen[0].to_string();
//! let config = EndpointConfig::new("sip:bob@example.com".parse()?)
//!     .with_display_name("Bob")
//!     .with_server(server.parse()?);
//! let endpoint = Endpoint::start(config).await?;
//! let conference = endpoint.conference();
//! let mut events = conference.events();
//! conference.join_new(Default::default(), JoinOptions::default()).await?;
//! conference.call(McuType::Im).await?;
//! conference.say("hello").await?;
//! conference.leave().await?;
//! while let Some(event) = events.next().await {
//!     if let Event::State(change) = event {
//!         println!("{} {} -> {} ({})", change.transition, change.from, change.to, change.cause);
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

#![forbid(unsafe_code)]

pub mod lookup;

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
    Conference, Endpoint, EndpointConfig, Events, JoinOptions, Lookup, LookupError, Operation,
    ScheduleOptions, Scheduled, StartError,
};
pub use mcu;
pub use mcu::{CallState, McuSessionState, McuTransition};
