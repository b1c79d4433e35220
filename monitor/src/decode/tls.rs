//! Records of TLS plaintext into requests.
//!
//! The chunks of a write are put together, the writes of a connection go through one request parser. When bytes are
//! missing the connection is doubtful from there on, never silently whole.
//!
//! A library that has not got rid of all of a write is asked once more to write it, or its rest. How much it had got rid
//! of is not seen, so a repetition may as well be new bytes, and the bias is: it is new wherever a server could take it
//! for a request. A repetition behind a complete request that does not begin like one is a retry and gives no facts: what
//! stands for the process stands for it. In the middle of a request it is a retry too, but the request's framing is in
//! doubt from there on, and it is told again with that doubt.

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
    /// The last write held the end of a request.
    completed: bool,
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
            Stream { requests: RequestStream::new(), last: (0, Arc::default()), completed: false, used: 0 }
        });
        stream.used = self.clock;
        let repeats = !damaged && stream.repeats(write.buffer, &plaintext);
        if repeats && stream.requests.is_retry(&plaintext) {
            return seen;
        }
        let retried = (repeats && !stream.completed).then(|| stream.requests.repeated()).flatten();
        let again = retried.is_some();
        let messages = retried.unwrap_or_else(|| stream.requests.push(&plaintext));
        for message in messages.iter().filter(|message| message.news) {
            seen.push(Seen::new(&write.header, Fact::Requested(describe(message, write.stream, redactor))));
        }
        let mut unread = |why: &str, bytes| {
            let unread = Unread { stream: write.stream, why: why.to_owned(), bytes };
            seen.push(Seen::new(&write.header, Fact::Unread(unread)));
        };
        if damaged {
            stream.requests.lost();
            let why = match write.header.flags {
                flags if flags & UNREADABLE != 0 => "unreadable-memory",
                flags if flags & CUT != 0 => "cut",
                _ => "lost-bytes",
            };
            unread(why, write.total.saturating_sub(plaintext.len() as u64));
        }
        // Of a loss that has just been told there is no more to say.
        if let Some(unreadable) = stream.requests.take_unreadable()
            && !damaged
        {
            unread(unreadable.why.as_str(), unreadable.bytes);
        }
        if again {
            return seen;
        }
        stream.completed = messages.iter().any(|message| message.complete);
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
    fn a_repeated_write_is_new_wherever_it_could_be_a_request() {
        const POST: &str = "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";
        let whole = format!("{POST}abc");
        let (one, two) = ("0 POST /a complete=true", "1 POST /a complete=true");
        let begun = "0 POST /a complete=false";
        // Each write by its buffer and bytes, with what it gives.
        type Writes<'a> = &'a [(u64, &'a str, &'a [&'a str])];
        let check = |what: &str, writes: Writes<'_>| {
            let mut bench = Bench::new();
            bench.chunk(1, 0, LAST, b"\r\n");
            for (n, (buffer, bytes, expect)) in writes.iter().enumerate() {
                assert_eq!(bench.chunk(*buffer, 0, LAST, bytes.as_bytes()), *expect, "{what}: write {n}");
            }
        };
        check(
            "a whole request each time",
            &[(9, &whole, &[one]), (9, &whole, &[two]), (9, &whole, &["2 POST /a complete=true"])],
        );
        let (get, pair) = ("GET /b HTTP/1.1\r\n\r\n", format!("{whole}GET /b HTTP/1.1\r\n\r\n"));
        let second = "1 GET /b complete=true";
        check(
            "the rest of a write that is a request",
            &[(9, &pair, &[one, second]), (9 + whole.len() as u64, get, &["2 GET /b complete=true"])],
        );
        check(
            "the end of a body",
            &[
                (9, POST, &[begun]),
                (70, "[1]", &[one]),
                (70, "[1]", &[]),
                (71, "1]", &[]),
                (9, &whole, &[two]),
            ],
        );
        check(
            "in the middle of a head",
            &[(9, "POST /a HT", &["0   complete=false"]), (9, "POST /a HT", &["lost-bytes"])],
        );
        check(
            "in the middle of a body, once; then it is more of it, or another request",
            &[
                (9, POST, &[begun]),
                (70, "[", &[begun]),
                (70, "[", &[begun]),
                (70, "[", &[begun]),
                (90, "1]", &[begun]),
                (9, &whole, &["1 POST /a complete=false"]),
            ],
        );
        // As new bytes: a body of 23 bytes, and a second request.
        let smuggled = "DELETE /a HTTP/1.1\r\nA: DELETE /b HTTP/1.1\r\nContent-Length: 23\r\n\r\n";
        let deletes = "0 DELETE /a complete=false";
        check(
            "a head that is a body and a head when it is repeated",
            &[
                (9, smuggled, &[deletes]),
                (9, smuggled, &[deletes]),
                (9, smuggled, &["1 DELETE /a complete=false"]),
            ],
        );
        check(
            "behind the end of another request",
            &[
                (9, &format!("{whole}{POST}"), &[one, "1 POST /a complete=false"]),
                (
                    9,
                    &format!("{whole}{POST}"),
                    &["1 POST /a complete=true", "2 T /a complete=true", "3 POST /a complete=false"],
                ),
            ],
        );
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
        let mut bench = Bench::new();
        assert_eq!(bench.chunk(100, 0, LAST | CUT, b"")[1..], ["cut"]);
    }
}
