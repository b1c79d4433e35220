//! Says whether a capture file is what was written.

use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::frames::{Broken, Frames};
use super::line::Line;
use super::reader::{ReadError, header, open};

/// What a check of the chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verification {
    /// Frames the chain vouches for.
    pub frames: u64,
    /// Lines in them.
    pub lines: u64,
    /// Hash of the last of them, in hex. Whoever keeps it elsewhere can tell that nobody rewrote the whole file, which
    /// the chain alone, having no key, cannot.
    pub hash: String,
    #[serde(flatten)]
    pub state: State,
}

/// How a capture file ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// With its end line.
    Whole,
    /// Without an end line: still running, or the monitor died, or frames were cut off the end.
    Unfinished,
    /// In the middle of a frame, which begins at byte `at`. Everything before is readable.
    Torn { at: u64, why: String },
    /// Frame `frame`, which begins at byte `offset`, is not what was written. Everything before is readable.
    Altered { frame: u64, offset: u64, why: String },
}

/// Checks the chain of a whole file. Only the first and the last line of a frame are looked into.
///
/// # Errors
/// If the file cannot be read or is no capture at all.
pub fn verify(path: &Path) -> Result<Verification, ReadError> {
    verify_source(open(path)?)
}

pub(super) fn verify_source(source: impl Read) -> Result<Verification, ReadError> {
    let mut frames = Frames::new(source);
    let mut lines = 0;
    let mut ended = false;
    let state = loop {
        match frames.next() {
            Ok(None) if frames.number() == 0 => {
                break State::Torn { at: 0, why: "the file is empty".to_owned() };
            }
            Ok(None) => break if ended { State::Whole } else { State::Unfinished },
            Ok(Some(frame)) => {
                if frame.number == 1 {
                    header(&frame)?;
                }
                lines += u64::from(frame.lines);
                let last = frame.text.split_inclusive(|byte| *byte == b'\n').next_back().unwrap_or_default();
                ended = matches!(serde_json::from_slice(last), Ok(Line::End(_)));
                if ended && !frames.at_end()? {
                    let (frame, offset) = (frame.number + 1, frames.offset());
                    let why = "something follows the end line".to_owned();
                    break State::Altered { frame, offset, why };
                }
            }
            Err(Broken::Torn { at, why }) => break State::Torn { at, why: why.to_owned() },
            Err(Broken::Altered { why, .. }) if frames.number() == 0 => {
                return Err(ReadError::NotACapture { why });
            }
            Err(Broken::Altered { frame, offset, why }) => {
                break State::Altered { frame, offset, why: why.to_owned() };
            }
            Err(Broken::Io(error)) => return Err(error.into()),
        }
    };
    let hash = data_encoding::HEXLOWER.encode(&frames.hash());
    Ok(Verification { frames: frames.number(), lines, hash, state })
}
