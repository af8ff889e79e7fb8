//! The front end: one process that hosts the Focus of many conferences.

mod core;

pub use self::core::FrontEndCore;
