//! The protocol of the gate between the halves.
//!
//! At a TLS write of an armed session the kernel half counts the write in [`Gate::begun`], stops the process and hands
//! the plaintext over. While `begun` is ahead of [`Release::judged`], no packet with a payload leaves any socket of the
//! process. User space judges the writes in order and moves `judged` forward; each side writes only its own map, so
//! that neither can undo what the other has done in the same instant. What outlasts a verdict (a hold, a denial) is
//! kept on the sockets: [`crate::socket::Socket::state`].

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Processes with gated writes at one time. Where there is no room, the write is counted as lost and the process killed:
/// a write that cannot be held must not pass.
pub const GATES: u32 = 16_384;

/// What the kernel half knows of a process's gated writes, under its process id for good.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Gate {
    /// Writes begun.
    pub begun: u64,
    /// Writes whose last record did not fit into the ring: user space will never hear of them otherwise.
    pub lost: u64,
    pub session: u64,
    pub tgid: u32,
    pub pad: u32,
}

/// What user space has judged, under the process id for good.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Release {
    /// Writes judged; packets pass when it equals [`Gate::begun`].
    pub judged: u64,
}

crate::wire_size!(Gate = 32, Release = 8);

#[cfg(feature = "user")]
#[allow(unsafe_code, reason = "aya's marker for map keys and values")]
// SAFETY: plain data without padding or invalid bit patterns, as its zerocopy derives prove.
unsafe impl aya::Pod for Gate {}
#[cfg(feature = "user")]
#[allow(unsafe_code, reason = "aya's marker for map keys and values")]
// SAFETY: plain data without padding or invalid bit patterns, as its zerocopy derives prove.
unsafe impl aya::Pod for Release {}
