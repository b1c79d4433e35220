//! Finding credentials where they are written, and keeping them out of everything that is kept.
//!
//! [`find()`] and [`Redactor`] are pure. [`scan`] and [`host_key`] are the two shells of this layer: they read files, and nothing left of
//! the sensors asks them to but through what they return.

mod collect;
mod find;
mod format;
pub mod given;
pub mod host_key;
mod judge;
mod kind;
mod name;
mod redact;
pub mod scan;

pub use self::find::{Findings, Found, Limits, find};
pub use self::kind::Kind;
pub use self::redact::Redactor;
