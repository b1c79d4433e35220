//! The plaintext writes of one connection, client to server, into HTTP/1.x requests.
//!
//! Writes cut requests anywhere: curl sends head and body apart, a large body comes in 16 KiB pieces, pipelining puts
//! several requests into one write. After each write [`RequestStream::push`] gives a [`Message`] for every request that
//! got further, so that a request can be judged before its last byte is written.
//!
//! The bias: a request whose end could be read differently by the server is never called complete, and every byte that
//! may belong to it is shown as its body. Once framing is in doubt it stays so for the connection: from then on a write
//! that begins with a request line begins a request, and a request with a body is not called complete.
//!
//! Servers' answers are not seen. A client that sent `Upgrade` or `CONNECT` may go on with HTTP or not; what follows is
//! taken as a request as long as it looks like one. `Expect: 100-continue` needs nothing: the body just comes later, and
//! if the server refused it the client has to close or send it anyway (RFC 9110, 10.1.1).
//!
//! By hand around httparse, because hyper wants to own the connection and answers malformed input by hanging up.

mod chunked;
mod head;
mod message;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use self::chunked::{Chunked, Piece};
use self::head::{Framing, Head, Line};
pub use self::message::{Headers, Message, Suspicion, Unreadable, Why};

/// Longest head. Servers stop at 8 to 64 KiB; whoever sends more is not understood by them either.
pub const MAX_HEAD: usize = 64 * 1024;
/// Most headers of a head. Servers stop at 100 to 200, or at the size.
pub const MAX_HEADERS: usize = 256;
/// Bytes of a body that are kept for judging. Requests that change things are small; uploads are not judged by content.
pub const MAX_BODY: usize = 1 << 20;
/// A body is looked at after every write up to this size, above it whenever it has grown by a quarter.
const SMALL_BODY: usize = 64 * 1024;
/// The first line is looked at again after every write up to this size; looking further would cost its square.
const EARLY_LOOK: usize = 1024;

/// Reads one direction of one connection.
pub struct RequestStream {
    state: State,
    next_index: u64,
    /// Framing was in doubt once.
    doubted: bool,
    /// What it means if the next bytes are no request.
    otherwise: Why,
    unreadable: Option<Unreadable>,
    told: bool,
}

enum State {
    /// The bytes of a head so far.
    Head(Vec<u8>),
    Body(Box<Current>),
    /// Bytes are missing; waiting for a write that begins with a request line.
    Lost,
    /// Not HTTP/1: nothing more can be said.
    Blind(Why),
}

/// A request whose head is known.
struct Current {
    head: Head,
    message: Message,
    reader: Reader,
    ended: bool,
    /// Bytes of the body at the last snapshot that was news.
    looked_at: usize,
    stale: bool,
}

enum Reader {
    Length(u64),
    Chunked(Chunked),
    Opaque,
}

impl RequestStream {
    /// A connection of which nothing has been seen yet.
    pub fn new() -> Self {
        Self {
            state: State::Head(Vec::new()),
            next_index: 0,
            doubted: false,
            otherwise: Why::NotHttp,
            unreadable: None,
            told: false,
        }
    }

    /// Takes the bytes of one write. Returns every request that got further, in order; only the last can be incomplete,
    /// unless framing is in doubt.
    pub fn push(&mut self, bytes: &[u8]) -> Vec<Message> {
        let mut messages = Vec::new();
        let waiting = matches!(&self.state, State::Lost | State::Body(_));
        if self.doubted && waiting && matches!(head::first_line(bytes), Line::Request { .. }) {
            self.state = State::Head(Vec::new());
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let used = match &mut self.state {
                State::Head(_) => self.feed_head(rest),
                State::Body(current) => {
                    let used = current.feed(rest);
                    self.doubted |= current.message.suspicious.is_some_and(Suspicion::hides_the_end);
                    used
                }
                State::Lost | State::Blind(_) => break,
            };
            rest = rest.get(used..).unwrap_or_default();
            if let State::Body(current) = &mut self.state
                && current.ended
            {
                messages.push(current.snapshot());
                self.state = State::Head(Vec::new());
            }
        }
        match &mut self.state {
            State::Body(current) => messages.push(current.snapshot()),
            State::Head(buffer) if !buffer.is_empty() => messages.push(begun(self.next_index, buffer)),
            _ => {}
        }
        messages
    }

