//! One action up for a ruling: whether it is new, a known one reported again, or one that got worse.

use super::Verdict;
use super::compose;
use super::matching::Carried;
use super::ruling::{Approval, Badness, Ruling, Rulings, Substance};
use crate::event::{Action, Event, Request, Rung};
use crate::policy::{Finding, Judgement, Policy};
use crate::session::{Destination, RequestKey, Session};

/// An action, judged.
pub(super) struct Case<'a> {
    pub(super) event: &'a Event,
    /// The later event that brought it up, if it is not up by itself.
    pub(super) waited: Option<&'a Event>,
    pub(super) key: RequestKey,
    /// None: traffic that cannot be read.
    pub(super) request: Option<&'a Request>,
    pub(super) judgement: Judgement,
    /// How many different effects it would have.
    pub(super) effects: usize,
    pub(super) carried: &'a Carried<'a>,
    pub(super) destination: &'a Destination,
    pub(super) host: Option<String>,
    /// What was not seen of this very action, in sentences.
    pub(super) unseen: Vec<String>,
}

/// What was ruled about it.
pub(super) struct Ruled {
    pub(super) finding: Option<Finding>,
    /// On this action alone; its process may be held for others.
    pub(super) verdict: Verdict,
    /// Somebody approved this very action.
    pub(super) approved: bool,
}

impl Case<'_> {
    /// Rules, and remembers the ruling.
    pub(super) fn rule(mut self, policy: &Policy, session: &Session, rulings: &mut Rulings) -> Ruled {
        let complete = self.request.is_some_and(|request| request.complete);
        let badness = Badness::new(&self.judgement, self.effects);
        let mut hold = None;
        if let Some(known) = rulings.get_mut(self.key) {
            let substance = Substance::of(self.request);
            if known.approval == Approval::Yes && known.substance == substance {
                known.complete = complete;
                known.approval = if complete { Approval::Spent } else { Approval::Yes };
                return Ruled { finding: None, verdict: Verdict::Release, approved: true };
            }
            if known.approval == Approval::No {
                known.substance = substance;
                known.complete = complete;
                if known.refused() || badness <= known.badness {
                    return Ruled::silent(known.action);
                }
                // It got worse while somebody looks at it: the same decision, to be made on the new finding.
                hold = known.hold.clone().filter(|_| known.waits());
            }
        }
        let mut action = ordered(self.judgement.action, session.rung());
        if action != self.judgement.action {
            let sentence = format!("This host cannot {}: {action} instead.", self.judgement.action);
            self.judgement.reasons.push(sentence);
        }
        if action == Action::Allow {
            return Ruled::silent(action);
        }
        if action == Action::Hold && hold.is_none() {
            if rulings.has_room() {
                hold = Some(rulings.next_hold());
            } else {
                action = Action::Deny;
                self.judgement.reasons.push("Denied: too many actions are held already.".to_owned());
            }
        }
        let hold = hold.filter(|_| action == Action::Hold);
        let ruling = Ruling {
            badness,
            action,
            hold: hold.clone(),
            substance: Substance::of(self.request),
            complete,
            approval: Approval::No,
        };
        rulings.insert(self.key, ruling);
        let finding = compose::finding(self, session, policy.reference(), action, hold);
        Ruled { finding: Some(finding), verdict: action.into(), approved: false }
    }
}

impl Ruled {
    fn silent(action: Action) -> Self {
        Self { finding: None, verdict: action.into(), approved: false }
    }
}

/// What the gate is told, given the means it has. Bias: what cannot be held is not let go while it can be killed.
fn ordered(action: Action, rung: Rung) -> Action {
    match (rung, action) {
        (Rung::Alert, Action::Hold | Action::Deny | Action::Kill) => Action::Alert,
        (Rung::Kill, Action::Hold | Action::Deny) => Action::Kill,
        (_, action) => action,
    }
}
