//! What a session is given at its start: its environment and its arguments.
//!
//! Bias: here "given" is what loosens, so only values that stand there whole count, and what is found inside them;
//! whatever is over the limit is not given.

use std::collections::HashMap;

use super::find::{Limits, find};
use super::judge::{VALUE_MAX, VALUE_MIN, is_placeholder, judge};
use super::kind::Kind;
use super::redact::Redactor;
use crate::event::Sighting;
use crate::secret::Fingerprint;

/// Values kept of one start: an environment has some hundred variables, and each may hold a few values.
const GIVEN_MAX: usize = 4096;

/// Everything an environment gives: each value of 8 bytes or more, and what it holds (the password of a `DATABASE_URL`,
/// the fields of a JSON document). Values over 16 KiB give only what is found in them.
pub fn environment<'a>(
    pairs: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    redactor: &Redactor,
) -> Vec<Sighting> {
    let mut given = Given::new(redactor);
    for (name, value) in pairs {
        given.add(Some(name), value);
    }
    given.sightings
}

/// Everything arguments give: each of 8 bytes or more, the value of `--name=value` and `NAME=value`, and what they hold.
pub fn arguments<'a>(arguments: impl IntoIterator<Item = &'a [u8]>, redactor: &Redactor) -> Vec<Sighting> {
    let mut given = Given::new(redactor);
    let mut flag: Option<&[u8]> = None;
    for argument in arguments {
        match memchr::memchr(b'=', argument) {
            Some(at) if argument[..at].iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b)) => {
                given.add(Some(&argument[..at]), &argument[at + 1..]);
            }
            _ => given.add(flag, argument),
        }
        flag = argument.starts_with(b"-").then_some(argument);
    }
    given.sightings
}

struct Given<'a> {
    redactor: &'a Redactor,
    sightings: Vec<Sighting>,
    places: HashMap<Fingerprint, usize>,
}

impl<'a> Given<'a> {
    fn new(redactor: &'a Redactor) -> Self {
        Self { redactor, sightings: Vec::new(), places: HashMap::new() }
    }

    fn add(&mut self, name: Option<&[u8]>, value: &[u8]) {
        let shown =
            name.map(|name| String::from_utf8_lossy(name.trim_ascii()).trim_start_matches('-').to_owned());
        let shown = shown.filter(|name| !name.is_empty() && judge(None, name.as_bytes()).is_none());
        if (VALUE_MIN..=VALUE_MAX).contains(&value.len()) && !is_placeholder(value) {
            self.keep(shown.clone(), value, judge(name, value).unwrap_or(Kind::Text));
        }
        for found in find(None, value, Limits::default()).found {
            self.keep(found.name.or_else(|| shown.clone()), found.value.expose(), found.kind);
        }
    }

    fn keep(&mut self, name: Option<String>, value: &[u8], kind: Kind) {
        let fingerprint = self.redactor.fingerprint(value);
        let sighting = Sighting { fingerprint, name, kind: kind.as_str().to_owned() };
        if let Some(&at) = self.places.get(&fingerprint) {
            let known = Kind::of_name(&self.sightings[at].kind).map_or(0, Kind::rank);
            if kind.rank() > known {
                self.sightings[at] = sighting;
            }
        } else if self.sightings.len() < GIVEN_MAX {
            self.places.insert(fingerprint, self.sightings.len());
            self.sightings.push(sighting);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Fingerprinter;

    fn redactor() -> Redactor {
        Redactor::new(Fingerprinter::new(&[7; 32]))
    }

    /// `expect`: value, name, kind; all of them and nothing else.
    fn check(sightings: &[Sighting], expect: &[(&str, &str, &str)]) {
        let expect: Vec<Sighting> = expect
            .iter()
            .map(|(value, name, kind)| Sighting {
                fingerprint: redactor().fingerprint(value.as_bytes()),
                name: (!name.is_empty()).then(|| (*name).to_owned()),
                kind: (*kind).to_owned(),
            })
            .collect();
        assert_eq!(sightings, expect);
    }

    #[test]
    fn an_environment_gives_every_value_and_what_it_holds() {
        let pairs: [(&[u8], &[u8]); 6] = [
            (b"RAILWAY_TOKEN", b"3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55"),
            (b"HOME", b"/home/alice"),
            (b"TERM", b"xterm"),
            (b"DATABASE_URL", b"postgres://app:hunter2hunter2@db/app"),
            (b"CONFIG", b"{\"api\": {\"token\": \"hush1hush1\"}}"),
            (b"EMPTY", b""),
        ];
        check(
            &environment(pairs, &redactor()),
            &[
                ("3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55", "RAILWAY_TOKEN", "railway-token"),
                ("/home/alice", "HOME", "text"),
                ("postgres://app:hunter2hunter2@db/app", "DATABASE_URL", "text"),
                ("hunter2hunter2", "DATABASE_URL", "url-password"),
                ("{\"api\": {\"token\": \"hush1hush1\"}}", "CONFIG", "text"),
                ("hush1hush1", "api.token", "named-secret"),
            ],
        );
    }

    #[test]
    fn arguments_give_their_values() {
        let argv: [&[u8]; 7] = [
            b"agent",
            b"--token",
            b"hush1hush1",
            b"--key=hush2hush2",
            b"TOKEN=hush3hush3",
            b"plain-word",
            b"-v",
        ];
        check(
            &arguments(argv, &redactor()),
            &[
                ("hush1hush1", "token", "named-secret"),
                ("hush2hush2", "key", "text"),
                ("hush3hush3", "TOKEN", "named-secret"),
                ("plain-word", "", "text"),
            ],
        );
    }

    #[test]
    fn what_is_over_the_limit_is_not_given() {
        let values: Vec<String> = (0..GIVEN_MAX + 10).map(|n| format!("value-{n:08}")).collect();
        let pairs = values.iter().map(|value| (b"N".as_slice(), value.as_bytes()));
        assert_eq!(environment(pairs, &redactor()).len(), GIVEN_MAX);
    }
}
