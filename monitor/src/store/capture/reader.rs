//! Reads a capture file line by line, in bounded memory, checking the chain on the way.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::chain::{self, Record};
use super::frames::{Broken, Frame, Frames};
use super::line::{End, FORMAT, Header, Line};
use super::verify::State;
use super::{FRAME_SIZE, LINE_LIMIT};

/// Why a capture, or one line of it, cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the file cannot be read")]
    Io(#[from] io::Error),
    #[error("it is no holdfire capture, or its beginning was altered: {why}")]
    NotACapture { why: &'static str },
    #[error("it was written in format {format}; this holdfire reads formats up to {FORMAT}")]
    Newer { format: u32 },
    #[error("it ends inside its first frame, before anything readable")]
    Empty,
    #[error("it was altered: frame {frame}, at byte {offset}: {why}; the {} before it are intact", frames(frame - 1))]
    Altered { frame: u64, offset: u64, why: &'static str },
    /// The chain vouches for the line, so it was written as it is: by another version of holdfire.
    #[error("line {line} is none that this holdfire knows")]
    Line { line: u64, source: serde_json::Error },
}

fn frames(count: u64) -> String {
    if count == 1 { "1 frame".to_owned() } else { format!("{count} frames") }
}

/// The lines of one capture after its header.
///
/// Iteration ends where the file does, be it torn or not; [`Reader::state`] then tells. An altered frame is an error,
/// and the end. A line this version does not know is an error too, but the next line can still be asked for.
pub struct Reader<R = File> {
    frames: Frames<R>,
    header: Header,
    frame: Frame,
    /// Where the next line begins in `frame`.
    next: usize,
    /// Number of the last line handed out, the header being 1.
    line: u64,
    end_seen: bool,
    state: Option<State>,
}

impl Reader {
    /// Opens a capture file and reads its header.
    ///
    /// # Errors
    /// If the file cannot be read, or not even its header is there.
    pub fn open(path: &Path) -> Result<Self, ReadError> {
        Self::new(open(path)?)
    }
}

/// Opens a capture file; a pipe or device could keep a reader for ever.
pub(super) fn open(path: &Path) -> Result<File, ReadError> {
    if !path.metadata()?.is_file() {
        return Err(ReadError::NotACapture { why: "it is no plain file" });
    }
    Ok(File::open(path)?)
}

impl<R: Read> Reader<R> {
    /// Reads the header from `source`.
    ///
    /// # Errors
    /// If not even the header is there.
    pub fn new(source: R) -> Result<Self, ReadError> {
        let mut frames = Frames::new(source);
        let frame = match frames.next() {
            Ok(Some(frame)) => frame,
            Ok(None) | Err(Broken::Torn { .. }) => return Err(ReadError::Empty),
            Err(Broken::Altered { why, .. }) => return Err(ReadError::NotACapture { why }),
            Err(Broken::Io(error)) => return Err(error.into()),
        };
        let (header, next) = header(&frame)?;
        Ok(Self { frames, header, frame, next, line: 1, end_seen: false, state: None })
    }

    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How the file ends; none before iteration has come to its end.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    fn next_line(&mut self) -> Result<Option<Line>, ReadError> {
        while self.next >= self.frame.text.len() {
            match self.frames.next() {
                Ok(Some(frame)) if self.end_seen => return Err(self.altered(frame.number, frame.offset)),
                Ok(Some(frame)) => (self.frame, self.next) = (frame, 0),
                Ok(None) => {
                    self.state = Some(if self.end_seen { State::Whole } else { State::Unfinished });
                    return Ok(None);
                }
                Err(Broken::Torn { at, .. }) if self.end_seen => {
                    return Err(self.altered(self.frames.number() + 1, at));
                }
                Err(Broken::Torn { at, why }) => {
                    self.state = Some(State::Torn { at, why: why.to_owned() });
                    return Ok(None);
                }
                Err(Broken::Altered { frame, offset, why }) => {
                    self.state = Some(State::Altered { frame, offset, why: why.to_owned() });
                    return Err(ReadError::Altered { frame, offset, why });
                }
                Err(Broken::Io(error)) => {
                    self.state = Some(State::Unfinished);
                    return Err(error.into());
                }
            }
        }
        if self.end_seen {
            return Err(self.altered(self.frame.number, self.frame.offset));
        }
        let rest = &self.frame.text[self.next..];
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| at + 1);
        self.next += length;
        self.line += 1;
        let line = serde_json::from_slice(&rest[..length])
            .map_err(|source| ReadError::Line { line: self.line, source })?;
        self.end_seen = matches!(line, Line::End(_));
        Ok(Some(line))
    }

    /// A writer never goes on after the end line.
    fn altered(&mut self, frame: u64, offset: u64) -> ReadError {
        let why = "something follows the end line";
        self.state = Some(State::Altered { frame, offset, why: why.to_owned() });
        ReadError::Altered { frame, offset, why }
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Line, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state.is_some() { None } else { self.next_line().transpose() }
    }
}

/// The header in the first frame, and where the line after it begins.
pub(super) fn header(frame: &Frame) -> Result<(Header, usize), ReadError> {
    /// Read first, since a header of a later format may have other fields.
    #[derive(serde::Deserialize)]
    struct Format {
        format: u32,
    }

    let length = frame.text.iter().position(|byte| *byte == b'\n').map_or(frame.text.len(), |at| at + 1);
    let line = &frame.text[..length];
    match serde_json::from_slice::<Format>(line) {
        Ok(Format { format }) if format > FORMAT => return Err(ReadError::Newer { format }),
        _ => {}
    }
    match serde_json::from_slice(line) {
        Ok(Line::Header(header)) => Ok((header, length)),
        _ => Err(ReadError::NotACapture { why: "its first line is no header" }),
    }
}

/// The end line, read from the end of the file without the chain being checked. None if there is no such line there,
/// or it does not look as a writer leaves it: read the whole file to know why.
///
/// # Errors
/// If the file cannot be read.
pub fn read_end(file: &mut File) -> io::Result<Option<End>> {
    let size = file.metadata()?.len();
    let Some(record_at) = size.checked_sub(chain::SIZE as u64) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(record_at))?;
    let mut bytes = [0; chain::SIZE];
    file.read_exact(&mut bytes)?;
    let Some(record) = Record::from_bytes(&bytes).filter(|record| record.length <= chain::COMPRESSED_LIMIT)
    else {
        return Ok(None);
    };
    let Some(frame_at) = record_at.checked_sub(record.length) else {
        return Ok(None);
    };
    file.seek(SeekFrom::Start(frame_at))?;
    let mut frame = Vec::new();
    file.take(record.length).read_to_end(&mut frame)?;
    // A writer's last frame holds less than it cuts frames at, and the end line.
    let Ok(text) = zstd::bulk::decompress(&frame, FRAME_SIZE + LINE_LIMIT) else {
        return Ok(None);
    };
    let last = text.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default();
    Ok(match serde_json::from_slice(last) {
        Ok(Line::End(end)) => Some(end),
        _ => None,
    })
}
