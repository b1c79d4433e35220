//! holdfire as a command, with state and sockets of its own, and what it recorded.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use monitor::demo::{Scene, Task};
use serde_json::Value;
use tempfile::TempDir;

use crate::host;
use crate::process::{Finished, Running};
use crate::wait_for;

/// The executable: `HOLDFIRE_BIN`, else the one beside this test.
pub fn executable() -> PathBuf {
    if let Some(path) = std::env::var_os("HOLDFIRE_BIN") {
        return path.into();
    }
    let own = std::env::current_exe().unwrap();
    let beside = own.ancestors().nth(2).unwrap().join("holdfire");
    assert!(beside.is_file(), "{} is not there: run `cargo build` first", beside.display());
    beside
}

/// An installation of its own: nothing of this host's sessions is read or written.
#[derive(Debug)]
pub struct Holdfire {
    directory: TempDir,
}

impl Default for Holdfire {
    fn default() -> Self {
        Self::new()
    }
}

impl Holdfire {
    pub fn new() -> Self {
        Self { directory: TempDir::with_prefix("holdfire-test-").unwrap() }
    }

    /// Where sessions are kept.
    pub fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// `holdfire WORDS…`, with the state and run directories of this installation.
    pub fn command<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Command {
        let mut command = Command::new(executable());
        command.arg("--state-dir").arg(self.state()).args(words);
        command.env("HOLDFIRE_RUN_DIR", self.directory.path().join("run")).env_remove("RAILWAY_TOKEN");
        command.env("NO_COLOR", "1");
        command
    }

    /// `holdfire run FLAGS… -- COMMAND…`
    pub fn run<W: AsRef<OsStr>>(&self, flags: &[&str], command: impl IntoIterator<Item = W>) -> Command {
        let mut words: Vec<OsString> = vec!["run".into()];
        words.extend(flags.iter().map(OsString::from));
        words.push("--".into());
        words.extend(command.into_iter().map(|word| word.as_ref().to_owned()));
        self.command(words)
    }

    /// The scene's agent in a session, in its repository; the twins get their token.
    pub fn agent(&self, flags: &[&str], scene: &Scene, task: Task, patience: Duration) -> Command {
        let mut command = self.run(flags, scene.agent(task, patience));
        command.current_dir(scene.repository());
        if task != Task::FixStaging {
            command.env("RAILWAY_TOKEN", scene.token());
        }
        command
    }

    /// Runs `holdfire WORDS…` to its end.
    #[track_caller]
    pub fn call(&self, words: &[&str]) -> Finished {
        Running::start(&mut self.command(words)).finish(host::limit())
    }

    /// Waits until something of this session is held, and gives its id: `H-…`.
    #[track_caller]
    pub fn held(&self, session: &mut Running) -> String {
        wait_for("something held", host::limit(), || {
            assert!(session.is_running(), "it ended with nothing held:\n{}", session.said());
            let pending = self.call(&["pending", "--json"]);
            let lines = pending.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find_map(|value| hold_in(&value))
        })
    }

    /// The captures, oldest first.
    pub fn captures(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.state().join("sessions")).into_iter().flatten().flatten();
        let captures =
            entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|e| e == "hfc"));
        let changed = |path: &PathBuf| {
            fs::metadata(path).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let mut captures: Vec<PathBuf> = captures.collect();
        captures.sort_by_key(changed);
        captures
    }

    /// The lines of the newest capture, read as the documentation promises: by `zstd`, without holdfire.
    #[track_caller]
    pub fn lines(&self) -> Vec<String> {
        let capture = self.captures().pop().expect("no capture was written");
        let output = Command::new("zstd").arg("-dcq").arg(&capture).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    /// The newest session's events of a kind.
    #[track_caller]
    pub fn events(&self, kind: &str) -> Vec<Value> {
        let lines = self.lines();
        let values = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        values.filter(|value| value["type"] == "event" && value["kind"] == kind).collect()
    }

    /// The newest session's findings, as their lines.
    #[track_caller]
    pub fn findings(&self) -> Vec<Value> {
        let lines = self.lines();
        let values = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
        values.filter(|value| value["type"] == "finding").collect()
    }
}

/// The first string that looks like the id of a hold.
fn hold_in(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if text.starts_with("H-") => Some(text.clone()),
        Value::Array(items) => items.iter().find_map(hold_in),
        Value::Object(members) => members.values().find_map(hold_in),
        _ => None,
    }
}
