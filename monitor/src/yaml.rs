//! Reads YAML that people write (policies, the catalogue) into checked types, and tells mistakes the way a person
//! wants to hear them: where, what, and what was probably meant.
//!
//! A project's policy can be written by the very agent that is watched, so what a file may cost is bounded before it is
//! looked at. Aliases and merge keys are bounded too: they are how a small YAML file becomes a large one.

use std::fmt;

use serde::de::DeserializeOwned;
use serde_saphyr::{Location, Options};

/// Longest file read, in bytes: some fifty times the default policy.
pub const MAX_BYTES: usize = 256 * 1024;
/// Deepest nesting: twice what the formats need, far from what a stack notices.
const MAX_DEPTH: usize = 24;
/// Most YAML nodes: about ten per line of the largest file.
const MAX_NODES: usize = 50_000;
/// Most anchors and most aliases: nobody writes more by hand.
const MAX_ALIASES: usize = 64;
/// Less alike than this (0 … 1), a suggestion confuses more than it helps.
const LIKENESS: f64 = 0.75;

/// A place in a file, counted from 1. Both 0 if it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub line: u64,
    pub column: u64,
}

impl From<Location> for Place {
    fn from(location: Location) -> Self {
        Self { line: location.line(), column: location.column() }
    }
}

/// `:3:7`, to stand behind a file name.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.line == 0 { Ok(()) } else { write!(f, ":{}:{}", self.line, self.column) }
    }
}

/// What is wrong with a file, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub place: Place,
    /// A sentence without a full stop, with what was probably meant.
    pub what: String,
}

/// Reads one document.
///
/// # Errors
/// The text is no YAML, is over a limit, or does not fit `T`.
pub fn read<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    if text.len() > MAX_BYTES {
        let what = format!("the file has {} bytes; at most {MAX_BYTES} are read", text.len());
        return Err(Mistake { place: Place::default(), what });
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| explain(&error))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            max_anchors: MAX_ALIASES,
            max_aliases: MAX_ALIASES,
            max_merge_keys: MAX_ALIASES,
            max_documents: 1,
            max_total_scalar_bytes: MAX_BYTES,
        },
        strict_booleans: true,
        with_snippet: false,
    }
}

fn explain(error: &serde_saphyr::Error) -> Mistake {
    use serde_saphyr::Error as E;
    let place = error.location().map(Place::from).unwrap_or_default();
    let what = match error {
        E::SerdeUnknownField { field, expected, .. } => {
            format!("unknown field {field:?}{}", meant(field, expected))
        }
        E::SerdeUnknownVariant { variant, expected, .. } => {
            format!("unknown value {variant:?}{}", meant(variant, expected))
        }
        E::SerdeMissingField { field, .. } => format!("the field {field:?} is missing"),
        E::Eof { .. } => "the file ends before it says anything".to_owned(),
        E::Unexpected { expected: "mapping start", .. } => {
            "there should be fields here (name: value)".to_owned()
        }
        E::DuplicateMappingKey { key: Some(key), .. } => format!("the field {key:?} stands here twice"),
        other => first_line(&other.to_string()),
    };
    Mistake { place, what }
}

/// The library puts the place, which is told already, behind its messages.
fn first_line(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let end = line.rfind(" at line ").or_else(|| line.rfind(" (line ")).unwrap_or(line.len());
    line[..end].trim_end_matches([':', ' ']).to_owned()
}

/// `; did you mean "hold"?`, or all there is to choose from.
pub fn meant(got: &str, known: &[&str]) -> String {
    match nearest(got, known) {
        Some(near) => format!("; did you mean {near:?}?"),
        None => match known {
            [] => String::new(),
            [only] => format!("; it can only be {only:?}"),
            all => format!("; it is one of {}", all.join(", ")),
        },
    }
}

fn nearest<'a>(got: &str, known: &[&'a str]) -> Option<&'a str> {
    let got = got.to_ascii_lowercase();
    known
        .iter()
        .map(|name| (strsim::jaro_winkler(&got, &name.to_ascii_lowercase()), *name))
        .filter(|(likeness, _)| *likeness >= LIKENESS)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it reads is tested")]
    struct Small {
        colour: String,
        #[serde(default)]
        count: u8,
    }

    #[test]
    fn mistakes_are_told_with_their_place() {
        for (text, place, what) in [
            ("color: red\n", ":1:1", "unknown field \"color\"; did you mean \"colour\"?"),
            ("zzz: red\n", ":1:1", "unknown field \"zzz\"; it is one of colour, count"),
            ("count: 1\n", ":1:1", "the field \"colour\" is missing"),
            ("colour: red\ncount: 300\n", ":2:8", "invalid u8"),
            ("colour: [\n", ":1:9", "expected string scalar"),
            ("colour: red\ncolour: blue\n", ":2:1", "the field \"colour\" stands here twice"),
        ] {
            let mistake = read::<Small>(text).unwrap_err();
            assert_eq!((mistake.place.to_string().as_str(), mistake.what.as_str()), (place, what), "{text}");
        }
    }

    #[test]
    fn a_file_cannot_cost_more_than_its_limits() {
        let large = format!("colour: {}\n", "x".repeat(MAX_BYTES));
        assert!(read::<Small>(&large).unwrap_err().what.contains("at most 262144 are read"));
        let deep = "[".repeat(10_000);
        read::<Small>(&deep).unwrap_err();
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for i in 1..12 {
            let prev = i - 1;
            bomb.push_str(&format!(
                "a{i}: &a{i} [*a{prev},*a{prev},*a{prev},*a{prev},*a{prev},*a{prev},*a{prev}]\n"
            ));
        }
        read::<std::collections::BTreeMap<String, serde_json::Value>>(&bomb).unwrap_err();
    }
}
