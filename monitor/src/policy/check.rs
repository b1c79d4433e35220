//! What a policy file must satisfy beyond its form, and the checked policy made from it.
//!
//! Bias: what would silently do nothing is a mistake. A rule without conditions, an empty list or an operation without
//! provider would each read as protection and be none (or stop everything), so none of them loads.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_saphyr::Spanned;

use super::Policy;
use super::evaluate::{AskedHold, Layer};
use super::file::{
    AnyOf, CredentialWhen, EffectWhen, GrantFile, HoldFile, PolicyFile, RequestWhen, RuleFile, SpannedName,
    When,
};
use super::glob::Glob;
use super::grants::Grant;
use super::reasons::{MAX_TITLE, PLACEHOLDERS, placeholders};
use super::rule::Rule;
use crate::yaml::{Mistake, Place, meant};

/// Most rules: each is asked for each effect of each request, while the request waits.
const MAX_RULES: usize = 512;
/// Most values of one list, for the same reason.
const MAX_LIST: usize = 256;
/// Longest name, id or pattern, in bytes: an operation has at most 120 characters.
const MAX_NAME: usize = 200;
/// Most mistakes told at once: more do not fit a screen.
const MAX_MISTAKES: usize = 20;
/// Shortest and longest wait for a human. A day is more than any connection survives.
const WAIT: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(24 * 3600);
/// Fewest hex digits of a fingerprint, as screens show it.
const MIN_DIGITS: usize = 8;

/// Makes the policy, or tells all that is wrong with it.
pub(super) fn check(file: PolicyFile, hash: blake3::Hash) -> Result<Policy, Vec<Mistake>> {
    let mut check = Check::default();
    let nowhere = Place::default();
    check.name(place(&file.name), "a policy's name", &file.name.value);
    check.length(nowhere, "rules", file.rules.len(), MAX_RULES);
    let layer = Layer {
        prefix: String::new(),
        propose_only: check.operations(&file.operations.propose_only),
        needs_approval: check.operations(&file.operations.needs_approval),
        free: check.operations(&file.operations.free),
        rules: file.rules.into_iter().map(|rule| check.rule(rule)).collect(),
    };
    check.length(nowhere, "grants", file.grants.len(), MAX_LIST);
    let grants = file.grants.iter().filter_map(|grant| check.grant(grant)).collect();
    let hold = check.hold(&file.hold);
    if check.mistakes.is_empty() {
        Ok(Policy { name: file.name.value, hash, layers: vec![layer], grants, hold })
    } else {
        check.mistakes.sort_by_key(|mistake| (mistake.place.line, mistake.place.column));
        check.mistakes.truncate(MAX_MISTAKES);
        Err(check.mistakes)
    }
}

/// The mistakes found so far, and the ids seen.
#[derive(Default)]
struct Check {
    mistakes: Vec<Mistake>,
    ids: BTreeMap<String, Place>,
}

fn place<T>(spanned: &Spanned<T>) -> Place {
    spanned.referenced.into()
}

impl Check {
    fn wrong(&mut self, place: Place, what: String) {
        self.mistakes.push(Mistake { place, what });
    }

    fn length(&mut self, place: Place, what: &str, length: usize, limit: usize) {
        if length > limit {
            self.wrong(place, format!("{length} {what} are too many; at most {limit} are allowed"));
        }
    }

    /// Names stand in findings and on screens, so they may hold nothing that could be taken for something else.
    fn name(&mut self, place: Place, what: &str, name: &str) {
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(plain) {
            self.wrong(
                place,
                format!("{what} must be 1 to {MAX_NAME} letters, digits, dots, dashes or underscores"),
            );
        }
    }

    fn rule(&mut self, rule: RuleFile) -> Rule {
        let at = place(&rule.id);
        let id = rule.id.value;
        self.name(at, "a rule's id", &id);
        if let Some(first) = self.ids.insert(id.clone(), at) {
            self.wrong(
                at,
                format!("the rule {id:?} stands already on line {}; give each its own id", first.line),
            );
        }
        self.title(&rule.title);
        self.when(at, &id, &rule.when);
        Rule::new(id, rule.title.value, rule.when, rule.severity, rule.action)
    }

    fn title(&mut self, title: &Spanned<String>) {
        let (at, title) = (place(title), &title.value);
        if title.is_empty() || title.chars().count() > MAX_TITLE || title.contains(char::is_control) {
            self.wrong(at, format!("a title is one line of 1 to {MAX_TITLE} characters"));
        }
        for name in placeholders(title).filter(|name| !PLACEHOLDERS.contains(name)) {
            self.wrong(at, format!("unknown placeholder {{{name}}}{}", meant(name, &PLACEHOLDERS)));
        }
    }

