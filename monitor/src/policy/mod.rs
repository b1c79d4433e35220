//! Turns an effect and its circumstances into a verdict with reasons.
//!
//! All rules are asked and the strictest answer wins, so that adding a rule can never open a gap, the order of rules
//! can never hide one, and a project's rules can be added to the operator's without trusting them. Bias: an effect
//! whose circumstances are unknown is treated as the worse of the cases it may be.

mod check;
mod destination;
mod evaluate;
mod file;
mod finding;
mod glob;
mod grants;
mod load;
mod mode;
mod reasons;
mod rule;
mod situation;

pub use self::evaluate::{Hold, Policy};
pub use self::file::{Destination, OnMonitorExit, OnTimeout};
pub use self::finding::{Credential, Finding, Origin, Provenance, Severity};
pub use self::load::{DEFAULT, PolicyError, schema};
pub use self::situation::{CredentialFacts, Judgement, Situation};
