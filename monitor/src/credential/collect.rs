//! Keeps the values a search finds: each once, under its best name, no more than the limit.

use std::collections::HashMap;

use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD};

use super::find::{Findings, Found};
use super::judge::{VALUE_MAX, VALUE_MIN, is_opaque, is_placeholder, judge};
use super::kind::Kind;
use crate::secret::Secret;

/// Names are cut to this many characters in events: enough for any variable, too little to carry a document.
const SHOWN_NAME_MAX: usize = 128;

/// Collects values. At most `max` certain and `max` uncertain ones are held at any time.
pub(super) struct Collector {
    found: Vec<Found>,
    /// Place in `found` by BLAKE3 of the value, so that no second copy of a secret is made for the index.
    places: HashMap<[u8; 32], usize>,
    strong: usize,
    max: usize,
    overflow: bool,
}

impl Collector {
    pub(super) fn new(max: usize) -> Self {
        Self { found: Vec::new(), places: HashMap::new(), strong: 0, max, overflow: false }
    }

    /// Keeps `value` if it may be a credential under `name`.
    pub(super) fn judge(&mut self, name: &[u8], value: &[u8]) {
        if let Some(kind) = judge(Some(name), value) {
            self.add(Some(name), value, kind);
        }
    }

    /// Keeps `value`, and what it carries inside when it is a credential for certain.
    pub(super) fn add(&mut self, name: Option<&[u8]>, value: &[u8], kind: Kind) {
        self.keep(name, value, kind);
        if kind.is_strong() && value.len() <= VALUE_MAX {
            inside(value, kind, &mut |part, kind| self.keep(name, part, kind));
        }
    }

    fn keep(&mut self, name: Option<&[u8]>, value: &[u8], kind: Kind) {
        if !(VALUE_MIN..=VALUE_MAX).contains(&value.len()) || is_placeholder(value) {
            return;
        }
        let place = *blake3::hash(value).as_bytes();
        if let Some(&at) = self.places.get(&place) {
            let known = &mut self.found[at];
            let better = kind.rank() > known.kind.rank();
            if better || (kind.rank() == known.kind.rank() && known.name.is_none()) {
                self.strong += usize::from(kind.is_strong() && !known.kind.is_strong());
                known.name = name.and_then(shown_name).or_else(|| known.name.take());
                known.kind = kind;
            }
            return;
        }
        let taken = if kind.is_strong() { self.strong } else { self.found.len() - self.strong };
        if taken >= self.max {
            self.overflow = true;
            return;
        }
        self.strong += usize::from(kind.is_strong());
        self.places.insert(place, self.found.len());
        self.found.push(Found { name: name.and_then(shown_name), value: Secret::new(value), kind });
    }

    /// What was found, the surest first. `cut`: the content was longer than what was searched.
    pub(super) fn finish(mut self, cut: bool) -> Findings {
        self.found.sort_by_key(|found| std::cmp::Reverse(found.kind.rank()));
        let overflow = self.overflow || cut || self.found.len() > self.max;
        self.found.truncate(self.max);
        Findings { found: self.found, overflow }
    }
}

/// The name as events carry it. None if a part of it looks like a secret itself, as in `{"ghp_…": {…}}`.
fn shown_name(name: &[u8]) -> Option<String> {
    let secret = |part: &[u8]| is_opaque(part) || Kind::of_value(part).is_some();
    if name.is_empty() || secret(name) || name.split(|b| *b == b'.').any(secret) {
        return None;
    }
    let readable = |c: char| if c.is_control() { '?' } else { c };
    Some(String::from_utf8_lossy(name).chars().take(SHOWN_NAME_MAX).map(readable).collect())
}

/// Schemes of the Authorization header after which the credential stands.
const SCHEMES: &[&str] =
    &["bearer", "basic", "token", "apikey", "api-key", "flyv1", "bot", "negotiate", "key"];

/// Length of a leading `Bearer `, or 0.
pub(super) fn scheme_len(value: &[u8]) -> usize {
    let word = value.iter().position(|b| *b == b' ').unwrap_or(0);
    if !SCHEMES.iter().any(|scheme| value[..word].eq_ignore_ascii_case(scheme.as_bytes())) {
        return 0;
    }
    word + value[word..].iter().take_while(|b| **b == b' ').count()
}

/// The forms in which a value is sent, other than its own: without its scheme, decoded, its password alone.
fn inside(value: &[u8], kind: Kind, keep: &mut dyn FnMut(&[u8], Kind)) {
    let bare = &value[scheme_len(value)..];
    if bare.len() < value.len() {
        keep(bare, Kind::of_value(bare).unwrap_or(kind));
    }
    if bare.contains(&b'%') {
        keep(&percent_encoding::percent_decode(bare).collect::<Vec<u8>>(), kind);
    }
    if bare.contains(&b'\\')
        && let Ok(text) = std::str::from_utf8(bare)
        && let Ok(unescaped) = serde_json::from_str::<String>(&format!("\"{text}\""))
    {
        keep(unescaped.as_bytes(), kind);
    }
    if bare.contains(&b';') || bare.contains(&b',') {
        // A cookie header, or several macaroons.
        for part in bare.split(|b| b";, ".contains(b)) {
            let start = part
                .iter()
                .position(|b| *b == b'=')
                .filter(|at| at + 1 < part.len() - 1)
                .map_or(0, |at| at + 1);
            if let Some(kind) = judge(None, &part[start..]) {
                keep(&part[start..], kind);
            }
        }
    }
    for encoding in [BASE64, BASE64_NOPAD, BASE64URL, BASE64URL_NOPAD] {
        let Ok(plain) = encoding.decode(bare) else { continue };
        if plain.iter().all(|b| b.is_ascii_graphic() || *b == b' ') {
            let password = plain.iter().position(|b| *b == b':').map(|at| &plain[at + 1..]);
            keep(&plain, kind);
            keep(
                password.unwrap_or_default(),
                Kind::of_value(password.unwrap_or_default()).unwrap_or(Kind::BasicAuth),
            );
        }
        break;
    }
}
