//! The capture file of one session: lines of JSON in zstd frames, chained by BLAKE3.
//!
//! `zstdcat FILE | jq` reads it; docs/capture-format.md says what every byte is. A frame becomes part of the file in one
//! write together with the [`chain`] record that vouches for it and for all frames before it, so a file cut anywhere
//! is readable up to its last whole frame, and a file changed anywhere is readable up to the frame before the change.
//! When in doubt, a reader stops: nothing is handed out that the chain does not vouch for.
//!
//! The framing is written by hand because no crate joins a hash chain with frames that a plain `zstdcat` still reads;
//! compression and hashing are the `zstd` and `blake3` crates'.

mod chain;
mod frames;
mod line;
mod reader;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

pub use self::line::{End, FORMAT, Header, Line, LineRef, PolicySource};
pub use self::reader::{ReadError, Reader, read_end};
pub use self::verify::{State, Verification, verify};
pub use self::writer::{WriteError, Writer};

/// Ending of capture file names.
pub const EXTENSION: &str = "hfc";

/// Longest line, its newline included. Four times the longest event the sensors can make (arguments at their limit,
/// every byte escaped), so that only a damaged or hostile file is over it.
pub const LINE_LIMIT: usize = 1 << 20;

/// Largest frame after decompression. A writer's frames hold at most [`PENDING_LIMIT`]; what is over this is a
/// decompression bomb.
pub const FRAME_LIMIT: usize = 16 << 20;

/// A frame is cut when its lines reach this size: large enough to compress well, small enough that a crash between two
/// flushes loses little.
pub const FRAME_SIZE: usize = 256 << 10;

/// Lines kept in memory while the disk refuses them. Beyond it lines are dropped and counted, since the monitor must
/// not grow with the length of an outage.
pub const PENDING_LIMIT: usize = 4 << 20;
