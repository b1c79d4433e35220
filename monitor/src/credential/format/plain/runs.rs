//! Long random words: tokens with a known prefix wherever they stand, UUIDs, hex and base64 under a name or as a literal.

use std::ops::Range;

use super::Hit;
use crate::credential::judge::{OPAQUE_MIN, VALUE_MAX, is_opaque, is_opaque_byte, is_uuid, judge};
use crate::credential::kind::Kind;
use crate::credential::name::NAME_MAX;

/// Places in one word where a known prefix is looked for. A path may hold a token behind some slashes; more places would
/// let a crafted word cost the square of its length.
const PREFIX_TRIES: usize = 64;

/// [`is_opaque_byte`] as a table: the search below asks for most bytes it looks at.
const RUN_BYTE: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = is_opaque_byte(byte as u8);
        byte += 1;
    }
    table
};

/// Reports random words outside `blocks` (ascending). Looks at every 20th byte, and reads back only from those that may belong to a
/// word of 20: most of a text is never looked at.
pub(super) fn search(text: &[u8], blocks: &[Range<usize>], report: &mut dyn FnMut(Hit)) {
    let mut blocks = blocks.iter().peekable();
    let mut start = 0;
    while let Some(window) = text.get(start..start + OPAQUE_MIN) {
        // Everything before `start` is no part of a word that reaches past it.
        if let Some(last_break) = window.iter().rposition(|&b| !RUN_BYTE[usize::from(b)]) {
            start += last_break + 1;
            continue;
        }
        let rest = &text[start + OPAQUE_MIN..];
        let more = rest.iter().position(|&b| !RUN_BYTE[usize::from(b)]).unwrap_or(rest.len());
        let run = start..start + OPAQUE_MIN + more;
        start = run.end + 1;
        while blocks.next_if(|block| block.end <= run.start).is_some() {}
        let in_block = blocks.peek().is_some_and(|block| block.start <= run.start);
        if !in_block && run.len() <= VALUE_MAX {
            word(text, run, report);
        }
    }
}

fn word(text: &[u8], run: Range<usize>, report: &mut dyn FnMut(Hit)) {
    if let Some((value, kind)) = prefixed(text, &run) {
        report(Hit { name: name_before(text, value.start), value, kind });
        return;
    }
    let padding = text[run.end..].iter().take(2).take_while(|b| **b == b'=').count();
    let value = run.start..run.end + padding;
    let bytes = &text[value.clone()];
    if !is_opaque(bytes) {
        return;
    }
    let name = name_before(text, value.start);
    // Without a name hex digits are a commit or a checksum.
    let alone = || is_literal(text, &value) && (is_uuid(bytes) || !bytes.iter().all(u8::is_ascii_hexdigit));
    if (name.is_some() || alone())
        && let Some(kind) = judge(name.clone().map(|name| &text[name]), bytes)
    {
        report(Hit { name, value, kind });
    }
}

/// A token with a known prefix, at the beginning of the word or behind a character that is no part of one.
fn prefixed(text: &[u8], run: &Range<usize>) -> Option<(Range<usize>, Kind)> {
    let breaks = run
        .clone()
        .filter(|&at| at == run.start || matches!(text[at - 1], b'/' | b'+' | b'.' | b'~' | b'-' | b'_'));
    breaks.take(PREFIX_TRIES).take_while(|at| at + OPAQUE_MIN <= run.end).find_map(|at| {
        let value = at..run.end;
        Kind::of_value(&text[value.clone()]).map(|kind| (value, kind))
    })
}

/// The name whose value begins at `at`, on the same line.
fn name_before(text: &[u8], at: usize) -> Option<Range<usize>> {
    const BLANKS: &[u8] = b" \t";
    let back = |from: usize, set: &[u8], max: usize| {
        from - text[..from].iter().rev().take(max).take_while(|b| set.contains(b)).count()
    };
    let quote = back(at, b"\"'`\\", 8);
    let blank = back(quote, BLANKS, 16);
    let separator = back(blank, b"=:>,", 2);
    if separator == blank || (text[separator] == b',' && quote == at) {
        return None;
    }
    let end = back(back(separator, BLANKS, 16), b"\"'`\\]?", 8);
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$');
    let length = text[..end].iter().rev().take(NAME_MAX).take_while(|b| is_name(b)).count();
    let dashes = text[end - length..end].iter().take_while(|b| **b == b'-').count();
    (length > dashes).then_some(end - length + dashes..end)
}

/// Whether a value is quoted, or fills its line but for a list's dash.
fn is_literal(text: &[u8], value: &Range<usize>) -> bool {
    let before = value.start.checked_sub(1).map(|at| text[at]);
    let after = text.get(value.end).copied();
    let quoted =
        matches!(before, Some(b'"' | b'\'' | b'`')) && matches!(after, Some(b'"' | b'\'' | b'`' | b'\\'));
    let indent = text[..value.start].iter().rev().take(64).find(|b| !b" \t-".contains(b));
    let fills = matches!(indent, None | Some(b'\n' | 0)) && matches!(after, None | Some(b'\n' | b'\r' | 0));
    quoted || fills
}
