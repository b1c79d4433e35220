//! What must hold for every file, whole, torn, altered or hostile.

use std::fs;
use std::io::Write as _;

use proptest::prelude::*;

use super::frames::Frames;
use super::verify::verify_source;
use super::*;
use crate::store::testing;
use crate::time::Timestamp;

/// Length of the story's first frame, the header's, with its chain record.
const FIRST_FRAME: usize = 242;

/// The story's bytes.
fn capture() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.hfc");
    testing::write_story(&path);
    fs::read(&path).unwrap()
}

/// All lines that can be read, as JSON, the header first, and the error that ended reading, if one did.
type Everything = (Vec<String>, Option<State>, Option<ReadError>);

fn read(bytes: &[u8]) -> Result<Everything, ReadError> {
    let mut reader = Reader::new(bytes)?;
    let json = |line: LineRef<'_>| serde_json::to_string(&line).unwrap();
    let mut lines = vec![json(LineRef::Header(reader.header()))];
    let mut error = None;
    for line in &mut reader {
        match line {
            Ok(line) => lines.push(json(line.as_ref())),
            Err(stop) => error = Some(stop),
        }
    }
    Ok((lines, reader.state().cloned(), error))
}

#[test]
fn what_was_written_is_read() {
    let bytes = capture();
    let (lines, state, error) = read(&bytes).unwrap();
    assert!(error.is_none());
    assert_eq!(state, Some(State::Whole));
    assert_eq!(lines.len(), 30);
    assert_eq!(lines[1], serde_json::to_string(&LineRef::Event(&testing::story()[0])).unwrap());
    assert!(lines.iter().any(|line| line.starts_with(r#"{"type":"finding","id":"A-7f3c0a11","#)));
    let checked = verify_source(bytes.as_slice()).unwrap();
    assert_eq!((checked.frames, checked.lines, checked.state), (29, 30, State::Whole));
}

#[test]
fn plain_zstd_reads_it() {
    let text = zstd::stream::decode_all(capture().as_slice()).unwrap();
    let lines: Vec<String> = String::from_utf8(text).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines, read(&capture()).unwrap().0);
}

/// Captures written by the first version must open for ever, and say the same.
#[test]
fn the_golden_capture_opens() {
    let (lines, state, error) = read(include_bytes!("../testdata/format-1-story.hfc")).unwrap();
    assert!(error.is_none(), "{error:?}");
    assert_eq!(state, Some(State::Whole));
    insta::assert_snapshot!(lines.join("\n"));
}

#[test]
fn the_documentation_shows_what_is_in_the_file() {
    let golden = include_bytes!("../testdata/format-1.hfc");
    let (lines, state, _) = read(golden).unwrap();
    assert_eq!(state, Some(State::Whole));
    let first_hash = blake3::hash(&[&[0; 32], &golden[..0xb5]].concat());
    assert_eq!(golden[0xb5 + 32..0xb5 + 64], *first_hash.as_bytes());
    let doc = include_str!("../../../../docs/capture-format.md");
    let dump = hexdump(golden);
    assert!(doc.contains(&dump), "docs/capture-format.md must show this dump:\n{dump}");
    for row in lines {
        assert!(doc.contains(&row), "docs/capture-format.md must show this line:\n{row}");
    }
}

/// As `hexdump -C` prints it, without folding of equal rows.
fn hexdump(bytes: &[u8]) -> String {
    let mut dump = String::new();
    for (row, bytes) in bytes.chunks(16).enumerate() {
        let hex: Vec<String> =
            bytes.chunks(8).map(|half| half.iter().map(|b| format!("{b:02x} ")).collect()).collect();
        let text: String =
            bytes.iter().map(|b| if (b' '..=b'~').contains(b) { char::from(*b) } else { '.' }).collect();
        dump += &format!("{:08x}  {:<49} |{text}|\n", row * 16, hex.join(" "));
    }
    dump
}

/// A capture of these texts as frames, correctly chained, whatever the texts are.
fn chained(texts: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    let mut hash = chain::START;
    for (number, text) in (1..).zip(texts) {
        let bytes = zstd::bulk::compress(text, 1).unwrap();
        let mut hasher = chain::hasher(&hash);
        hasher.update(&bytes);
        hash = *hasher.finalize().as_bytes();
        let lines = text.iter().filter(|byte| **byte == b'\n').count() as u32;
        file.extend_from_slice(&bytes);
        file.extend_from_slice(
            &chain::Record { frame: number, lines, length: bytes.len() as u64, hash }.to_bytes(),
        );
    }
    file
}

#[test]
fn what_no_writer_writes_is_refused() {
    fn check(texts: &[&[u8]], expect: &str) {
        let said = match read(&chained(texts)) {
            Err(error) => error.to_string(),
            Ok((_, state, error)) => error.map_or_else(|| format!("{state:?}"), |error| error.to_string()),
        };
        assert_eq!(said, expect);
    }
    let header = serde_json::to_string(&LineRef::Header(&testing::header())).unwrap() + "\n";
    let end = br#"{"type":"end","time":1,"events":0,"findings":0,"lost":0,"not_written":0}"#;
    let end = [end.as_slice(), b"\n"].concat();
    let long = vec![b' '; LINE_LIMIT];
    let bomb = vec![b'\n'; FRAME_LIMIT + 1];
    check(&[header.as_bytes()], "Some(Unfinished)");
    check(&[header.as_bytes(), &end], "Some(Whole)");
    check(
        &[header.as_bytes(), &end, &end],
        "it was altered: frame 3, at byte 388: something follows the end line; the 2 frames before it are intact",
    );
    check(&[header.as_bytes(), b"{\"type\":\"omen\"}\n"], "line 2 is none that this holdfire knows");
    check(
        &[header.as_bytes(), b"{}"],
        "it was altered: frame 2, at byte 242: the last line of the frame has no end; the 1 frame before it are intact",
    );
    check(
        &[header.as_bytes(), &[&long[..], b"\n"].concat()],
        "it was altered: frame 2, at byte 242: a line is longer than any holdfire writes; the 1 frame before it are intact",
    );
    check(
        &[header.as_bytes(), &bomb],
        "it was altered: frame 2, at byte 242: the frame is larger than any holdfire writes; the 1 frame before it are intact",
    );
    check(&[&end], "it is no holdfire capture, or its beginning was altered: its first line is no header");
    check(
        &[b"{\"type\":\"header\",\"format\":2,\"other\":1}\n"],
        "it was written in format 2; this holdfire reads formats up to 1",
    );
    check(&[], "it ends inside its first frame, before anything readable");
}

#[test]
fn what_never_ends_is_not_begun() {
    let zero = std::path::Path::new("/dev/zero");
    assert!(matches!(verify(zero), Err(ReadError::NotACapture { .. })));
    assert!(matches!(Reader::open(zero), Err(ReadError::NotACapture { .. })));
}

#[test]
fn zeros_after_a_power_failure_are_a_torn_tail() {
    let mut bytes = capture();
    let mut frames = Frames::new(bytes.as_slice());
    while frames.next().unwrap().is_some_and(|frame| frame.number < 5) {}
    let cut = usize::try_from(frames.offset()).unwrap();
    bytes[cut..].fill(0);
    let checked = verify_source(bytes.as_slice()).unwrap();
    assert_eq!(checked.frames, 5);
    assert!(matches!(checked.state, State::Torn { at, .. } if at == cut as u64), "{checked:?}");
}

#[test]
fn the_end_is_found_without_reading_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("story.hfc");
    testing::write_story(&path);
    let mut file = fs::OpenOptions::new().read(true).append(true).open(&path).unwrap();
    let end = read_end(&mut file).unwrap().unwrap();
    assert_eq!((end.events, end.findings, end.exit_code, end.lost), (27, 1, Some(1), 3));
    file.write_all(b"x").unwrap();
    assert_eq!(read_end(&mut file).unwrap(), None);
}

/// Where reading is unbounded in the file's length, it is bounded in memory: frames of many lines go through as well.
#[test]
fn large_frames_are_cut_by_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("large.hfc");
    let mut writer = Writer::create(&path, &testing::header()).unwrap();
    let events = testing::story();
    for event in events.iter().cycle().take(5_000) {
        writer.event(event).unwrap();
    }
    writer.finish(Timestamp(1)).unwrap();
    let checked = verify(&path).unwrap();
    assert_eq!((checked.lines, checked.state), (5_002, State::Whole));
    assert!((5..12).contains(&checked.frames), "{}", checked.frames);
}

