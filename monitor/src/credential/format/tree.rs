//! Walks the values of any self-describing format through serde, without building a tree of them.
//!
//! Written as a visitor instead of using `serde_json::Value`, since a tree takes up to 16 times the memory of its text,
//! and is lost as a whole when the last line is broken.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::plain;
use crate::credential::collect::Collector;
use crate::credential::judge::{self, VALUE_MIN, is_uuid};
use crate::credential::kind::Kind;
use crate::credential::name::NAME_MAX;

/// A string value searched for assignments and URLs inside it is at least this long: `token=12345678`.
const TEXT_MIN: usize = 14;
/// Keys whose value names the sibling under `value`, as in a container's environment.
const LABELS: &[&str] = &["name", "key", "variable"];
/// Names that say nothing themselves; the name above them does.
const GENERIC: &[&str] = &["value", "default", "data", "string", "content", "plaintext"];

/// A walk through one document.
pub(super) struct Walk<'a> {
    collector: &'a mut Collector,
    /// Names from the root, joined by dots.
    path: String,
    /// Bytes of values that may still be looked at: aliases in YAML repeat what they name.
    budget: usize,
    /// The last string met, while a label is being read.
    label: Option<String>,
}

impl<'a> Walk<'a> {
    /// `budget` in bytes of values.
    pub(super) fn new(collector: &'a mut Collector, budget: usize) -> Self {
        Self { collector, path: String::new(), budget, label: None }
    }

    fn value(&mut self, value: &str) {
        let Some(rest) = self.budget.checked_sub(value.len()) else { return };
        self.budget = rest;
        self.label = (value.len() <= NAME_MAX).then(|| value.to_owned());
        let bytes = value.as_bytes();
        if bytes.len() >= VALUE_MIN {
            let mut parts = self.path.rsplit('.');
            let name = parts
                .find(|part| part.parse::<u32>().is_err() && !GENERIC.contains(part))
                .unwrap_or_default();
            if let Some(kind) = judge::judge(Some(name.as_bytes()), bytes) {
                self.collector.add(Some(self.path.as_bytes()), bytes, self.issuer(kind, bytes));
            }
        }
        if bytes.len() >= TEXT_MIN && bytes.iter().any(|b| b" \n=:".contains(b)) {
            plain::search(bytes, false, self.collector);
        }
    }

    /// `railway.token` says in its first part whose token it is.
    fn issuer(&self, kind: Kind, value: &[u8]) -> Kind {
        let unnamed = kind == Kind::NamedSecret || (kind == Kind::Opaque && is_uuid(value));
        let words = || self.path.split(|c: char| !c.is_ascii_alphanumeric());
        if unnamed { Kind::of_words(words()).unwrap_or(kind) } else { kind }
    }

    /// Reads the next value under a name one deeper.
    fn under<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        if length + name.len() < 2 * NAME_MAX {
            self.path.extend((length > 0).then_some('.'));
            self.path.push_str(name);
        }
        let result = read(self);
        self.path.truncate(length);
        result
    }
}

impl<'de> DeserializeSeed<'de> for &mut Walk<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &mut Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Ok(())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.value(&number.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.value(&number.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.value(text);
        Ok(())
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<(), E> {
        self.value(&String::from_utf8_lossy(bytes));
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut index = 0u32;
        while self.under(&index.to_string(), |walk| seq.next_element_seed(walk))?.is_some() {
            index += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut label = None;
        while let Some(key) = map.next_key_seed(Key)? {
            // A token may be a key: `{"ghp_…": {"user": …}}`.
            if let Some(kind) = judge::judge(None, key.as_bytes()) {
                self.collector.add(None, key.as_bytes(), kind);
            }
            self.label = None;
            let lower = key.to_ascii_lowercase();
            let name = label.as_ref().filter(|_| lower == "value").unwrap_or(&key);
            self.under(name, |walk| map.next_value_seed(walk))?;
            if LABELS.contains(&lower.as_str()) {
                label = self.label.take();
            }
        }
        Ok(())
    }
}

/// A key as text. YAML has numbers and others for keys.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Key {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_bool<E: Error>(self, key: bool) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_i64<E: Error>(self, key: i64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_u64<E: Error>(self, key: u64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_f64<E: Error>(self, key: f64) -> Result<String, E> {
        Ok(key.to_string())
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<String, E> {
        Ok(key.to_owned())
    }

    fn visit_unit<E: Error>(self) -> Result<String, E> {
        Ok(String::new())
    }
}
