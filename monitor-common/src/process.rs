//! Records of the process tree.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

use crate::record::Header;

/// Bytes of an executable's path and its working directory together. Two full paths are 8 KiB; half of that has never
/// been met, and what is cut is flagged.
pub const PATHS: usize = 2048;

/// Argument bytes copied when all arguments are short, as nearly always.
pub const ARGS_SMALL: usize = 1024;

/// The limit of argument bytes: an agent's `bash -c` with a whole script inside stays below it. What is cut is flagged.
pub const ARGS: usize = 16 * 1024;

/// [`Header::flags`] of an [`Exec`]: arguments were cut at [`ARGS`].
pub const ARGS_CUT: u16 = 1;
/// [`Header::flags`] of an [`Exec`]: a path was cut.
pub const PATHS_CUT: u16 = 2;
/// [`Header::flags`] of an [`Exec`]: the arguments could not be read from the new image.
pub const ARGS_UNREADABLE: u16 = 4;

/// A member made a child.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Fork {
    pub header: Header,
    /// The child for good.
    pub child: u64,
    /// Its thread-group id.
    pub child_tgid: u32,
    pub pad: u32,
}

/// A member became another program. `paths` and then `args` follow, `args` in the room of its tier.
#[repr(C)]
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Exec {
    pub header: Header,
    /// Inode of the executable.
    pub ino: u64,
    /// cgroup v2 id of the process.
    pub cgroup: u64,
    /// Device of the executable, major << 20 | minor.
    pub dev: u32,
    /// Real user id.
    pub uid: u32,
    /// Bytes of `paths` that name the executable: components from the leaf to the root, each ended by NUL.
    pub exe_len: u32,
    /// Bytes of `paths` in use; those after `exe_len` name the working directory.
    pub paths_len: u32,
    /// Bytes of arguments copied, NUL-separated.
    pub args_len: u32,
    /// Bytes of arguments there are.
    pub args_total: u32,
    pub paths: [u8; PATHS],
}

/// The last thread of a member ended.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Exit {
    pub header: Header,
    /// The exit code as wait(2) encodes it.
    pub code: u32,
    pub pad: u32,
}

crate::wire_size!(Fork = 56, Exec = 80 + PATHS, Exit = 48);
