//! Facts about the gate: what was decided, by whom, and what was done.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How far a session's gate goes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Alert only; nothing is ever stopped.
    Observe,
    /// Wait for a human where the policy says hold.
    #[default]
    Hold,
    /// Deny at once what would be held.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Hold => "hold",
            Self::Enforce => "enforce",
        })
    }
}

/// What to do with an action, mildest first.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    Allow,
    Alert,
    Hold,
    Deny,
    Kill,
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allow => "allow",
            Self::Alert => "alert",
            Self::Hold => "hold",
            Self::Deny => "deny",
            Self::Kill => "kill",
        })
    }
}

/// What was decided about a hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    Approved,
    Denied,
    /// Denied, and the process killed.
    Killed,
    /// Nobody decided in time; the same as denied.
    Expired,
    /// The process ended while held; the same as denied.
    Gone,
}

/// A hold was decided.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decided {
    /// `H-…`
    pub hold: String,
    pub decision: Decision,
    /// Who: a user name, or `holdfire` for the clock.
    pub by: String,
    /// Their user id, if it was a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What the gate did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Enforced {
    /// The finding it belongs to: `A-…`.
    pub finding: String,
    pub action: Action,
    pub rung: Rung,
    /// Why it did not work, if it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// The means by which a verdict is carried out, best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rung {
    /// Stopped at the write, and every packet of the process dropped until the verdict.
    StopAndEgress,
    /// Killed at the write.
    Kill,
    /// Nothing is stopped.
    Alert,
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StopAndEgress => "stop + egress hold",
            Self::Kill => "kill",
            Self::Alert => "alert only",
        })
    }
}
