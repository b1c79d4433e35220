//! One line of a session list.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::path::PathBuf;

use serde::Serialize;

use super::capture::{End, Line, ReadError, Reader, State, read_end};
use crate::event::{Fact, Mode};
use crate::policy::Severity;
use crate::time::Timestamp;

/// Captures without an end line are counted through up to this size; a listing must not take minutes. At the measured
/// rate this is about a second.
const COUNT_LIMIT: u64 = 32 << 20;

/// What a list says of a session.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// `S-…`
    pub session: String,
    pub path: PathBuf,
    /// Nanoseconds since 1970; 0 if the capture cannot be read.
    pub started: u64,
    pub name: Option<String>,
    pub mode: Option<Mode>,
    /// From the first to the last event, in nanoseconds.
    pub length: Option<u64>,
    pub events: Option<u64>,
    pub findings: Option<u64>,
    pub worst: Option<Severity>,
    pub exit_code: Option<u8>,
    pub lost: Option<u64>,
    #[serde(flatten)]
    pub ending: Ending,
    /// Size of the file.
    pub bytes: u64,
}

/// How a listed capture ends. The chain is not checked for a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Ending {
    /// With its end line.
    Ended,
    /// Without: still running, or the monitor died.
    Unfinished,
    /// Cut off inside a frame.
    Torn,
    /// Nothing, or not everything, can be read.
    Unreadable { why: String },
}

impl Summary {
    /// Reads the first frames of a capture and its last.
    pub(super) fn read(path: PathBuf, session: String) -> Self {
        let mut summary = Self {
            session,
            path,
            started: 0,
            name: None,
            mode: None,
            length: None,
            events: None,
            findings: None,
            worst: None,
            exit_code: None,
            lost: None,
            ending: Ending::Unfinished,
            bytes: 0,
        };
        if let Err(error) = summary.fill() {
            summary.ending = Ending::Unreadable { why: error.to_string() };
        }
        summary
    }

    fn fill(&mut self) -> Result<(), ReadError> {
        let mut file = File::open(&self.path)?;
        self.bytes = file.metadata()?.len();
        let end = read_end(&mut file)?;
        file.seek(SeekFrom::Start(0))?;
        let mut reader = Reader::new(file)?;
        self.started = reader.header().wall_clock;
        let began = reader.header().boot_clock;
        if let Some(Line::Event(event)) = reader.next().transpose()?
            && let Fact::SessionStarted(started) = event.fact
        {
            (self.name, self.mode) = (Some(started.name), Some(started.mode));
        }
        if let Some(end) = end {
            self.end(&end, began);
            self.ending = Ending::Ended;
        } else if self.bytes <= COUNT_LIMIT {
            self.count(reader, began)?;
        }
        Ok(())
    }

    fn end(&mut self, end: &End, began: Timestamp) {
        self.length = Some(nanoseconds(end.time, began));
        (self.events, self.findings, self.lost) = (Some(end.events), Some(end.findings), Some(end.lost));
        (self.worst, self.exit_code) = (end.worst, end.exit_code);
    }

    /// Counts what an end line would have said. `reader` stands behind the first event.
    fn count(&mut self, mut reader: Reader, began: Timestamp) -> Result<(), ReadError> {
        let mut end = End::new(began);
        end.events = self.name.is_some().into();
        for line in &mut reader {
            match line? {
                Line::Event(event) => {
                    end.count_event(&event);
                    end.time = end.time.max(event.time);
                }
                Line::Finding(finding) => end.count_finding(&finding),
                Line::Header(_) | Line::End(_) => {}
            }
        }
        self.end(&end, began);
        if let Some(State::Torn { .. }) = reader.state() {
            self.ending = Ending::Torn;
        }
        Ok(())
    }
}

fn nanoseconds(end: Timestamp, began: Timestamp) -> u64 {
    u64::try_from(end.since(began).as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::store::testing;

    #[test]
    fn a_session_is_told_by_its_beginning_and_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("story.hfc");
        testing::write_story(&path);
        let whole = fs::read(&path).unwrap();
        let check = |bytes: &[u8], ending: Ending, name: Option<&str>, events: Option<u64>| {
            fs::write(&path, bytes).unwrap();
            let summary = Summary::read(path.clone(), "S-1".to_owned());
            assert_eq!((summary.ending, summary.events), (ending, events));
            assert_eq!(summary.name.as_deref(), name);
        };
        let agent = Some("cursor-agent");
        check(&whole, Ending::Ended, agent, Some(27));
        let unreadable = |why: &str| Ending::Unreadable { why: why.to_owned() };
        check(&whole[..whole.len() - 1], Ending::Torn, agent, Some(27));
        let end_frame = u64::from_le_bytes(whole[whole.len() - 40..whole.len() - 32].try_into().unwrap());
        let without_end = whole.len() - 64 - usize::try_from(end_frame).unwrap();
        check(&whole[..without_end], Ending::Unfinished, agent, Some(27));
        check(b"", unreadable("it ends inside its first frame, before anything readable"), None, None);
        check(
            b"{}",
            unreadable("it is no holdfire capture, or its beginning was altered: no zstd frame begins here"),
            None,
            None,
        );
        // Not noticed in a list: only the ends are read.
        let mut altered = whole.clone();
        altered[whole.len() / 2] ^= 1;
        check(&altered, Ending::Ended, agent, Some(27));
    }
}
