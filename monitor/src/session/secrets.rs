//! The credentials a session has met: by fingerprint, where, and whether it was given them.
//!
//! Bias: a value is foreign unless it was given at the start or the policy declares it. A place the policy declares
//! grants a value only if the session met it nowhere else, since a session could copy a foreign token there. When the
//! memory for fingerprints is full, values of no telling name or form go unrecorded before any other, and
//! [`Secrets::missed_strong`] says that from then on a value nobody knows may be a foreign one; so does
//! [`Secrets::unsearched`] once something could not be searched.

use std::collections::BTreeMap;

use super::unsearched::Unsearched;
use crate::credential::Kind;
use crate::event::{CredentialsSeen, Event, Origin, Place, Provenance, Sighting};
use crate::secret::Fingerprint;

/// Values kept for each of the two strengths. A repository with a thousand secrets is an extreme one; one file gives at
/// most 4,096. Sized so that a session that writes files full of made-up values costs 30 MB.
const MAX_VALUES: usize = 65_536;

/// Reads kept, each for those that met a strong value and those that did not. One that taught nothing new is not kept.
const MAX_READS: usize = 16_384;

/// Places kept per value. A value repeated in more files than this is told by number.
const MAX_PLACES: usize = 64;

/// Characters of a name kept: more is no name.
const MAX_NAME: usize = 128;

/// What a value is called that only looks like a secret.
const WEAK_KIND: &str = "opaque";

/// Whether a value of this kind surely is a credential. A kind of another version is taken for one.
fn is_strong(kind: &str) -> bool {
    Kind::of_name(kind).is_none_or(Kind::taints)
}

/// What the policy declares as given. Asked at each sighting.
pub trait Grants {
    /// This very value.
    fn value(&self, fingerprint: Fingerprint) -> bool;
    /// What stands under `name` in the file at `path`.
    fn place(&self, name: Option<&str>, path: &str) -> bool;
}

/// One value at one of its places.
#[derive(Clone, Debug)]
struct Stood {
    /// Index of the read.
    read: usize,
    name: Option<Box<str>>,
    kind: Box<str>,
}

impl Stood {
    /// Whether its form or name says that it is a secret, then whether it has a name at all.
    fn rank(&self) -> (bool, bool) {
        (is_strong(&self.kind), self.name.is_some())
    }
}

/// What is known of one value.
#[derive(Clone, Debug, Default)]
struct Known {
    /// Given at the start, or declared by value.
    given: bool,
    /// Met in a file that nobody declared for it.
    foreign: bool,
    strong: bool,
    places: Vec<Stood>,
    more_places: u64,
}

/// A value the session has met, as a request is matched against it.
#[derive(Clone, Debug, PartialEq)]
pub struct Met<'a> {
    /// Granted or discovered.
    pub provenance: Provenance,
    /// Its form or name says that it is a secret; otherwise it only looks like one.
    pub strong: bool,
    /// What it looks like, at its most telling place.
    pub kind: &'a str,
    /// The name it stood under there.
    pub name: Option<&'a str>,
    /// Where it stood, the most telling place first: strongest kind, then named, then most recent.
    pub origins: Vec<&'a Origin>,
    /// Places beyond those kept.
    pub more_places: u64,
}

/// All credentials of a session.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    values: BTreeMap<Fingerprint, Known>,
    strong: usize,
    missed: u64,
    missed_strong: bool,
    reads: Vec<Origin>,
    tainted: bool,
    unsearched: Unsearched,
}

impl Secrets {
    /// Takes a `credentials_seen` event in; says whether it is evidence, because some value had not stood there before.
    pub(super) fn seen(&mut self, event: &Event, seen: &CredentialsSeen, grants: &dyn Grants) -> bool {
        self.tainted |= self.unsearched.note(&seen.place, &seen.scan);
        // Pushed first, since sightings refer to it by index, and taken back if none does.
        let read = self.reads.len();
        self.reads.push(Origin {
            place: seen.place.clone(),
            event: event.seq,
            pid: event.pid,
            process: event.process,
            time: event.time,
        });
        let strong = seen.sightings.iter().any(|sighting| is_strong(&sighting.kind));
        let room = read < if strong { 2 * MAX_READS } else { MAX_READS };
        let mut new = false;
        for sighting in &seen.sightings {
            new |= self.sighting(read, sighting, grants, room);
        }
        if !new {
            self.reads.pop();
        }
        new
    }

