//! Content codings undone: gzip, deflate, br and zstd, alone or stacked.
//!
//! Tolerant: of a body still being written, or damaged, whatever decodes is given, with a sentence when something did
//! not. The bias: nothing is refused, and nothing that failed looks like success.
//!
//! zstd shows the bytes of a frame only when the frame is whole or larger than its window; until then such a body
//! decodes to nothing. The Rust decoder is worth that: the input is the monitored process's.

use std::borrow::Cow;
use std::io::Read;

/// Bytes a body may decode to. A thousand times its size is easily reached by a bomb; no request that is worth judging
/// by content is this large.
pub(super) const MAX_DECODED: usize = 4 << 20;
/// Codings that may be stacked. One is usual, two are known, more is an attempt to cost time.
const MAX_CODINGS: usize = 4;
/// Largest zstd window, the size RFC 8878 (3.1.1.1.2) asks decoders to support. The decoder reserves it up front.
const MAX_ZSTD_WINDOW: u64 = 8 << 20;

/// A body after decoding.
pub(super) struct Decoded<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// There is more than [`MAX_DECODED`] bytes.
    pub(super) truncated: bool,
    /// What did not decode, in one clause.
    pub(super) trouble: Option<&'static str>,
}

/// Undoes `codings`, given in the order they were applied (that of `Content-Encoding`, then `Transfer-Encoding`).
/// `whole`: all bytes are there, so that ending early is an error. Without codings, gzip is recognised by its magic.
pub(super) fn decode<'a>(wire: &'a [u8], codings: &[&str], whole: bool) -> Decoded<'a> {
    let mut decoded = Decoded { bytes: Cow::Borrowed(wire), truncated: false, trouble: None };
    let sniffed = codings.is_empty() && wire.starts_with(&[0x1f, 0x8b, 8]);
    let codings = if sniffed { &["gzip"] } else { codings };
    if codings.len() > MAX_CODINGS {
        decoded.trouble = Some("more than four content codings");
        return decoded;
    }
    for coding in codings.iter().rev() {
        let Some(undo) = decoder(coding) else {
            decoded.trouble = Some("a content coding that is not known");
            return decoded;
        };
        let Some(undo) = undo else { continue };
        let (bytes, end) = undo(&decoded.bytes);
        decoded.bytes = Cow::Owned(bytes);
        match end {
            End::Whole => {}
            End::Cut if decoded.truncated || !whole => {}
            End::Cut => decoded.trouble = Some("the compressed body ends early"),
            End::Limit => decoded.truncated = true,
            End::Broken => decoded.trouble = Some("the compressed body is damaged"),
            End::Window => decoded.trouble = Some("a zstd window over 8 MiB"),
        }
    }
    decoded
}

/// How decoding ended.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Whole,
    Cut,
    Limit,
    Broken,
    Window,
}

type Undo = fn(&[u8]) -> (Vec<u8>, End);

/// What undoes a coding: none if it is not known, some none if there is nothing to undo.
fn decoder(coding: &str) -> Option<Option<Undo>> {
    let is = |name| coding.eq_ignore_ascii_case(name);
    // aws-chunked frames uploads with signatures; its content is still readable in between.
    if is("") || is("identity") || is("aws-chunked") {
        Some(None)
    } else if is("gzip") || is("x-gzip") {
        Some(Some(|bytes| drain(flate2::read::MultiGzDecoder::new(bytes))))
    } else if is("deflate") {
        Some(Some(inflate))
    } else if is("br") {
        Some(Some(|bytes| drain(brotli_decompressor::Decompressor::new(bytes, 4096))))
    } else if is("zstd") {
        Some(Some(unzstd))
    } else {
        None
    }
}

/// `deflate` means zlib (RFC 9110, 8.4.1.2); some clients send it bare.
fn inflate(bytes: &[u8]) -> (Vec<u8>, End) {
    match drain(flate2::read::ZlibDecoder::new(bytes)) {
        (out, End::Broken) if out.is_empty() => drain(flate2::read::DeflateDecoder::new(bytes)),
        result => result,
    }
}

fn unzstd(mut bytes: &[u8]) -> (Vec<u8>, End) {
    let (mut all, mut end) = (Vec::new(), End::Whole);
    // Frames may follow one another; each takes at least its header, so this ends.
    while end == End::Whole && !bytes.is_empty() {
        if zstd_window(bytes).is_some_and(|window| window > MAX_ZSTD_WINDOW) {
            return (all, End::Window);
        }
        let before = bytes.len();
        let Ok(decoder) = ruzstd::decoding::StreamingDecoder::new(&mut bytes) else {
            return (all, if before < 18 { End::Cut } else { End::Broken });
        };
        let (out, outcome) = drain_up_to(decoder, MAX_DECODED.saturating_sub(all.len()));
        all.extend(out);
        // The decoder does not tell a cut input from a damaged one; having used it all up does.
        end = if outcome == End::Broken && bytes.is_empty() { End::Cut } else { outcome };
    }
    (all, end)
}

