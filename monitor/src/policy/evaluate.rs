//! Asks every rule and keeps the strictest answer.

use std::time::Duration;

use super::file::{OnMonitorExit, OnTimeout};
use super::glob::{self, Glob};
use super::grants::Grant;
use super::rule::{Rule, operation_name};
use super::{Judgement, Severity, Situation, mode, reasons};
use crate::detect::Effect;
use crate::event::{Action, PolicyRef};
use crate::secret::Fingerprint;

/// A checked policy, ready to judge. It holds the operator's rules and, if it was tightened, a project's.
#[derive(Clone, Debug)]
pub struct Policy {
    pub(super) name: String,
    /// Of the text, and of the texts it was tightened by.
    pub(super) hash: blake3::Hash,
    /// The operator's first.
    pub(super) layers: Vec<Layer>,
    pub(super) grants: Vec<Grant>,
    pub(super) hold: AskedHold,
}

/// What a policy says about holds; what it leaves open is decided by [`Hold::default`], and leaves another policy alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AskedHold {
    pub(super) timeout: Option<Duration>,
    pub(super) on_timeout: Option<OnTimeout>,
    pub(super) on_monitor_exit: Option<OnMonitorExit>,
}

/// The rules of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Layer {
    /// Stands before the ids of rules that are not the operator's: `project:my-rule`.
    pub(super) prefix: String,
    pub(super) rules: Vec<Rule>,
    pub(super) propose_only: Vec<Glob>,
    pub(super) needs_approval: Vec<Glob>,
    pub(super) free: Vec<Glob>,
}

/// What happens to actions that wait for a human.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold {
    /// How long they wait.
    pub timeout: Duration,
    /// What then.
    pub on_timeout: OnTimeout,
    /// What becomes of held connections if holdfire itself ends.
    pub on_monitor_exit: OnMonitorExit,
}

/// Long enough to look up from other work, short enough for an agent's own timeouts to be the exception.
impl Default for Hold {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(5 * 60),
            on_timeout: OnTimeout::default(),
            on_monitor_exit: OnMonitorExit::default(),
        }
    }
}

/// One rule's answer.
#[derive(Clone, Copy, Debug)]
struct Answer<'a> {
    action: Action,
    severity: Severity,
    prefix: &'a str,
    id: &'a str,
    title: &'a str,
    effect: Option<&'a Effect>,
}

impl Policy {
    /// What to do in `situation`, and why.
    ///
    /// The severest action of all rules that apply to any of the effects is asked for; among rules that ask for it, the
    /// highest severity and then the first one names the finding. The severity is the highest of all.
    pub fn judge(&self, situation: &Situation<'_>) -> Judgement {
        let mut best: Option<Answer<'_>> = None;
        let mut severity = Severity::Info;
        for layer in &self.layers {
            layer.ask(situation, &mut |answer| {
                severity = severity.max(answer.severity);
                if best.is_none_or(|b| (b.action, b.severity) < (answer.action, answer.severity)) {
                    best = Some(answer);
                }
            });
        }
        let asked = best.map_or(Action::Allow, |answer| answer.action);
        let action = mode::under(situation.mode, asked);
        let rule = best.map(|answer| format!("{}{}", answer.prefix, answer.id));
        let effect = best.and_then(|answer| answer.effect);
        Judgement {
            asked,
            action,
            severity,
            title: best.map(|answer| reasons::title(answer.title, situation, effect)).unwrap_or_default(),
            effect: effect.cloned(),
            reasons: rule
                .as_deref()
                .map(|rule| reasons::reasons(situation, effect, rule, (asked, action)))
                .unwrap_or_default(),
            rule,
        }
    }

