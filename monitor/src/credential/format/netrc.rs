//! `.netrc`: words in any number of lines.
//!
//! By hand: ten lines, and the crates refuse files that curl and git accept.

use crate::credential::collect::Collector;
use crate::credential::kind::Kind;

/// Hands over every password, named after its machine.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let mut words = content.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let mut machine: &[u8] = b"default";
    while let Some(word) = words.next() {
        match word {
            b"machine" => machine = words.next().unwrap_or_default(),
            b"password" | b"account" => {
                let value = words.next().unwrap_or_default();
                let value =
                    value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
                let issuer = Kind::of_words(
                    machine.split(|b| *b == b'.').filter_map(|part| std::str::from_utf8(part).ok()),
                );
                let kind = Kind::of_value(value).or(issuer).unwrap_or(Kind::NamedSecret);
                collector.add(Some(&[machine, b"password"].join(&b'.')), value, kind);
            }
            _ => {}
        }
    }
}
