//! The chunked transfer coding (RFC 9112, 7.1), byte by byte.
//!
//! By hand: the decoders inside hyper and others want a whole connection, and are lenient where leniency is what request
//! smuggling lives on. The bias: whatever two servers could read differently (bare line feeds, empty or overlong
//! sizes) is broken.

/// Most bytes of one chunk's extensions, and of all trailers. Real clients send none; servers allow 4 to 64 KiB.
const MAX_ASIDE: u32 = 16 * 1024;

/// Where in the coding the next byte falls.
#[derive(Clone, Copy, Debug, PartialEq)]
enum At {
    Size { value: u64, digits: u8 },
    Extension { seen: u32 },
    SizeLf { value: u64 },
    Data { left: u64 },
    DataCr,
    DataLf,
    Trailer { seen: u32, line: u32 },
    TrailerLf { seen: u32, line: u32 },
    End,
}

/// Decodes one body.
#[derive(Clone, Debug)]
pub(super) struct Chunked {
    at: At,
    /// Size of the chunk whose extension is being read.
    size: u64,
}

/// What the next bytes were.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    Data(&'a [u8]),
    /// Framing only, all of it consumed.
    Framing,
    /// The body ended.
    End,
    /// The first byte not consumed cannot stand there.
    Broken,
}

impl Chunked {
    pub(super) fn new() -> Self {
        Self { at: At::Size { value: 0, digits: 0 }, size: 0 }
    }

    /// Reads up to the next piece. Returns it with the number of bytes consumed.
    pub(super) fn next<'a>(&mut self, bytes: &'a [u8]) -> (Piece<'a>, usize) {
        for (used, &byte) in bytes.iter().enumerate() {
            if let At::Data { left } = self.at {
                let here = &bytes[used..];
                let take = usize::try_from(left).unwrap_or(usize::MAX).min(here.len());
                let left = left - take as u64;
                self.at = if left == 0 { At::DataCr } else { At::Data { left } };
                return (Piece::Data(&here[..take]), used + take);
            }
            match self.after(byte) {
                Some(At::End) => return (Piece::End, used + 1),
                Some(at) => self.at = at,
                None => return (Piece::Broken, used),
            }
        }
        (Piece::Framing, bytes.len())
    }

    /// The place after a byte of framing; none if it cannot stand here.
    fn after(&mut self, byte: u8) -> Option<At> {
        match (self.at, byte) {
            (At::Size { digits: 1.., value }, b'\r') => Some(At::SizeLf { value }),
            (At::Size { digits: 1.., value }, b';' | b' ' | b'\t') => {
                self.size = value;
                Some(At::Extension { seen: 0 })
            }
            // 15 digits: the largest size cannot overflow, and is more than any request.
            (At::Size { value, digits: digits @ 0..15 }, _) => {
                let digit = char::from(byte).to_digit(16)?;
                Some(At::Size { value: value << 4 | u64::from(digit), digits: digits + 1 })
            }
            (At::Extension { .. }, b'\r') => Some(At::SizeLf { value: self.size }),
            (At::Extension { seen }, byte) if byte != b'\n' && seen < MAX_ASIDE => {
                Some(At::Extension { seen: seen + 1 })
            }
            (At::SizeLf { value: 0 }, b'\n') => Some(At::Trailer { seen: 0, line: 0 }),
            (At::SizeLf { value }, b'\n') => Some(At::Data { left: value }),
            (At::DataCr, b'\r') => Some(At::DataLf),
            (At::DataLf, b'\n') => Some(At::Size { value: 0, digits: 0 }),
            (At::Trailer { seen, line }, b'\r') => Some(At::TrailerLf { seen, line }),
            (At::Trailer { seen, line }, byte) if byte != b'\n' && seen < MAX_ASIDE => {
                Some(At::Trailer { seen: seen + 1, line: line + 1 })
            }
            (At::TrailerLf { line: 0, .. }, b'\n') => Some(At::End),
            (At::TrailerLf { seen, .. }, b'\n') => Some(At::Trailer { seen, line: 0 }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The decoded body, and `end`, `broken` or `more` with the bytes left over.
    fn decode(text: &str) -> (String, &'static str, String) {
        let (mut chunked, mut body, mut rest) = (Chunked::new(), String::new(), text.as_bytes());
        loop {
            let (piece, used) = chunked.next(rest);
            rest = &rest[used..];
            let left = String::from_utf8_lossy(rest).into_owned();
            match piece {
                Piece::Data(data) => body.push_str(&String::from_utf8_lossy(data)),
                Piece::Framing => return (body, "more", left),
                Piece::End => return (body, "end", left),
                Piece::Broken => return (body, "broken", left),
            }
        }
    }

    #[test]
    fn decodes() {
        let check = |text, body: &str, outcome, left: &str| {
            assert_eq!(decode(text), (body.to_owned(), outcome, left.to_owned()), "{text:?}");
        };
        check("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\nGET", "abcde", "end", "GET");
        check("3;name=\"v\"\r\nabc\r\n0\r\nX-Sum: 1\r\nY: 2\r\n\r\n", "abc", "end", "");
        check("A \r\n0123456789\r\n", "0123456789", "more", "");
        check("a\r\n01234", "01234", "more", "");
        check("\r\nabc", "", "broken", "\r\nabc");
        check("3\nabc", "", "broken", "\nabc");
        check("3;a\nb\r\nabc", "", "broken", "\nb\r\nabc");
        check("3\r\nabcX", "abc", "broken", "X");
        check("-3\r\n", "", "broken", "-3\r\n");
        check("0x3\r\n", "", "broken", "x3\r\n");
        check("0000000000000003\r\n", "", "broken", "3\r\n");
        check("0\r\nX\n\r\n\r\n", "", "broken", "\n\r\n\r\n");
    }
}
