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

/// Reads the values of one text. Values may overlap (`token=token=token=…`), so that reading each to its end
/// could cost the square of the text; once values of [`BUDGET`] times its length have been read, only their
/// first bytes are.
pub(super) struct Reader<'a> {
    text: &'a [u8],
    budget: usize,
}

/// Values of real files overlap hardly at all: a JSON document in a string, a header in a command.
const BUDGET: usize = 4;
/// Bytes read of a value when the budget is spent: more than most tokens have.
const SHORT_MAX: usize = 128;

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Self {
        Self { text, budget: text.len() * BUDGET + VALUE_MAX }
    }

    /// The value at `at`. `header`: it goes on to the end of the line or the quote around it. `query`: it
    /// ends at `&`.
    pub(super) fn read(&mut self, at: usize, header: bool, query: bool) -> Option<(Range<usize>, Form)> {
        let text =
            &self.text[..self.text.len().min(at + if self.budget > 0 { VALUE_MAX } else { SHORT_MAX })];
        // `b"…"`, `r"…"`, `f'…'`, `@"…"`, `&"…"`: the letter belongs to the language.
        let prefixed = matches!(text.get(at), Some(b'b' | b'r' | b'f' | b'u' | b'@' | b'&' | b'$'));
        let quote = quote_at(text, at).or_else(|| {
            quote_at(text, at + 1).filter(|_| prefixed).map(|(length, quote)| (length + 1, quote))
        });
        let (range, form) = match quote {
            Some((length, quote)) => {
                let depth = slashes_before(text, at + length - 1);
                (quoted(text, at + length, quote, depth), Form::Quoted)
            }
            None => bare(text, at, header, query),
        };
        self.budget = self.budget.saturating_sub(range.len());
        let scheme = scheme_len(&text[range.clone()]);
        let range = range.start + scheme..range.end;
        (!range.is_empty()).then_some((range, form))
    }
}

fn slashes_before(text: &[u8], at: usize) -> usize {
    text[..at].iter().rev().take(8).take_while(|b| **b == b'\\').count()
}

/// To the quote that closes, or to the end of the line. Inside an escaped quote (`\"`) the closing one is
/// escaped as often.
fn quoted(text: &[u8], start: usize, quote: u8, depth: usize) -> Range<usize> {
    let limit = text.len();
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
        if depth == 0 && slashes.is_multiple_of(2) {
            return start..end;
        }
        at = end + 1;
    }
    start..limit
}

fn bare(text: &[u8], start: usize, header: bool, query: bool) -> (Range<usize>, Form) {
    let rest = &text[start..];
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_overlap_cost_no_square() {
        let text = "token=".repeat(1 << 16);
        let mut reader = Reader::new(text.as_bytes());
        let read = |at: usize| reader.read(at, false, false).map_or(0, |(value, _)| value.len());
        let total: usize = (0..text.len()).step_by(6).map(read).sum();
        assert!(total <= text.len() * BUDGET + 2 * VALUE_MAX + (1 << 16) * SHORT_MAX, "{total}");
    }

    #[test]
    fn a_value_ends_where_its_writer_meant() {
        let check = |text: &str, expect: &str, form: Form| {
            let (value, read) = Reader::new(text.as_bytes()).read(0, false, false).unwrap();
            assert_eq!((&text[value], read), (expect, form), "{text}");
        };
        check("\"a\\\"b\" c", "a\\\"b", Form::Quoted);
        check("\\\"ab\\\" c\"", "ab", Form::Quoted);
        check("b'ab' c", "ab", Form::Quoted);
        check("'open\nnext", "open", Form::Quoted);
        check("'Bearer ab'", "ab", Form::Quoted);
        check("Bearer ab cd", "ab", Form::Bare);
        check("ab; cd", "ab", Form::Bare);
        check("ab(cd)", "ab", Form::Expression);
        check("${A B} c", "${A B}", Form::Bare);
    }
}