    /// This policy, made stricter by a project's own, which the watched session may have written.
    ///
    /// The project's rules and its `propose_only` and `needs_approval` lists are asked as well; it may shorten the wait
    /// for a human and keep flows held. What it says under `free` and `grants` has no force. So whatever it says, no
    /// situation is judged more mildly.
    #[must_use]
    pub fn tightened_by(mut self, project: &Self) -> Self {
        let prefix = format!("{}:", project.name);
        self.layers.extend(project.layers.iter().cloned().map(|layer| Layer {
            prefix: prefix.clone(),
            free: Vec::new(),
            ..layer
        }));
        // Only what the project names tightens: it need not repeat what the operator chose.
        let (own, asked) = (self.hold(), project.hold);
        self.hold.timeout = Some(asked.timeout.map_or(own.timeout, |asked| asked.min(own.timeout)));
        self.hold.on_monitor_exit =
            Some(asked.on_monitor_exit.map_or(own.on_monitor_exit, |asked| asked.max(own.on_monitor_exit)));
        self.name = format!("{}+{}", self.name, project.name);
        self.hash = blake3::hash(&[self.hash.as_bytes().as_slice(), project.hash.as_bytes()].concat());
        self
    }

    /// Its name and hash, as events and findings carry them.
    pub fn reference(&self) -> PolicyRef {
        let mut hash = self.hash.to_hex().to_string();
        hash.truncate(8);
        PolicyRef { name: self.name.clone(), hash }
    }

    /// What happens to actions that wait for a human.
    pub fn hold(&self) -> Hold {
        let (asked, default) = (self.hold, Hold::default());
        Hold {
            timeout: asked.timeout.unwrap_or(default.timeout),
            on_timeout: asked.on_timeout.unwrap_or(default.on_timeout),
            on_monitor_exit: asked.on_monitor_exit.unwrap_or(default.on_monitor_exit),
        }
    }

    /// Whether the operator declared this very value as given (`grants: [{fingerprint: …}]`).
    pub fn grants_value(&self, fingerprint: Fingerprint) -> bool {
        self.grants.iter().any(|grant| grant.is_value(fingerprint))
    }

    /// Whether the operator declared what stands under `name` in the file at `path` as given (`grants: [{name: …,
    /// file: …}]`). It makes a value granted only if that is so for *every* file the session met the value in:
    /// otherwise a session could copy a foreign token to such a place.
    pub fn grants_place(&self, name: Option<&str>, path: &str) -> bool {
        self.grants.iter().any(|grant| grant.is_place(name, path))
    }
}

impl Layer {
    /// Hands every answer to `take`: for each effect what the lists say, then the rules; and rules that ask for no
    /// effect, once.
    fn ask<'a>(&'a self, situation: &Situation<'a>, take: &mut impl FnMut(Answer<'a>)) {
        for effect in situation.effects {
            let name = operation_name(effect);
            let listed = [
                (
                    &self.propose_only,
                    Action::Deny,
                    "operations.propose_only",
                    "{operation} may only be proposed",
                ),
                (
                    &self.needs_approval,
                    Action::Hold,
                    "operations.needs_approval",
                    "{operation} needs approval",
                ),
            ];
            for (list, action, id, title) in listed {
                if glob::any(list, &name) {
                    let (severity, prefix) = (Severity::High, self.prefix.as_str());
                    take(Answer { action, severity, prefix, id, title, effect: Some(effect) });
                }
            }
            if !glob::any(&self.free, &name) {
                let about_it = self.rules.iter().filter(|rule| rule.is_about_effects());
                about_it
                    .filter(|rule| rule.applies(situation, Some(effect)))
                    .for_each(|rule| take(self.answer(rule, Some(effect))));
            }
        }
        let others = self.rules.iter().filter(|rule| !rule.is_about_effects());
        let worst = situation.effects.first();
        others.filter(|rule| rule.applies(situation, None)).for_each(|rule| take(self.answer(rule, worst)));
    }

    fn answer<'a>(&'a self, rule: &'a Rule, effect: Option<&'a Effect>) -> Answer<'a> {
        let Rule { id, title, severity, action, .. } = rule;
        Answer { action: *action, severity: *severity, prefix: &self.prefix, id, title, effect }
    }
}

#[cfg(test)]
#[path = "evaluate_tests.rs"]
mod tests;
