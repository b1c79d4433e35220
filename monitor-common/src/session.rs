//! Membership: which processes belong to which session.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Processes that can be members at one time, over all sessions. A child beyond that is counted as lost
/// ([`crate::record::kind::MEMBER`]) and the session says so.
pub const MEMBERS: u32 = 65_536;

/// [`Member::flags`]: TLS writes wait for a verdict.
pub const ARMED: u32 = 1;

/// [`Member::flags`]: no member itself, but the children it makes are. Set on `holdfire run` while it starts the command.
pub const LAUNCHER: u32 = 2;

/// A member process, under its thread-group id.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Member {
    /// The session.
    pub session: u64,
    /// The process for good, from [`process_id`].
    pub process: u64,
    /// [`ARMED`], [`LAUNCHER`].
    pub flags: u32,
    pub pad: u32,
}

/// Names a process for good: process ids are reused, this is not. The id takes the upper 22 bits (the kernel's limit),
/// the start in units of 1,024 ns the lower 42, which wrap after 52 days: the same id would have to be reused in the
/// very same microsecond of another such period.
#[inline(always)]
pub const fn process_id(tgid: u32, start_boottime: u64) -> u64 {
    ((tgid as u64) << 42) | ((start_boottime >> 10) & ((1 << 42) - 1))
}

crate::wire_size!(Member = 24);

#[cfg(feature = "user")]
#[allow(unsafe_code, reason = "aya's marker for map keys and values")]
// SAFETY: plain data without padding or invalid bit patterns, as its zerocopy derives prove.
unsafe impl aya::Pod for Member {}
