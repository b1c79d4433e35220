//! ini files and their kin: `.npmrc`, `.pypirc`, `~/.aws/credentials`, git and MySQL configuration, HCL
//! variables.
//!
//! By hand: there are as many dialects as programs, and no crate reads `//registry/:_authToken=` and `key = a
//! ; b` alike.

use crate::credential::collect::Collector;

/// Hands over every `name = value` and `name: value`, with the section before the name.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let mut section: &[u8] = b"";
    for line in content.split(|b| *b == b'\n') {
        let line = line.trim_ascii();
        if let Some(title) = title(line) {
            section = title;
        } else if let Some((name, value)) = assignment(line) {
            let name = if section.is_empty() { name.to_vec() } else { [section, name].join(&b'.') };
            for value in forms(value) {
                collector.judge(&name, value);
            }
        }
    }
}

/// The title of a section, which a comment may follow.
fn title(line: &[u8]) -> Option<&[u8]> {
    let title = line.strip_prefix(b"[")?;
    let end = memchr::memchr(b']', title)?;
    let rest = title[end + 1..].trim_ascii_start();
    (rest.is_empty() || matches!(rest[0], b'#' | b';')).then(|| title[..end].trim_ascii())
}

fn assignment(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii_start().strip_prefix(b"#").unwrap_or(line);
    // `//registry.npmjs.org/:_authToken=x` has a colon inside its name: `=` goes first.
    let at = memchr::memchr(b'=', line).or_else(|| memchr::memchr(b':', line))?;
    let name = line[..at].trim_ascii();
    let name = name.rsplit(|b| *b == b':').next().unwrap_or(name);
    (!name.is_empty()).then(|| (name, line[at + 1..].trim_ascii()))
}

/// A value without its quotes; an unquoted one as it stands and without a trailing comment, since dialects
/// differ. What stands behind a sign between blanks is a comment in all of them.
fn forms(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let quoted = value.first().filter(|b| matches!(b, b'"' | b'\'')).and_then(|quote| {
        let close = memchr::memchr(*quote, &value[1..])?;
        Some(&value[1..1 + close])
    });
    let comment = memchr::memmem::find(value, b" ;").or_else(|| memchr::memmem::find(value, b" #"));
    let uncommented = comment.filter(|_| quoted.is_none()).map(|at| value[..at].trim_ascii());
    let begins = comment.map_or(0, |at| at + 1);
    let remark = matches!(value.get(begins..begins + 2), Some(b"# " | b"; "));
    let whole = (quoted.is_some() || !remark).then_some(quoted.unwrap_or(value));
    [whole, uncommented].into_iter().flatten()
}
