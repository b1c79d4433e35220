//! The lines of a capture file.

use serde::{Deserialize, Serialize};

use crate::event::{Event, Fact};
use crate::policy::{Finding, Severity};
use crate::time::Timestamp;

/// Version of the lines. A reader opens every version up to its own.
pub const FORMAT: u32 = 1;

/// One line, as read.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Line {
    Header(Header),
    Event(Box<Event>),
    Finding(Box<Finding>),
    End(End),
}

/// One line, as written: an object whose first member is `type`.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum LineRef<'a> {
    Header(&'a Header),
    Event(&'a Event),
    Finding(&'a Finding),
    End(&'a End),
}

impl Line {
    /// This line for writing; a line that was read writes the same bytes again.
    pub fn as_ref(&self) -> LineRef<'_> {
        match self {
            Self::Header(header) => LineRef::Header(header),
            Self::Event(event) => LineRef::Event(event),
            Self::Finding(finding) => LineRef::Finding(finding),
            Self::End(end) => LineRef::End(end),
        }
    }
}

/// The first line: whose session it is, and what is needed to read its times and fingerprints.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// `S-…`
    pub session: String,
    /// Version of holdfire that wrote it.
    pub version: String,
    /// /proc/sys/kernel/random/boot_id: times since boot of two captures compare only under the same one.
    pub boot_id: String,
    /// Kernel release.
    pub kernel: String,
    /// Wall clock at `boot_clock`, in nanoseconds since 1970.
    pub wall_clock: u64,
    /// Time since boot at `wall_clock`.
    pub boot_clock: Timestamp,
    /// Names the key of the fingerprints ([`crate::secret::Fingerprinter::key_id`]): under another key the same secret has another one.
    pub fingerprint_key: String,
    /// The policies that judged: the chosen one, then those that tightened it. Empty if it was the built-in one alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<PolicySource>,
}

/// The text of a policy, so that a replay needs nothing but the capture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicySource {
    /// Where it was read from.
    pub origin: String,
    /// YAML.
    pub text: String,
}

/// The last line: what the writer counted. Without it the session is still running, or the monitor died.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When the file was closed.
    pub time: Timestamp,
    /// Event lines in the file.
    pub events: u64,
    /// Finding lines in the file.
    pub findings: u64,
    /// The gravest finding.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worst: Option<Severity>,
    /// Exit code of the command, if the session ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<u8>,
    /// Records the kernel could not hand over.
    pub lost: u64,
    /// Lines that could not be written (a full disk) and are missing.
    pub not_written: u64,
}

impl End {
    /// Nothing counted yet.
    pub fn new(time: Timestamp) -> Self {
        Self { time, events: 0, findings: 0, worst: None, exit_code: None, lost: 0, not_written: 0 }
    }

    /// Counts an event line.
    pub fn count_event(&mut self, event: &Event) {
        self.events += 1;
        match &event.fact {
            Fact::Lost(lost) => self.lost = self.lost.saturating_add(lost.count),
            Fact::SessionEnded(ended) => {
                self.exit_code = Some(ended.exit_code);
                self.lost = self.lost.max(ended.lost);
            }
            _ => {}
        }
    }

    /// Counts a finding line.
    pub fn count_finding(&mut self, finding: &Finding) {
        self.findings += 1;
        self.worst = self.worst.max(Some(finding.severity));
    }
}
