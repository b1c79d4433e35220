//! JSON, and JSON documents one after another.

use serde::de::DeserializeSeed;

use super::tree::Walk;
use crate::credential::collect::Collector;

/// Hands over every string in `content`, up to the first byte that is no JSON.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let mut deserializer = serde_json::Deserializer::from_slice(content);
    loop {
        let read = Walk::new(collector, content.len()).deserialize(&mut deserializer);
        if read.is_err() || deserializer.end().is_ok() {
            return;
        }
    }
}
