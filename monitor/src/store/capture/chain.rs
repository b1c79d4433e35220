//! The chain record behind every data frame: a zstd *skippable frame*, so that `zstdcat` passes over it.

use super::FRAME_LIMIT;

/// Magic number of the skippable frame, B for BLAKE3. zstd leaves 0x184D2A50 to 0x184D2A5F to applications.
const MAGIC: u32 = 0x184D_2A5B;

/// Version of this record's layout.
const VERSION: u8 = 1;

/// Bytes of a record: 8 of skippable frame header and 56 of payload.
pub(super) const SIZE: usize = 64;

/// Longest data frame before decompression: what zstd needs at most for incompressible data, and a little more.
pub(super) const COMPRESSED_LIMIT: u64 = FRAME_LIMIT as u64 + (FRAME_LIMIT as u64 >> 7) + 1024;

/// The hash before the first frame.
pub(super) const START: [u8; 32] = [0; 32];

/// What a record says about the data frame before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Number of the data frame, from 1.
    pub frame: u64,
    /// Lines in it.
    pub lines: u32,
    /// Its length in the file, in bytes; with it a reader can walk the file backwards.
    pub length: u64,
    /// BLAKE3 of the previous record's hash and the data frame's bytes.
    pub hash: [u8; 32],
}

/// Begins the hash of the frame that follows the one with hash `previous`.
pub(super) fn hasher(previous: &[u8; 32]) -> blake3::Hasher {
    let mut hasher = blake3::Hasher::new();
    hasher.update(previous);
    hasher
}

impl Record {
    pub(super) fn to_bytes(&self) -> [u8; SIZE] {
        let mut bytes = [0; SIZE];
        bytes[0..4].copy_from_slice(&MAGIC.to_le_bytes());
        bytes[4..8].copy_from_slice(&(SIZE as u32 - 8).to_le_bytes());
        bytes[8] = VERSION;
        bytes[12..16].copy_from_slice(&self.lines.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.frame.to_le_bytes());
        bytes[24..32].copy_from_slice(&self.length.to_le_bytes());
        bytes[32..64].copy_from_slice(&self.hash);
        bytes
    }

    /// The record in these bytes. None unless they are exactly what [`Record::to_bytes`] makes.
    pub(super) fn from_bytes(bytes: &[u8; SIZE]) -> Option<Self> {
        let u64_at = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).ok();
        let record = Self {
            lines: u32::from_le_bytes(bytes[12..16].try_into().ok()?),
            frame: u64_at(16)?,
            length: u64_at(24)?,
            hash: bytes[32..64].try_into().ok()?,
        };
        (record.to_bytes() == *bytes).then_some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_and_no_other_bytes_pass_for_one() {
        let record = Record { frame: 7, lines: 3, length: 1234, hash: [9; 32] };
        let bytes = record.to_bytes();
        assert_eq!(Record::from_bytes(&bytes), Some(record));
        for at in 0..12 {
            let mut bytes = bytes;
            bytes[at] ^= 1;
            assert_eq!(Record::from_bytes(&bytes), None, "byte {at}");
        }
    }
}
