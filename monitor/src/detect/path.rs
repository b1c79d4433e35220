//! What the path of a request says: which collection, which one of it, which verb.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::words::{clip, singular};

/// Most segments that are looked at; the longest template of the surveyed APIs has 19.
const MAX_SEGMENTS: usize = 32;
/// Longest segment shown.
const MAX_SEGMENT: usize = 48;

/// A path as the server will take it: decoded once, without empty and dot segments, so that neither `//`, `%64elete`
/// nor `free/../volumes` makes one operation look like another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub(super) fn new(path: &str) -> Self {
        let decoded: Cow<'_, str> = percent_decode_str(path).decode_utf8_lossy();
        let mut segments: Vec<String> = Vec::new();
        for segment in decoded.split(['/', '\\']) {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                _ => segments.push(segment.to_owned()),
            }
        }
        // The end of a path tells more than its beginning.
        Self(segments.split_off(segments.len().saturating_sub(MAX_SEGMENTS)))
    }

    /// Segments at which a verb may stand: the last, a custom verb behind its colon, and the one before an identifier.
    pub(super) fn verb_places(&self) -> impl Iterator<Item = &str> {
        let last = self.0.last().map(|last| last.rsplit(':').next().unwrap_or(last));
        let before = self.0.iter().rev().nth(1).map(String::as_str);
        last.into_iter().chain(before)
    }

    /// Whether the last segment names one thing.
    pub(super) fn ends_in_identifier(&self) -> bool {
        self.0.last().is_some_and(|last| is_identifier(last))
    }

    /// This path taken apart around the verb found at the place `at` of [`Self::verb_places`]: what stands before the verb,
    /// the rest as a template (`/delete/{}`, `:purge`), and the identifier behind the verb.
    pub(super) fn around_verb(&self, at: usize) -> (Self, String, Option<String>) {
        let mut before = self.0.clone();
        let last = before.pop().unwrap_or_default();
        if at > 0 {
            let verb = before.pop().unwrap_or_default();
            return (Self(before), format!("/{}/{{}}", clip(&verb, MAX_SEGMENT)), Some(last));
        }
        match last.rsplit_once(':') {
            Some((noun, verb)) if !noun.is_empty() => {
                before.push(noun.to_owned());
                (Self(before), format!(":{}", clip(verb, MAX_SEGMENT)), None)
            }
            _ => (Self(before), format!("/{}", clip(&last, MAX_SEGMENT)), None),
        }
    }

    /// The collection the last thing belongs to, as a singular noun: `volume` of `/v1/volumes/3d2c`.
    pub(super) fn object(&self) -> Option<String> {
        let noun = self.noun()?;
        Some(clip(&singular(&self.0[noun].to_lowercase()), MAX_SEGMENT))
    }

    /// What stands behind the collection.
    pub(super) fn target(&self) -> Option<String> {
        let noun = self.noun()?;
        self.0.get(noun + 1).map(|id| clip(id, super::request::MAX_TARGET))
    }

    /// `/v1/volumes/{}`: the path with its identifiers taken out.
    pub(super) fn template(&self) -> String {
        let noun = self.noun();
        let mut out = String::new();
        for (at, segment) in self.0.iter().enumerate() {
            let is_id = is_identifier(segment) || noun.is_some_and(|noun| at == noun + 1);
            out.push('/');
            out.push_str(&if is_id { "{}".to_owned() } else { clip(segment, MAX_SEGMENT) });
        }
        clip(if out.is_empty() { "/" } else { &out }, super::request::MAX_OPERATION)
    }

    /// The last segment that is a noun: a plural right before the end, or else the last that is no identifier.
    fn noun(&self) -> Option<usize> {
        let plural = |at: &usize| {
            let word = &self.0[*at];
            !is_identifier(word) && singular(word) != *word
        };
        let end = self.0.len().checked_sub(1)?;
        if end > 0 && plural(&(end - 1)) {
            return Some(end - 1);
        }
        (0..=end).rev().find(|at| !is_identifier(&self.0[*at]))
    }
}

/// Whether a segment names one thing rather than a kind of thing.
fn is_identifier(segment: &str) -> bool {
    let digits = segment.chars().filter(char::is_ascii_digit).count();
    let is_version = segment.len() <= 4 && segment.starts_with('v');
    !is_version && (digits * 3 >= segment.len() || (digits > 0 && segment.len() >= 8) || segment.len() > 40)
        || segment.starts_with(['‹', '{', '@'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_the_server_reads_them() {
        for (path, template, object, target) in [
            ("/v1/volumes/3d2c42fb-1a2b", "/v1/volumes/{}", "volume", "3d2c42fb-1a2b"),
            ("/v1/projects/acme", "/v1/projects/{}", "project", "acme"),
            ("/v1/projects/acme/databases/main", "/v1/projects/acme/databases/{}", "database", "main"),
            ("/repos/o/r/", "/repos/o/r", "r", ""),
            ("//v1/free/../%76olumes/1", "/v1/volumes/{}", "volume", "1"),
            ("/api/users/42/policies", "/api/users/{}/policies", "policy", ""),
            ("/", "/", "", ""),
            ("/../..", "/", "", ""),
        ] {
            let read = Path::new(path);
            assert_eq!(
                (
                    read.template().as_str(),
                    read.object().unwrap_or_default().as_str(),
                    read.target().unwrap_or_default().as_str()
                ),
                (template, object, target),
                "{path}"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_path_is_survived(path in "[/%.a-zA-Z0-9:{}\u{202e}é-]{0,200}") {
            let read = Path::new(&path);
            assert!(read.template().chars().count() <= super::super::request::MAX_OPERATION);
            read.object();
            read.target();
            assert!(read.verb_places().count() <= 2);
        }
    }
}
