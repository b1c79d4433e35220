//! Values as an event may carry them: short, and free of secrets.
//!
//! Two things pull apart here. A secret must not be shown; but what a session has met in a file counts as a secret, the
//! session chooses what is in its files, and so it could have `deleteProject` hidden from the detectors by writing
//! `TOKEN=deleteProject` somewhere. Hence: what stands under the name of a credential is always replaced, a mere word
//! never, and about everything else the [`Redactor`] decides.

use crate::credential::Redactor;
use crate::protocol::credentials::names;

/// Characters of a value that are kept; longer ones say how long they are.
const MAX_VALUE: usize = 64;
/// Characters of a name.
const MAX_NAME: usize = 64;
/// Characters of a path kept at either end: a verb stands in the first or the last segments.
const MAX_PATH_END: usize = 512;
/// Longest word. A random token of letters alone that is shorter than this can hardly occur.
const MAX_WORD: usize = 32;

/// The value of the field called `name`, which may be a path.
pub(super) fn value(redactor: &Redactor, name: &str, value: &str) -> String {
    let own_name = name.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(name);
    shown(redactor, own_name, value, names::credential(own_name))
}

/// The value of the parameter called `name`, of a URL or a form.
pub(super) fn parameter(redactor: &Redactor, name: &str, value: &str) -> String {
    shown(redactor, name, value, names::credential_parameter(name))
}

fn shown(redactor: &Redactor, name: &str, value: &str, secret: bool) -> String {
    if secret && !matches!(value, "" | "null" | "true" | "false") {
        return format!("‹{}›", redactor.fingerprint(value.as_bytes()));
    }
    if is_word(value) {
        return value.to_owned();
    }
    if value.chars().nth(MAX_VALUE).is_some() {
        return format!("‹{} B›", value.len());
    }
    printable(&redactor.field(name, value))
}

/// The name of a field or parameter.
pub(super) fn name(redactor: &Redactor, name: &str) -> String {
    let short: String = name.chars().take(MAX_NAME).collect();
    if is_word(&short) { short } else { printable(&redactor.text(&short)) }
}

/// A path, segment by segment; the middle of a very long one is left out.
pub(super) fn path(redactor: &Redactor, path: &str) -> String {
    let shown = path
        .split('/')
        .map(|part| if is_word(part) { part.to_owned() } else { printable(&redactor.text(part)) })
        .collect::<Vec<_>>()
        .join("/");
    let length = shown.chars().count();
    if length <= 2 * MAX_PATH_END {
        return shown;
    }
    let head: String = shown.chars().take(MAX_PATH_END).collect();
    let tail: String = shown.chars().skip(length - MAX_PATH_END).collect();
    format!("{head}…{tail}")
}

/// A header value of at most `most` characters. Identifiers with dots and digits (`DynamoDB_20120810.DeleteTable`) are
/// shown as they are if `operation` says that the header names one.
pub(super) fn header(redactor: &Redactor, value: &[u8], operation: bool, most: usize) -> String {
    let text: String = String::from_utf8_lossy(value).chars().take(most).collect();
    let identifier = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-#".contains(&byte));
    if operation && identifier || is_word(&text) { text } else { printable(&redactor.text(&text)) }
}

/// Letters, and what joins them.
fn is_word(text: &str) -> bool {
    text.len() <= MAX_WORD && text.bytes().all(|byte| byte.is_ascii_alphabetic() || b"-_.".contains(&byte))
}

/// Control characters could drive the terminal an alert is read on.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { '\u{fffd}' } else { char }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Fingerprinter;

    fn redactor() -> Redactor {
        let mut redactor = Redactor::new(Fingerprinter::new(&[7; 32]));
        redactor.learn(redactor.fingerprint(b"deleteProject"));
        redactor
    }

    #[test]
    fn values_are_short_and_words_stay() {
        let check = |field, text: &str, expect| assert_eq!(value(&redactor(), field, text), expect);
        check("action", "deleteProject", "deleteProject");
        check("input.id", "41", "41");
        check("input.force", "true", "true");
        check("note", &"é ".repeat(40), "‹120 B›");
        check("note", "a\u{1b}[2Jb", "a\u{fffd}[2Jb");
        check("reset_token", "false", "false");
        assert!(value(&redactor(), "items.token.0", "abc").starts_with("‹fp:"));
        assert!(value(&redactor(), "password", "deleteProject").starts_with("‹fp:"));
    }

    #[test]
    fn paths_keep_their_words_and_both_ends() {
        assert_eq!(path(&redactor(), "/v1/deleteProject"), "/v1/deleteProject");
        let long = format!("/first/{}/delete", "a/".repeat(2_000));
        let shown = path(&redactor(), &long);
        assert!(shown.starts_with("/first/") && shown.ends_with("/delete") && shown.chars().count() == 1025);
    }
}
