//! Which finding of a session is meant: `A-7f3c`, `H-3`, `e118` or `@last`.

use std::str::FromStr;

use crate::policy::Finding;

/// What somebody asks to have explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The newest finding.
    Last,
    /// A finding by the beginning of its id.
    Finding(String),
    /// The newest finding about a hold.
    Hold(String),
    /// The finding an event completed, or else the first that rests on it.
    Event(u64),
}

/// Nothing that can be explained.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no alert (A-…), no hold (H-…), no event (e118) and not @last")]
pub struct SubjectError(String);

impl FromStr for Subject {
    type Err = SubjectError;

    fn from_str(text: &str) -> Result<Self, SubjectError> {
        let seq = text.strip_prefix('e').and_then(|seq| seq.parse().ok());
        match (text, seq) {
            ("@last", _) => Ok(Self::Last),
            (_, Some(seq)) => Ok(Self::Event(seq)),
            _ if text.starts_with("A-") => Ok(Self::Finding(text.to_owned())),
            _ if text.starts_with("H-") => Ok(Self::Hold(text.to_owned())),
            _ => Err(SubjectError(text.to_owned())),
        }
    }
}

/// Picks the finding that is meant out of a session's findings, given in order. Keeps at most one of them.
#[derive(Debug)]
pub struct Choice {
    subject: Subject,
    chosen: Option<Finding>,
    ambiguous: bool,
}

/// No single finding is meant.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    #[error("no finding of the session fits")]
    Nothing,
    #[error("more than one finding of the session begins so")]
    Ambiguous,
}

impl Choice {
    pub fn new(subject: Subject) -> Self {
        Self { subject, chosen: None, ambiguous: false }
    }

    /// Takes the next finding.
    pub fn add(&mut self, finding: &Finding) {
        let known = self.chosen.as_ref();
        let better = match &self.subject {
            Subject::Last => true,
            Subject::Finding(start) => {
                let fits = finding.id.starts_with(start.as_str());
                self.ambiguous |= fits && known.is_some_and(|known| known.id != finding.id);
                fits
            }
            Subject::Hold(hold) => finding.hold.as_ref() == Some(hold),
            Subject::Event(seq) => {
                let completed = finding.event == *seq;
                completed || (known.is_none() && finding.evidence.contains(seq))
            }
        };
        if better {
            self.chosen = Some(finding.clone());
        }
    }

    /// The finding.
    ///
    /// # Errors
    /// None fits, or an id begins like several.
    pub fn finish(self) -> Result<Finding, ChoiceError> {
        if self.ambiguous { Err(ChoiceError::Ambiguous) } else { self.chosen.ok_or(ChoiceError::Nothing) }
    }
}
