//! Takes a capture file apart into frames, and hands out only those the chain vouches for.
//!
//! When in doubt a file counts as altered, not as torn: torn means that it ends in the middle of a frame, and nothing
//! else is wrong with it.

use std::io::{self, Read};

use zstd::stream::raw::{Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::DParameter;

use super::chain::{self, Record};
use super::{FRAME_LIMIT, LINE_LIMIT};

/// First bytes of a zstd frame.
const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Window of a frame's decoder, as a power of two: no frame within [`FRAME_LIMIT`] needs more.
const WINDOW_LOG: u32 = 24;

/// Bytes read or decoded at once.
const CHUNK: usize = 64 << 10;

/// Lines vouched for by the chain.
#[derive(Debug)]
pub(super) struct Frame {
    /// From 1.
    pub number: u64,
    /// Where it begins in the file.
    pub offset: u64,
    /// The lines, each with its newline.
    pub text: Vec<u8>,
    /// How many.
    pub lines: u32,
}

/// Why there are no more frames.
#[derive(Debug)]
pub(super) enum Broken {
    /// The file ends inside the frame that begins at `at`.
    Torn {
        at: u64,
        why: &'static str,
    },
    /// The frame that begins at `offset` is not what was written.
    Altered {
        frame: u64,
        offset: u64,
        why: &'static str,
    },
    Io(io::Error),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The frames of a file, from the first.
pub(super) struct Frames<R> {
    source: R,
    chunk: Vec<u8>,
    /// The part of `chunk` not yet taken.
    unread: std::ops::Range<usize>,
    /// Place in the file of the next byte to take.
    offset: u64,
    /// The last bytes read so far: what the file ends with, once it ended.
    tail: Vec<u8>,
    number: u64,
    hash: [u8; 32],
}

impl<R: Read> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            chunk: vec![0; CHUNK],
            unread: 0..0,
            offset: 0,
            tail: Vec::new(),
            number: 0,
            hash: chain::START,
        }
    }

    /// Hash of the last frame handed out.
    pub(super) fn hash(&self) -> [u8; 32] {
        self.hash
    }

    /// Number of the last frame handed out.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The next frame; none at the end of the file. After an error there is nothing more to ask for.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, Broken> {
        let start = self.offset;
        let frame = self.number + 1;
        let altered = |why| Broken::Altered { frame, offset: start, why };
        if !self.fill()? {
            return Ok(None);
        }
        let mut hasher = chain::hasher(&self.hash);
        let text = match self.decode(&mut hasher)? {
            Decoded::Text(text) => text,
            Decoded::Bad(why) => return Err(altered(why)),
            Decoded::Short => return Err(self.short(start)),
        };
        let length = self.offset - start;
        let mut bytes = [0; chain::SIZE];
        if self.take(&mut bytes)? < bytes.len() {
            return Err(self.short(start));
        }
        let Some(record) = Record::from_bytes(&bytes) else {
            return Err(altered("no chain record follows the frame"));
        };
        let lines = check_lines(&text).map_err(altered)?;
        let expected = Record { frame, lines, length, hash: *hasher.finalize().as_bytes() };
        if record != expected {
            return Err(altered("the chain record does not fit the frame"));
        }
        self.number = record.frame;
        self.hash = record.hash;
        Ok(Some(Frame { number: record.frame, offset: start, text, lines }))
    }

    /// Where the next frame would begin.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether nothing follows the last frame.
    pub(super) fn at_end(&mut self) -> io::Result<bool> {
        Ok(!self.fill()?)
    }

    fn decode(&mut self, hasher: &mut blake3::Hasher) -> Result<Decoded, Broken> {
        let mut magic = [0; 4];
        let got = self.take(&mut magic)?;
        hasher.update(&magic[..got]);
        if magic == [0; 4] && self.only_zeros_follow()? {
            // What a file system leaves of an append that was cut by a power failure.
            return Ok(Decoded::Short);
        }
        if magic[..got] != ZSTD_MAGIC[..got] {
            return Ok(Decoded::Bad("no zstd frame begins here"));
        }
        if got < magic.len() {
            return Ok(Decoded::Short);
        }
        let mut decoder = Decoder::new()?;
        decoder.set_parameter(DParameter::WindowLogMax(WINDOW_LOG))?;
        let mut text = Vec::new();
        let mut out = vec![0; CHUNK];
        let mut input = InBuffer::around(&magic);
        if decoder.run(&mut input, &mut OutBuffer::around(out.as_mut_slice())).is_err() || input.pos() < 4 {
            return Ok(Decoded::Bad("the frame cannot be decompressed"));
        }
        let mut more_waits = false;
        loop {
            if !more_waits && !self.fill()? {
                return Ok(Decoded::Short);
            }
            let mut input = InBuffer::around(&self.chunk[self.unread.clone()]);
            let mut output = OutBuffer::around(out.as_mut_slice());
            let Ok(hint) = decoder.run(&mut input, &mut output) else {
                return Ok(Decoded::Bad("the frame cannot be decompressed"));
            };
            let (taken, made) = (input.pos(), output.pos());
            hasher.update(&self.chunk[self.unread.start..self.unread.start + taken]);
            self.advance(taken);
            text.extend_from_slice(&out[..made]);
            if text.len() > FRAME_LIMIT {
                return Ok(Decoded::Bad("the frame is larger than any holdfire writes"));
            }
            if hint == 0 {
                return Ok(Decoded::Text(text));
            }
            more_waits = made == out.len();
        }
    }

    /// The file ended inside a frame: torn, unless its last bytes are a chain record, which a torn file never ends with.
    fn short(&self, at: u64) -> Broken {
        match self.tail.as_slice().try_into().ok().and_then(Record::from_bytes) {
            Some(_) => Broken::Altered {
                frame: self.number + 1,
                offset: at,
                why: "the frame reaches beyond the end of the file",
            },
            None => Broken::Torn { at, why: "the file ends inside a frame" },
        }
    }

    fn only_zeros_follow(&mut self) -> io::Result<bool> {
        while self.fill()? {
            if self.chunk[self.unread.clone()].iter().any(|byte| *byte != 0) {
                return Ok(false);
            }
            self.advance(self.unread.len());
        }
        Ok(true)
    }

    /// Takes bytes until `into` is full or the file ends; how many.
    fn take(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let mut got = 0;
        while got < into.len() && self.fill()? {
            let count = self.unread.len().min(into.len() - got);
            into[got..got + count].copy_from_slice(&self.chunk[self.unread.start..self.unread.start + count]);
            self.advance(count);
            got += count;
        }
        Ok(got)
    }

    fn advance(&mut self, count: usize) {
        self.unread.start += count;
        self.offset += count as u64;
    }

    /// Makes sure that there is a byte to take; false at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        while self.unread.is_empty() {
            match self.source.read(&mut self.chunk) {
                Ok(0) => return Ok(false),
                Ok(count) => {
                    self.unread = 0..count;
                    self.tail.extend_from_slice(&self.chunk[count.saturating_sub(chain::SIZE)..count]);
                    self.tail.drain(..self.tail.len().saturating_sub(chain::SIZE));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

enum Decoded {
    Text(Vec<u8>),
    /// The file ended first.
    Short,
    Bad(&'static str),
}

/// The number of lines, if they are lines as a writer makes them.
fn check_lines(text: &[u8]) -> Result<u32, &'static str> {
    if text.last() != Some(&b'\n') {
        return Err("the last line of the frame has no end");
    }
    let mut lines = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.len() > LINE_LIMIT {
            return Err("a line is longer than any holdfire writes");
        }
        lines += 1;
    }
    Ok(lines)
}
