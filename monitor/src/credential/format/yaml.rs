//! YAML, one or several documents in a file.

use serde::de::DeserializeSeed;

use super::tree::Walk;
use crate::credential::collect::Collector;

/// Aliases may multiply a document by this much before the rest of it is left to the line search.
const ALIAS_FACTOR: usize = 4;

/// Hands over every scalar in `content`. Documents are cut apart here, so that one broken document does not hide the next.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    for document in documents(text) {
        let walk = Walk::new(collector, document.len() * ALIAS_FACTOR);
        // What is wrong with a document is its owner's business; the line search reads it anyway.
        let _ =
            serde_saphyr::with_deserializer_from_str(document, |deserializer| walk_all(walk, deserializer));
    }
}

fn walk_all<'de, D: serde::Deserializer<'de>>(mut walk: Walk<'_>, deserializer: D) -> Result<(), D::Error> {
    (&mut walk).deserialize(deserializer)
}

fn documents(text: &str) -> impl Iterator<Item = &str> {
    text.split("\n---").filter(|document| !document.trim().is_empty())
}
