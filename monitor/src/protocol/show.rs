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
/// Segments of a path kept at either end: a verb stands in the first or the last few.
const MAX_SEGMENTS: usize = 16;
/// Characters of a segment.
const MAX_SEGMENT: usize = 128;
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
    if is_word(name) {
        return name.to_owned();
    }
    // Names this long are nobody's; what is cut off here cannot hold a secret that is then half shown.
    if name.len() > 4 * MAX_NAME {
        return format!("‹{} B›", name.len());
    }
    printable(&redactor.text(name)).chars().take(MAX_NAME).collect()
}

/// A path, segment by segment; the middle of a very long one is left out.
pub(super) fn path(redactor: &Redactor, path: &str) -> String {
    let parts: Vec<&str> = path.split('/').collect();
    let show =
        |parts: &[&str]| parts.iter().map(|part| segment(redactor, part)).collect::<Vec<_>>().join("/");
    if parts.len() <= 2 * MAX_SEGMENTS {
        return show(&parts);
    }
    format!("{}/…/{}", show(&parts[..MAX_SEGMENTS]), show(&parts[parts.len() - MAX_SEGMENTS..]))
}

fn segment(redactor: &Redactor, part: &str) -> String {
    if is_word(part) {
        return part.to_owned();
    }
    // Cut after the secrets are out: half a secret would not be recognised.
    let shown = printable(&redactor.text(part));
    match shown.char_indices().nth(MAX_SEGMENT) {
        Some((at, _)) => format!("{}…", &shown[..at]),
        None => shown,
    }
}

/// A header value, in at most `most` characters. Identifiers with dots and digits (`DynamoDB_20120810.DeleteTable`) are
/// shown as they are if `operation` says that the header names one.
pub(super) fn header(redactor: &Redactor, value: &[u8], operation: bool, most: usize) -> String {
    let text = String::from_utf8_lossy(value);
    let identifier = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_.-#".contains(&byte));
    let shown = if operation && identifier { text.into_owned() } else { printable(&redactor.text(&text)) };
    shown.chars().take(most).collect()
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
        let long = format!("/first/{}delete", "a/".repeat(2_000));
        let shown = path(&redactor(), &long);
        assert!(shown.starts_with("/first/a/") && shown.ends_with("/a/delete") && shown.contains("/…/"));
        assert!(shown.len() < 100);
        let shown = path(&redactor(), &format!("/{}", "7".repeat(500)));
        assert_eq!(shown, format!("/{}…", "7".repeat(MAX_SEGMENT)));
    }
}
