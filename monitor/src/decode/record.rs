//! The kinds of record, and their heads.

use monitor_common::file::Open;
use monitor_common::process::{Exec, Exit, Fork};
use monitor_common::record::{Header, kind};
use monitor_common::socket::{Closed, Connect, Hello};
use monitor_common::tls::Write;
use zerocopy::FromBytes;

/// Why a record could not be read. It means that the two halves do not fit together.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DecodeError {
    #[error("a record of kind {kind} ends after {length} bytes")]
    Short { kind: u16, length: usize },
    #[error("a record of unknown kind {0}")]
    UnknownKind(u16),
}

/// A record as the kernel half wrote it: its fixed part, and the bytes that follow.
#[derive(Debug)]
pub enum Record<'a> {
    Fork(Fork),
    Exec(Box<Exec>, &'a [u8]),
    Exit(Exit),
    File(Open, &'a [u8]),
    Connect(Connect),
    Hello(Hello, &'a [u8]),
    Closed(Closed),
    Tls(Write, &'a [u8]),
    /// Room that was not needed.
    Skip,
}

impl<'a> Record<'a> {
    /// Reads one record of a ring.
    ///
    /// # Errors
    /// The bytes are shorter than their kind, or of no kind.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let kind = u16::read_from_prefix(bytes).map_or(u16::MAX, |(kind, _)| kind);
        let short = DecodeError::Short { kind, length: bytes.len() };
        fn part<T: FromBytes>(bytes: &[u8], short: DecodeError) -> Result<(T, &[u8]), DecodeError> {
            T::read_from_prefix(bytes).map_err(|_size| short)
        }
        Ok(match kind {
            kind::SKIP => Self::Skip,
            kind::FORK => Self::Fork(part(bytes, short)?.0),
            kind::EXEC => {
                let (exec, rest) = part(bytes, short)?;
                Self::Exec(Box::new(exec), rest)
            }
            kind::EXIT => Self::Exit(part(bytes, short)?.0),
            kind::FILE => {
                let (open, rest): (Open, _) = part(bytes, short)?;
                Self::File(open, front(rest, open.path_len))
            }
            kind::CONNECT => Self::Connect(part(bytes, short)?.0),
            kind::HELLO => {
                let (hello, rest): (Hello, _) = part(bytes, short)?;
                Self::Hello(hello, front(rest, hello.len))
            }
            kind::CLOSED => Self::Closed(part(bytes, short)?.0),
            kind::TLS => {
                let (write, rest): (Write, _) = part(bytes, short)?;
                Self::Tls(write, front(rest, write.len))
            }
            unknown => return Err(DecodeError::UnknownKind(unknown)),
        })
    }

    /// The head, unless the record is empty.
    pub fn header(&self) -> Option<&Header> {
        Some(match self {
            Self::Fork(fork) => &fork.header,
            Self::Exec(exec, _) => &exec.header,
            Self::Exit(exit) => &exit.header,
            Self::File(open, _) => &open.header,
            Self::Connect(connect) => &connect.header,
            Self::Hello(hello, _) => &hello.header,
            Self::Closed(closed) => &closed.header,
            Self::Tls(write, _) => &write.header,
            Self::Skip => return None,
        })
    }
}

/// The kernel half's number of the session a record belongs to; none for an empty one.
pub fn session_of(record: &Record<'_>) -> Option<u64> {
    record.header().map(|header| header.session)
}

/// The first `length` bytes, or all there are.
pub(super) fn front(bytes: &[u8], length: u32) -> &[u8] {
    bytes.get(..length as usize).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_cut_short_is_an_error() {
        let cut = [kind::EXIT.to_ne_bytes().to_vec(), vec![0; 10]].concat();
        assert_eq!(Record::parse(&cut).unwrap_err(), DecodeError::Short { kind: kind::EXIT, length: 12 });
        assert_eq!(Record::parse(&[]).unwrap_err(), DecodeError::UnknownKind(u16::MAX));
        assert!(matches!(Record::parse(&[0; 512]), Ok(Record::Skip)));
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes: Vec<u8>, kind in 0u16..12) {
            let bytes = [kind.to_ne_bytes().to_vec(), bytes].concat();
            let _ = Record::parse(&bytes);
        }
    }
}
