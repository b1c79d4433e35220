//! One rule, ready to ask.

use super::destination::destination;
use super::file::{AnyOf, Destination, When};
use super::glob::{self, Glob};
use super::{Provenance, Severity, Situation};
use crate::detect::{Confidence, Effect, Reversibility, Verb, bare_host};
use crate::event::Action;

/// A rule of a checked policy.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: String,
    pub(super) title: String,
    pub(super) severity: Severity,
    pub(super) action: Action,
    effect: Option<EffectIs>,
    provenance: Option<Vec<Provenance>>,
    kind: Option<Vec<Glob>>,
    credential_name: Option<Vec<Glob>>,
    host: Option<Vec<Glob>>,
    method: Option<Vec<Glob>>,
    destination: Option<Vec<Destination>>,
    known_provider: Option<bool>,
    tainted: Option<bool>,
    blind: Option<bool>,
    unread: Option<Vec<Glob>>,
}

/// Conditions on an effect.
#[derive(Clone, Debug)]
struct EffectIs {
    verb: Option<Vec<Verb>>,
    reversibility: Option<Vec<Reversibility>>,
    confidence: Option<Vec<Confidence>>,
    provider: Option<Vec<Glob>>,
    operation: Option<Vec<Glob>>,
    object: Option<Vec<Glob>>,
}

/// `railway:volumeDelete`, what operation patterns are held against.
pub(super) fn operation_name(effect: &Effect) -> String {
    format!("{}:{}", effect.provider, effect.operation)
}

impl Rule {
    pub(super) fn new(id: String, title: String, when: When, severity: Severity, action: Action) -> Self {
        let credential = when.credential.unwrap_or_default();
        let request = when.request.unwrap_or_default();
        let effect = when.effect.map(|effect| EffectIs {
            verb: values(effect.verb),
            reversibility: values(effect.reversibility),
            confidence: values(effect.confidence),
            provider: globs(effect.provider),
            operation: globs(effect.operation),
            object: globs(effect.object),
        });
        Self {
            id,
            title,
            severity,
            action,
            effect,
            provenance: values(credential.provenance),
            kind: globs(credential.kind),
            credential_name: globs(credential.name),
            host: globs(request.host),
            method: globs(request.method),
            destination: values(request.destination),
            known_provider: request.known_provider,
            tainted: when.session.unwrap_or_default().tainted,
            blind: when.blind,
            unread: globs(when.unread),
        }
    }

    /// Whether it asks for an effect at all.
    pub(super) fn is_about_effects(&self) -> bool {
        self.effect.is_some()
    }

    /// Whether all its conditions hold for `effect` in `situation`.
    pub(super) fn applies(&self, situation: &Situation<'_>, effect: Option<&Effect>) -> bool {
        let credential = &situation.credential;
        let hosts = || [situation.host, situation.server_name].into_iter().flatten().map(bare_host);
        self.effect.as_ref().is_none_or(|is| effect.is_some_and(|effect| is.applies(effect)))
            && one_of(self.provenance.as_deref(), credential.provenance)
            && matches(self.kind.as_deref(), credential.kind)
            && matches(self.credential_name.as_deref(), credential.name)
            && self.host.as_ref().is_none_or(|globs| hosts().any(|host| glob::any(globs, &host)))
            && matches(self.method.as_deref(), situation.method)
            && self.destination.as_ref().is_none_or(|list| list.contains(&destination(situation)))
            && self.known_provider.is_none_or(|known| known == situation.provider.is_some())
            && self.tainted.is_none_or(|tainted| tainted == situation.tainted)
            && self.blind.is_none_or(|blind| blind == situation.blind.is_some())
            && matches(self.unread.as_deref(), situation.blind.filter(|_| situation.method.is_none()))
    }
}

impl EffectIs {
    fn applies(&self, effect: &Effect) -> bool {
        one_of(self.verb.as_deref(), effect.verb)
            && one_of(self.reversibility.as_deref(), effect.reversibility)
            && one_of(self.confidence.as_deref(), effect.confidence)
            && matches(self.provider.as_deref(), Some(&effect.provider))
            && self.operation.as_ref().is_none_or(|globs| glob::any(globs, &operation_name(effect)))
            && matches(self.object.as_deref(), Some(&effect.object))
    }
}

fn values<T>(any: Option<AnyOf<T>>) -> Option<Vec<T>> {
    any.map(|any| any.0)
}

fn globs(any: Option<AnyOf<String>>) -> Option<Vec<Glob>> {
    any.map(|any| any.0.iter().map(|pattern| Glob::new(pattern)).collect())
}

fn one_of<T: PartialEq>(list: Option<&[T]>, value: T) -> bool {
    list.is_none_or(|list| list.contains(&value))
}

/// What is not known matches no pattern.
fn matches(list: Option<&[Glob]>, value: Option<&str>) -> bool {
    list.is_none_or(|globs| value.is_some_and(|value| glob::any(globs, value)))
}
