//! Asks every rule.

use super::{Judgement, Severity, Situation};
use crate::event::{Action, PolicyRef};
use crate::secret::Fingerprint;

/// A checked policy.
#[derive(Clone, Debug)]
pub struct Policy {}

impl Policy {
    /// What to do in `situation`, and why.
    pub fn judge(&self, situation: &Situation<'_>) -> Judgement {
        let _ = situation;
        Judgement {
            asked: Action::Allow,
            action: Action::Allow,
            rule: None,
            severity: Severity::Info,
            title: String::new(),
            effect: None,
            reasons: Vec::new(),
        }
    }

    /// This policy, made stricter by a project's own. Whatever in `project` would make it milder has no force.
    #[must_use]
    pub fn tightened_by(self, project: &Self) -> Self {
        let _ = project;
        self
    }

    /// Its name and hash, as events and findings carry them.
    pub fn reference(&self) -> PolicyRef {
        PolicyRef { name: String::new(), hash: String::new() }
    }

    /// Whether the operator declared this very value as given (`grants: [{fingerprint: …}]`).
    pub fn grants_value(&self, fingerprint: Fingerprint) -> bool {
        let _ = fingerprint;
        false
    }

    /// Whether the operator declared what stands under `name` in the file at `path` as given (`grants: [{name: …,
    /// file: …}]`). It makes a value granted only if that is so for *every* file the session met the value in:
    /// otherwise a session could copy a foreign token to such a place.
    pub fn grants_place(&self, name: Option<&str>, path: &str) -> bool {
        let _ = (name, path);
        false
    }
}
