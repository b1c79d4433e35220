//! Any text: scripts, source, documents, logs, shell history, and every file whose format is not known or is broken.
//!
//! Bias: when in doubt a value is found, except in source text, where an unquoted word is a variable.
//!
//! Four searches, each of which skips what cannot matter instead of reading line by line: names that say secret
//! ([`named`]), long random words ([`runs`]), passwords in URLs, and private keys ([`marked`]). None allocates, each is linear in its
//! input, and each says where a value stands, so that redaction uses the same search as fingerprinting.

mod marked;
mod named;
mod runs;
mod value;

use std::ops::Range;

use crate::credential::collect::Collector;
use crate::credential::judge::{VALUE_MAX, VALUE_MIN, is_placeholder};
use crate::credential::kind::Kind;
use crate::credential::name::{self, Says};

/// A value in a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::credential) struct Hit {
    /// Where its name stands, if it has one.
    pub name: Option<Range<usize>>,
    /// Where it stands, without quotes and without its scheme.
    pub value: Range<usize>,
    /// What it is.
    pub kind: Kind,
}

/// Hands every value found in `text` to the collector. `code`: it is source text.
pub(in crate::credential) fn search(text: &[u8], code: bool, collector: &mut Collector) {
    hits(text, code, &mut |hit| {
        collector.add(hit.name.map(|name| &text[name]), &text[hit.value], hit.kind);
    });
}

/// Reports every value found in `text`, in no order, overlapping where two searches find the same one.
pub(in crate::credential) fn hits(text: &[u8], code: bool, report: &mut dyn FnMut(Hit)) {
    let blocks = marked::keys(text, report);
    marked::urls(text, report);
    named::search(text, code, report);
    runs::search(text, &blocks, report);
}

/// A file that is one word and nothing else is a secret if its name says so: `~/.vault-token`, `/run/secrets/db`.
pub(in crate::credential) fn whole(path_hint: Option<&str>, content: &[u8], collector: &mut Collector) {
    let Some(path) = path_hint else { return };
    let word = content.trim_ascii();
    let fits = (VALUE_MIN..=VALUE_MAX).contains(&word.len());
    if !fits || word.iter().any(u8::is_ascii_whitespace) || is_placeholder(word) {
        return;
    }
    let file = path.rsplit('/').next().unwrap_or(path);
    let (says, issuer) = name::judge(file.as_bytes());
    if path.contains("/secrets/") || matches!(says, Says::Secret | Says::Key) {
        let kind = Kind::of_value(word).or(issuer).unwrap_or(Kind::NamedSecret);
        collector.add(Some(file.as_bytes()), word, kind);
    }
}
