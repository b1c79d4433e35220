//! Looks for credentials in a file a process has just opened. A shell: it opens and reads files, and it and
//! [`host_key`](super::host_key) are the only ones in this layer that may.
//!
//! Bias: when in doubt a file is searched; what could not be searched is said, and never taken for a file without credentials. It reads
//! through the descriptor the process itself opened, so that what is searched is what was read. It opens regular files only, never waits
//! for a lease or a FIFO, and does not touch file systems an unprivileged user serves. A network file system may still stall a
//! read, so callers give a scanner a thread of its own and a deadline.

mod cache;
mod mounts;
mod open;
mod skip;

use std::fs::File;
use std::io::{self, Read};

use zeroize::{Zeroize, Zeroizing};

use self::cache::{Cache, Key};
use self::mounts::Mounts;
use self::open::{OpenError, Opened};
use super::find::{Limits, find};
use super::given;
use super::kind::Kind;
use super::redact::Redactor;
use crate::event::{ScanOutcome, Sighting};

/// The file to search, as the kernel reported its opening.
#[derive(Clone, Copy, Debug)]
pub struct ScanRequest<'a> {
    /// The process that opened it, as the host numbers it.
    pub pid: u32,
    /// The descriptor it got, if that is known; it may be closed or mean another file by now.
    pub fd: Option<i32>,
    /// Path as the kernel walked it; one that is cut begins with `…` and is only shown.
    pub path: &'a str,
    /// Device (kernel encoding: major << 20 | minor).
    pub dev: u32,
    /// Inode.
    pub ino: u64,
}

/// What a file held.
#[derive(Clone, Debug, PartialEq)]
pub struct Scanned {
    /// The values found, the surest first.
    pub sightings: Vec<Sighting>,
    /// How far the search got.
    pub outcome: ScanOutcome,
}

/// Searches files, remembering those it has searched. One buffer serves all of them and is wiped after each.
#[derive(Debug, Default)]
pub struct Scanner {
    limits: Limits,
    buffer: Zeroizing<Vec<u8>>,
    cache: Cache,
    mounts: Mounts,
}

impl Scanner {
    /// A scanner that has seen nothing yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, ..Self::default() }
    }

    /// Searches the file. None: there is nothing to record, since it is no regular file, a file of the kernel, or binary.
    pub fn scan(&mut self, request: &ScanRequest<'_>, redactor: &Redactor) -> Option<Scanned> {
        match self.try_scan(request, redactor) {
            Ok(scanned) => scanned,
            Err(error) => Some(Scanned {
                sightings: Vec::new(),
                outcome: ScanOutcome::Failed { why: error.to_string() },
            }),
        }
    }

    fn try_scan(
        &mut self,
        request: &ScanRequest<'_>,
        redactor: &Redactor,
    ) -> Result<Option<Scanned>, OpenError> {
        let Some(opened) = open::open(request, &mut self.mounts)? else { return Ok(None) };
        let key = Key::of(&opened, request.path);
        if !opened.of_kernel
            && let Some(scanned) = self.cache.get(&key)
        {
            return Ok(scanned);
        }
        let scanned = self.search(&opened, request.path, redactor);
        self.buffer.as_mut_slice().zeroize();
        self.buffer.clear();
        let scanned = scanned.map_err(|source| OpenError::Read { source })?;
        if !opened.of_kernel && opened.is_settled() {
            self.cache.put(key, scanned.clone());
        }
        Ok(scanned)
    }

    fn search(&mut self, opened: &Opened, path: &str, redactor: &Redactor) -> io::Result<Option<Scanned>> {
        let more = fill(&opened.file, &mut self.buffer, self.limits.bytes)?;
        let bytes = self.buffer.len() as u64;
        let (sightings, overflow) = if opened.of_kernel {
            (environ(&self.buffer, redactor), false)
        } else if skip::is_binary(&self.buffer) && !skip::holds_credentials(path) {
            return Ok(None);
        } else {
            let findings = find(Some(path), &self.buffer, self.limits);
            let sighting = |found: super::Found| Sighting {
                fingerprint: redactor.fingerprint(found.value.expose()),
                name: found.name,
                kind: found.kind.as_str().to_owned(),
            };
            (findings.found.into_iter().map(sighting).collect(), findings.overflow)
        };
        let outcome = match (opened.replaced, more || overflow) {
            (true, _) => ScanOutcome::Replaced { bytes },
            (false, true) => ScanOutcome::Partly { bytes },
            (false, false) => ScanOutcome::Whole,
        };
        Ok(Some(Scanned { sightings, outcome }))
    }
}

/// Reads up to `limit` bytes; whether there are more.
fn fill(mut file: &File, buffer: &mut Vec<u8>, limit: usize) -> io::Result<bool> {
    // Reserved in one piece and never grown: a buffer that moves leaves a copy behind that nobody wipes.
    buffer.reserve_exact(limit + 1);
    file.by_ref().take(limit as u64 + 1).read_to_end(buffer)?;
    let more = buffer.len() > limit;
    if more {
        buffer[limit..].zeroize();
        buffer.truncate(limit);
    }
    Ok(more)
}

/// The environment of a process, as the kernel shows it: `NAME=value` with a NUL after each.
fn environ(content: &[u8], redactor: &Redactor) -> Vec<Sighting> {
    let pairs = content.split(|b| *b == 0).filter_map(|pair| {
        let at = memchr::memchr(b'=', pair)?;
        Some((&pair[..at], &pair[at + 1..]))
    });
    let mut sightings = given::environment(pairs, redactor);
    sightings.retain(|sighting| sighting.kind != Kind::Text.as_str());
    sightings
}

#[cfg(test)]
mod tests;
