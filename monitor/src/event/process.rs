//! Facts about the process tree.

use serde::{Deserialize, Serialize};

use super::ProcessId;

/// A child was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forked {
    /// The child's process id on the host.
    pub child_pid: u32,
    /// The child for good.
    pub child: ProcessId,
}

/// A program was started in the acting process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Executed {
    /// Path of the executable as the kernel walked it.
    pub exe: String,
    /// Device of the executable (kernel encoding: major << 20 | minor).
    pub dev: u32,
    /// Inode of the executable.
    pub ino: u64,
    /// Arguments, each with its secrets replaced by fingerprints.
    pub argv: Vec<String>,
    /// Arguments beyond the limit were not copied.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub argv_truncated: bool,
    /// Working directory.
    pub cwd: String,
    /// Real user id.
    pub uid: u32,
    /// cgroup v2 id.
    pub cgroup: u64,
}

/// The last thread of a process ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exited {
    /// Exit status, when it ended by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// Signal that ended it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<u8>,
}
