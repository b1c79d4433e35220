//! The core: one event in, findings and a verdict out. No clock, no I/O, no async.

use crate::event::{Action, Event};
use crate::policy::Finding;

/// What one event led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Findings this event completed.
    pub findings: Vec<Finding>,
    /// What to do with the action the event reports. None: the event asks for no verdict.
    pub verdict: Option<Verdict>,
}

/// What to do with a gated write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Let it go, and the process with it.
    Release,
    /// The request is not complete and may yet turn out to be destructive: let the process run so that it can write
    /// the rest, but let nothing leave.
    AwaitRest,
    /// Let the process run, let nothing leave, wait for a human.
    Hold,
    /// Let the process run; its connections are dead.
    Deny,
    /// End the process; its connections are dead.
    Kill,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow | Action::Alert => Self::Release,
            Action::Hold => Self::Hold,
            Action::Deny => Self::Deny,
            Action::Kill => Self::Kill,
        }
    }
}

/// Judges the events of one session, in order.
#[derive(Debug)]
pub struct Pipeline {
    _private: (),
}

impl Pipeline {
    /// Takes the next event.
    pub fn step(&mut self, event: &Event) -> Step {
        let _ = event;
        Step::default()
    }
}
