//! TOML.

use serde::de::DeserializeSeed;

use super::tree::Walk;
use crate::credential::collect::Collector;

/// Hands over every string in `content`, if all of it is TOML.
pub(super) fn search(content: &[u8], collector: &mut Collector) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    let Ok(deserializer) = ::toml::Deserializer::parse(text) else { return };
    // A document that parsed cannot fail here but for a date, and the line search reads it anyway.
    let _ = Walk::new(collector, content.len()).deserialize(deserializer);
}
