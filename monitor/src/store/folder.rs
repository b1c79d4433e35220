//! The folder of captures: making new ones, and finding one by what people call it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::capture::{EXTENSION, Header, WriteError, Writer};
use super::session_id;
use super::summary::Summary;

/// Captures looked at when listing or searching. A folder with more is one somebody should clean up; the newest are
/// looked at.
const CAPTURES_LIMIT: usize = 10_000;

/// Why a session could not be found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    #[error("the folder of sessions {} cannot be read", folder.display())]
    Unreadable { folder: PathBuf, source: io::Error },
    #[error("there is no session in {}", folder.display())]
    Empty { folder: PathBuf },
    #[error("there is no session {name} in {}", folder.display())]
    Unknown { name: String, folder: PathBuf },
    #[error("{name} may be any of {}", ids.join(", "))]
    Ambiguous { name: String, ids: Vec<String> },
}

/// The captures below one state directory.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The captures of `state_dir`, which need not exist.
    pub fn new(state_dir: &Path) -> Self {
        Self { path: state_dir.join("sessions") }
    }

    /// Where the capture of the session with this whole id is, or would be.
    pub fn file(&self, id: &str) -> PathBuf {
        self.path.join(format!("{id}.{EXTENSION}"))
    }

    /// Begins the capture of a new session.
    ///
    /// # Errors
    /// As [`Writer::create`]; when the id is taken, make another.
    pub fn create(&self, header: &Header) -> Result<Writer, WriteError> {
        Writer::create(&self.file(&header.session), header)
    }

    /// The capture called `name`: an id or a unique beginning of one, `@last`, or the path of a file (it contains a
    /// slash or ends in `.hfc`).
    ///
    /// # Errors
    /// If there is none, or more than one.
    pub fn find(&self, name: &str) -> Result<PathBuf, FindError> {
        if name.contains('/') || name.ends_with(".hfc") {
            return Ok(PathBuf::from(name));
        }
        let folder = || self.path.clone();
        if name == "@last" {
            // Ids are in order of time, but only to the minute.
            let newest = self.list()?.pop().ok_or_else(|| FindError::Empty { folder: folder() })?;
            return Ok(newest.path);
        }
        let mut found = match session_id::prefix(name) {
            Some(prefix) => self.ids()?.into_iter().filter(|id| id.starts_with(&prefix)).collect(),
            None => Vec::new(),
        };
        match found.as_slice() {
            [id] => Ok(self.file(id)),
            [] => Err(FindError::Unknown { name: name.to_owned(), folder: folder() }),
            _ => {
                found.truncate(10);
                Err(FindError::Ambiguous { name: name.to_owned(), ids: found })
            }
        }
    }

    /// Every session, oldest first.
    ///
    /// # Errors
    /// If the folder cannot be read. A capture that cannot be read is listed as such.
    pub fn list(&self) -> Result<Vec<Summary>, FindError> {
        let mut sessions: Vec<Summary> =
            self.ids()?.into_iter().map(|id| Summary::read(self.file(&id), id)).collect();
        sessions.sort_by(|one, other| (one.started, &one.session).cmp(&(other.started, &other.session)));
        Ok(sessions)
    }

    /// Ids of the captures in the folder, in order. A folder that does not exist holds none.
    fn ids(&self) -> Result<Vec<String>, FindError> {
        let unreadable = |source| FindError::Unreadable { folder: self.path.clone(), source };
        let entries = match fs::read_dir(&self.path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut ids = Vec::new();
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            // Opening a pipe would wait for its writer; only plain files are captures.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let name = entry.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".hfc"));
            ids.extend(id.filter(|id| session_id::prefix(id).as_deref() == Some(*id)).map(str::to_owned));
        }
        ids.sort_unstable();
        ids.drain(..ids.len().saturating_sub(CAPTURES_LIMIT));
        Ok(ids)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[test]
    fn sessions_are_found_by_what_people_call_them() {
        let state = tempfile::tempdir().unwrap();
        let folder = Folder::new(state.path());
        assert!(matches!(folder.find("@last"), Err(FindError::Empty { .. })));
        assert!(matches!(folder.find("S-1"), Err(FindError::Unknown { .. })));
        // The last by id is not the last by clock.
        for (id, minutes) in [("S-35BMA19Z", 0), ("S-35BMA111", 2), ("S-35C00000", 1)] {
            let mut header = testing::header();
            header.session = id.to_owned();
            header.wall_clock += minutes * 1_000_000_000;
            folder.create(&header).unwrap();
        }
        fs::write(state.path().join("sessions/notes.txt"), "").unwrap();
        fs::create_dir(state.path().join("sessions/S-35C00001.hfc")).unwrap();

        let check = |name: &str, expect: &str| {
            let found = match folder.find(name) {
                Ok(path) => path.display().to_string(),
                Err(error) => error.to_string(),
            };
            assert_eq!(found.replace(&state.path().display().to_string(), "STATE"), expect);
        };
        check("S-35BMA19Z", "STATE/sessions/S-35BMA19Z.hfc");
        check("35c", "STATE/sessions/S-35C00000.hfc");
        check("@last", "STATE/sessions/S-35BMA111.hfc");
        check("S-35B", "S-35B may be any of S-35BMA111, S-35BMA19Z");
        check("S-4", "there is no session S-4 in STATE/sessions");
        check("tale", "there is no session tale in STATE/sessions");
        check("other.hfc", "other.hfc");
        check("../x", "../x");
    }

    #[test]
    fn an_unreadable_folder_is_said_to_be_one() {
        let state = tempfile::tempdir().unwrap();
        fs::write(state.path().join("sessions"), "no folder").unwrap();
        assert!(matches!(Folder::new(state.path()).list(), Err(FindError::Unreadable { .. })));
    }
}
