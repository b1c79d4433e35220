//! Values under a name that says secret: `KEY=VALUE`, `"key": "value"`, `--token value`, `Authorization: Bearer X`.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder};

use super::Hit;
use super::value::{self, Form};
use crate::credential::judge::{VALUE_MIN, is_placeholder, judge};
use crate::credential::kind::Kind;
use crate::credential::name::NAME_MAX;

/// Every name that says secret contains one of these.
const STEMS: &[&str] = &[
    "token",
    "secret",
    "passw",
    "passphrase",
    "pass=",
    "pass:",
    "pass\"",
    "pass'",
    "pass ",
    "pwd",
    "key",
    "auth",
    "cred",
    "_pat",
    "-pat",
    "pat=",
    "dsn",
    "webhook",
    "session",
    "cookie",
    "bearer",
    "connection",
    "jwt",
    "extraheader",
    "-u ",
    "--user",
    "identified by",
];

#[expect(clippy::expect_used, reason = "the stems are constants: building fails in the first test or never")]
static STEMS_SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasickBuilder::new().ascii_case_insensitive(true).build(STEMS).expect("constant stems build")
});

/// What stands between a name and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Separator {
    /// `=` without blanks, as shells and dotenv files need it.
    Tight,
    /// `=`, `:`, `=>`, `:=` with blanks, as languages write it.
    Loose,
    /// Only a quoted value is one: `==`, `("TOKEN", "value")`, `password "value"`.
    QuotedOnly,
    /// The blank after a flag or in `set NAME value`.
    Argument,
    /// A blank between two words of a text.
    Blank,
}

/// Reports the values of names that say secret.
pub(super) fn search(text: &[u8], code: bool, report: &mut dyn FnMut(Hit)) {
    let mut done = 0;
    for stem in STEMS_SEARCH.find_iter(text) {
        if stem.start() < done {
            continue;
        }
        let name = name_around(text, stem.range());
        done = name.end.max(stem.end());
        let hit = match &text[name.clone()] {
            word if word.eq_ignore_ascii_case(b"bearer") => bearer(text, name.end),
            b"-u" | b"--user" => user(text, name.end),
            _ => assigned(text, name, code),
        };
        hit.into_iter().for_each(&mut *report);
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'$')
}

/// The name a stem is part of. A stem's own blank or quote is no part of it.
fn name_around(text: &[u8], stem: Range<usize>) -> Range<usize> {
    let before = text[..stem.start].iter().rev().take(NAME_MAX).take_while(|b| is_name_byte(**b)).count();
    let after = text[stem.start..].iter().take(NAME_MAX).take_while(|b| is_name_byte(**b)).count();
    stem.start - before..stem.start + after
}

fn assigned(text: &[u8], name: Range<usize>, code: bool) -> Option<Hit> {
    let (separator, at) = separator(text, &name)?;
    let flag = text[name.start] == b'-';
    let start = name.start + text[name.clone()].iter().take_while(|b| **b == b'-').count();
    let shown = start..name.end;
    let word = &text[shown.clone()];
    let header = word.len() >= 6
        && (ends_with(word, b"authorization")
            || ends_with(word, b"cookie")
            || ends_with(word, b"extraheader"));
    let query = name.start > 0 && matches!(text[name.start - 1], b'?' | b'&');
    let (value, form) = annotated(text, value::read(text, at, header, query)?, separator);
    let bytes = &text[value.clone()];
    let plausible = match (form, separator) {
        (Form::Quoted, _) => true,
        (Form::Expression, _) | (_, Separator::QuotedOnly) => false,
        (Form::Bare, _) if query || header => true,
        (Form::Bare, Separator::Blank) => has_digit(bytes) && is_word(bytes) && !code,
        (Form::Bare, Separator::Argument) => bytes[0] != b'-',
        (Form::Bare, Separator::Tight) => !code || flag || has_digit(bytes),
        (Form::Bare, Separator::Loose) => !is_variable(bytes, code),
    };
    let kind = judge(Some(word), bytes).filter(|kind| plausible && kind.is_strong())?;
    Some(Hit { name: Some(shown), value, kind })
}

fn ends_with(word: &[u8], suffix: &[u8]) -> bool {
    word.len() >= suffix.len() && word[word.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
}

fn has_digit(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_digit)
}

/// A word, no path and no URL, without the punctuation prose has at its end.
fn is_word(value: &[u8]) -> bool {
    value.iter().any(u8::is_ascii_alphabetic)
        && !value.contains(&b'/')
        && !value.ends_with(b".")
        && !value.ends_with(b":")
}

/// `config.password`, `String`, `some::path`: what languages write after `=` and `:` without quotes.
fn is_variable(value: &[u8], code: bool) -> bool {
    let dotted = value.contains(&b'.')
        && value.iter().all(|b| b.is_ascii_alphabetic() || matches!(b, b'.' | b'_' | b'?'));
    let path = memchr::memmem::find(value, b"::").is_some() || memchr::memmem::find(value, b"->").is_some();
    dotted || path || (code && !has_digit(value))
}

