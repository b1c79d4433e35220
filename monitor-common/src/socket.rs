//! Records of connections, and who owns a socket.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::record::Header;

/// Sockets of members at one time. A connect beyond that is refused in an armed session, since its packets could not be
/// held, and counted as lost in others.
pub const SOCKETS: u32 = 65_536;

/// Bytes of a ClientHello copied: post-quantum key shares make it about 1.8 KiB, and the server name may come last.
pub const HELLO: usize = 4096;

/// Bytes copied of a short ClientHello.
pub const HELLO_SMALL: usize = 640;

/// State of a socket: packets pass, but for the moments a write of the owner is being judged. The same as no state.
pub const OPEN: u32 = 0;
/// State of a socket: nothing with a payload leaves until somebody decides.
pub const HELD: u32 = 1;
/// State of a socket: nothing with a payload leaves any more, until the socket is gone.
pub const DENIED: u32 = 2;

/// [`Socket::seen`]: the first payload has been looked at.
pub const FIRST_PAYLOAD: u32 = 1;

/// A socket of a member, under its cookie. Written by the kernel half; user space adds sockets that no member connected
/// and changes none. States are kept in a map of their own, which only user space writes.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Socket {
    pub session: u64,
    /// The process that connected it.
    pub process: u64,
    pub tgid: u32,
    /// [`FIRST_PAYLOAD`]
    pub seen: u32,
    /// Packets with a payload that were dropped.
    pub dropped: u32,
    pub pad: u32,
}

/// A member connects a socket.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Connect {
    pub header: Header,
    /// The socket's cookie.
    pub cookie: u64,
    /// Address of the far end, IPv4 in the first four bytes.
    pub address: [u8; 16],
    /// Port, host byte order.
    pub port: u16,
    /// 4 or 6.
    pub version: u8,
    /// IPPROTO_TCP or IPPROTO_UDP.
    pub protocol: u8,
    pub pad: u32,
}

/// The first payload of a member's TCP connection looks like a ClientHello; its bytes follow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Hello {
    pub header: Header,
    pub cookie: u64,
    /// Bytes copied.
    pub len: u32,
    /// Bytes of payload in the packet.
    pub total: u32,
}

/// A member's socket is gone.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Closed {
    pub header: Header,
    pub cookie: u64,
    /// Packets with a payload that were dropped on it.
    pub dropped: u32,
    pub pad: u32,
}

crate::wire_size!(Socket = 32, Connect = 72, Hello = 56, Closed = 56);

#[cfg(feature = "user")]
#[allow(unsafe_code, reason = "aya's marker for map keys and values")]
// SAFETY: plain data without padding or invalid bit patterns, as its zerocopy derives prove.
unsafe impl aya::Pod for Socket {}