    /// Bytes between the last push and the next are missing.
    pub fn lost(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Lost);
        self.doubted = true;
        match state {
            State::Head(buffer) => self.report(Why::LostBytes, buffer.len()),
            State::Body(mut current) => {
                self.report(Why::LostBytes, current.message.body.len());
                current.message.truncated = true;
                current.doubt(Suspicion::LostBytes);
                self.state = State::Body(current);
            }
            other @ (State::Lost | State::Blind(_)) => self.state = other,
        }
    }

    /// Whether these bytes, written once more now, can only be a retry: whatever a server made of them as new ones, it
    /// would not be a request.
    pub fn is_retry(&self, bytes: &[u8]) -> bool {
        let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
        matches!(&self.state, State::Head(buffer) if buffer.is_empty())
            && matches!(head::first_line(&bytes[blank..]), Line::Not(Why::NotHttp))
    }

    /// The last write came once more in the middle of a request: a retry, or more of the body. That cannot be told, so
    /// the bytes count as a retry and the framing is in doubt from here on. Returns the request as it is now; None if
    /// framing was in doubt already, or no request is under way: then the bytes are to be pushed.
    pub fn repeated(&mut self) -> Option<Vec<Message>> {
        match &mut self.state {
            _ if self.doubted => None,
            State::Head(buffer) if !buffer.is_empty() => {
                self.lost();
                Some(Vec::new())
            }
            State::Body(current) => {
                current.doubt(Suspicion::Repeated);
                self.doubted = true;
                Some(vec![current.snapshot()])
            }
            State::Head(_) | State::Lost | State::Blind(_) => None,
        }
    }

    /// That, and why, the connection (or a part of it) could not be read; given once per connection.
    pub fn take_unreadable(&mut self) -> Option<Unreadable> {
        if std::mem::replace(&mut self.told, self.unreadable.is_some()) {
            return None;
        }
        self.unreadable
    }

    /// Why what is pushed now yields no messages; none if it can.
    pub fn blind(&self) -> Option<Why> {
        match self.state {
            State::Blind(why) => Some(why),
            State::Lost => Some(Why::LostBytes),
            State::Head(_) | State::Body(_) => None,
        }
    }

    /// Adds at most one line to the head. Returns how many bytes that took.
    fn feed_head(&mut self, bytes: &[u8]) -> usize {
        let State::Head(buffer) = &mut self.state else { return 0 };
        if buffer.is_empty() {
            // RFC 9112, 2.2: empty lines before a request line are to be ignored.
            let blank = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            if blank > 0 {
                return blank;
            }
        }
        let line = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
        let used = line.min(MAX_HEAD - buffer.len());
        let first = !buffer.contains(&b'\n');
        buffer.extend_from_slice(&bytes[..used]);
        if buffer.ends_with(b"\n\r\n") || buffer.ends_with(b"\n\n") {
            match head::parse(buffer) {
                Ok(head) => self.begin_body(head),
                Err(why) => self.give_up(why),
            }
        } else if buffer.len() >= MAX_HEAD {
            self.give_up(Why::HeadTooLong);
        } else if first
            && (buffer.len() < EARLY_LOOK || buffer.ends_with(b"\n"))
            && let Line::Not(why) = head::first_line(buffer)
        {
            self.give_up(why);
        }
        used
    }

    fn begin_body(&mut self, mut head: Head) {
        if self.doubted {
            head.suspicion = head.suspicion.or(Some(Suspicion::AfterDoubt));
        }
        self.doubted |= head.suspicion.is_some_and(Suspicion::hides_the_end);
        self.otherwise = head.then;
        self.state = State::Body(Box::new(Current::new(self.next_index, head)));
        self.next_index += 1;
    }

    /// What is in the head buffer is no request.
    fn give_up(&mut self, why: Why) {
        let State::Head(buffer) = &self.state else { return };
        let bytes = buffer.len();
        let why = if why == Why::NotHttp { self.otherwise } else { why };
        self.state = if self.doubted { State::Lost } else { State::Blind(why) };
        self.report(why, bytes);
    }

    fn report(&mut self, why: Why, bytes: usize) {
        self.unreadable.get_or_insert(Unreadable { why, bytes: bytes as u64 });
    }
}

