//! Remembers what was found in files, so that the second `grep -r` costs no second search.
//!
//! By hand, as two generations of a map: when the young one is full it becomes the old one, and what is used again moves back.
//! That keeps the recently used ones like an LRU list, without a list.

use std::collections::HashMap;

use super::Scanned;
use super::open::Opened;

/// Files per generation, 16 k in both: the text files of a large repository.
const FILES_MAX: usize = 8 * 1024;
/// Values per generation. At some 100 bytes each this bounds the cache to about 50 MB, whatever the files hold.
const VALUES_MAX: usize = 256 * 1024;

/// One content of one file under one name: the name decides how it is read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key {
    dev: u64,
    ino: u64,
    changed: (i64, i64),
    size: i64,
    /// BLAKE3 of the path, which may have 4 KiB.
    path: blake3::Hash,
    replaced: bool,
}

impl Key {
    pub(super) fn of(opened: &Opened, path: &str) -> Self {
        let stat = &opened.stat;
        Self {
            dev: stat.st_dev,
            ino: stat.st_ino,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
            size: stat.st_size,
            path: blake3::hash(path.as_bytes()),
            replaced: opened.replaced,
        }
    }
}

/// Results by file. None: a file there is nothing to record about.
#[derive(Debug, Default)]
pub(super) struct Cache {
    young: HashMap<Key, Option<Scanned>>,
    old: HashMap<Key, Option<Scanned>>,
    values: usize,
}

impl Cache {
    pub(super) fn get(&mut self, key: &Key) -> Option<Option<Scanned>> {
        if let Some(scanned) = self.young.get(key) {
            return Some(scanned.clone());
        }
        let (key, scanned) = self.old.remove_entry(key)?;
        self.put(key, scanned.clone());
        Some(scanned)
    }

    pub(super) fn put(&mut self, key: Key, scanned: Option<Scanned>) {
        self.values += scanned.as_ref().map_or(0, |scanned| scanned.sightings.len());
        self.young.insert(key, scanned);
        if self.young.len() >= FILES_MAX || self.values >= VALUES_MAX {
            self.old = std::mem::take(&mut self.young);
            self.values = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_bounded_and_keeps_what_is_used() {
        let key =
            |ino| Key { dev: 1, ino, changed: (1, 1), size: 1, path: blake3::hash(b"/a/b"), replaced: false };
        let mut cache = Cache::default();
        for ino in 0..100_000 {
            cache.put(key(ino), None);
            assert_eq!(cache.get(&key(0)), Some(None));
        }
        assert!(cache.young.len() + cache.old.len() <= 2 * FILES_MAX);
        assert_eq!(cache.get(&key(1)), None);
    }
}
