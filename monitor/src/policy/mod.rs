//! Turns an effect and its circumstances into a verdict with reasons.
//!
//! All rules are asked and the strictest answer wins, so that adding a rule can never open a gap. Bias: an effect whose
//! circumstances are unknown is treated as the worse of the cases it may be.

mod evaluate;
mod finding;
mod load;
mod situation;

pub use self::evaluate::Policy;
pub use self::finding::{Credential, Finding, Origin, Provenance, Severity};
pub use self::load::PolicyError;
pub use self::situation::{CredentialFacts, Judgement, Situation};