/// `token: str = "value"`: the value stands behind the type.
fn annotated(text: &[u8], read: (Range<usize>, Form), separator: Separator) -> (Range<usize>, Form) {
    const TYPE_MAX: usize = 64;
    if read.1 == Form::Quoted || separator != Separator::Loose {
        return read;
    }
    let rest = &text[read.0.end..text.len().min(read.0.end + TYPE_MAX)];
    let line = &rest[..memchr::memchr(b'\n', rest).unwrap_or(rest.len())];
    let Some(at) = memchr::memchr(b'=', line) else { return read };
    let behind = value::skip_blanks(text, read.0.end + at + 1);
    value::read(text, behind, false, false).filter(|(_, form)| *form == Form::Quoted).unwrap_or(read)
}

/// What follows the name, and where the value begins.
fn separator(text: &[u8], name: &Range<usize>) -> Option<(Separator, usize)> {
    let mut at = name.end;
    let closing = value::quote_at(text, at);
    at += closing.map_or(0, |(length, _)| length);
    at += usize::from(text.get(at) == Some(&b']'));
    let optional = matches!(text.get(at..at + 2), Some([b'?' | b'!' | b'+', b':' | b'=']));
    at += usize::from(optional && text[at] != b'!');
    let touching = at;
    at = value::skip_blanks(text, at);
    let (separator, length) = match text.get(at..)? {
        [b'=', b'=', b'=', ..] => (Separator::QuotedOnly, 3),
        [b'=', b'=', ..] => (Separator::QuotedOnly, 2),
        [b'=', b'>', ..] | [b':', b'=', ..] => (Separator::Loose, 2),
        [b'=', next, ..] if at == touching && !next.is_ascii_whitespace() => (Separator::Tight, 1),
        [b'=', ..] => (Separator::Loose, 1),
        [b':', b':', ..] | [b':', b'/', b'/', ..] => return None,
        [b':', ..] => (Separator::Loose, 1),
        [b'>', ..] if name.start > 0 && text[name.start - 1] == b'<' => (Separator::Tight, 1),
        [b',', ..] if closing.is_some() => (Separator::QuotedOnly, 1),
        [b'"' | b'\'' | b'\\', ..] if at > touching => (Separator::QuotedOnly, 0),
        [next, ..] if at > touching && !b"\r\n".contains(next) => {
            if text[name.start] == b'-' || follows_set(&text[..name.start]) {
                (Separator::Argument, 0)
            } else if closing.is_none() && text[name.start] != b'$' {
                (Separator::Blank, 0)
            } else {
                return None;
            }
        }
        _ => return None,
    };
    Some((separator, value::skip_blanks(text, at + length)))
}

/// Whether the word before a name is one of those that set it: `set NAME value`.
fn follows_set(before: &[u8]) -> bool {
    const SETTERS: &[&str] = &["set", "setx", "setenv", "env", "config", "-gx", "-x", "-ux", "add", "put"];
    let before = &before[before.len().saturating_sub(16)..];
    let word = before.trim_ascii_end().rsplit(u8::is_ascii_whitespace).next().unwrap_or_default();
    before.ends_with(b" ") && SETTERS.iter().any(|setter| word.eq_ignore_ascii_case(setter.as_bytes()))
}

/// `Bearer X` wherever it stands. In prose a word without a digit may follow.
fn bearer(text: &[u8], end: usize) -> Option<Hit> {
    const CERTAIN_MIN: usize = 20;
    let start = value::skip_blanks(text, end);
    let length =
        text[start..].iter().take_while(|b| b.is_ascii_alphanumeric() || b"-._~+/=".contains(b)).count();
    let value = start..start + length;
    let bytes = &text[value.clone()];
    let certain = length >= CERTAIN_MIN || has_digit(bytes);
    if start == end || length < VALUE_MIN || !certain || is_placeholder(bytes) {
        return None;
    }
    Some(Hit { name: None, kind: Kind::of_value(bytes).unwrap_or(Kind::NamedSecret), value })
}

/// The password of curl's `-u user:password`. Numbers are user and group ids, as docker's `-u 1000:1000`.
fn user(text: &[u8], end: usize) -> Option<Hit> {
    let at = value::skip_blanks(text, end + usize::from(text.get(end) == Some(&b'=')));
    let (pair, _) = value::read(text, at, false, false)
        .filter(|(pair, _)| at > end && !is_placeholder(&text[pair.clone()]))?;
    let colon = memchr::memchr(b':', &text[pair.clone()])?;
    let value = pair.start + colon + 1..pair.end;
    let bytes = &text[value.clone()];
    let kind = judge(Some(b"password"), bytes).filter(|_| !bytes.iter().all(u8::is_ascii_digit))?;
    Some(Hit { name: None, value, kind })
}
