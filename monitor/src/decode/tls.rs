//! Records of TLS plaintext into requests.
//!
//! The chunks of a write are put together, the writes of a connection go through one request parser. A write that a
//! library was asked to repeat (it had not got rid of all of it) is recognised, so that nothing is counted twice. When
//! bytes are missing the connection is doubtful from there on, never silently whole.

use std::collections::HashMap;
use std::sync::Arc;

use monitor_common::tls::{CUT, LAST, UNREADABLE, Write, probe};
use zeroize::Zeroizing;

use super::Seen;
use crate::credential::Redactor;
use crate::event::{Fact, TlsOpened, Unread};
use crate::protocol::describe::describe;
use crate::protocol::http1::RequestStream;

/// Connections followed at one time in a session; the one that was silent longest makes room.
const STREAMS: usize = 4096;

/// Plaintext of the last write that is kept to recognise a repetition. Clients repeat what one call was given: curl 64
/// KiB, Python 256 KiB at most.
const REPEAT_LIMIT: usize = 256 << 10;

/// Threads with a write under way.
const WRITERS: usize = 65_536;

/// The connections of one session.
#[derive(Default)]
pub struct TlsDecoder {
    /// By process and connection.
    streams: HashMap<(u64, u64), Stream>,
    /// Writes whose last chunk has not come yet, by thread: a thread is in one write at a time.
    partial: HashMap<u32, Zeroizing<Vec<u8>>>,
    /// Counts writes, for the age of connections.
    clock: u64,
}

struct Stream {
    requests: RequestStream,
    /// The last write: its buffer's address and what stood in it.
    last: (u64, Arc<Zeroizing<Vec<u8>>>),
    used: u64,
}

impl TlsDecoder {
    /// Takes one record; facts come with the last one of a write.
    pub fn take(&mut self, write: &Write, bytes: &[u8], redactor: &Redactor) -> Vec<Seen> {
        let tid = write.header.tid;
        let whole = write.header.flags & LAST != 0;
        let mut plaintext = self.partial.remove(&tid).unwrap_or_default();
        // A chunk that does not follow its predecessor belongs to another write, whose end was lost.
        if plaintext.len() != write.offset as usize {
            plaintext.clear();
        }
        let complete_so_far = plaintext.len() == write.offset as usize;
        plaintext.extend_from_slice(bytes);
        if !whole && complete_so_far && write.header.flags & UNREADABLE == 0 {
            if self.partial.len() < WRITERS {
                self.partial.insert(tid, plaintext);
            }
            return Vec::new();
        }
        let damaged = !complete_so_far || write.header.flags & (UNREADABLE | CUT) != 0;
        self.write(write, plaintext, damaged, redactor)
    }

    fn write(
        &mut self,
        write: &Write,
        plaintext: Zeroizing<Vec<u8>>,
        damaged: bool,
        redactor: &Redactor,
    ) -> Vec<Seen> {
        self.clock += 1;
        self.make_room();
        let key = (write.header.process, write.stream);
        let mut seen = Vec::new();
        let stream = self.streams.entry(key).or_insert_with(|| {
            let probe = probe::NAMES.get(usize::from(write.probe)).copied().unwrap_or("unknown").to_owned();
            seen.push(Seen::new(&write.header, Fact::TlsOpened(TlsOpened { stream: write.stream, probe })));
            Stream { requests: RequestStream::new(), last: (0, Arc::default()), used: 0 }
        });
        stream.used = self.clock;
        if !damaged && stream.repeats(write.buffer, &plaintext) {
            return seen;
        }
        for message in stream.requests.push(&plaintext).iter().filter(|message| message.news) {
            seen.push(Seen::new(&write.header, Fact::Requested(describe(message, write.stream, redactor))));
        }
        if damaged {
            stream.requests.lost();
            let why = if write.header.flags & UNREADABLE != 0 { "unreadable-memory" } else { "lost-bytes" };
            let unread = Unread {
                stream: write.stream,
                why: why.to_owned(),
                bytes: write.total.saturating_sub(plaintext.len() as u64),
            };
            seen.push(Seen::new(&write.header, Fact::Unread(unread)));
        }
        if let Some(unreadable) = stream.requests.take_unreadable() {
            let unread = Unread {
                stream: write.stream,
                why: unreadable.why.as_str().to_owned(),
                bytes: unreadable.bytes,
            };
            seen.push(Seen::new(&write.header, Fact::Unread(unread)));
        }
        let keep = if plaintext.len() <= REPEAT_LIMIT { plaintext } else { Zeroizing::default() };
        stream.last = (write.buffer, Arc::new(keep));
        seen
    }

