//! Facts about files, and the credentials found in them.

use serde::{Deserialize, Serialize};

use crate::secret::Fingerprint;

/// A file was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileOpened {
    /// Path as the kernel walked it from the file itself; a leading `…` marks a path cut at the limit.
    pub path: String,
    /// Device (kernel encoding: major << 20 | minor).
    pub dev: u32,
    /// Inode.
    pub ino: u64,
    /// What it was opened for.
    pub access: Access,
    /// The open may have cut the file to nothing (O_TRUNC).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncates: bool,
}

/// What a file was opened for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Access {
    Read,
    Write,
    ReadWrite,
    /// Neither: O_PATH.
    Path,
}

/// Credentials were found in something the session could read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialsSeen {
    /// Where.
    pub place: Place,
    /// The values found, without the values.
    pub sightings: Vec<Sighting>,
    /// How far the search got.
    pub scan: ScanOutcome,
}

/// Where credentials were found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "in", rename_all = "snake_case")]
pub enum Place {
    /// The environment the session was started with.
    Environment,
    /// The arguments the session was started with.
    Arguments,
    /// A descriptor handed to the session at its start.
    Inherited { path: String },
    /// A file; `opened` is the seq of its [`FileOpened`] event.
    File { path: String, opened: u64 },
}

/// One value that may be used as a credential.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sighting {
    /// The value's fingerprint.
    pub fingerprint: Fingerprint,
    /// The name it stood under (`RAILWAY_TOKEN`, `api.token`), if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What it looks like: `railway-token`, `github-token`, `opaque`, …
    pub kind: String,
}

/// How far a search for credentials got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum ScanOutcome {
    /// Everything was searched.
    Whole,
    /// Only the first `bytes` were searched, or only the first so many values kept.
    Partly { bytes: u64 },
    /// The file at this path was no longer the one that was opened; the first `bytes` of it were searched in its place.
    Replaced { bytes: u64 },
    /// Nothing was searched: the file had gone, or could not be read.
    Failed { why: String },
}
