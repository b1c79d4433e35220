//! What is known of one request after one write.

use std::fmt;
use std::sync::Arc;

/// Header names in lower case with their values as sent, in order, repetitions kept.
pub type Headers = Arc<[(String, Vec<u8>)]>;

/// A snapshot of one request. Cloning is cheap: headers and body are shared with the stream until it is fed again.
#[derive(Clone, PartialEq)]
pub struct Message {
    /// Which request of its connection, from 0.
    pub index: u64,
    /// As sent; empty until the first line is complete.
    pub method: String,
    /// As sent: origin form, absolute form, authority (CONNECT) or `*`.
    pub target: String,
    /// Minor version: 0 or 1.
    pub version: u8,
    pub headers: Headers,
    /// The body after chunked framing and before content decoding, at most [`super::MAX_BODY`] bytes.
    pub body: Arc<Vec<u8>>,
    /// Bytes of the body written so far, including those not kept.
    pub body_bytes: u64,
    /// `body` lacks bytes that were written: it is over the limit, or some were lost.
    pub truncated: bool,
    /// The head has ended; until then there are no headers.
    pub head_complete: bool,
    /// The whole request has been written. Never claimed when its end is in doubt.
    pub complete: bool,
    /// Why its framing is not to be trusted.
    pub suspicious: Option<Suspicion>,
    /// A judgement could come out differently than for the snapshot before. False for the writes of a large body that
    /// add little to what is kept: the last verdict stands, and looking again would make an upload cost its square.
    pub news: bool,
}

/// Lengths only: headers, target and body may hold secrets.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("index", &self.index)
            .field("target", &format_args!("{} bytes", self.target.len()))
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body_bytes)
            .field("truncated", &self.truncated)
            .field("head_complete", &self.head_complete)
            .field("complete", &self.complete)
            .field("suspicious", &self.suspicious)
            .finish_non_exhaustive()
    }
}

/// Why a request might be framed differently by the server that reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Suspicion {
    #[error("two different Content-Length values")]
    ConflictingLength,
    #[error("both Content-Length and Transfer-Encoding")]
    LengthAndChunked,
    #[error("a Content-Length that is no number")]
    BadLength,
    #[error("a Transfer-Encoding that does not end in chunked")]
    UnknownTransferCoding,
    #[error("Transfer-Encoding in an HTTP/1.0 request")]
    ChunkedBefore11,
    #[error("broken chunked framing")]
    BadChunk,
    #[error("a header line that is not well formed")]
    RefusedHeader,
    #[error("a header folded over several lines")]
    FoldedHeader,
    #[error("two different Host values")]
    ConflictingHost,
    #[error("bytes of this request were lost")]
    LostBytes,
    #[error("bytes of this request were written twice, or once and repeated")]
    Repeated,
    #[error("earlier bytes of this connection were lost or of doubtful framing")]
    AfterDoubt,
}

impl Suspicion {
    /// Whether the end of the request cannot be known.
    pub(super) fn hides_the_end(self) -> bool {
        !matches!(self, Self::FoldedHeader | Self::ConflictingHost | Self::AfterDoubt)
    }
}

/// Why a stream, or a part of it, is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    Http2,
    NotHttp,
    /// No end of the head within [`super::MAX_HEAD`] bytes.
    HeadTooLong,
    /// More than [`super::MAX_HEADERS`] headers.
    TooManyHeaders,
    /// The request before this asked for another protocol (WebSocket), and what follows is not HTTP.
    Upgraded,
    /// The request before this was CONNECT, and what follows is not HTTP.
    Tunnel,
    LostBytes,
}

impl Why {
    /// The word for `event::Unread::why`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http2 => "http2",
            Self::NotHttp => "not-http",
            Self::HeadTooLong => "head-too-long",
            Self::TooManyHeaders => "too-many-headers",
            Self::Upgraded => "upgraded",
            Self::Tunnel => "tunnel",
            Self::LostBytes => "lost-bytes",
        }
    }
}

/// Plaintext that could not be read as a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    pub why: Why,
    /// Bytes concerned, as far as they had come when this was found.
    pub bytes: u64,
}
