//! `KEY=VALUE` files: `.env`, `.envrc`, systemd environment files, Java properties.
//!
//! By hand: the dotenv crates expand variables from the monitor's own environment, and stop at the first line they do
//! not like.

use crate::credential::collect::Collector;

/// Hands over every assignment. A value ends at its quote, which may be lines further on, or at the end of the line;
/// unquoted values are also handed over without a trailing ` # comment`.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let mut rest = content;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest[..end].trim_ascii();
        let mut next = end + 1;
        if let Some((name, value)) = assignment(line) {
            match value.first() {
                Some(quote @ (b'"' | b'\'')) => {
                    // Offset of the value in `rest`: both are slices of it.
                    let start = value.as_ptr().addr() - rest.as_ptr().addr() + 1;
                    let close = closing(&rest[start..], *quote).unwrap_or(end.saturating_sub(start));
                    collector.judge(name, &rest[start..start + close]);
                    next = next.max(start + close + 1);
                }
                _ => unquoted(name, value, collector),
            }
        }
        rest = rest.get(next..).unwrap_or_default();
    }
}

fn unquoted(name: &[u8], value: &[u8], collector: &mut Collector) {
    // `${VAR:-value}`: the value is what is used when nothing else is set.
    if let Some(default) = value.strip_prefix(b"${").and_then(|inner| inner.strip_suffix(b"}")) {
        if let Some(at) = memchr::memmem::find(default, b":-") {
            collector.judge(name, default[at + 2..].trim_ascii());
        }
        return;
    }
    collector.judge(name, value);
    if let Some(comment) = memchr::memmem::find(value, b" #") {
        collector.judge(name, value[..comment].trim_ascii());
    }
}

/// The name before the first `=` and the value after it. A commented line is read too: whoever reads the file reads it.
fn assignment(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_prefix(b"#").unwrap_or(line).trim_ascii_start();
    let line = line.strip_prefix(b"export ").unwrap_or(line);
    let at = memchr::memchr2(b'=', b':', line)?;
    let name = line[..at].trim_ascii();
    let plain = !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(b));
    plain.then(|| (name, line[at + 1..].trim_ascii()))
}

/// Where the quote closes, within the longest value there is.
fn closing(text: &[u8], quote: u8) -> Option<usize> {
    let text = &text[..text.len().min(crate::credential::judge::VALUE_MAX)];
    memchr::memchr_iter(quote, text).find(|&at| {
        let slashes = text[..at].iter().rev().take_while(|b| **b == b'\\').count();
        quote == b'\'' || slashes % 2 == 0
    })
}
