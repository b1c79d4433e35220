//! Keeps sessions: one capture file each, and the folder they lie in.
//!
//! The capture file ([`capture`], docs/capture-format.md) is the truth. There is no SQLite index yet: a capture tells
//! its beginning from its first frames and its end from its last one, so a listing reads a few kilobytes per session,
//! and an index would only be a second thing that can be wrong until somebody keeps thousands of sessions or searches
//! across them.

pub mod capture;
mod folder;
mod overview;
mod session_id;
mod summary;
#[cfg(test)]
pub(crate) mod testing;

pub use self::folder::{FindError, Folder};
pub use self::overview::{Coverage, Overview};
pub use self::session_id::new_session_id;
pub use self::summary::{Ending, Summary};
