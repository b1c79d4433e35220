//! JSON, and JSON lines.

use serde::de::DeserializeSeed;

use super::tree::Walk;
use crate::credential::collect::Collector;

/// Hands over every string in `content`, up to the first byte that is no JSON; of JSON lines, in each line.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let mut document = serde_json::Deserializer::from_slice(content);
    let first = Walk::new(collector, content.len()).deserialize(&mut document);
    if first.is_ok() && document.end().is_err() {
        // Line by line, since going on in one deserializer costs the square of their number: each error
        // counts its line anew.
        for line in content.split(|b| *b == b'\n').skip(1) {
            // A line that is broken has given what stood before, and the line search reads the rest.
            let _ =
                Walk::new(collector, line.len()).deserialize(&mut serde_json::Deserializer::from_slice(line));
        }
    }
}
