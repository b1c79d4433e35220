//! What waits for a decision. Pure: the time comes with each call.

use serde::{Deserialize, Serialize};

use crate::event::{Decision, ProcessId};
use crate::time::Timestamp;

/// Holds that can wait at one time in a session. One more is denied at once, since a queue nobody can read through
/// protects nobody.
const WAITING: usize = 1024;

/// Decisions remembered to tell whoever comes late.
const DECIDED: usize = 1024;

/// An action that waits for a decision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hold {
    /// `H-…`, unique in its session.
    pub id: String,
    /// `S-…`
    pub session: String,
    /// `A-…`
    pub finding: String,
    /// The finding's sentence.
    pub title: String,
    pub severity: crate::policy::Severity,
    /// The process that is held.
    pub pid: u32,
    pub process: ProcessId,
    /// What it is called.
    pub command: String,
    /// Where the request was to go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The weightiest reasons.
    pub reasons: Vec<String>,
    /// When it began, in nanoseconds since boot.
    pub since: Timestamp,
    /// When it is denied if nobody decides.
    pub until: Timestamp,
}

/// Why a decision was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotDecided {
    #[error("there is no such hold")]
    NoSuchHold,
    #[error("the beginning of that id fits several holds")]
    Ambiguous,
    #[error("it has been decided already")]
    AlreadyDecided(Decision),
}

/// The holds of a session.
#[derive(Debug, Default)]
pub struct Holds {
    waiting: Vec<Hold>,
    decided: Vec<(String, Decision)>,
}

impl Holds {
    /// Adds a hold; false if too many wait already. A held request that turned out to be worse keeps its hold, which is
    /// told anew.
    pub fn add(&mut self, hold: Hold) -> bool {
        if let Some(same) = self.waiting.iter_mut().find(|waiting| waiting.id == hold.id) {
            *same = Hold { since: same.since, until: same.until, ..hold };
            return true;
        }
        if self.waiting.len() >= WAITING {
            return false;
        }
        self.waiting.push(hold);
        true
    }

    /// Whether an id names a hold here, waiting or decided.
    pub fn knows(&self, id: &str) -> bool {
        self.waiting.iter().any(|hold| hold.id.starts_with(id))
            || self.decided.iter().any(|(known, _)| known == id)
    }

    /// What waits, oldest first.
    pub fn waiting(&self) -> &[Hold] {
        &self.waiting
    }

    /// Takes the hold that a unique beginning of its id names out of the queue.
    ///
    /// # Errors
    /// There is none, or more than one, or it is no longer waiting.
    pub fn decide(&mut self, id: &str, decision: Decision) -> Result<Hold, NotDecided> {
        let exact = self.waiting.iter().position(|hold| hold.id == id);
        let found = match exact {
            Some(place) => place,
            None => {
                let mut fitting = self.waiting.iter().enumerate().filter(|(_, hold)| hold.id.starts_with(id));
                match (fitting.next(), fitting.next()) {
                    (Some((place, _)), None) => place,
                    (Some(_), Some(_)) => return Err(NotDecided::Ambiguous),
                    (None, _) => {
                        let earlier = self.decided.iter().rev().find(|(known, _)| known == id);
                        return Err(earlier
                            .map_or(NotDecided::NoSuchHold, |(_, past)| NotDecided::AlreadyDecided(*past)));
                    }
                }
            }
        };
        let hold = self.waiting.remove(found);
        if self.decided.len() >= DECIDED {
            self.decided.remove(0);
        }
        self.decided.push((hold.id.clone(), decision));
        Ok(hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(id: &str, until: u64) -> Hold {
        Hold {
            id: id.to_owned(),
            session: "S-1".to_owned(),
            finding: "A-1".to_owned(),
            title: String::new(),
            severity: crate::policy::Severity::High,
            pid: 1,
            process: ProcessId(1),
            command: String::new(),
            host: None,
            reasons: Vec::new(),
            since: Timestamp(0),
            until: Timestamp(until),
        }
    }

    #[test]
    fn a_hold_is_decided_once() {
        let mut holds = Holds::default();
        assert!(holds.add(hold("H-1", 10)) && holds.add(hold("H-12", 20)));
        assert!(holds.add(hold("H-1", 99)));
        assert_eq!(holds.waiting().len(), 2);
        assert_eq!(holds.decide("H-", Decision::Approved), Err(NotDecided::Ambiguous));
        assert_eq!(holds.decide("H-1", Decision::Denied).unwrap().id, "H-1");
        assert_eq!(holds.decide("H-9", Decision::Denied), Err(NotDecided::NoSuchHold));
        assert_eq!(holds.decide("H-12", Decision::Approved).unwrap().id, "H-12");
        assert_eq!(
            holds.decide("H-12", Decision::Denied),
            Err(NotDecided::AlreadyDecided(Decision::Approved))
        );
    }

    #[test]
    fn the_queue_is_bounded() {
        let mut holds = Holds::default();
        assert!((0..WAITING).all(|n| holds.add(hold(&format!("H-{n}"), 1))));
        assert!(!holds.add(hold("H-more", 1)));
    }
}
