//! What was ruled about each request, so that one request is one finding and one decision, however often it is reported.
//!
//! Bias: a decision covers what it was about. An approved request that grows into something else is judged again, and
//! once it has been sent its approval is spent.

use std::collections::{BTreeMap, VecDeque};

use super::Verdict;
use super::waiting::Waiting;
use crate::detect::Reversibility;
use crate::event::{Action, Decided, Decision, ProcessId, Request};
use crate::policy::{Judgement, Severity};
use crate::session::RequestKey;

/// Rulings kept. An approver cannot look at this many held requests, and settled ones make room.
const MAX_RULINGS: usize = 4096;

/// How bad a request is; ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Badness {
    asked: Action,
    severity: Severity,
    reversibility: Option<Reversibility>,
    /// A batch that grows gets worse, even by more of the same.
    effects: usize,
}

impl Badness {
    /// Of an action with so many different effects.
    pub(super) fn new(judgement: &Judgement, effects: usize) -> Self {
        Self {
            effects,
            asked: judgement.asked,
            severity: judgement.severity,
            reversibility: judgement.effect.as_ref().map(|effect| effect.reversibility),
        }
    }
}

/// Everything of a request that a decision covers: all but how much of it has been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Substance(Option<blake3::Hash>);

impl Substance {
    /// Of a request, or of a connection that cannot be read: that is always the same.
    pub(super) fn of(request: Option<&Request>) -> Self {
        let Some(request) = request else { return Self(None) };
        let mut hasher = blake3::Hasher::new();
        let mut bare = request.clone();
        bare.complete = false;
        bare.body.bytes = 0;
        // Plain data with string keys always serialises; if it ever did not, nothing would equal it but itself.
        let written = serde_json::to_writer(&mut hasher, &bare);
        debug_assert!(written.is_ok());
        Self(Some(hasher.finalize()))
    }
}

/// What was ruled about one request.
#[derive(Clone, Debug)]
pub(super) struct Ruling {
    pub(super) badness: Badness,
    /// What is in force.
    pub(super) action: Action,
    /// `H-…` if it is or was held.
    pub(super) hold: Option<String>,
    pub(super) substance: Substance,
    /// All of it was written.
    pub(super) complete: bool,
    pub(super) approval: Approval,
}

/// Whether somebody approved it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Approval {
    No,
    Yes,
    /// It was approved, and has been sent.
    Spent,
}

/// All rulings of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Rulings {
    rulings: BTreeMap<RequestKey, Ruling>,
    order: VecDeque<RequestKey>,
    holds: BTreeMap<String, RequestKey>,
    /// Holds so far.
    count: u64,
    waiting: Waiting,
}

impl Rulings {
    /// Requests that wait for their rest.
    pub(super) fn waiting(&mut self) -> &mut Waiting {
        &mut self.waiting
    }

    pub(super) fn get_mut(&mut self, key: RequestKey) -> Option<&mut Ruling> {
        self.rulings.get_mut(&key)
    }

    /// Whether one more request can be held.
    pub(super) fn has_room(&mut self) -> bool {
        self.rulings.len() < MAX_RULINGS || self.forget_settled()
    }

    /// The next `H-…`.
    pub(super) fn next_hold(&mut self) -> String {
        self.count += 1;
        format!("H-{}", self.count)
    }

    /// Records what was ruled. Without room it is not recorded, and the next report of the request is judged afresh.
    pub(super) fn insert(&mut self, key: RequestKey, ruling: Ruling) {
        let known = self.rulings.contains_key(&key);
        if !known {
            if !self.has_room() {
                return;
            }
            self.order.push_back(key);
        }
        if let Some(hold) = &ruling.hold {
            self.holds.insert(hold.clone(), key);
        }
        if let Some(old) = self.rulings.insert(key, ruling)
            && let Some(old) = old.hold
            && self.rulings.get(&key).is_some_and(|new| new.hold.as_ref() != Some(&old))
        {
            self.holds.remove(&old);
        }
    }

    /// Forgets the oldest request nobody has to decide about.
    fn forget_settled(&mut self) -> bool {
        for _ in 0..self.order.len() {
            let Some(key) = self.order.pop_front() else { break };
            if self.rulings.get(&key).is_some_and(Ruling::waits) {
                self.order.push_back(key);
                continue;
            }
            if let Some(hold) = self.rulings.remove(&key).and_then(|ruling| ruling.hold) {
                self.holds.remove(&hold);
            }
            return true;
        }
        false
    }

    /// Takes a decision in. Only the first about a hold counts.
    pub(super) fn decided(&mut self, decided: &Decided) {
        let Some(ruling) = self.holds.get(&decided.hold).and_then(|key| self.rulings.get_mut(key)) else {
            return;
        };
        if !ruling.waits() {
            return;
        }
        match decided.decision {
            Decision::Approved => {
                ruling.action = Action::Allow;
                ruling.approval = if ruling.complete { Approval::Spent } else { Approval::Yes };
            }
            Decision::Denied | Decision::Expired | Decision::Gone => ruling.action = Action::Deny,
            Decision::Killed => ruling.action = Action::Kill,
        }
    }

    /// What must not leave a process at present, whatever else it writes: its held requests, which the gate holds by
    /// holding the process's sockets, anything on a connection that was denied, and its requests that wait for their rest.
    pub(super) fn standing(&self, process: ProcessId, connection: Option<(u64, u64)>) -> Verdict {
        let first = RequestKey { process, stream: 0, generation: 0, index: None };
        self.rulings
            .range(first..)
            .take_while(|(key, _)| key.process == process)
            .filter_map(|(key, ruling)| match ruling.action {
                Action::Hold => Some(Verdict::Hold),
                Action::Deny if connection == Some((key.stream, key.generation)) => Some(Verdict::Deny),
                Action::Kill => Some(Verdict::Kill),
                _ => None,
            })
            .max()
            .unwrap_or(Verdict::Release)
            .max(if self.waiting.any(process) { Verdict::AwaitRest } else { Verdict::Release })
    }
}

impl Ruling {
    /// Somebody has to decide.
    pub(super) fn waits(&self) -> bool {
        self.action == Action::Hold
    }

    /// It will not be sent, whatever becomes of it.
    pub(super) fn refused(&self) -> bool {
        self.action >= Action::Deny
    }
}