impl Default for RequestStream {
    fn default() -> Self {
        Self::new()
    }
}

/// State only: buffers may hold secrets.
impl fmt::Debug for RequestStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestStream")
            .field("next_index", &self.next_index)
            .field("doubted", &self.doubted)
            .field("blind", &self.blind())
            .finish_non_exhaustive()
    }
}

impl Current {
    fn new(index: u64, head: Head) -> Self {
        let reader = match head.framing {
            Framing::Empty => Reader::Length(0),
            Framing::Length(length) => Reader::Length(length),
            Framing::Chunked => Reader::Chunked(Chunked::new()),
            Framing::Opaque => Reader::Opaque,
        };
        let message = Message {
            index,
            method: head.method.clone(),
            target: head.target.clone(),
            version: head.version,
            headers: Arc::clone(&head.headers),
            body: Arc::default(),
            body_bytes: 0,
            truncated: false,
            head_complete: true,
            complete: false,
            suspicious: head.suspicion,
            news: true,
        };
        let ended = head.framing == Framing::Empty;
        Self { head, message, reader, ended, looked_at: 0, stale: false }
    }

    /// Takes bytes of the body up to its end. Returns how many they were.
    fn feed(&mut self, bytes: &[u8]) -> usize {
        match &mut self.reader {
            Reader::Length(left) => {
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= take as u64;
                self.ended = *left == 0;
                self.keep(&bytes[..take]);
                take
            }
            Reader::Chunked(chunked) => {
                let (piece, used) = chunked.next(bytes);
                match piece {
                    Piece::Data(data) => self.keep(data),
                    Piece::Framing => {}
                    // A server that goes by the length would read on here.
                    Piece::End if self.message.suspicious == Some(Suspicion::LengthAndChunked) => {
                        self.reader = Reader::Opaque;
                    }
                    Piece::End => self.ended = true,
                    Piece::Broken => self.doubt(Suspicion::BadChunk),
                }
                used
            }
            Reader::Opaque => {
                self.keep(bytes);
                bytes.len()
            }
        }
    }

    fn doubt(&mut self, suspicion: Suspicion) {
        let before = self.message.suspicious.filter(|before| before.hides_the_end());
        self.message.suspicious = before.or(Some(suspicion));
        self.reader = Reader::Opaque;
        self.stale = true;
    }

    fn keep(&mut self, data: &[u8]) {
        self.message.body_bytes += data.len() as u64;
        let room = MAX_BODY - self.message.body.len();
        if data.len() > room && !self.message.truncated {
            self.message.truncated = true;
            self.stale = true;
        }
        if room > 0 {
            Arc::make_mut(&mut self.message.body).extend_from_slice(&data[..data.len().min(room)]);
        }
    }

    fn snapshot(&mut self) -> Message {
        let bodiless = self.head.framing == Framing::Empty;
        self.message.complete = self.ended && (self.message.suspicious.is_none() || bodiless);
        let (kept, before) = (self.message.body.len(), self.looked_at);
        let grown = kept > before && (kept <= SMALL_BODY || kept - before >= before / 4);
        let first = before == 0 && self.message.news;
        let mut message = self.message.clone();
        message.news = first || grown || self.ended || self.stale;
        if message.news {
            self.looked_at = kept;
            self.stale = false;
            self.message.news = false;
        }
        message
    }
}

/// A request of which only a part of the head is there.
fn begun(index: u64, buffer: &[u8]) -> Message {
    let (method, target, version) = match head::first_line(buffer) {
        Line::Request { method, target, version } => (method, target, version),
        Line::Partial | Line::Not(_) => (String::new(), String::new(), 1),
    };
    Message {
        index,
        method,
        target,
        version,
        headers: Arc::default(),
        body: Arc::default(),
        body_bytes: 0,
        truncated: false,
        head_complete: false,
        complete: false,
        suspicious: None,
        news: true,
    }
}
