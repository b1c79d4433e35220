//! Writes a capture file.
//!
//! Lines are gathered in memory and become part of the file a frame at a time. When the disk refuses a frame nothing is
//! lost yet: its lines stay in memory, the file ends where it ended before, and the next [`Writer::flush`] tries again.
//! Only when more than [`PENDING_LIMIT`] waits are lines dropped, and then counted.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::{self, Record};
use super::line::{End, Header, LineRef};
use super::{FRAME_SIZE, LINE_LIMIT, PENDING_LIMIT};
use crate::event::Event;
use crate::policy::Finding;
use crate::time::Timestamp;

/// zstd's own default: a higher level costs more time than it saves space on frames of this size.
const COMPRESSION_LEVEL: i32 = 3;

/// Why something could not be written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    #[error("the folder {} cannot be made", path.display())]
    Folder { path: PathBuf, source: io::Error },
    /// Kind `AlreadyExists` means that the session id is taken: choose another.
    #[error("the capture file {} cannot be created", path.display())]
    Create { path: PathBuf, source: io::Error },
    #[error("the disk is full: {waiting} lines of the capture wait in memory, {not_written} are lost")]
    Full { waiting: u64, not_written: u64, source: io::Error },
    #[error("the capture cannot be written: {waiting} lines wait in memory, {not_written} are lost")]
    Io { waiting: u64, not_written: u64, source: io::Error },
    #[error("a line of {bytes} bytes is over the limit of {LINE_LIMIT} and is lost")]
    TooLong { bytes: usize },
    #[error("{waiting} lines already wait for the disk; one more is lost")]
    Crowded { waiting: u64 },
}

/// Writes one capture file. Dropping it writes nothing more: a file without an end line says that the monitor died.
#[derive(Debug)]
pub struct Writer {
    file: File,
    /// Where the next frame goes: behind the last whole one.
    offset: u64,
    /// A refused frame may have left bytes behind `offset`.
    dirty: bool,
    frame: u64,
    hash: [u8; 32],
    /// Lines that are not in the file yet.
    pending: Vec<u8>,
    waiting: u32,
    /// The counts so far, kept as the end line will tell them.
    end: End,
}