    fn sighting(&mut self, read: usize, sighting: &Sighting, grants: &dyn Grants, room: bool) -> bool {
        let strong = is_strong(&sighting.kind);
        let Some(known) = self.values.get(&sighting.fingerprint) else {
            let weak = self.values.len() - self.strong;
            // The sum is bounded as well: a weak value may turn out to be a strong one.
            let full = self.values.len() >= 2 * MAX_VALUES;
            if full || (if strong { self.strong } else { weak }) >= MAX_VALUES {
                self.missed += 1;
                self.missed_strong |= strong;
                return false;
            }
            self.values.insert(sighting.fingerprint, Known::default());
            return self.sighting(read, sighting, grants, room);
        };
        let origin = &self.reads[read];
        let again = known.places.iter().any(|stood| same_place(&self.reads[stood.read], origin));
        let given = grants.value(sighting.fingerprint) || !matches!(origin.place, Place::File { .. });
        let foreign = match &origin.place {
            Place::File { path, .. } => !grants.place(sighting.name.as_deref(), path),
            _ => false,
        };
        let Some(known) = self.values.get_mut(&sighting.fingerprint) else { return false };
        known.given |= given;
        known.foreign |= foreign;
        if strong && !known.strong {
            known.strong = true;
            self.strong += 1;
        }
        self.tainted |= known.strong && known.foreign && !known.given;
        if again {
            return false;
        }
        if known.places.len() == MAX_PLACES || !room {
            known.more_places += 1;
            return false;
        }
        let name = sighting.name.as_deref().map(cut_name);
        known.places.push(Stood { read, name, kind: sighting.kind.as_str().into() });
        true
    }

    /// What is known of a value; None if the session has not met it.
    pub fn get(&self, fingerprint: Fingerprint) -> Option<Met<'_>> {
        let known = self.values.get(&fingerprint)?;
        let mut places: Vec<&Stood> = known.places.iter().collect();
        places.sort_by_key(|stood| std::cmp::Reverse((stood.rank(), stood.read)));
        let best = places.first();
        Some(Met {
            provenance: if known.given || !known.foreign {
                Provenance::Granted
            } else {
                Provenance::Discovered
            },
            strong: known.strong,
            kind: best.map_or(WEAK_KIND, |stood| &stood.kind),
            name: best.and_then(|stood| stood.name.as_deref()),
            origins: places.iter().map(|stood| &self.reads[stood.read]).collect(),
            more_places: known.more_places,
        })
    }

    /// Whether the session has discovered a value whose form or name says that it is a secret, or read a file that could
    /// not be searched and is called like one that holds some. For good, once it has.
    pub fn tainted(&self) -> bool {
        self.tainted
    }

    /// Whether a strong value went unrecorded, so that one nobody knows may be foreign.
    pub fn missed_strong(&self) -> bool {
        self.missed_strong
    }

    /// Whether the session read something that was not wholly searched, so that a value nobody knows may have stood there.
    pub fn unsearched(&self) -> bool {
        self.unsearched.any()
    }

    /// How many values whose form or name says that they are secrets the session was given.
    pub fn given(&self) -> usize {
        self.values.values().filter(|known| known.given && known.strong).count()
    }

    /// What was not searched or not kept, in sentences.
    pub(super) fn not_seen(&self, sentences: &mut Vec<String>) {
        self.unsearched.not_seen(sentences);
        if self.missed > 0 {
            sentences.push(format!(
                "{} values that look like credentials were not remembered: more than {MAX_VALUES} were read.",
                self.missed
            ));
        }
    }
}

/// Whether one process met both in the same place; how often it read it does not matter.
fn same_place(one: &Origin, other: &Origin) -> bool {
    one.process == other.process
        && match (&one.place, &other.place) {
            (Place::File { path: one, .. }, Place::File { path: other, .. }) => one == other,
            (one, other) => one == other,
        }
}