/// The window a zstd frame header asks for (RFC 8878, 3.1.1.1); ruzstd accepts up to 100 MiB and does not let one ask.
fn zstd_window(bytes: &[u8]) -> Option<u64> {
    let descriptor = *bytes.get(4)?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let window = *bytes.get(5)?;
        let base = 1u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let mut field = [0; 8];
    field[..size].copy_from_slice(bytes.get(5 + dictionary..5 + dictionary + size)?);
    Some(u64::from_le_bytes(field))
}

fn drain(reader: impl Read) -> (Vec<u8>, End) {
    drain_up_to(reader, MAX_DECODED)
}

fn drain_up_to(mut reader: impl Read, limit: usize) -> (Vec<u8>, End) {
    let (mut out, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        match reader.read(&mut piece) {
            Ok(0) => return (out, End::Whole),
            Ok(read) if out.len() + read > limit => {
                out.extend_from_slice(&piece[..limit - out.len()]);
                return (out, End::Limit);
            }
            Ok(read) => out.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return (out, End::Cut),
            Err(_) => return (out, End::Broken),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use proptest::prelude::*;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn raw(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(text: &[u8]) -> Vec<u8> {
        zstd::encode_all(text, 3).unwrap()
    }

    /// "hello, hello" as brotli would store it: one uncompressed meta-block and the empty last one.
    const BROTLI: &[u8] = b"\x8b\x05\x80hello, hello\x03";

    #[test]
    fn decodes() {
        let check = |wire: &[u8], codings: &[&str], whole, text: &[u8], trouble| {
            let decoded = decode(wire, codings, whole);
            assert_eq!((&*decoded.bytes, decoded.trouble), (text, trouble), "{codings:?}");
        };
        let text = b"{\"query\":\"mutation { volumeDelete(volumeId: 1) }\"}";
        check(text, &[], true, text, None);
        check(text, &["identity"], true, text, None);
        check(&gzip(text), &["gzip"], true, text, None);
        check(&gzip(text), &[], true, text, None);
        check(&gzip(&gzip(text)), &["gzip", "GZIP"], true, text, None);
        check(&zlib(text), &["deflate"], true, text, None);
        check(&raw(text), &["deflate"], true, text, None);
        check(&zstd(text), &["zstd"], true, text, None);
        check(&[zstd(text), zstd(b"!")].concat(), &["zstd"], true, &[&text[..], b"!"].concat(), None);
        check(BROTLI, &["br"], true, b"hello, hello", None);
        check(&gzip(&zstd(text)), &["zstd", "gzip"], true, text, None);
        check(text, &["rot13"], true, text, Some("a content coding that is not known"));
        check(text, &["gzip"], true, b"", Some("the compressed body is damaged"));
        check(
            &gzip(text)[..30],
            &["gzip"],
            true,
            b"{\"query\":\"mutat",
            Some("the compressed body ends early"),
        );
        check(&gzip(text)[..30], &["gzip"], false, b"{\"query\":\"mutat", None);
        check(&zstd(text)[..20], &["zstd"], false, b"", None);
        check(text, &["gzip"; 5], true, text, Some("more than four content codings"));
    }

    #[test]
    fn a_bomb_stops_at_the_limit() {
        for (wire, coding) in [
            (gzip(&vec![0; 3 * MAX_DECODED]), "gzip"),
            (zlib(&vec![0; 3 * MAX_DECODED]), "deflate"),
            (zstd(&vec![0; 3 * MAX_DECODED]), "zstd"),
        ] {
            let decoded = decode(&wire, &[coding], true);
            assert_eq!((decoded.bytes.len(), decoded.truncated, decoded.trouble), (MAX_DECODED, true, None));
        }
    }

    #[test]
    fn a_zstd_window_over_the_limit_is_refused() {
        let header = [0x28, 0xb5, 0x2f, 0xfd, 0, 0x88, 0, 0];
        assert_eq!(decode(&header, &["zstd"], false).trouble, Some("a zstd window over 8 MiB"));
    }

    proptest! {
        #[test]
        fn never_panics(mut text in proptest::collection::vec(any::<u8>(), 0..400), at in 0usize..400, with: u8, cut in 0usize..400) {
            for (wire, coding) in [(gzip(&text), "gzip"), (zlib(&text), "deflate"), (zstd(&text), "zstd"), (BROTLI.to_vec(), "br")] {
                let mut wire = wire;
                let length = wire.len();
                wire[at % length] = with;
                wire.truncate(cut.max(1));
                decode(&wire, &[coding], true);
                decode(&text, &[coding], true);
            }
            text.clear();
            decode(&text, &["zstd", "gzip"], true);
        }
    }
}