impl Writer {
    /// Creates the file, readable to its owner only, and the folder above it likewise if it is missing; writes the
    /// header as the first frame, so that the file can be read from now on.
    ///
    /// # Errors
    /// If the file exists or cannot be created or written.
    pub fn create(path: &Path, header: &Header) -> Result<Self, WriteError> {
        if let Some(folder) = path.parent() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(|source| WriteError::Folder { path: folder.to_owned(), source })?;
        }
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|source| WriteError::Create { path: path.to_owned(), source })?;
        let mut writer = Self {
            file,
            offset: 0,
            dirty: false,
            frame: 0,
            hash: chain::START,
            pending: Vec::with_capacity(FRAME_SIZE),
            waiting: 0,
            end: End::new(header.boot_clock),
        };
        writer.push(LineRef::Header(header))?;
        writer.flush()?;
        Ok(writer)
    }

    /// Adds an event.
    ///
    /// # Errors
    /// If the line is lost, or if a frame was due and the disk refused it; in that case the line waits.
    pub fn event(&mut self, event: &Event) -> Result<(), WriteError> {
        self.push(LineRef::Event(event))?;
        self.end.count_event(event);
        self.cut_if_due()
    }

    /// Adds a finding. It belongs behind the event that completed it.
    ///
    /// # Errors
    /// As [`Writer::event`].
    pub fn finding(&mut self, finding: &Finding) -> Result<(), WriteError> {
        self.push(LineRef::Finding(finding))?;
        self.end.count_finding(finding);
        self.cut_if_due()
    }

    /// Hands all waiting lines to the kernel as one frame. When is the caller's business: the file has no clock.
    ///
    /// # Errors
    /// If the disk refuses the frame; its lines go on waiting.
    pub fn flush(&mut self) -> Result<(), WriteError> {
        if self.waiting == 0 {
            return Ok(());
        }
        self.write_frame().map_err(|source| self.refused(source))
    }

    /// As [`Writer::flush`], and returns only when everything is on the disk.
    ///
    /// # Errors
    /// As [`Writer::flush`], or if the disk cannot say that it has the data.
    pub fn flush_durable(&mut self) -> Result<(), WriteError> {
        self.flush()?;
        self.file.sync_data().map_err(|source| self.refused(source))
    }

    /// Writes the end line and puts everything on the disk. May be called again after an error.
    ///
    /// # Errors
    /// As [`Writer::flush_durable`].
    pub fn finish(&mut self, time: Timestamp) -> Result<End, WriteError> {
        // The lines before must be in the file first: after a failed attempt the end line must not stay among them.
        self.flush()?;
        self.end.time = time;
        let end = self.end.clone();
        self.push(LineRef::End(&end))?;
        if let Err(error) = self.flush() {
            (self.pending, self.waiting) = (Vec::new(), 0);
            return Err(error);
        }
        self.file.sync_all().map_err(|source| self.refused(source))?;
        Ok(end)
    }

    /// Lines that were dropped so far.
    pub fn not_written(&self) -> u64 {
        self.end.not_written
    }

    fn push(&mut self, line: LineRef<'_>) -> Result<(), WriteError> {
        let start = self.pending.len();
        let written = serde_json::to_writer(&mut self.pending, &line);
        self.pending.push(b'\n');
        let bytes = self.pending.len() - start;
        let problem = match written {
            Err(error) => Some(self.refused(error.into())),
            Ok(()) if bytes > LINE_LIMIT => Some(WriteError::TooLong { bytes }),
            Ok(()) if self.pending.len() > PENDING_LIMIT => {
                Some(WriteError::Crowded { waiting: self.waiting.into() })
            }
            Ok(()) => None,
        };
        if let Some(problem) = problem {
            self.pending.truncate(start);
            self.end.not_written += 1;
            return Err(problem);
        }
        self.waiting += 1;
        Ok(())
    }

    /// Cuts a frame when one is full. While the disk refuses frames, only the caller's flushes try again: an attempt
    /// per event would compress everything that waits each time.
    fn cut_if_due(&mut self) -> Result<(), WriteError> {
        if self.pending.len() < FRAME_SIZE || self.dirty { Ok(()) } else { self.flush() }
    }

    fn write_frame(&mut self) -> io::Result<()> {
        let mut bytes = zstd::bulk::compress(&self.pending, COMPRESSION_LEVEL)?;
        let mut hasher = chain::hasher(&self.hash);
        hasher.update(&bytes);
        let record = Record {
            frame: self.frame + 1,
            lines: self.waiting,
            length: bytes.len() as u64,
            hash: *hasher.finalize().as_bytes(),
        };
        bytes.extend_from_slice(&record.to_bytes());
        if self.dirty {
            self.file.set_len(self.offset)?;
        }
        self.dirty = true;
        if let Err(error) = self.file.write_all_at(&bytes, self.offset) {
            // Best effort: the file then ends with a whole frame. If not, the next attempt cuts it again.
            let _ = self.file.set_len(self.offset);
            return Err(error);
        }
        self.dirty = false;
        self.offset += bytes.len() as u64;
        self.frame = record.frame;
        self.hash = record.hash;
        self.pending.clear();
        self.waiting = 0;
        Ok(())
    }

    fn refused(&self, source: io::Error) -> WriteError {
        let (waiting, not_written) = (self.waiting.into(), self.end.not_written);
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                WriteError::Full { waiting, not_written, source }
            }
            _ => WriteError::Io { waiting, not_written, source },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Fact;
    use crate::store::capture::{Line, Reader, State, verify};
    use crate::store::testing;

    /// The events of a capture and how it ends.
    fn read(path: &Path) -> (Vec<u64>, State) {
        let mut reader = Reader::open(path).unwrap();
        let mut seqs = Vec::new();
        for line in &mut reader {
            if let Line::Event(event) = line.unwrap() {
                seqs.push(event.seq);
            }
        }
        (seqs, reader.state().unwrap().clone())
    }

    #[test]
    fn a_full_disk_costs_nothing_if_it_passes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("full.hfc");
        let events = testing::story();
        let mut writer = Writer::create(&path, &testing::header()).unwrap();
        writer.event(&events[0]).unwrap();
        writer.flush().unwrap();

        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let disk = std::mem::replace(&mut writer.file, full);
        writer.event(&events[1]).unwrap();
        let error = writer.flush().unwrap_err();
        assert!(matches!(error, WriteError::Full { waiting: 1, not_written: 0, .. }), "{error:?}");
        writer.event(&events[2]).unwrap();
        assert!(writer.finish(Timestamp(9)).is_err());
        assert_eq!(read(&path), (vec![1], State::Unfinished));

        writer.file = disk;
        let end = writer.finish(Timestamp(9)).unwrap();
        assert_eq!((end.events, end.not_written), (3, 0));
        assert_eq!(read(&path), (vec![1, 2, 3], State::Whole));
    }

    #[test]
    fn lines_beyond_the_limit_are_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crowded.hfc");
        let mut writer = Writer::create(&path, &testing::header()).unwrap();
        let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let disk = std::mem::replace(&mut writer.file, full);
        let mut event = testing::story().remove(0);
        let (mut refused, mut crowded) = (0, 0);
        for _ in 0..20_000 {
            match writer.event(&event) {
                Ok(()) => {}
                Err(WriteError::Full { .. }) => refused += 1,
                Err(WriteError::Crowded { .. }) => crowded += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!(refused, 1, "one attempt, then only flushes try again");
        assert!(crowded > 0 && writer.pending.len() <= PENDING_LIMIT);
        writer.file = disk;

        if let Fact::SessionStarted(started) = &mut event.fact {
            started.cwd = "\u{1}".repeat(LINE_LIMIT / 6);
        }
        assert!(matches!(writer.event(&event), Err(WriteError::TooLong { .. })));
        let end = writer.finish(Timestamp(9)).unwrap();
        assert_eq!(end.not_written, crowded + 1);
        assert_eq!(end.events + crowded, 20_000);
        assert_eq!(verify(&path).unwrap().state, State::Whole);
    }

    #[test]
    fn a_capture_is_its_owners_alone_and_never_overwritten() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sessions/one.hfc");
        Writer::create(&path, &testing::header()).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        let again = Writer::create(&path, &testing::header()).unwrap_err();
        assert!(
            matches!(&again, WriteError::Create { source, .. } if source.kind() == io::ErrorKind::AlreadyExists)
        );
    }
}
