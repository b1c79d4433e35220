//! Calls cargo for the parts of the workspace.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use crate::exec;

/// cargo, in the workspace, with colours off so that its words can be read by programs.
pub(crate) fn cargo(root: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root).env("CARGO_TERM_COLOR", "never").args(arguments);
    command
}

/// `cargo clippy` for the kernel half: for its target, with the standard library built from source and thus with the
/// stable compiler's gate opened for this one call.
pub(crate) fn clippy_kernel_half(root: &Path) -> Command {
    let mut command = cargo(root, &["clippy", "--quiet", "--package", "monitor-ebpf"]);
    command.args([
        "--target",
        "bpfel-unknown-none",
        "-Z",
        "build-std=core",
        "--target-dir",
        "target/bpf-clippy",
    ]);
    command.args(["--", "-D", "warnings"]);
    command.env("RUSTC_BOOTSTRAP", "1");
    command.env("RUSTFLAGS", format!("--cfg bpf_target_arch=\"{}\"", std::env::consts::ARCH));
    command
}

/// Executables by the name of their target.
pub(crate) struct Built(BTreeMap<String, PathBuf>);

impl Built {
    /// Where one is.
    pub(crate) fn program(&self, name: &str) -> anyhow::Result<PathBuf> {
        self.0.get(name).cloned().with_context(|| format!("the build made no program called {name}"))
    }
}

/// Builds holdfire, the integration tests and their helpers.
pub(crate) fn tests(root: &Path) -> anyhow::Result<Built> {
    let json = "--message-format=json";
    let mut messages = exec::quiet(&mut cargo(root, &["build", "--quiet", "--package", "monitor", json]))?;
    messages += &exec::quiet(&mut cargo(
        root,
        &["test", "--quiet", "--package", "holdfire-tests", "--bins", "--tests", "--no-run", json],
    ))?;
    messages +=
        &exec::quiet(&mut cargo(root, &["build", "--quiet", "--package", "holdfire-tests", "--bins", json]))?;
    Ok(Built(executables(&messages)))
}

/// The executables in cargo's JSON messages; of a program and its unit tests under one name, the later message wins.
fn executables(messages: &str) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    for message in messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok()) {
        if let (Some(name), Some(path)) = (message["target"]["name"].as_str(), message["executable"].as_str())
        {
            found.insert(name.to_owned(), PathBuf::from(path));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executables_are_found_by_name() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"monitor"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"live"},"executable":"/t/debug/deps/live-1"}
not json
{"reason":"build-finished","success":true}"#;
        let found = executables(messages);
        assert_eq!(
            found.into_iter().collect::<Vec<_>>(),
            [("live".to_owned(), "/t/debug/deps/live-1".into())]
        );
    }
}
