//! Runs other programs: silent while they do well, everything they said when they do not.

use std::process::{Command, Stdio};

use anyhow::{Context, bail};

/// Runs a command and gives its standard output; a failure carries all it said.
pub(crate) fn quiet(command: &mut Command) -> anyhow::Result<String> {
    let name = describe(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{name}`"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let stderr = String::from_utf8_lossy(&output.stderr);
        bail!("`{name}` failed ({}):\n{stdout}{stderr}", output.status);
    }
    Ok(stdout)
}

/// Runs a command with the terminal as its own; whether it did well.
pub(crate) fn shown(command: &mut Command) -> anyhow::Result<bool> {
    let name = describe(command);
    Ok(command.status().with_context(|| format!("cannot start `{name}`"))?.success())
}

/// Whether a program is on the path.
pub(crate) fn on_path(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Root's tools are not on everybody's path.
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.map(|folder| folder.join(program)).any(|candidate| candidate.is_file())
}

/// The command line, as somebody would type it.
pub(crate) fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
