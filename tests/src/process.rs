//! Commands with a time limit, and finding processes.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::wait_for;

/// A command in the background. What it says goes to files, so that neither it nor a descendant can be kept waiting.
#[derive(Debug)]
pub struct Running {
    child: Child,
    started: Instant,
    stdout: NamedTempFile,
    stderr: NamedTempFile,
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Finished {
    pub status: ExitStatus,
    pub stdout: String,
    pub stderr: String,
    pub took: Duration,
}

impl Running {
    /// Starts a command without input.
    pub fn start(command: &mut Command) -> Self {
        let (stdout, stderr) = (NamedTempFile::new().unwrap(), NamedTempFile::new().unwrap());
        command.stdin(Stdio::null()).stdout(stdout.reopen().unwrap()).stderr(stderr.reopen().unwrap());
        let child = command.spawn().unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        Self { child, started: Instant::now(), stdout, stderr }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has said on both streams so far.
    pub fn said(&self) -> String {
        text(&self.stdout) + &text(&self.stderr)
    }

    /// Waits for its end; fails the test after `limit`.
    #[track_caller]
    pub fn finish(mut self, limit: Duration) -> Finished {
        let mut ended = None;
        let deadline = Instant::now() + limit;
        while ended.is_none() && Instant::now() < deadline {
            ended = self.child.try_wait().unwrap();
            std::thread::sleep(Duration::from_millis(10));
        }
        let Some(status) = ended else { panic!("still running after {limit:?}; it said:\n{}", self.said()) };
        let took = self.started.elapsed();
        Finished { status, stdout: text(&self.stdout), stderr: text(&self.stderr), took }
    }
}

/// A test that fails leaves nothing running.
impl Drop for Running {
    fn drop(&mut self) {
        if self.is_running() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Finished {
    /// The exit code as a shell shows it.
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| 128 + self.status.signal().unwrap_or_default())
    }

    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code(), code, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}

fn text(file: &NamedTempFile) -> String {
    let mut bytes = Vec::new();
    file.reopen().unwrap().read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits for the process of this program that has `word` somewhere in its arguments.
#[track_caller]
pub fn find(program: &str, word: &str, limit: Duration) -> i32 {
    wait_for(&format!("a {program} with {word}"), limit, || {
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        pids.find(|pid| {
            let mut line = Vec::new();
            let read =
                File::open(format!("/proc/{pid}/cmdline")).and_then(|mut file| file.read_to_end(&mut line));
            let mut words = line.split(|byte| *byte == 0).map(String::from_utf8_lossy);
            let name = words.next().unwrap_or_default();
            read.is_ok()
                && name.rsplit('/').next() == Some(program)
                && words.any(|other| other.contains(word))
        })
    })
}
