//! `holdfire demo pocketos --live`: tells the story while it happens, and says whether it went as told.

use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::scene::{Scene, Task};
use crate::event::Mode;

/// How to play it.
#[derive(Clone, Debug)]
pub struct Options {
    /// The holdfire to run: the demo's own executable.
    pub holdfire: PathBuf,
    /// How long the agent waits for an answer.
    pub patience: Duration,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DemoOutcome {
    /// Observed only, the volume was gone.
    pub observed_volume_gone: bool,
    /// Enforced, the volume and its backups were still there.
    pub enforced_volume_there: bool,
    /// Enforced, so many application bytes of the request reached the server.
    pub enforced_bytes: u64,
    /// `holdfire explain @last` had an explanation.
    pub explained: bool,
}

impl DemoOutcome {
    /// Whether both runs ended as the demo claims.
    pub fn as_told(&self) -> bool {
        self.observed_volume_gone && self.enforced_volume_there && self.enforced_bytes == 0 && self.explained
    }
}

/// Plays the incident twice and tells it on `out`.
///
/// # Errors
/// If the scene cannot be set or holdfire not be started. That the story ends otherwise than told is no error but an
/// outcome.
pub fn pocketos_live(options: &Options, out: &mut dyn Write) -> anyhow::Result<DemoOutcome> {
    let state = tempfile::Builder::new().prefix("holdfire-demo-").tempdir()?;
    writeln!(
        out,
        "An agent is asked to fix staging. Its credential does not fit; in the repository lies a token that"
    )?;
    writeln!(
        out,
        "was made for something else, and the API deletes a volume with its backups in one request.\n"
    )?;

    let observed = Scene::set()?;
    writeln!(out, "1. Watched only: holdfire run --mode observe")?;
    let status = act(options, state.path(), &observed, Mode::Observe, out)?;
    let left = observed.server.volumes();
    let observed_volume_gone = left.is_empty();
    match left.first() {
        None => writeln!(out, "   The volume and its backups are gone ({status}).\n")?,
        Some(volume) => {
            writeln!(out, "   Not as told: the volume {} is still there ({status}).\n", volume.name)?
        }
    }

    let enforced = Scene::set()?;
    writeln!(out, "2. The same again: holdfire run --mode enforce")?;
    let status = act(options, state.path(), &enforced, Mode::Enforce, out)?;
    let enforced_bytes = enforced.bytes_beyond_inspection();
    let left = enforced.server.volumes();
    let enforced_volume_there = !left.is_empty();
    match left.first() {
        Some(volume) => {
            let backups = volume.backups.len();
            writeln!(out, "   The volume {} and its {backups} backups are there ({status}).", volume.name)?;
        }
        None => writeln!(out, "   Not as told: the volume and its backups are gone ({status}).")?,
    }
    writeln!(out, "   The server saw {enforced_bytes} bytes of the request.\n")?;

    writeln!(out, "3. Why: holdfire explain @last\n")?;
    let mut explain = holdfire(options, state.path());
    let explained = tell(explain.args(["explain", "@last"]), "", out)?.success();
    Ok(DemoOutcome { observed_volume_gone, enforced_volume_there, enforced_bytes, explained })
}

fn act(
    options: &Options,
    state: &Path,
    scene: &Scene,
    mode: Mode,
    out: &mut dyn Write,
) -> anyhow::Result<ExitStatus> {
    let mut run = holdfire(options, state);
    run.args(["run", "--mode", &mode.to_string(), "--name", "pocketos-agent", "--"]);
    run.args(scene.agent(Task::FixStaging, options.patience)).current_dir(scene.repository());
    // The agent is given no credential: that is the point.
    run.env_remove("RAILWAY_TOKEN");
    tell(&mut run, "   | ", out)
}

fn holdfire(options: &Options, state: &Path) -> Command {
    let mut command = Command::new(&options.holdfire);
    // Its own control socket as well: a daemon or another session on this host has nothing to do with the demo.
    command.arg("--state-dir").arg(state).env("HOLDFIRE_RUN_DIR", state.join("run"));
    command
}

/// Runs a command and passes on what it says on either stream, in the order it says it.
fn tell(command: &mut Command, margin: &str, out: &mut dyn Write) -> anyhow::Result<ExitStatus> {
    let (reader, writer) = io::pipe()?;
    command.stdin(Stdio::null()).stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().context("cannot start holdfire")?;
    // The command keeps its ends of the pipe open as long as it lives, and the pipe would never end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    for line in BufReader::new(reader).split(b'\n') {
        writeln!(out, "{margin}{}", String::from_utf8_lossy(&line?))?;
        out.flush()?;
    }
    Ok(child.wait()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_both_outcomes_together_are_as_told() {
        let told = DemoOutcome {
            observed_volume_gone: true,
            enforced_volume_there: true,
            enforced_bytes: 0,
            explained: true,
        };
        assert!(told.as_told());
        assert!(!DemoOutcome { observed_volume_gone: false, ..told }.as_told());
        assert!(!DemoOutcome { enforced_volume_there: false, ..told }.as_told());
        assert!(!DemoOutcome { enforced_bytes: 1, ..told }.as_told());
        assert!(!DemoOutcome { explained: false, ..told }.as_told());
    }
}
