//! What a policy is asked, and what it answers.

use std::net::IpAddr;

use super::{Provenance, Severity};
use crate::detect::Effect;
use crate::event::{Action, Mode};
use crate::secret::Fingerprint;

/// An action and its circumstances, as far as they are known.
#[derive(Clone, Debug)]
pub struct Situation<'a> {
    /// All that the action would do: [`Assessment::effects`](crate::detect::Assessment::effects). Each is judged.
    pub effects: &'a [Effect],
    /// Why (part of) the action could not be read: `Assessment::blind`, or the reason of an `unread` event.
    pub blind: Option<&'a str>,
    /// The catalogue's provider behind the destination, if it is one: `Assessment::provider`, or
    /// `Catalog::provider_of` the server name for traffic that cannot be read.
    pub provider: Option<&'a str>,
    /// The credential that weighs most in the request.
    pub credential: CredentialFacts<'a>,
    /// The request's `Host`.
    pub host: Option<&'a str>,
    /// The server name of the TLS connection, if it was seen.
    pub server_name: Option<&'a str>,
    /// Every address the request may be going to. Empty if none was seen, which counts as a public one.
    pub peers: &'a [IpAddr],
    /// The request's method.
    pub method: Option<&'a str>,
    /// The session has discovered a strong credential.
    pub tainted: bool,
    /// How far the session's gate goes.
    pub mode: Mode,
}

/// What a policy may ask about a credential.
#[derive(Clone, Copy, Debug)]
pub struct CredentialFacts<'a> {
    pub provenance: Provenance,
    /// None only if `provenance` is [`Provenance::None`].
    pub fingerprint: Option<Fingerprint>,
    /// What it looks like: `railway-token`.
    pub kind: Option<&'a str>,
    /// The name it stood under: `RAILWAY_TOKEN`.
    pub name: Option<&'a str>,
    /// Where in the request: `header:authorization`.
    pub position: Option<&'a str>,
}

impl CredentialFacts<'_> {
    /// The request carries no credential.
    pub const NONE: Self =
        Self { provenance: Provenance::None, fingerprint: None, kind: None, name: None, position: None };
}

/// A policy's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// What the policy asks for.
    pub asked: Action,
    /// What is to be done: `asked` under the session's mode.
    pub action: Action,
    /// The rule that asked for it. None if no rule matched; then `asked` is allow.
    pub rule: Option<String>,
    /// The highest severity of all rules that matched.
    pub severity: Severity,
    /// One sentence without a full stop. Empty if no rule matched.
    pub title: String,
    /// The effect that rule was about.
    pub effect: Option<Effect>,
    /// Sentences about effect, credential, what was not read and rule, the weightiest first. Where a credential was met
    /// is for the pipeline to tell, which knows the places.
    pub reasons: Vec<String>,
}
