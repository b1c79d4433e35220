//! Whose credential a request carries: each value at a credential position against what the session has met.
//!
//! Bias: foreign beats unknown, and an unknown value in `Authorization` beats a granted one elsewhere, so that a granted
//! token put beside a foreign one excuses nothing. A value that merely looks like a secret (an id read from some file)
//! counts only where credentials stand: otherwise every delete by an id the session has read would look stolen.

use std::collections::BTreeMap;

use crate::event::CredentialUse;
use crate::policy::{Credential, CredentialFacts};
use crate::session::{Met, Provenance, Secrets};

/// Positions that say who the request comes from, before all others.
const PRIMARY: [&str; 2] = ["header:authorization", "header:proxy-authorization"];

/// Origins named in a finding; the most telling are chosen.
const MAX_ORIGINS: usize = 16;

/// The credential that weighs most in a request.
#[derive(Debug, Default)]
pub(super) struct Carried<'a> {
    found: Option<(&'a CredentialUse, Standing)>,
    pub(super) met: Option<Met<'a>>,
}

/// What one credential position says, weightiest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    /// Granted, where credentials need not stand.
    GrantedAside,
    /// Never met, where credentials stand.
    Unknown,
    /// Looks like a secret, was read from a file, and stands in a header.
    DiscoveredAside,
    /// Granted, where credentials stand.
    Granted,
    /// Never met, and it is what the request authenticates with.
    UnknownPrimary,
    /// Read from a file.
    Discovered,
}

impl Standing {
    fn provenance(self) -> Provenance {
        match self {
            Self::GrantedAside | Self::Granted => Provenance::Granted,
            Self::Unknown | Self::UnknownPrimary => Provenance::Unknown,
            Self::DiscoveredAside | Self::Discovered => Provenance::Discovered,
        }
    }
}

/// Finds the credential that weighs most.
pub(super) fn carried<'a>(secrets: &'a Secrets, uses: &'a [CredentialUse]) -> Carried<'a> {
    // One position may be reported in several forms (all of it, its password part): the best-known form speaks for it.
    let mut positions: BTreeMap<&str, (&CredentialUse, Standing)> = BTreeMap::new();
    for used in uses {
        let Some(standing) = standing(secrets, used) else { continue };
        let entry = positions.entry(&used.position).or_insert((used, standing));
        if weight(standing) > weight(entry.1) {
            *entry = (used, standing);
        }
    }
    let found = positions.into_values().max_by_key(|(_, standing)| *standing);
    let met = found.and_then(|(used, _)| secrets.get(used.fingerprint));
    Carried { found, met }
}

/// Among the forms of one position, one that was met says more than one that was not.
fn weight(standing: Standing) -> (bool, Standing) {
    (standing.provenance() != Provenance::Unknown, standing)
}

fn standing(secrets: &Secrets, used: &CredentialUse) -> Option<Standing> {
    let primary = PRIMARY.contains(&used.position.as_str());
    let Some(met) = secrets.get(used.fingerprint) else {
        // What could not be remembered may stand anywhere.
        return match (used.by_definition || secrets.missed_strong(), primary) {
            (true, true) => Some(Standing::UnknownPrimary),
            (true, false) => Some(Standing::Unknown),
            (false, _) => None,
        };
    };
    let discovered = met.provenance == Provenance::Discovered;
    match (used.by_definition, discovered) {
        (true, true) => Some(Standing::Discovered),
        (true, false) => Some(Standing::Granted),
        (false, true) if met.strong => Some(Standing::Discovered),
        (false, true) => used.position.starts_with("header:").then_some(Standing::DiscoveredAside),
        (false, false) => met.strong.then_some(Standing::GrantedAside),
    }
}

impl Carried<'_> {
    pub(super) fn provenance(&self) -> Provenance {
        self.found.map_or(Provenance::None, |(_, standing)| standing.provenance())
    }

    /// As a policy asks about it.
    pub(super) fn facts(&self) -> CredentialFacts<'_> {
        let Some((used, standing)) = self.found else { return CredentialFacts::NONE };
        CredentialFacts {
            provenance: standing.provenance(),
            fingerprint: Some(used.fingerprint),
            kind: self.met.as_ref().map(|met| met.kind),
            name: self.met.as_ref().and_then(|met| met.name),
            position: Some(&used.position),
        }
    }

    /// As a finding tells it.
    pub(super) fn credential(&self) -> Option<Credential> {
        let (used, standing) = self.found?;
        let mut origins: Vec<_> = self
            .met
            .iter()
            .flat_map(|met| met.origins.iter().take(MAX_ORIGINS))
            .map(|&origin| origin.clone())
            .collect();
        origins.sort_by_key(|origin| origin.event);
        Some(Credential {
            fingerprint: used.fingerprint,
            position: used.position.clone(),
            provenance: standing.provenance(),
            kind: self.met.as_ref().map(|met| met.kind.to_owned()),
            name: self.met.as_ref().and_then(|met| met.name.map(str::to_owned)),
            origins,
        })
    }
}
