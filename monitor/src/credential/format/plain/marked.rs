//! Values that stand between marks of their own: private keys, passwords in URLs.

use std::ops::Range;

use super::Hit;
use crate::credential::judge::{VALUE_MAX, is_placeholder};
use crate::credential::kind::Kind;

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";

/// Reports private keys, and returns where PEM blocks of any sort stand: their lines are no tokens.
pub(super) fn keys(text: &[u8], report: &mut dyn FnMut(Hit)) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let mut begins = memchr::memmem::find_iter(text, BEGIN).peekable();
    while let Some(begin) = begins.next() {
        // A block that is cut, or never ends, ends where the next begins.
        let limit = begins.peek().copied().unwrap_or(text.len()).min(begin + VALUE_MAX);
        let inside = &text[begin..limit];
        let end = memchr::memmem::find(inside, END).map_or(limit, |at| {
            let line = &inside[at + END.len()..];
            let close =
                memchr::memmem::find(&line[..line.len().min(64)], b"-----").map_or(0, |dashes| dashes + 5);
            begin + at + END.len() + close
        });
        if let Some(kind) = Kind::of_value(&text[begin..end]) {
            report(Hit { name: None, value: begin..end, kind });
        }
        blocks.push(begin..end);
    }
    blocks
}

/// Reports the password of `scheme://user:password@host`, and the user where it is all there is and has a token's form.
pub(super) fn urls(text: &[u8], report: &mut dyn FnMut(Hit)) {
    /// Longer authorities are no addresses; a token in one has 1 KiB at most.
    const AUTHORITY_MAX: usize = 2048;
    for at in memchr::memmem::find_iter(text, b"://") {
        let start = at + 3;
        let rest = &text[start..text.len().min(start + AUTHORITY_MAX)];
        let ends = |b: &u8| b.is_ascii_whitespace() || b"/?#\"'`<>\\|,;".contains(b);
        let authority = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
        let Some(user) = memchr::memrchr(b'@', authority).map(|at| &authority[..at]) else { continue };
        let colon = memchr::memchr(b':', user);
        let value = start + colon.map_or(0, |colon| colon + 1)..start + user.len();
        let bytes = &text[value.clone()];
        let kind = Kind::of_value(bytes)
            .or_else(|| (colon.is_some() || is_token(bytes)).then_some(Kind::UrlPassword));
        if let Some(kind) = kind.filter(|_| !is_placeholder(bytes) && !is_placeholder(user)) {
            report(Hit { name: None, value, kind });
        }
    }
}

/// A user name alone is a token if it is random: `https://TOKEN@github.com`.
fn is_token(user: &[u8]) -> bool {
    crate::credential::judge::is_opaque(user)
}
