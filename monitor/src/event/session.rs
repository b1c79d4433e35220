//! Facts about a session as a whole.

use serde::{Deserialize, Serialize};

use super::{Mode, Rung};

/// What was known when the session began.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SessionStarted {
    /// `S-…`
    pub session: String,
    /// What it is called: `--name`, or the command's file name.
    pub name: String,
    /// The command, secrets replaced by fingerprints.
    pub argv: Vec<String>,
    pub cwd: String,
    /// The user the command runs as.
    pub uid: u32,
    /// Wall clock at `time` of this event, in nanoseconds since 1970.
    pub wall_clock: u64,
    pub mode: Mode,
    pub policy: PolicyRef,
    /// The rung of the gate in force.
    pub rung: Rung,
    /// How file opens are seen: `lsm`, `fentry`, `kprobe`, `sys_exit`.
    pub file_sensor: String,
    /// What this host cannot see or stop, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_seen: Vec<String>,
    /// Version of holdfire.
    pub version: String,
    /// Kernel release.
    pub kernel: String,
}

/// Which policy judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyRef {
    pub name: String,
    /// The first eight hex digits of the BLAKE3 hash of its text.
    pub hash: String,
}

/// Records the kernel could not hand over, counted since the last such event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// Kind of record: `exec`, `file`, `tls`, …
    pub record: String,
    pub count: u64,
}

/// The end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEnded {
    /// Exit code of the command, as `holdfire run` returned it.
    pub exit_code: u8,
    /// All records lost in the session.
    pub lost: u64,
}
