//! The sentences a judgement is told in.
//!
//! Object, operation and host come from a monitored process; they arrive here bounded and free of control characters.

use super::{CredentialFacts, Provenance, Situation};
use crate::detect::{Confidence, Effect, Reversibility, Verb};
use crate::event::{Action, Mode};

/// What a title may refer to.
pub(super) const PLACEHOLDERS: [&str; 7] =
    ["object", "an_object", "verb", "operation", "provider", "target", "host"];
/// Longest title, in characters: two lines of a terminal. Also the longest template.
pub(super) const MAX_TITLE: usize = 200;
/// Most further operations named in a reason.
const MAX_NAMED: usize = 3;

/// Names of placeholders in a template, known or not.
pub(super) fn placeholders(template: &str) -> impl Iterator<Item = &str> {
    template.split('{').skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// The title with its placeholders filled in, from the left, each once: what is filled in is not looked at again.
pub(super) fn title(template: &str, situation: &Situation<'_>, effect: Option<&Effect>) -> String {
    let value = |name: &str| -> String {
        let of = |text: Option<&str>, otherwise: &str| text.unwrap_or(otherwise).to_owned();
        match name {
            "object" => of(effect.map(|effect| effect.object.as_str()), "something"),
            "an_object" => {
                effect.map_or_else(|| "something".to_owned(), |effect| with_article(&effect.object))
            }
            "verb" => of(effect.map(|effect| verb(effect.verb)), "acts on"),
            "operation" => of(effect.map(|effect| effect.operation.as_str()), "an operation"),
            "provider" => of(situation.provider, "an unknown provider"),
            "target" => of(effect.and_then(|effect| effect.target.as_deref()), "an unnamed one"),
            "host" => of(situation.host.or(situation.server_name), "an unknown host"),
            _ => String::new(),
        }
    };
    let mut out = String::new();
    let mut pieces = template.split('{');
    out.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        match piece.split_once('}') {
            Some((name, rest)) => {
                out.push_str(&value(name));
                out.push_str(rest);
            }
            None => out.push_str(piece),
        }
    }
    capital(&out).chars().take(MAX_TITLE).collect()
}

/// All reasons, the weightiest first.
pub(super) fn reasons(
    situation: &Situation<'_>,
    effect: Option<&Effect>,
    rule: &str,
    (asked, action): (Action, Action),
) -> Vec<String> {
    let mut reasons: Vec<String> = effect.map(of_effect).into_iter().collect();
    reasons.extend(effect.and_then(|_| of_credential(&situation.credential)));
    reasons.extend(of_blind(situation));
    if effect.is_some_and(|effect| effect.confidence == Confidence::Generic) {
        reasons.push("It is recognised by its name alone: the catalogue does not know this host.".to_owned());
    }
    reasons.extend(others(situation.effects, effect));
    reasons.push(of_rule(rule, asked, action, situation.mode));
    reasons
}

/// `Destroys a volume; cannot be undone (backups live in the same volume).`
fn of_effect(effect: &Effect) -> String {
    let what = match effect.verb {
        Verb::Destroys | Verb::Configures => {
            format!("{} {}", verb(effect.verb), with_article(&effect.object))
        }
        Verb::ChangesAccess | Verb::RemovesGuard => format!("{} ({})", verb(effect.verb), effect.object),
    };
    let undo = (effect.reversibility != Reversibility::G).then(|| format!("; {}", effect.reversibility));
    let recovery = effect.recovery.as_ref().map(|recovery| format!(" ({recovery})"));
    sentence(&[Some(what), undo, recovery].into_iter().flatten().collect::<String>())
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    format!("{}.", capital(text))
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

/// What is known of a credential the session never met. Of one it met, the pipeline tells where.
fn of_credential(credential: &CredentialFacts<'_>) -> Option<String> {
    let name = credential.fingerprint.map_or_else(String::new, |fingerprint| format!(" {fingerprint}"));
    match credential.provenance {
        Provenance::Discovered | Provenance::Granted => None,
        Provenance::Unknown => Some(format!("Credential{name} was never seen before this request.")),
        Provenance::None => Some("The request carries no credential.".to_owned()),
    }
}

/// What was not read: of a request, or of traffic that is no request.
fn of_blind(situation: &Situation<'_>) -> Option<String> {
    let blind = situation.blind?;
    Some(match situation.method {
        Some(_) => format!("The request {blind}."),
        None => format!("The traffic of this connection cannot be read ({blind})."),
    })
}

fn others(effects: &[Effect], told: Option<&Effect>) -> Option<String> {
    let others: Vec<&str> = effects
        .iter()
        .filter(|effect| Some(*effect) != told)
        .map(|effect| effect.operation.as_str())
        .collect();
    let named = others.iter().take(MAX_NAMED).copied().collect::<Vec<_>>().join(", ");
    let more = others.len().checked_sub(MAX_NAMED).filter(|more| *more > 0);
    let more = more.map_or_else(String::new, |more| format!(" and {more} more"));
    (!others.is_empty()).then(|| format!("The same request also does {named}{more}."))
}

fn of_rule(rule: &str, asked: Action, action: Action, mode: Mode) -> String {
    let because = match (asked == action, mode) {
        (true, _) => "",
        (false, Mode::Observe) => ", but mode observe only alerts",
        (false, _) => ", which mode enforce turns into deny",
    };
    format!("Rule {rule} asks for {asked}{because}.")
}

fn verb(verb: Verb) -> &'static str {
    match verb {
        Verb::Destroys => "destroys",
        Verb::ChangesAccess => "changes access",
        Verb::Configures => "changes",
        Verb::RemovesGuard => "takes a protection away",
    }
}

/// `a volume`, `an environment`, `a user`.
fn with_article(noun: &str) -> String {
    let lower = noun.to_lowercase();
    let sounds_like_you = ["us", "uni", "eu", "uti"].iter().any(|start| lower.starts_with(start));
    let vowel = lower.starts_with(['a', 'e', 'i', 'o', 'u']) && !sounds_like_you;
    format!("{} {noun}", if vowel { "an" } else { "a" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_get_their_article() {
        for (noun, expect) in [
            ("volume", "a volume"),
            ("environment", "an environment"),
            ("user", "a user"),
            ("API token", "an API token"),
        ] {
            assert_eq!(with_article(noun), expect);
        }
    }

    #[test]
    fn placeholders_are_found() {
        assert_eq!(placeholders("{an_object} on {host} {").collect::<Vec<_>>(), ["an_object", "host"]);
    }
}
