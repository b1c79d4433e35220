//! The generic rule: what the name of an operation says it does.
//!
//! Bias: a name with a destructive verb at a verb's place destroys for good, unless its object is known to be light.
//! A name is never proof of harmlessness on its own account: what is excepted here is excepted by word lists in
//! `catalog/verbs.yaml`, each a way of saying "this takes nothing away".

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::words::{singular, split};
use super::{Reversibility, Verb};
use crate::event::Field;

/// `catalog/verbs.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerbsFile {
    verbs: Vec<VerbGroup>,
    leading: BTreeSet<String>,
    trailing: BTreeSet<String>,
    harmless_first: BTreeSet<String>,
    harmless_last: BTreeSet<String>,
    objects: Vec<ObjectGroup>,
    detachable: BTreeSet<String>,
    guards: Vec<String>,
    guard_fields: Vec<String>,
    creating: BTreeSet<String>,
    operation_fields: BTreeSet<String>,
    batch_fields: BTreeSet<String>,
    method_fields: BTreeSet<String>,
}

/// Verbs that mean the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct VerbGroup {
    words: Vec<String>,
    /// Counts in the middle of a name too.
    #[serde(default)]
    decisive: bool,
    /// Counts where it is the whole name.
    #[serde(default = "yes")]
    alone: bool,
    verb: Verb,
    reversibility: Reversibility,
}

fn yes() -> bool {
    true
}

/// What is known of one verb.
#[derive(Clone, Copy, Debug)]
struct VerbFacts {
    verb: Verb,
    reversibility: Reversibility,
    decisive: bool,
    alone: bool,
}

/// Objects that weigh the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectGroup {
    words: Vec<String>,
    verb: Verb,
    reversibility: Reversibility,
}

/// What a name says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) verb: Verb,
    pub(super) reversibility: Reversibility,
    /// The words the verb acts on; empty if the name holds none.
    pub(super) object: String,
}

/// The word lists, ready to look up.
#[derive(Clone, Debug)]
pub(super) struct Verbs {
    verbs: BTreeMap<String, VerbFacts>,
    leading: BTreeSet<String>,
    trailing: BTreeSet<String>,
    harmless_first: BTreeSet<String>,
    harmless_last: BTreeSet<String>,
    objects: BTreeMap<String, (Verb, Reversibility)>,
    detachable: BTreeSet<String>,
    guards: Vec<BTreeSet<String>>,
    guard_fields: Vec<Vec<String>>,
    creating: BTreeSet<String>,
    operation_fields: BTreeSet<String>,
    batch_fields: BTreeSet<String>,
    method_fields: BTreeSet<String>,
}

impl From<VerbsFile> for Verbs {
    fn from(file: VerbsFile) -> Self {
        let verbs = file.verbs.into_iter().flat_map(|group| {
            let VerbGroup { words, decisive, alone, verb, reversibility } = group;
            words.into_iter().map(move |word| (word, VerbFacts { verb, reversibility, decisive, alone }))
        });
        let objects = file.objects.into_iter().flat_map(|group| {
            let value = (group.verb, group.reversibility);
            group.words.into_iter().map(move |word| (word, value))
        });
        Self {
            verbs: verbs.collect(),
            leading: file.leading,
            trailing: file.trailing,
            harmless_first: file.harmless_first,
            harmless_last: file.harmless_last,
            objects: objects.collect(),
            detachable: file.detachable,
            guards: file.guards.iter().map(|guard| split(guard).into_iter().collect()).collect(),
            guard_fields: file.guard_fields.iter().map(|field| split(field)).collect(),
            creating: file.creating,
            operation_fields: file.operation_fields,
            batch_fields: file.batch_fields,
            method_fields: file.method_fields,
        }
    }
}

impl Verbs {
    /// What `name` says it does, if that is harm.
    pub(super) fn judge(&self, name: &str) -> Option<Said> {
        // Verbs have no plural: `releases` is a thing.
        let words = split(name);
        let nouns: Vec<String> = words.iter().map(|word| singular(word)).collect();
        if self.guards.iter().any(|guard| guard.iter().all(|word| nouns.contains(word))) {
            let object = nouns.join(" ");
            return Some(Said { verb: Verb::RemovesGuard, reversibility: Reversibility::G, object });
        }
        let (first, last) = (words.first()?, words.last()?);
        if self.harmless_first.contains(first)
            || (!self.is_decisive(first) && self.harmless_last.contains(last))
        {
            return None;
        }
        let at = self.verb_place(&words)?;
        let VerbFacts { verb, reversibility, alone, .. } =
            *self.verbs.get(verb_of(&words[at], &self.verbs)?)?;
        let object = self.object_of(&nouns, at);
        let bare = object.split(' ').next_back().unwrap_or_default();
        let detaches = words[at] == "remove" && self.detachable.contains(bare);
        if detaches || (object.is_empty() && !alone) {
            return None;
        }
        let (verb, reversibility) = self.weigh(&object, verb, reversibility);
        Some(Said { verb, reversibility, object })
    }

