//! Carrying a verdict out: which sockets it concerns, what is waiting for a human, who may decide.

mod destroy;
mod holds;
mod sockets;

pub use self::destroy::{Destroyed, destroy};
pub use self::holds::{Hold, Holds, NotDecided};
pub use self::sockets::{Descriptor, abort, nudge, open_sockets};
