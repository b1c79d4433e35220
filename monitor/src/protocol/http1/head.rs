//! The head of a request: its first line, its headers, and how its body is framed.

use std::sync::Arc;

use super::message::{Headers, Suspicion, Why};
use super::{MAX_HEAD, MAX_HEADERS};

/// How long the body is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Framing {
    Empty,
    Length(u64),
    Chunked,
    /// It cannot be known: every byte that follows is shown as body.
    Opaque,
}

/// A parsed head.
#[derive(Clone)]
pub(super) struct Head {
    pub(super) method: String,
    pub(super) target: String,
    pub(super) version: u8,
    pub(super) headers: Headers,
    pub(super) framing: Framing,
    pub(super) suspicion: Option<Suspicion>,
    /// What it means if no request follows this one.
    pub(super) then: Why,
}

/// What the first bytes of a head look like.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    /// Could still become a request line.
    Partial,
    Request {
        method: String,
        target: String,
        version: u8,
    },
    Not(Why),
}

/// Looks at the first line alone, so that what is not HTTP is known as soon as possible.
pub(super) fn first_line(bytes: &[u8]) -> Line {
    let end = bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    let line = &bytes[..end.unwrap_or(bytes.len())];
    if line.starts_with(b"PRI * HTTP/2.0\r\n") {
        return Line::Not(Why::Http2);
    }
    // httparse would refuse the version before the line is known to be the preface of HTTP/2.
    if end.is_none() && b"PRI * HTTP/2.0\r\n".starts_with(line) {
        return Line::Partial;
    }
    let mut request = httparse::Request::new(&mut []);
    match (parser().parse_request(&mut request, line), request.method, request.path, request.version) {
        (Ok(_), Some(method), Some(target), Some(version)) if end.is_some() => {
            Line::Request { method: method.to_owned(), target: target.to_owned(), version }
        }
        (Ok(_), ..) if end.is_none() => Line::Partial,
        _ => Line::Not(Why::NotHttp),
    }
}

/// Parses a whole head, including the empty line at its end.
pub(super) fn parse(bytes: &[u8]) -> Result<Head, Why> {
    let unfolded = unfold(bytes);
    let mut suspicion = unfolded.as_ref().map(|_| Suspicion::FoldedHeader);
    let bytes = unfolded.as_deref().unwrap_or(bytes);
    let mut space = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut space);
    let mut outcome = parser().parse_request(&mut request, bytes);
    let mut refused = false;
    if outcome.is_err_and(|error| error != httparse::Error::TooManyHeaders) {
        // A server may be less strict than httparse, so go on without the lines it refuses, and say so.
        refused = true;
        request = httparse::Request::new(&mut space);
        outcome = parser().ignore_invalid_headers_in_requests(true).parse_request(&mut request, bytes);
    }
    match outcome {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Err(Why::NotHttp),
        Err(httparse::Error::TooManyHeaders) => return Err(Why::TooManyHeaders),
        Err(_) => return Err(Why::NotHttp),
    }
    let (Some(method), Some(target), Some(version)) = (request.method, request.path, request.version) else {
        return Err(Why::NotHttp);
    };
    let headers: Headers = request
        .headers
        .iter()
        .map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()))
        .collect::<Vec<_>>()
        .into();
    let mut framing = Framing::Opaque;
    if refused {
        suspicion = Some(Suspicion::RefusedHeader);
    } else {
        let (framed, doubt) = frame(&headers, version);
        framing = framed;
        suspicion = doubt.or(suspicion).or_else(|| two_hosts(&headers));
    }
    let then = if method.eq_ignore_ascii_case("connect") {
        Why::Tunnel
    } else if values(&headers, "upgrade").next().is_some() {
        Why::Upgraded
    } else {
        Why::NotHttp
    };
    let (method, target) = (method.to_owned(), target.to_owned());
    Ok(Head { method, target, version, headers: Arc::clone(&headers), framing, suspicion, then })
}

/// Servers differ in how many spaces they take; the lenient ones must be understood too.
fn parser() -> httparse::ParserConfig {
    let mut config = httparse::ParserConfig::default();
    config.allow_multiple_spaces_in_request_line_delimiters(true);
    config
}

/// The head with folded lines joined, which httparse does for responses only; none if there is nothing to join.
fn unfold(bytes: &[u8]) -> Option<Vec<u8>> {
    let folds = |pair: &[u8]| matches!(pair, [b'\n', b' ' | b'\t']);
    bytes.windows(2).any(folds).then(|| {
        let mut joined = Vec::with_capacity(bytes.len().min(MAX_HEAD));
        for (at, byte) in bytes.iter().enumerate() {
            if bytes.get(at..at + 2).is_some_and(folds) {
                if joined.last() == Some(&b'\r') {
                    joined.pop();
                }
            } else {
                joined.push(*byte);
            }
        }
        joined
    })
}

/// How the body is framed (RFC 9112, 6.3), and why that may be wrong.
fn frame(headers: &Headers, version: u8) -> (Framing, Option<Suspicion>) {
    let mut length = None;
    for value in values(headers, "content-length").flat_map(|value| value.split(|byte| *byte == b',')) {
        let value = value.trim_ascii();
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let number = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse().ok());
        match (number, length) {
            (None, _) => return (Framing::Opaque, Some(Suspicion::BadLength)),
            (Some(number), Some(before)) if before != number => {
                return (Framing::Opaque, Some(Suspicion::ConflictingLength));
            }
            (Some(number), _) => length = Some(number),
        }
    }
    let last_coding = values(headers, "transfer-encoding")
        .flat_map(|value| value.split(|byte| *byte == b','))
        .last()
        .map(|coding| coding.trim_ascii().eq_ignore_ascii_case(b"chunked"));
    match (last_coding, length) {
        (None, None | Some(0)) => (Framing::Empty, None),
        (None, Some(length)) => (Framing::Length(length), None),
        (Some(false), _) => (Framing::Opaque, Some(Suspicion::UnknownTransferCoding)),
        (Some(true), Some(_)) => (Framing::Chunked, Some(Suspicion::LengthAndChunked)),
        (Some(true), None) if version == 0 => (Framing::Chunked, Some(Suspicion::ChunkedBefore11)),
        (Some(true), None) => (Framing::Chunked, None),
    }
}

/// Two servers could pick a different one of them.
fn two_hosts(headers: &Headers) -> Option<Suspicion> {
    let mut hosts = values(headers, "host");
    let first = hosts.next()?;
    hosts.any(|host| !host.eq_ignore_ascii_case(first)).then_some(Suspicion::ConflictingHost)
}

fn values<'a>(headers: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |(own, _)| own == name).map(|(_, value)| value.as_slice())
}