    /// Where in a name its verb stands: behind leading words, before trailing ones, or a decisive one anywhere.
    fn verb_place(&self, words: &[String]) -> Option<usize> {
        let is_verb = |at: &usize| words.get(*at).is_some_and(|word| verb_of(word, &self.verbs).is_some());
        let front = words.iter().position(|word| !self.leading.contains(word)).filter(is_verb);
        let back = || words.iter().rposition(|word| !self.trailing.contains(word)).filter(is_verb);
        let middle = || words.iter().position(|word| self.is_decisive(word));
        front.or_else(back).or_else(middle)
    }

    fn is_decisive(&self, word: &str) -> bool {
        self.verbs.get(word).is_some_and(|facts| facts.decisive)
    }

    /// What the verb at `at` acts on: the words behind it up to a preposition, or else those before it.
    fn object_of(&self, words: &[String], at: usize) -> String {
        let small = ["by", "from", "for", "in", "to", "on", "with", "of", "and", "the", "a"];
        let behind: Vec<&str> = words[at + 1..]
            .iter()
            .map(String::as_str)
            .take_while(|word| !small.contains(word))
            .filter(|word| !self.trailing.contains(*word))
            .collect();
        if !behind.is_empty() {
            return behind.join(" ");
        }
        let before = words[..at].iter().map(String::as_str).filter(|word| !self.leading.contains(*word));
        before.collect::<Vec<_>>().join(" ")
    }

    /// How bad it is to do `verb` to `object`: the longest known ending of the object decides.
    pub(super) fn weigh(&self, object: &str, verb: Verb, otherwise: Reversibility) -> (Verb, Reversibility) {
        let words: Vec<&str> = object.split(' ').collect();
        (0..words.len())
            .find_map(|from| self.objects.get(&words[from..].join(" ")))
            .copied()
            .unwrap_or((verb, otherwise))
    }

    /// Whether a field called `name` (a path like `input.deletionProtection`) with `value` switches a protection off.
    pub(super) fn is_guard_switched_off(&self, name: &str, value: &str) -> bool {
        let on_means_off = |words: &[String]| words.first().is_some_and(|word| word == "disable");
        let words = split(name);
        self.guard_fields.iter().any(|field| {
            let off = if on_means_off(field) { "true" } else { "false" };
            words.ends_with(field) && value.eq_ignore_ascii_case(off)
        })
    }

    /// Whether an operation of this name makes something new.
    pub(super) fn creates(&self, name: &str) -> bool {
        split(name).first().is_some_and(|word| self.creating.contains(word))
    }

    /// The operation a field names, if it does: `action`, `0.method`, `requests.0.method`. Text with spaces is no name.
    pub(super) fn named_by<'a>(&self, field: &'a Field) -> Option<&'a str> {
        let last = self.speaking_part(&field.name)?.to_ascii_lowercase();
        let is_name = self.operation_fields.contains(&last) && !field.value.contains(char::is_whitespace);
        is_name.then_some(field.value.as_str())
    }

    /// The last part of a field's path, if it speaks for the request or for an entry of a batch.
    pub(super) fn speaking_part<'a>(&self, name: &'a str) -> Option<&'a str> {
        let is_index = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = name.splitn(4, '.');
        match (parts.next(), parts.next(), parts.next(), parts.next()) {
            (Some(last), None, ..) => Some(last),
            (Some(index), Some(last), None, _) if is_index(index) => Some(last),
            (Some(batch), Some(index), Some(last), None)
                if is_index(index) && self.batch_fields.contains(&batch.to_ascii_lowercase()) =>
            {
                Some(last)
            }
            _ => None,
        }
    }

    /// Whether a field or header of this name overrides the HTTP method.
    pub(super) fn overrides_method(&self, field: &str) -> bool {
        self.method_fields.contains(&field.to_ascii_lowercase())
    }

    /// Whether a path segment is nothing but a verb, so that it can hardly be the name of a thing: `/volumes/1/delete`,
    /// `/delete/123`.
    pub(super) fn is_bare_verb(&self, segment: &str) -> bool {
        matches!(split(segment).as_slice(), [word] if self.verbs.get(word).is_some_and(|facts| facts.alone))
    }

    /// Whether a path segment is written the way operations are and things are not: `removeThingFromGroup`.
    pub(super) fn is_camel_case_verb(&self, segment: &str) -> bool {
        segment.bytes().all(|byte| byte.is_ascii_alphabetic())
            && matches!(split(segment).as_slice(), [first, _, ..] if self.is_decisive(first))
    }
}

