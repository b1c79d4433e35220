//! A finding and its causes, for people: who read the credential where, who sent it, what it would have done, what
//! became of it, and what nobody saw.
//!
//! [`explain`] makes the structure (`--json`), [`text`] the screen. Both follow from the session and the finding alone,
//! so the same capture gives the same bytes. Bias: nothing is claimed that was not reported; a request counts as not
//! sent only if the gate said so.

mod choice;
mod outcome;
mod sending;
#[cfg(test)]
mod tests;
mod text;
mod tree;

use serde::Serialize;

pub use self::choice::{Choice, ChoiceError, Subject, SubjectError};
pub use self::text::text;
use crate::event::PolicyRef;
use crate::policy::{Finding, Severity};
use crate::secret::Fingerprint;
use crate::session::Session;

/// What `holdfire explain` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// `A-…`
    pub finding: String,
    /// `S-…`
    pub session: String,
    pub severity: Severity,
    pub title: String,
    pub rule: String,
    pub policy: PolicyRef,
    /// What became of it: `denied, request not sent`.
    pub outcome: String,
    /// Sentences, the weightiest first.
    pub reasons: Vec<String>,
    /// From the root of the session to reader and sender.
    pub tree: Vec<Node>,
    /// Sentences about what could change the picture.
    pub not_seen: Vec<String>,
    /// Seqs of the events it rests on.
    pub evidence: Vec<u64>,
    /// The command that shows more.
    pub next: String,
}

/// One line of the tree. Its texts are as the session wrote them: escape them before showing them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Node {
    pub kind: NodeKind,
    pub text: String,
    /// The secret this line is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<Fingerprint>,
    /// Said after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Seq of the event it stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// Milliseconds since the start of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<Node>,
}

/// What a line stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeKind {
    #[default]
    Process,
    /// A place where the credential stood.
    Origin,
    Destination,
    Request,
    Credential,
    Operation,
    Effect,
    Verdict,
}

/// Explains `finding`, made by a pipeline that `session` is taken from; later events of it say what became of it.
pub fn explain(session: &Session, finding: &Finding) -> Explanation {
    let outcome = outcome::outcome(session, finding);
    let id = session.started().map_or("?", |(_, started)| &started.session);
    Explanation {
        finding: finding.id.clone(),
        session: id.to_owned(),
        severity: finding.severity,
        title: finding.title.clone(),
        rule: finding.rule.clone(),
        policy: finding.policy.clone(),
        outcome: outcome.headline,
        reasons: finding.reasons.clone(),
        tree: tree::build(session, finding, &outcome.verdict),
        not_seen: finding.not_seen.clone(),
        evidence: finding.evidence.clone(),
        next: format!("holdfire replay {id} --from @{}", finding.id),
    }
}
