//! The catalogue of destructive operations, checked and ready to ask.
//!
//! The data is in `catalog/` and compiled in: a monitored process must not be able to reach it, and a monitor without
//! it would be worth nothing.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::verbs::{Verbs, VerbsFile};
use super::{Reversibility, Verb};
use crate::event::Field;
use crate::yaml::{self, Mistake};

/// The files of the catalogue, by path under `catalog/`.
const PROVIDER_FILES: [(&str, &str); 1] =
    [("providers/railway.yaml", include_str!("../../../catalog/providers/railway.yaml"))];
const VERBS_FILE: (&str, &str) = ("verbs.yaml", include_str!("../../../catalog/verbs.yaml"));

/// Which operations destroy what.
#[derive(Clone, Debug)]
pub struct Catalog {
    providers: Vec<String>,
    /// Index into `providers` by host.
    hosts: BTreeMap<String, usize>,
    /// GraphQL operations by root field. Each with its provider; those with a condition stand first.
    graphql: BTreeMap<String, Vec<(usize, Operation)>>,
    pub(super) verbs: Verbs,
}

/// `catalog/providers/*.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProviderFile {
    provider: String,
    hosts: Vec<String>,
    #[serde(default)]
    graphql: Vec<Operation>,
}

/// One operation of a provider, and what it does.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Operation {
    /// The provider's name for it.
    pub(super) operation: String,
    /// Only with this argument. An operation may be listed again without, for all other uses.
    #[serde(default)]
    when: Option<ArgumentIs>,
    pub(super) verb: Verb,
    pub(super) object: String,
    /// The argument that says which one: the last part of its path.
    #[serde(default)]
    pub(super) target: Option<String>,
    pub(super) reversibility: Reversibility,
    #[serde(default)]
    recovery: Option<String>,
    /// Where reversibility and recovery are known from.
    source: String,
}

/// A condition on an argument.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgumentIs {
    /// The last part of the argument's path: `isDeleted` of `patch.volumes.x.isDeleted`.
    argument: String,
    is: String,
}

impl Operation {
    fn applies(&self, arguments: &[Field]) -> bool {
        self.when.as_ref().is_none_or(|when| {
            arguments.iter().any(|field| last_part(&field.name) == when.argument && field.value == when.is)
        })
    }

    /// How it could be undone, with the source.
    pub(super) fn recovery(&self) -> Option<String> {
        self.recovery.as_ref().map(|recovery| format!("{recovery} [{}]", self.source))
    }
}

/// The last part of a field's path.
pub(super) fn last_part(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

impl Catalog {
    /// The catalogue built into the program.
    ///
    /// # Errors
    /// Only if the data it was built from is wrong, which a test rules out.
    pub fn builtin() -> Result<Self, CatalogError> {
        Self::from_files(&PROVIDER_FILES, VERBS_FILE)
    }

    fn from_files(providers: &[(&str, &str)], verbs: (&str, &str)) -> Result<Self, CatalogError> {
        let mut catalog = Self {
            providers: Vec::new(),
            hosts: BTreeMap::new(),
            graphql: BTreeMap::new(),
            verbs: read::<VerbsFile>(verbs)?.into(),
        };
        for file in providers {
            catalog.add(file.0, read(*file)?)?;
        }
        for operations in catalog.graphql.values_mut() {
            operations.sort_by_key(|(_, operation)| operation.when.is_none());
        }
        Ok(catalog)
    }

    fn add(&mut self, path: &str, file: ProviderFile) -> Result<(), CatalogError> {
        let provider = self.providers.len();
        for host in file.hosts {
            if self.hosts.insert(host.clone(), provider).is_some() {
                return Err(CatalogError::Twice { path: path.to_owned(), what: host });
            }
        }
        for operation in file.graphql {
            let same_name = self.graphql.entry(operation.operation.clone()).or_default();
            let plain = |(_, other): &(usize, Operation)| other.when.is_none();
            if operation.when.is_none() && same_name.iter().any(|known| known.0 == provider && plain(known)) {
                return Err(CatalogError::Twice { path: path.to_owned(), what: operation.operation });
            }
            same_name.push((provider, operation));
        }
        self.providers.push(file.provider);
        Ok(())
    }

    /// The provider whose control plane answers under `host` (a port and a final dot are ignored).
    pub fn provider_of(&self, host: &str) -> Option<&str> {
        let host = bare_host(host);
        self.hosts.get(&host).and_then(|at| self.providers.get(*at)).map(String::as_str)
    }

    /// The entry for a GraphQL root field: of `provider`, or of any if that is not known.
    pub(super) fn graphql(
        &self,
        provider: Option<&str>,
        field: &str,
        arguments: &[Field],
    ) -> Option<&Operation> {
        let ours = |at: usize| provider.is_none_or(|name| self.providers.get(at).is_some_and(|p| p == name));
        let entries = self.graphql.get(field)?;
        entries.iter().find(|(at, entry)| ours(*at) && entry.applies(arguments)).map(|(_, entry)| entry)
    }
}

/// A host without port and final dot, lower case. An IPv6 literal loses its brackets.
pub(crate) fn bare_host(host: &str) -> String {
    let host = host.trim();
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None if host.matches(':').count() == 1 => host.split(':').next().unwrap_or(host),
        None => host,
    };
    name.trim_end_matches('.').to_ascii_lowercase()
}

fn read<T: serde::de::DeserializeOwned>((path, text): (&str, &str)) -> Result<T, CatalogError> {
    yaml::read(text).map_err(|mistake| CatalogError::Unreadable { path: path.to_owned(), mistake })
}

/// The catalogue's data is wrong.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// A file does not read.
    #[error("catalog/{path}{}: {}", mistake.place, mistake.what)]
    Unreadable { path: String, mistake: Mistake },
    /// Two entries claim the same thing, so that one of them would never count.
    #[error("catalog/{path}: {what} is already listed")]
    Twice { path: String, what: String },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_builtin_catalogue_reads() {
        let catalog = Catalog::builtin().unwrap();
        for (host, expect) in [
            ("backboard.railway.app", Some("railway")),
            ("Backboard.Railway.com.:8443", Some("railway")),
            ("railway.app", None),
            ("backboard.railway.app.evil.example", None),
            ("[::1]:443", None),
            ("", None),
        ] {
            assert_eq!(catalog.provider_of(host), expect, "{host}");
        }
    }

    #[test]
    fn mistakes_in_the_data_are_named() {
        let provider = "provider: p\nhosts: [h]\ngraphql:\n";
        let entry = "  - {operation: o, verb: destroys, object: x, reversibility: S4, source: s}\n";
        for (text, expect) in [
            (format!("{provider}{entry}{entry}"), "catalog/p.yaml: o is already listed"),
            (
                format!("{provider}  - {{operation: o, verb: destroy}}\n"),
                "catalog/p.yaml:4:26: unknown value \"destroy\"; did you mean \"destroys\"?",
            ),
        ] {
            let error = Catalog::from_files(&[("p.yaml", &text)], VERBS_FILE).unwrap_err();
            assert_eq!(error.to_string(), expect);
        }
    }
}
