//! Where a session has a credential from, in the words of findings.

use serde::{Deserialize, Serialize};

use super::{Place, ProcessId};
use crate::time::Timestamp;

/// One place where the session met a credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    pub place: Place,
    /// Seq of the `credentials_seen` event.
    pub event: u64,
    pub pid: u32,
    pub process: ProcessId,
    pub time: Timestamp,
}

/// Where a session has a credential from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provenance {
    /// Given at the start, or declared in the policy.
    Granted,
    /// Met in a file the session read.
    Discovered,
    /// Never seen before the request that carries it.
    Unknown,
    /// The request carries none.
    None,
}
