//! Reads a policy and says what is wrong with it.

use super::Policy;
use super::check::check;
use super::file::PolicyFile;
use crate::yaml::{self, Mistake};

/// The policy shipped in the program.
/// The policy that judges when none is named.
pub const DEFAULT: &str = include_str!("../../../policies/default.yaml");

/// A policy cannot be used. Nothing of it is in force.
#[derive(Debug, thiserror::Error)]
#[error("{}", lines(.origin, .mistakes))]
pub struct PolicyError {
    /// What the policy was called: its path.
    pub origin: String,
    /// What is wrong, at least one.
    pub mistakes: Vec<Mistake>,
}

/// One mistake per line, each as `file:line:column: what`, and what to do.
fn lines(origin: &str, mistakes: &[Mistake]) -> String {
    let line = |mistake: &Mistake| format!("{origin}{}: {}\n", mistake.place, mistake.what);
    let told: String = mistakes.iter().map(line).collect();
    let them = if mistakes.len() == 1 { "it" } else { "them" };
    format!(
        "{told}The policy is not in force. Mend {them}, or leave the policy out to go by the built-in one."
    )
}

impl Policy {
    /// The policy shipped in the program.
    ///
    /// # Errors
    /// Only if the file it was built from is wrong, which a test rules out.
    pub fn builtin() -> Result<Self, PolicyError> {
        Self::from_yaml("policies/default.yaml", DEFAULT)
    }

    /// Reads a policy. `origin` is what errors call it: its path.
    ///
    /// # Errors
    /// The text is no valid policy; the error says where, and what to do.
    pub fn from_yaml(origin: &str, text: &str) -> Result<Self, PolicyError> {
        let failed = |mistakes| PolicyError { origin: origin.to_owned(), mistakes };
        let file: PolicyFile = yaml::read(text).map_err(|mistake| failed(vec![mistake]))?;
        check(file, blake3::hash(text.as_bytes())).map_err(failed)
    }
}

/// The JSON Schema of policy files, for editors.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(PolicyFile).to_value()
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;