proptest! {
    #[test]
    fn any_changed_byte_is_found(at in any::<prop::sample::Index>(), change in 1u8..) {
        let whole = capture();
        let mut bytes = whole.clone();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        let before = read(&whole).unwrap().0;
        match read(&bytes) {
            Err(ReadError::NotACapture { .. } | ReadError::Empty) => prop_assert!(at < FIRST_FRAME),
            Err(error) => prop_assert!(false, "{}", error),
            Ok((lines, state, error)) => {
                let found = matches!(state, Some(State::Altered { offset, .. }) if offset <= at as u64);
                prop_assert!(found, "{:?}", state);
                prop_assert!(error.is_some());
                prop_assert!(before.starts_with(&lines));
                let checked = verify_source(bytes.as_slice()).unwrap();
                let found = matches!(checked.state, State::Altered { .. });
                prop_assert!(found, "{:?}", checked);
            }
        }
    }

    #[test]
    fn any_cut_leaves_a_readable_prefix(at in any::<prop::sample::Index>()) {
        let whole = capture();
        let bytes = &whole[..at.index(whole.len())];
        let before = read(&whole).unwrap().0;
        match read(bytes) {
            Err(ReadError::Empty) => prop_assert!(bytes.len() < FIRST_FRAME),
            Err(error) => prop_assert!(false, "{}", error),
            Ok((lines, state, error)) => {
                prop_assert!(error.is_none());
                prop_assert!(before.starts_with(&lines) && lines.len() < before.len());
                let told = matches!(state, Some(State::Unfinished | State::Torn { .. }));
                prop_assert!(told, "{:?}", state);
            }
        }
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..2_000), keep in 0usize..2_000) {
        let _ = (read(&bytes), verify_source(bytes.as_slice()));
        let mut mixed = capture();
        mixed.truncate(keep);
        mixed.extend_from_slice(&bytes);
        let _ = (read(&mixed), verify_source(mixed.as_slice()));
    }

    #[test]
    fn any_lines_are_read_without_panic(text in prop::collection::vec(any::<u8>(), 0..500)) {
        let _ = read(&chained(&[&text]));
    }
}

#[test]
fn kinds_are_named_as_they_are_written() {
    for event in testing::story() {
        let written = serde_json::to_value(&event).unwrap();
        assert_eq!(written["kind"], event.fact.kind());
    }
}
