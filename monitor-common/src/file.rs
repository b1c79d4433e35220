//! Records of file opens.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::record::Header;

/// Room for the path in the record that is tried first, which makes it 512 bytes; nearly all paths on a development
/// host fit.
pub const PATH_SMALL: usize = 440;

/// Room for the path in the record that is tried next: PATH_MAX.
pub const PATH: usize = 4096;

/// Longest component of a path, with its NUL.
pub const NAME: usize = 256;

/// Directories and mounts walked up from a file. Deeper files are reported with what was walked, flagged as cut.
pub const STEPS: u32 = 48;

/// [`Header::flags`]: the path was cut on its root side.
pub const PATH_CUT: u16 = 1;

/// A file was opened by a member. The path follows: components from the leaf to the root, each ended by NUL.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Open {
    pub header: Header,
    /// Inode.
    pub ino: u64,
    /// Device, major << 20 | minor.
    pub dev: u32,
    /// The descriptor, or -1 where the hook runs before there is one.
    pub fd: i32,
    /// `file->f_flags`.
    pub flags: u32,
    /// `file->f_mode`: 1 read, 2 write.
    pub mode: u32,
    /// `inode->i_mode`: type and permissions.
    pub inode_mode: u32,
    /// Bytes of the path.
    pub path_len: u32,
}

crate::wire_size!(Open = 72);
