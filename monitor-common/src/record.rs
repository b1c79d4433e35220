//! The head of every record, and the rings they travel in.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Size of the ring for everything but the gate: 8 MiB hold about 15,000 file opens, 0.3 s of the fastest `grep -r`
/// measured. A power of two of pages.
pub const EVENTS_BYTES: u32 = 8 << 20;

/// Size of the ring for TLS plaintext, kept apart so that noise cannot crowd out what is gated: a gated process stands
/// still until its write is judged, so this holds the largest writes ([`crate::tls::CHUNKS`]) of seven threads at once.
pub const PLAINTEXT_BYTES: u32 = 8 << 20;

/// Unread bytes in [`EVENTS_BYTES`] at which the reader is woken; below, its timer is soon enough. Waking for each
/// record costs a hundred times the record.
pub const WAKE_AT: u64 = 64 << 10;

/// What a record is; [`Header::kind`].
pub mod kind {
    /// Nothing: room that had been reserved and was not needed.
    pub const SKIP: u16 = 0;
    /// [`crate::process::Fork`]
    pub const FORK: u16 = 1;
    /// [`crate::process::Exec`]
    pub const EXEC: u16 = 2;
    /// [`crate::process::Exit`]
    pub const EXIT: u16 = 3;
    /// [`crate::file::Open`]
    pub const FILE: u16 = 4;
    /// [`crate::socket::Connect`]
    pub const CONNECT: u16 = 5;
    /// [`crate::socket::Hello`]
    pub const HELLO: u16 = 6;
    /// [`crate::socket::Closed`]
    pub const CLOSED: u16 = 7;
    /// [`crate::tls::Write`]
    pub const TLS: u16 = 8;
    /// Not a record: the place where children that could not be made members are counted.
    pub const MEMBER: u16 = 9;
    /// Not a record: the place where sockets whose owner could not be noted are counted.
    pub const SOCKET: u16 = 10;
    /// Names by kind, for people.
    pub const NAMES: [&str; 11] =
        ["skip", "fork", "exec", "exit", "file", "connect", "hello", "closed", "tls", "member", "socket"];
}

/// The head of every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Header {
    /// One of [`kind`].
    pub kind: u16,
    /// Flags of the kind.
    pub flags: u16,
    /// The thread.
    pub tid: u32,
    /// The thread group: what people call the process.
    pub tgid: u32,
    pub pad: u32,
    /// Nanoseconds since boot.
    pub time: u64,
    /// The session.
    pub session: u64,
    /// The process for good; see [`crate::session::process_id`].
    pub process: u64,
}

/// Key of the map of losses.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct LossKey {
    pub session: u64,
    /// One of [`kind`].
    pub kind: u32,
    pub pad: u32,
}

crate::wire_size!(Header = 40, LossKey = 16);

#[cfg(feature = "user")]
#[allow(unsafe_code, reason = "aya's marker for map keys and values")]
// SAFETY: plain data without padding or invalid bit patterns, as its zerocopy derives prove.
unsafe impl aya::Pod for LossKey {}
