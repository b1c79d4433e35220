//! What a policy found: the record people and machines read.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::detect::Effect;
use crate::event::{Action, PolicyRef, ProcessId, Rung};
pub use crate::event::{Origin, Provenance};
use crate::secret::Fingerprint;
use crate::time::Timestamp;

/// One alert. Everything in it follows from the events before it, so replay makes the same bytes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// `A-` and eight hex digits of BLAKE3 over session, rule and evidence.
    pub id: String,
    /// Time of the event that completed it.
    pub time: Timestamp,
    /// Seq of that event.
    pub event: u64,
    pub pid: u32,
    pub process: ProcessId,
    /// The rule's id, `destroy.irreversible`.
    pub rule: String,
    pub policy: PolicyRef,
    pub severity: Severity,
    /// One sentence.
    pub title: String,
    /// What would happen. None for a finding about a blind spot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect: Option<Effect>,
    /// `api.example.com`, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The credential the request carries.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<Credential>,
    /// What the policy asks for, before the mode.
    pub asked: Action,
    /// What was ordered: `asked` under the session's mode.
    pub action: Action,
    /// `H-…` if it is held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold: Option<String>,
    /// Sentences, the weightiest first.
    pub reasons: Vec<String>,
    /// Seqs of the events it rests on, in order.
    pub evidence: Vec<u64>,
    /// The rung of the gate in force.
    pub rung: Rung,
    /// What was not seen and could change the picture.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_seen: Vec<String>,
}

/// The credential a request carries, and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    pub fingerprint: Fingerprint,
    /// Where in the request: `header:authorization`.
    pub position: String,
    pub provenance: Provenance,
    /// What it looks like, if it was seen before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The name it stood under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the session met it, first sighting first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub origins: Vec<Origin>,
}

/// How bad, in the words of alerts.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    clap::ValueEnum,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    Info,
    Low,
    Medium,
    High,
    Critical,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        })
    }
}