    fn when(&mut self, at: Place, id: &str, when: &When) {
        let mut given = usize::from(when.blind.is_some()) + usize::from(when.unread.is_some());
        let mut count = |conditions: &[bool]| {
            let own = conditions.iter().filter(|is_given| **is_given).count();
            given += own;
            own
        };
        let mut empty = Vec::new();
        if let Some(EffectWhen { verb, reversibility, confidence, provider, operation, object }) =
            &when.effect
        {
            let known = [verb.is_some(), reversibility.is_some(), confidence.is_some()];
            let globs = [provider.is_some(), operation.is_some(), object.is_some()];
            empty.extend((count(&[known, globs].concat()) == 0).then_some("effect"));
        }
        if let Some(CredentialWhen { provenance, kind, name }) = &when.credential {
            empty.extend(
                (count(&[provenance.is_some(), kind.is_some(), name.is_some()]) == 0).then_some("credential"),
            );
        }
        if let Some(RequestWhen { host, method, destination, known_provider }) = &when.request {
            let all = [host.is_some(), method.is_some(), destination.is_some(), known_provider.is_some()];
            empty.extend((count(&all) == 0).then_some("request"));
        }
        if let Some(session) = &when.session {
            empty.extend((count(&[session.tainted.is_some()]) == 0).then_some("session"));
        }
        for section in empty {
            self.wrong(
                at,
                format!("rule {id:?}: {section:?} holds no condition; leave it out or give it one"),
            );
        }
        if given == 0 {
            self.wrong(at, format!("rule {id:?} has no condition and would apply to everything"));
        }
        self.lists(at, id, when);
    }

    fn lists(&mut self, at: Place, id: &str, when: &When) {
        self.patterns(at, id, "unread", when.unread.as_ref());
        if let Some(effect) = &when.effect {
            self.list(at, id, "verb", effect.verb.as_ref());
            self.list(at, id, "reversibility", effect.reversibility.as_ref());
            self.list(at, id, "confidence", effect.confidence.as_ref());
            self.patterns(at, id, "provider", effect.provider.as_ref());
            self.patterns(at, id, "operation", effect.operation.as_ref());
            self.patterns(at, id, "object", effect.object.as_ref());
            for operation in effect.operation.iter().flat_map(|any| &any.0) {
                self.has_provider(at, operation);
            }
        }
        if let Some(credential) = &when.credential {
            self.list(at, id, "provenance", credential.provenance.as_ref());
            self.patterns(at, id, "kind", credential.kind.as_ref());
            self.patterns(at, id, "name", credential.name.as_ref());
        }
        if let Some(request) = &when.request {
            self.patterns(at, id, "host", request.host.as_ref());
            self.patterns(at, id, "method", request.method.as_ref());
            self.list(at, id, "destination", request.destination.as_ref());
        }
    }

    fn list<T>(&mut self, at: Place, id: &str, field: &str, list: Option<&AnyOf<T>>) {
        let Some(AnyOf(values)) = list else { return };
        if values.is_empty() {
            self.wrong(
                at,
                format!("rule {id:?}: the list {field:?} is empty, so the rule would never apply"),
            );
        }
        self.length(at, &format!("values of {field:?}"), values.len(), MAX_LIST);
    }

    fn patterns(&mut self, at: Place, id: &str, field: &str, list: Option<&AnyOf<String>>) {
        self.list(at, id, field, list);
        for pattern in list.into_iter().flat_map(|any| &any.0) {
            if pattern.is_empty() || pattern.len() > MAX_NAME {
                self.wrong(at, format!("rule {id:?}: a value of {field:?} must have 1 to {MAX_NAME} bytes"));
            }
        }
    }

    fn has_provider(&mut self, at: Place, operation: &str) {
        if !operation.contains(':') {
            self.wrong(at, format!("the operation {operation:?} names no provider; write \"railway:{operation}\", or \"*:{operation}\" for any"));
        }
    }

    fn operations(&mut self, list: &[SpannedName]) -> Vec<Glob> {
        if let Some(first) = list.first() {
            self.length(place(&first.0), "operations", list.len(), MAX_LIST);
        }
        for SpannedName(entry) in list {
            self.has_provider(place(entry), &entry.value);
            if entry.value.len() > MAX_NAME {
                self.wrong(place(entry), format!("an operation has at most {MAX_NAME} bytes"));
            }
        }
        list.iter().map(|entry| Glob::new(&entry.0.value)).collect()
    }

    fn grant(&mut self, grant: &GrantFile) -> Option<Grant> {
        match (&grant.fingerprint, &grant.name, &grant.file) {
            (Some(fingerprint), None, None) => {
                let digits = fingerprint.value.trim_start_matches("fp:").to_ascii_lowercase();
                let enough = (MIN_DIGITS..=32).contains(&digits.len());
                if enough && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                    return Some(Grant::Value(digits));
                }
                self.wrong(
                    place(fingerprint),
                    format!(
                        "{:?} is no fingerprint; write it as holdfire shows it: fp:9c1e8a04",
                        fingerprint.value
                    ),
                );
            }
            (None, Some(name), Some(file)) if file.value.starts_with('/') => {
                return Some(Grant::Place { name: name.value.clone(), file: file.value.clone() });
            }
            (None, Some(_), Some(file)) => {
                self.wrong(place(file), format!("{:?} is no full path; it must begin with /", file.value));
            }
            (fingerprint, name, file) => {
                let at =
                    [fingerprint, name, file].into_iter().flatten().next().map(place).unwrap_or_default();
                self.wrong(at, "a grant is either {fingerprint} or {name, file}".to_owned());
            }
        }
        None
    }

    fn hold(&mut self, hold: &HoldFile) -> AskedHold {
        let timeout = hold.timeout.as_ref().and_then(|timeout| {
            let parsed =
                timeout.value.parse::<jiff::SignedDuration>().ok().and_then(|d| Duration::try_from(d).ok());
            let wait = parsed.filter(|wait| WAIT.contains(wait));
            if wait.is_none() {
                self.wrong(
                    place(timeout),
                    format!("{:?} is no time from 1s to 24h; write it like 5m", timeout.value),
                );
            }
            wait
        });
        AskedHold { timeout, on_timeout: hold.on_timeout, on_monitor_exit: hold.on_monitor_exit }
    }
}