fn cut_name(name: &str) -> Box<str> {
    name[..name.floor_char_boundary(MAX_NAME)].into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ScanOutcome;
    use crate::event::{Fact, ProcessId};
    use crate::secret::Fingerprinter;
    use crate::time::Timestamp;

    struct Declared {
        name: &'static str,
        file: &'static str,
    }

    impl Grants for Declared {
        fn value(&self, _: Fingerprint) -> bool {
            false
        }

        fn place(&self, name: Option<&str>, path: &str) -> bool {
            name == Some(self.name) && path == self.file
        }
    }

    const DECLARED: Declared = Declared { name: "API_TOKEN", file: "/repo/.env" };

    fn fingerprint(value: &str) -> Fingerprint {
        Fingerprinter::new(&[7; 32]).fingerprint(value.as_bytes())
    }

    /// `place` is `env` or a path; `what` is `NAME kind` of the value `token`.
    fn meet(secrets: &mut Secrets, seq: u64, place: &str, what: &str, value: &str) -> bool {
        let place = match place {
            "env" => Place::Environment,
            path => Place::File { path: path.to_owned(), opened: seq - 1 },
        };
        let (name, kind) = what.split_once(' ').unwrap();
        let name = (name != "-").then(|| name.to_owned());
        let seen = CredentialsSeen {
            place,
            sightings: vec![Sighting { fingerprint: fingerprint(value), name, kind: kind.to_owned() }],
            scan: ScanOutcome::Whole,
        };
        let event = Event {
            seq,
            time: Timestamp(seq),
            pid: 1,
            process: ProcessId(1),
            fact: Fact::CredentialsSeen(seen.clone()),
        };
        secrets.seen(&event, &seen, &DECLARED)
    }

    #[test]
    fn provenance_and_taint() {
        let strong = "TOKEN railway-token";
        for (what, meetings, provenance, tainted) in [
            ("environment", &[("env", strong)][..], Provenance::Granted, false),
            ("a file", &[("/repo/.env.legacy", strong)], Provenance::Discovered, true),
            ("a weak one in a file", &[("/repo/x", "id opaque")], Provenance::Discovered, false),
            (
                "given, then found",
                &[("env", strong), ("/repo/.env.legacy", strong)],
                Provenance::Granted,
                false,
            ),
            (
                "found, then given",
                &[("/repo/.env.legacy", strong), ("env", strong)],
                Provenance::Granted,
                true,
            ),
            ("declared", &[("/repo/.env", "API_TOKEN named-secret")], Provenance::Granted, false),
            (
                "declared under another name",
                &[("/repo/.env", "OTHER named-secret")],
                Provenance::Discovered,
                true,
            ),
            (
                "copied to a declared place",
                &[("/repo/.env.legacy", strong), ("/repo/.env", "API_TOKEN named-secret")],
                Provenance::Discovered,
                true,
            ),
        ] {
            let mut secrets = Secrets::default();
            for (seq, (place, sighting)) in meetings.iter().enumerate() {
                meet(&mut secrets, seq as u64 + 2, place, sighting, "token");
            }
            assert_eq!(secrets.get(fingerprint("token")).unwrap().provenance, provenance, "{what}");
            assert_eq!(secrets.tainted(), tainted, "{what}");
        }
        assert!(Secrets::default().get(fingerprint("token")).is_none());
    }

    #[test]
    fn the_most_telling_place_comes_first_and_none_is_lost() {
        let mut secrets = Secrets::default();
        assert!(meet(&mut secrets, 2, "/repo/a.lock", "- opaque", "token"));
        assert!(meet(&mut secrets, 4, "/repo/.env", "RAILWAY_TOKEN railway-token", "token"));
        assert!(meet(&mut secrets, 6, "/repo/.env.bak", "RAILWAY_TOKEN railway-token", "token"));
        assert!(meet(&mut secrets, 8, "/repo/b.lock", "- opaque", "token"));
        assert!(!meet(&mut secrets, 10, "/repo/.env", "RAILWAY_TOKEN railway-token", "token"), "read again");
        let met = secrets.get(fingerprint("token")).unwrap();
        assert_eq!((met.kind, met.name), ("railway-token", Some("RAILWAY_TOKEN")));
        assert_eq!(met.origins.iter().map(|origin| origin.event).collect::<Vec<_>>(), [6, 4, 8, 2]);
    }

    #[test]
    fn a_flood_of_made_up_values_is_counted_and_weak_ones_do_not_displace_strong_ones() {
        let mut secrets = Secrets::default();
        for n in 0..MAX_VALUES as u64 + 3 {
            meet(&mut secrets, n + 2, "/tmp/flood", "- opaque", &n.to_string());
        }
        assert!(!secrets.missed_strong());
        meet(&mut secrets, 1_000_000, "/repo/.env", "RAILWAY_TOKEN railway-token", "token");
        let met = secrets.get(fingerprint("token")).unwrap();
        assert_eq!(met.provenance, Provenance::Discovered);
        let mut sentences = Vec::new();
        secrets.not_seen(&mut sentences);
        assert_eq!(
            sentences,
            ["3 values that look like credentials were not remembered: more than 65536 were read."]
        );
    }
}
