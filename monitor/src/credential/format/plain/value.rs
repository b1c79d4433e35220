//! Where a value begins and ends, once its name and separator have been read.

use std::ops::Range;

use crate::credential::collect::scheme_len;
use crate::credential::judge::VALUE_MAX;

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Quoted,
    Bare,
    /// Bare, and followed at once by a bracket: a call, an index, a type.
    Expression,
}

/// At most this much white space between name, separator and value is skipped.
const BLANKS_MAX: usize = 64;

/// The position after blanks, and after a backslash that continues the line.
pub(super) fn skip_blanks(text: &[u8], from: usize) -> usize {
    let mut at = from;
    let end = text.len().min(from.saturating_add(BLANKS_MAX));
    while at < end {
        match &text[at..] {
            [b' ' | b'\t', ..] => at += 1,
            [b'\\', b'\n', ..] => at += 2,
            [b'\\', b'\r', b'\n', ..] => at += 3,
            _ => break,
        }
    }
    at.min(text.len())
}

/// The quote at `at`, with the backslashes before it: its length and its character.
pub(super) fn quote_at(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let slashes = text.get(at..)?.iter().take(8).take_while(|b| **b == b'\\').count();
    let quote = *text.get(at + slashes)?;
    matches!(quote, b'"' | b'\'' | b'`').then_some((slashes + 1, quote))
}

/// The value at `at`. `header`: it goes on to the end of the line or the quote around it. `query`: it ends at `&`.
pub(super) fn read(text: &[u8], at: usize, header: bool, query: bool) -> Option<(Range<usize>, Form)> {
    // `b"…"`, `r"…"`, `f'…'`, `@"…"`, `&"…"`: the letter belongs to the language.
    let prefixed = matches!(text.get(at), Some(b'b' | b'r' | b'f' | b'u' | b'@' | b'&' | b'$'));
    let quote =
        quote_at(text, at).or_else(|| quote_at(text, at + 1).filter(|_| prefixed).map(|(n, q)| (n + 1, q)));
    let (range, form) = match quote {
        Some((length, quote)) => {
            (quoted(text, at + length, quote, slashes_before(text, at + length - 1)), Form::Quoted)
        }
        None => bare(text, at, header, query),
    };
    let scheme = scheme_len(&text[range.clone()]);
    let range = range.start + scheme..range.end;
    (!range.is_empty()).then_some((range, form))
}

fn slashes_before(text: &[u8], at: usize) -> usize {
    text[..at].iter().rev().take(8).take_while(|b| **b == b'\\').count()
}

/// To the quote that closes, or to the end of the line. Inside an escaped quote (`\"`) the closing one is escaped as often.
fn quoted(text: &[u8], start: usize, quote: u8, depth: usize) -> Range<usize> {
    let limit = text.len().min(start + VALUE_MAX);
    let mut at = start;
    while let Some(next) = text.get(at..limit).and_then(|rest| memchr::memchr2(quote, b'\n', rest)) {
        let end = at + next;
        let slashes = slashes_before(&text[start..], end - start);
        if text[end] == b'\n' {
            return start..end - usize::from(text[start..end].ends_with(b"\r"));
        }
        if depth > 0 && slashes <= depth {
            return start..end - slashes.min(depth);
        }
        if depth == 0 && slashes % 2 == 0 {
            return start..end;
        }
        at = end + 1;
    }
    start..limit
}

fn bare(text: &[u8], start: usize, header: bool, query: bool) -> (Range<usize>, Form) {
    let rest = &text[start..text.len().min(start + VALUE_MAX)];
    let stops = |b: &u8| match b {
        b'"' | b'\'' | b'`' | b'\n' | b'\r' | 0 => true,
        b' ' | b'\t' | b',' | b';' | b'|' => !header,
        b'<' | b'>' | b'(' | b')' | b'{' | b'}' | b'[' | b']' | b'\\' => !header,
        b'&' => query,
        _ => false,
    };
    // `${VAR}` and `<your-token>` are read whole, so that they are recognised as what they are.
    let whole = match rest {
        [b'$', b'{', ..] | [b'{', b'{', ..] => memchr::memchr(b'}', rest),
        [b'$', b'(', ..] => memchr::memchr(b')', rest),
        [b'<', ..] => memchr::memchr(b'>', rest),
        _ => None,
    };
    if let Some(end) = whole {
        return (start..start + end + 1, Form::Bare);
    }
    let mut length = rest.iter().position(stops).unwrap_or(rest.len());
    // `Bearer X`: the blank belongs to the value.
    let scheme = scheme_len(&rest[..rest.len().min(32)]);
    if length < scheme {
        length = scheme + rest[scheme..].iter().position(stops).unwrap_or(rest.len() - scheme);
    }
    let form = match rest.get(length) {
        Some(b'(' | b'[' | b'{' | b'<') => Form::Expression,
        _ => Form::Bare,
    };
    (start..start + length - rest[..length].iter().rev().take_while(|b| b" \t".contains(b)).count(), form)
}
