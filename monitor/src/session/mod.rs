//! What is known of one session, built from its events and nothing else.
//!
//! [`Tree`] has the processes, [`Secrets`] the credentials met, [`Flows`] the connections, [`evidence`] the events that
//! led to something. Everything is bounded; what a bound kept out is told by [`Session::not_seen`]. This layer judges
//! nothing. Bias: what was not seen is said, never assumed.

mod causes;
mod flows;
mod secrets;
mod tree;
mod unsearched;

use std::collections::{BTreeMap, BTreeSet};

pub use self::causes::evidence;
pub use self::flows::{Destination, Flows, Noted, RequestKey};
pub use self::secrets::{Grants, Met, Secrets};
pub use self::tree::{Image, Process, Tree};
use crate::event::{Decided, Enforced, Event, Fact, Mode, ProcessId, Rung, SessionStarted};
pub use crate::event::{Origin, Provenance};
use crate::time::Timestamp;

/// Decisions and acts of the gate kept, for explanations. Each takes a finding first.
const MAX_OUTCOMES: usize = 4096;

/// Kinds of lost records told apart; there are some ten.
const MAX_LOST_KINDS: usize = 64;

/// A place in a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub seq: u64,
    pub time: Timestamp,
}

/// How the kernel names the file behind an io_uring.
const IO_URING: &str = "/[io_uring]";

/// Processes named that set io_uring up; a sentence with more is not read.
const MAX_IO_URING: usize = 8;

/// The state of one session.
#[derive(Clone, Debug, Default)]
pub struct Session {
    started: Option<(Moment, SessionStarted)>,
    tree: Tree,
    secrets: Secrets,
    flows: Flows,
    lost: BTreeMap<String, u64>,
    decided: BTreeMap<String, (Moment, Decided)>,
    enforced: BTreeMap<String, (Moment, Enforced)>,
    /// The first processes that set io_uring up.
    io_uring: BTreeSet<u32>,
}

impl Session {
    /// Takes the next event in. `grants` says what the policy declares as given.
    pub fn apply(&mut self, event: &Event, grants: &dyn Grants) {
        let at = Moment { seq: event.seq, time: event.time };
        // Process 0 is the monitor itself.
        if event.process != ProcessId::default() {
            self.tree.saw(event.process, event.pid);
        }
        match &event.fact {
            Fact::SessionStarted(started) => {
                // The first one counts: what a session was told at its start cannot change.
                self.started.get_or_insert_with(|| (at, started.clone()));
            }
            Fact::Forked(forked) => self.tree.forked(at, event.process, forked.child, forked.child_pid),
            Fact::Executed(executed) => {
                self.tree.executed(at, event.process, executed);
                self.flows.executed(event.process);
            }
            Fact::Exited(exited) => self.tree.exited(at, event.process, exited),
            Fact::CredentialsSeen(seen) => {
                if self.secrets.seen(event, seen, grants) {
                    self.tree.keep(event.process);
                }
            }
            Fact::Connected(connected) => self.flows.connected(at, event.process, connected),
            Fact::ServerNamed(named) => self.flows.named(at, event.process, named),
            Fact::TlsOpened(opened) => self.flows.opened(at, event.process, opened),
            Fact::Requested(request) => self.flows.requested(at, event.process, request),
            Fact::Unread(unread) => self.flows.unread(at, event.process, unread.stream),
            Fact::Lost(lost) => {
                if self.lost.len() < MAX_LOST_KINDS || self.lost.contains_key(&lost.record) {
                    let count = self.lost.entry(lost.record.clone()).or_default();
                    *count = count.saturating_add(lost.count);
                }
            }
            Fact::Decided(decided) => {
                if self.decided.len() < MAX_OUTCOMES {
                    self.decided.entry(decided.hold.clone()).or_insert((at, decided.clone()));
                }
            }
            Fact::Enforced(enforced) => {
                if self.enforced.len() < MAX_OUTCOMES || self.enforced.contains_key(&enforced.finding) {
                    self.enforced.insert(enforced.finding.clone(), (at, enforced.clone()));
                }
            }
            Fact::FileOpened(opened) => {
                if opened.path == IO_URING && self.io_uring.len() < MAX_IO_URING {
                    self.io_uring.insert(event.pid);
                }
            }
            Fact::Waited(_) | Fact::SessionEnded(_) => {}
        }
    }

    /// Keeps what a finding at `event` is about: the request, where it goes, and the process.
    pub(crate) fn note(&mut self, event: &Event, destination: Destination) {
        let request = match &event.fact {
            Fact::Requested(request) => Some(request.clone()),
            _ => None,
        };
        self.tree.keep(event.process);
        self.flows.note(event.seq, Noted { request, destination });
    }

    /// What was known at the start, and when that was; None before the first event.
    pub fn started(&self) -> Option<(Moment, &SessionStarted)> {
        self.started.as_ref().map(|(at, started)| (*at, started))
    }

    /// How far the gate goes; before the start, as far as by default.
    pub fn mode(&self) -> Mode {
        self.started.as_ref().map_or_else(Mode::default, |(_, started)| started.mode)
    }

    /// The means the gate has; before the start, the best.
    pub fn rung(&self) -> Rung {
        self.started.as_ref().map_or(Rung::StopAndEgress, |(_, started)| started.rung)
    }

    /// The processes.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The credentials met.
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// The connections.
    pub fn flows(&self) -> &Flows {
        &self.flows
    }

    /// The first decision about a hold.
    pub fn decided(&self, hold: &str) -> Option<(Moment, &Decided)> {
        self.decided.get(hold).map(|(at, decided)| (*at, decided))
    }

    /// What the gate last did about a finding.
    pub fn enforced(&self, finding: &str) -> Option<(Moment, &Enforced)> {
        self.enforced.get(finding).map(|(at, enforced)| (*at, enforced))
    }

    /// How long after the start of the session `time` is.
    pub fn offset(&self, time: Timestamp) -> std::time::Duration {
        time.since(self.started.as_ref().map_or(time, |(at, _)| at.time))
    }

    /// `path` as seen from the directory the session started in, if it lies below.
    pub fn relative<'a>(&self, path: &'a str) -> &'a str {
        let below = self
            .started
            .as_ref()
            .and_then(|(_, started)| path.strip_prefix(started.cwd.trim_end_matches('/'))?.strip_prefix('/'));
        below.filter(|rest| !rest.is_empty()).unwrap_or(path)
    }

    /// What was not seen so far, in sentences, the host's own blind spots first.
    pub fn not_seen(&self) -> Vec<String> {
        let mut sentences =
            self.started.as_ref().map_or_else(Vec::new, |(_, started)| started.not_seen.clone());
        for (record, count) in &self.lost {
            sentences.push(format!("{count} {record} records were lost."));
        }
        if !self.io_uring.is_empty() {
            let pids: Vec<String> = self.io_uring.iter().map(ToString::to_string).collect();
            let (pids, what) = (pids.join(", "), "what they open and send that way may be missing");
            sentences.push(format!("Processes that set io_uring up ({pids}): {what}."));
        }
        self.secrets.not_seen(&mut sentences);
        self.flows.not_seen(&mut sentences);
        if self.tree.refused() > 0 {
            sentences.push(format!("{} processes were not recorded: too many.", self.tree.refused()));
        }
        sentences
    }
}
