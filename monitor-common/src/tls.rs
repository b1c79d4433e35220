//! Records of TLS plaintext.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::record::Header;

/// Sizes of the room for plaintext in a record, smallest first: a record is reserved by what is copied, never by the
/// maximum. The largest is one TLS record.
pub const TIERS: [usize; 4] = [256, 1024, 4096, 16_384];

/// Largest tier.
pub const CHUNK: usize = TIERS[3];

/// Records per write: 1 MiB of plaintext. Longer writes are flagged [`CUT`].
pub const CHUNKS: u32 = 64;

/// [`Header::flags`]: the write waits for a verdict.
pub const GATED: u16 = 1;
/// [`Header::flags`]: the last record of its write.
pub const LAST: u16 = 2;
/// [`Header::flags`]: the plaintext could not be read (not in memory): unknown, never empty.
pub const UNREADABLE: u16 = 4;
/// [`Header::flags`]: the write is longer than what is copied.
pub const CUT: u16 = 8;
/// [`Header::flags`]: a job-control shell would see the stop, so the process runs on; its packets are held.
pub const RUNNING: u16 = 16;

/// The probe a write was seen by; [`Write::probe`].
pub mod probe {
    /// `SSL_write(ssl, buf, num)`
    pub const SSL_WRITE: u16 = 0;
    /// `SSL_write_ex(ssl, buf, num, *written)`
    pub const SSL_WRITE_EX: u16 = 1;
    /// Names, for people.
    pub const NAMES: [&str; 2] = ["openssl:SSL_write", "openssl:SSL_write_ex"];
}

/// Some bytes a member is about to encrypt; they follow.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Write {
    pub header: Header,
    /// The TLS connection: its address in the process.
    pub stream: u64,
    /// Address of the whole buffer in the process.
    pub buffer: u64,
    /// Length of the whole buffer.
    pub total: u64,
    /// Bytes that had been put into the ring of events when this write began: whoever judges the write has read that
    /// far before.
    pub events_before: u64,
    /// Where these bytes stand in the buffer.
    pub offset: u32,
    /// How many there are.
    pub len: u32,
    /// One of [`probe`].
    pub probe: u16,
    pub pad: [u16; 3],
}

crate::wire_size!(Write = 88);
