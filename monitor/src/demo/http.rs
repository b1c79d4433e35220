//! Requests as the demo's server reads them: whole ones only, small ones only.
//!
//! Its own reader, not that of `protocol`: a counterpart that shares the parser under test would agree with its faults.

use std::io::Read;

use anyhow::{Context, bail};

/// A body larger than this ends the connection. The largest one used is the 8 MiB of the benchmark.
const MAX_BODY: usize = 16 << 20;
/// Headers one request may have.
const MAX_HEADERS: usize = 64;

/// A whole request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) target: String,
    /// The word after `Bearer`, if there is one.
    pub(super) token: Option<String>,
    /// After transfer and content decoding.
    pub(super) body: Vec<u8>,
}

/// What stands at the start of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// A request, and how many bytes it takes.
    Whole(Request, usize),
    /// The beginning of one; `continues` says that its sender waits for `100 Continue`.
    Part { continues: bool },
}

/// Reads what stands at the start of `bytes`.
pub(super) fn front(bytes: &[u8]) -> anyhow::Result<Front> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(start) = head.parse(bytes).context("no HTTP/1.1 request")? else {
        return Ok(Front::Part { continues: false });
    };
    let header = |name: &str| {
        let found = head.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    let chunked = header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked"));
    let rest = &bytes[start..];
    let body = if chunked {
        dechunk(rest)?
    } else {
        let length: usize = header("content-length").unwrap_or("0").parse().context("content-length")?;
        if length > MAX_BODY {
            bail!("a body of {length} bytes");
        }
        rest.get(..length).map(|body| (body.to_vec(), length))
    };
    let Some((body, taken)) = body else {
        let continues = rest.is_empty() && header("expect").is_some();
        return Ok(Front::Part { continues });
    };
    let gzipped = header("content-encoding").is_some_and(|value| value.eq_ignore_ascii_case("gzip"));
    let body = if gzipped { gunzip(&body)? } else { body };
    let token = header("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::to_owned);
    let method = head.method.unwrap_or_default().to_owned();
    let target = head.path.unwrap_or_default().to_owned();
    Ok(Front::Whole(Request { method, target, token, body }, start + taken))
}

/// The body and the length it takes on the wire; nothing while its last chunk is not there.
fn dechunk(bytes: &[u8]) -> anyhow::Result<Option<(Vec<u8>, usize)>> {
    let mut body = Vec::new();
    let mut at = 0;
    loop {
        let parsed = httparse::parse_chunk_size(&bytes[at..]);
        let Ok(parsed) = parsed else { bail!("a chunk without a size") };
        let httparse::Status::Complete((head, size)) = parsed else { return Ok(None) };
        let start = at + head;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if body.len().saturating_add(size) > MAX_BODY {
            bail!("a body over {MAX_BODY} bytes");
        }
        let Some(chunk) = bytes.get(start..start + size + 2) else { return Ok(None) };
        body.extend_from_slice(&chunk[..size]);
        at = start + size + 2;
        if size == 0 {
            return Ok(Some((body, at)));
        }
    }
}

fn gunzip(bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(bytes).take(MAX_BODY as u64).read_to_end(&mut body).context("not gzip")?;
    Ok(body)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn body_of(bytes: &[u8]) -> String {
        match front(bytes).unwrap() {
            Front::Whole(request, taken) => {
                assert_eq!(taken, bytes.len());
                String::from_utf8(request.body).unwrap()
            }
            part @ Front::Part { .. } => panic!("{part:?}"),
        }
    }

    #[test]
    fn bodies_of_all_framings_are_read() {
        assert_eq!(body_of(b"GET / HTTP/1.1\r\n\r\n"), "");
        assert_eq!(body_of(b"POST / HTTP/1.1\r\ncontent-length: 3\r\n\r\nabc"), "abc");
        let chunked =
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
        assert_eq!(body_of(chunked), "abc");
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, b"abc").unwrap();
        let packed = encoder.finish().unwrap();
        let head =
            format!("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
        assert_eq!(body_of(&[head.as_bytes(), &packed].concat()), "abc");
    }

    #[test]
    fn the_token_is_the_word_after_bearer() {
        let Front::Whole(request, _) = front(b"GET /x HTTP/1.1\r\nAuthorization: Bearer T\r\n\r\n").unwrap()
        else {
            panic!("not whole")
        };
        assert_eq!(
            (request.method.as_str(), request.target.as_str(), request.token.as_deref()),
            ("GET", "/x", Some("T"))
        );
    }

    #[test]
    fn a_waiting_sender_is_told_to_go_on() {
        let head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n";
        assert_eq!(front(head).unwrap(), Front::Part { continues: true });
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            let _ = front(&bytes);
        }

        #[test]
        fn a_prefix_is_never_a_request(cut in 0_usize..68) {
            let whole = b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
            let cut = cut.min(whole.len() - 1);
            let part = matches!(front(&whole[..cut]).unwrap(), Front::Part { .. });
            prop_assert!(part);
        }
    }
}
