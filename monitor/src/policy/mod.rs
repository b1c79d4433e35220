//! Turns an effect and its circumstances into a verdict with reasons.

mod finding;

pub use self::finding::{Credential, Finding, Origin, Provenance, Severity};