    /// A gated write whose plaintext never arrived: all connections of the process are in doubt.
    pub fn lost(&mut self, process: u64) {
        for (key, stream) in &mut self.streams {
            if key.0 == process {
                stream.requests.lost();
            }
        }
    }

    /// Forgets a process that has ended.
    pub fn ended(&mut self, process: u64) {
        self.streams.retain(|key, _| key.0 != process);
    }

    fn make_room(&mut self) {
        if self.streams.len() < STREAMS {
            return;
        }
        // A quarter at once, so that the sort is rare.
        let mut ages: Vec<u64> = self.streams.values().map(|stream| stream.used).collect();
        ages.sort_unstable();
        let limit = ages[STREAMS / 4];
        self.streams.retain(|_, stream| stream.used > limit);
    }
}

impl Stream {
    /// Whether a write is the whole or the rest of the last one, repeated from the same buffer.
    fn repeats(&self, buffer: u64, plaintext: &[u8]) -> bool {
        let (last_buffer, last) = (&self.last.0, self.last.1.as_slice());
        !plaintext.is_empty()
            && buffer >= *last_buffer
            && buffer.checked_add(plaintext.len() as u64) == last_buffer.checked_add(last.len() as u64)
            && last.ends_with(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use monitor_common::record::Header;

    use super::*;
    use crate::secret::Fingerprinter;

    struct Bench {
        decoder: TlsDecoder,
        redactor: Redactor,
    }

    impl Bench {
        fn new() -> Self {
            Self { decoder: TlsDecoder::default(), redactor: Redactor::new(Fingerprinter::new(&[1; 32])) }
        }

        fn chunk(&mut self, buffer: u64, offset: u32, flags: u16, bytes: &[u8]) -> Vec<String> {
            let header = Header { tid: 5, tgid: 5, process: 9, flags, ..Header::default() };
            let write =
                Write { header, stream: 1, buffer, offset, len: bytes.len() as u32, ..Write::default() };
            let seen = self.decoder.take(&write, bytes, &self.redactor);
            let tell = |seen: Seen| match seen.fact {
                Fact::Requested(request) => {
                    format!(
                        "{} {} {} complete={}",
                        request.index, request.method, request.path, request.complete
                    )
                }
                Fact::Unread(unread) => unread.why,
                Fact::TlsOpened(opened) => opened.probe,
                other => panic!("{other:?}"),
            };
            seen.into_iter().map(tell).collect()
        }
    }

    #[test]
    fn chunks_of_a_write_are_put_together() {
        let mut bench = Bench::new();
        assert!(bench.chunk(100, 0, 0, b"GET /a HTTP/1.1\r\n").is_empty());
        assert_eq!(
            bench.chunk(100, 17, LAST, b"Host: x\r\n\r\n"),
            ["openssl:SSL_write", "0 GET /a complete=true"]
        );
    }

    #[test]
    fn a_repeated_write_is_counted_once() {
        let mut bench = Bench::new();
        let head = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(bench.chunk(100, 0, LAST, head).len(), 2);
        assert!(bench.chunk(100, 0, LAST, head).is_empty());
        // The rest of the same buffer, after a part of it had been taken.
        assert!(bench.chunk(100 + 20, 0, LAST, &head[20..]).is_empty());
        // The same text from elsewhere is another request.
        assert_eq!(bench.chunk(900, 0, LAST, head), ["1 POST /a complete=true"]);
    }

    #[test]
    fn missing_bytes_are_told() {
        let mut bench = Bench::new();
        assert_eq!(
            bench.chunk(100, 16_384, LAST, b"tail"),
            ["openssl:SSL_write", "0   complete=false", "lost-bytes"]
        );
        let mut bench = Bench::new();
        assert_eq!(bench.chunk(100, 0, LAST | UNREADABLE, b"")[1..], ["unreadable-memory"]);
    }
}