/// The verb a word is, or that it begins with where names are written without a gap: `deletejobqueue`.
fn verb_of<'a>(word: &'a str, verbs: &'a BTreeMap<String, VerbFacts>) -> Option<&'a str> {
    if verbs.contains_key(word) {
        return Some(word);
    }
    let begins = |(verb, facts): &(&String, &VerbFacts)| {
        let rest = word.strip_prefix(verb.as_str()).unwrap_or_default();
        // Shorter endings are forms of the verb (deleted, deletes, remover), shorter verbs parts of other words.
        facts.decisive && verb.len() >= 6 && rest.len() >= 3
    };
    verbs.iter().find(begins).map(|(verb, _)| verb.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verbs() -> Verbs {
        crate::yaml::read::<VerbsFile>(include_str!("../../../catalog/verbs.yaml")).unwrap().into()
    }

    fn told(name: &str) -> String {
        verbs().judge(name).map_or_else(
            || "-".to_owned(),
            |said| format!("{:?} {:?} {}", said.verb, said.reversibility, said.object),
        )
    }

    #[test]
    fn names_say_what_they_do() {
        for (name, expect) in [
            ("volumeDelete", "Destroys S4 volume"),
            ("deleteVolume", "Destroys S4 volume"),
            ("delete_users_by_pk", "Destroys S4 user"),
            ("DynamoDB.DeleteTable", "Destroys S4 table"),
            ("BatchDeleteItems", "Destroys S4 item"),
            ("ScheduleKeyDeletion", "Destroys S4 key"),
            ("projectScheduleDeleteForce", "Destroys S4 project"),
            ("chat.delete", "Destroys S4 chat"),
            ("batchDelete", "Destroys S4 "),
            ("serviceRemoveUpstreamUrl", "Destroys S4 upstream url"),
            ("deleteApiKey", "ChangesAccess S1 api key"),
            ("revokeGrant", "ChangesAccess S1 grant"),
            ("deleteCache", "Destroys S1 cache"),
            ("resetDatabase", "Destroys S4 database"),
            ("resetFilter", "Configures S1 filter"),
            ("flushAll", "Destroys S1 "),
            ("disableDeletionProtection", "RemovesGuard G disable deletion protection"),
            ("CancelKeyDeletion", "-"),
            ("projectScheduleDeleteCancel", "-"),
            ("unstarRepository", "-"),
            ("removeLabelsFromLabelable", "-"),
            ("removeTag", "-"),
            ("deletejobqueue", "Destroys S4 "),
            ("deleted", "-"),
            ("releases", "-"),
            ("release", "-"),
            ("releaseAddress", "Destroys S1 address"),
            ("termination", "-"),
            ("DeleteWorkloadEstimate", "Destroys S4 workload estimate"),
            ("removeReaction", "-"),
            ("removeDatabase", "Destroys S4 database"),
            ("createVolume", "-"),
            ("updateDeletePolicy", "-"),
            ("listDeletedVolumes", "-"),
            ("undelete", "-"),
            ("volumes", "-"),
            ("", "-"),
        ] {
            assert_eq!(told(name), expect, "{name}");
        }
    }

    #[test]
    fn switched_off_protections_are_seen() {
        let verbs = verbs();
        for (name, value, expect) in [
            ("deletionProtection", "false", true),
            ("input.deletion_protection", "FALSE", true),
            ("DeletionProtectionEnabled", "false", true),
            ("DisableApiTermination", "true", true),
            ("deletionProtection", "true", false),
            ("protection", "false", false),
        ] {
            assert_eq!(verbs.is_guard_switched_off(name, value), expect, "{name}={value}");
        }
    }
}
