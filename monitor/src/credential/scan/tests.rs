use std::fs;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::*;
use crate::secret::Fingerprinter;

const UUID: &str = "3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55";

fn redactor() -> Redactor {
    Redactor::new(Fingerprinter::new(&[7; 32]))
}

fn request<'a>(path: &'a Path, fd: Option<&File>) -> ScanRequest<'a> {
    let metadata = fs::metadata(path).unwrap();
    let (major, minor) = (nix::sys::stat::major(metadata.dev()), nix::sys::stat::minor(metadata.dev()));
    ScanRequest {
        pid: std::process::id(),
        fd: fd.map(AsRawFd::as_raw_fd),
        path: path.to_str().unwrap(),
        dev: u32::try_from((major << 20) | minor).unwrap(),
        ino: metadata.ino(),
    }
}

/// A scanner, and a file called `name` with `content` in a directory of its own.
fn file(name: &str, content: &[u8]) -> (Scanner, tempfile::TempDir, std::path::PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(name);
    fs::write(&path, content).unwrap();
    (Scanner::new(Limits::default()), directory, path)
}

fn railway() -> Sighting {
    Sighting {
        fingerprint: redactor().fingerprint(UUID.as_bytes()),
        name: Some("RAILWAY_TOKEN".to_owned()),
        kind: "railway-token".to_owned(),
    }
}

#[test]
fn a_file_is_read_through_the_descriptor_even_when_it_has_gone() {
    let (mut scanner, _directory, path) = file(".env", format!("RAILWAY_TOKEN={UUID}\n").as_bytes());
    let open = File::open(&path).unwrap();
    let request = request(&path, Some(&open));
    let whole = Some(Scanned { sightings: vec![railway()], outcome: ScanOutcome::Whole });
    assert_eq!(scanner.scan(&ScanRequest { fd: None, ..request }, &redactor()), whole);
    fs::remove_file(&path).unwrap();
    assert_eq!(scanner.scan(&request, &redactor()), whole);
    let gone = scanner.scan(&ScanRequest { fd: None, ..request }, &redactor()).unwrap();
    assert_eq!(
        gone.outcome,
        ScanOutcome::Failed { why: "the file had gone before it could be read".to_owned() }
    );
    assert!(scanner.buffer.is_empty());
}

#[test]
fn another_file_in_its_place_is_searched_and_said() {
    let (mut scanner, directory, path) = file(".env", b"A=1");
    let request = request(&path, None);
    let other = directory.path().join("other");
    fs::write(&other, format!("RAILWAY_TOKEN={UUID}\n")).unwrap();
    fs::rename(&other, &path).unwrap();
    let scanned = scanner.scan(&request, &redactor()).unwrap();
    assert_eq!(scanned, Scanned { sightings: vec![railway()], outcome: ScanOutcome::Replaced { bytes: 51 } });
}

#[test]
fn what_is_no_text_file_is_not_read() {
    let (mut scanner, directory, path) =
        file("a.out", b"\x7fELF\0\0RAILWAY_TOKEN=3d2c1f9e-7a64-4d1e-9f25-0c6c1d2b7a55");
    assert_eq!(scanner.scan(&request(&path, None), &redactor()), None);
    assert_eq!(scanner.scan(&request(directory.path(), None), &redactor()), None);
    for path in ["/dev/null", "/proc/self/status", "/sys/kernel/notes"] {
        assert_eq!(scanner.scan(&request(Path::new(path), None), &redactor()), None, "{path}");
    }
    let fifo = directory.path().join("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(scanner.scan(&request(&fifo, None), &redactor()), None);
}

#[test]
fn a_binary_credential_file_is_searched() {
    let (mut scanner, _directory, path) =
        file("credentials.db", b"SQLite format 3\0 \0ya29.a0AfH6SMBxAbCdEf0123456789\0");
    let scanned = scanner.scan(&request(&path, None), &redactor()).unwrap();
    assert_eq!(scanned.sightings[0].kind, "google-key");
}

#[test]
fn only_so_much_of_a_file_is_searched() {
    let (_, _directory, path) =
        file("x.txt", format!("{}\nRAILWAY_TOKEN={UUID}", "x".repeat(100)).as_bytes());
    let mut scanner = Scanner::new(Limits { bytes: 64, values: 10 });
    let scanned = scanner.scan(&request(&path, None), &redactor()).unwrap();
    assert_eq!(scanned, Scanned { sightings: vec![], outcome: ScanOutcome::Partly { bytes: 64 } });
}

#[test]
fn the_environment_of_a_process_is_searched() {
    let mut child = std::process::Command::new("sleep")
        .arg("60")
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("RAILWAY_TOKEN", UUID)
        .spawn()
        .unwrap();
    let path = format!("/proc/{}/environ", child.id());
    let mut scanner = Scanner::new(Limits::default());
    let scanned = scanner.scan(&request(Path::new(&path), None), &redactor());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(scanned, Some(Scanned { sightings: vec![railway()], outcome: ScanOutcome::Whole }));
}

#[test]
fn a_file_is_searched_again_only_when_it_changed() {
    let (mut scanner, _directory, path) = file(".env", format!("RAILWAY_TOKEN={UUID}\n").as_bytes());
    std::thread::sleep(std::time::Duration::from_millis(150));
    let before = scanner.scan(&request(&path, None), &redactor()).unwrap();
    // Another redactor makes other fingerprints: equal ones come from the cache.
    let other = Redactor::new(Fingerprinter::new(&[8; 32]));
    assert_eq!(scanner.scan(&request(&path, None), &other), Some(before.clone()));
    File::options().append(true).open(&path).unwrap().write_all(b"\n").unwrap();
    assert_ne!(scanner.scan(&request(&path, None), &other), Some(before));
}
