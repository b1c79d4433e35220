//! Typed facts: what was seen, in the words of the product, already free of secrets.
//!
//! An [`Event`] is what the pipeline consumes, what the capture file keeps, and what replay feeds in again. Whatever
//! needed a secret, a clock, a file or the kernel happened before an event was made. Events serialise to one JSON
//! object each; field names here are the names in capture files and `--json` output.

mod file;
mod gate;
mod origin;
mod process;
mod request;
mod session;
mod socket;
#[cfg(test)]
pub(crate) mod story;

use std::fmt;

use serde::{Deserialize, Serialize};

pub use self::file::{Access, CredentialsSeen, FileOpened, Place, ScanOutcome, Sighting};
pub use self::gate::{Action, Decided, Decision, Enforced, Mode, Rung};
pub use self::origin::{Origin, Provenance};
pub use self::process::{Executed, Exited, Forked};
pub use self::request::{
    Body, BodyFacts, CredentialUse, Field, GraphqlField, GraphqlOperation, Header, OperationType, Request,
    Unread, Waited,
};
pub use self::session::{Lost, PolicyRef, SessionEnded, SessionStarted};
pub use self::socket::{Connected, ServerNamed, TlsOpened};
use crate::time::Timestamp;

/// One fact of one session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Place in the session, from 1. Evidence is named by it: `e118`.
    pub seq: u64,
    /// When, in nanoseconds since boot.
    pub time: Timestamp,
    /// The acting process (its thread-group id on the host), or 0 for the monitor itself.
    pub pid: u32,
    /// The acting process for good: process ids are reused, these are not.
    pub process: ProcessId,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened. Serialised with its name under `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Fact {
    /// The session began; always the first event.
    SessionStarted(SessionStarted),
    /// The acting process made a child.
    Forked(Forked),
    /// The acting process became another program.
    Executed(Executed),
    /// A process ended with its last thread.
    Exited(Exited),
    /// A file was opened.
    FileOpened(FileOpened),
    /// Credentials stood in a file just opened, or in what the session was given at its start.
    CredentialsSeen(CredentialsSeen),
    /// A socket was connected.
    Connected(Connected),
    /// A ClientHello left and named its server.
    ServerNamed(ServerNamed),
    /// The first plaintext write on a TLS connection.
    TlsOpened(TlsOpened),
    /// (A part of) an HTTP request was about to be encrypted.
    Requested(Request),
    /// Plaintext that could not be read as a request, and why.
    Unread(Unread),
    /// The rest of the acting process's waiting requests did not come in time.
    Waited(Waited),
    /// Records that the kernel could not hand over.
    Lost(Lost),
    /// Somebody, or the clock, decided about a held action.
    Decided(Decided),
    /// What the gate did, and whether it succeeded.
    Enforced(Enforced),
    /// The last process of the session ended.
    SessionEnded(SessionEnded),
}

impl Fact {
    /// Its name, as serialised under `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SessionStarted(_) => "session_started",
            Self::Forked(_) => "forked",
            Self::Executed(_) => "executed",
            Self::Exited(_) => "exited",
            Self::FileOpened(_) => "file_opened",
            Self::CredentialsSeen(_) => "credentials_seen",
            Self::Connected(_) => "connected",
            Self::ServerNamed(_) => "server_named",
            Self::TlsOpened(_) => "tls_opened",
            Self::Requested(_) => "requested",
            Self::Unread(_) => "unread",
            Self::Waited(_) => "waited",
            Self::Lost(_) => "lost",
            Self::Decided(_) => "decided",
            Self::Enforced(_) => "enforced",
            Self::SessionEnded(_) => "session_ended",
        }
    }
}

/// Names one process for good: made in the kernel from the process id and its start time.
/// Serialised as 16 hex digits, since JSON readers lose 64-bit integers.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProcessId(pub u64);

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for ProcessId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ProcessId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        u64::from_str_radix(&text, 16).map(Self).map_err(serde::de::Error::custom)
    }
}
