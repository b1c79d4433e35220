//! `cargo xtask test`: everything that can be checked on this machine. What cannot be is skipped with its reason and
//! counted; the last line is `N passed, N failed, N skipped`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::bail;

use crate::compile::{self, cargo};
use crate::exec;
use crate::report::{Counts, Report};
use crate::setup::{self, Wish};
use crate::vm;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Leave the other kernels out
    #[arg(long)]
    no_vm: bool,
    /// How often each repeated scenario runs on this kernel
    #[arg(long, default_value_t = 200)]
    runs: u32,
}

/// Runs all stages, also after a failure; whether none failed.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let mut report = Report::default();
    report.stage("set-up", || match setup::run(Wish::InstallQuietly) {
        Ok(_) => Ok(Counts::one_passed()),
        // Not everybody may install packages; what needs them says so below.
        Err(error) if !setup::is_root() => Ok(Counts::one_skipped(format!("set-up: {error}"))),
        Err(error) => Err(error),
    });
    report.stage("format", || check(&mut cargo(root, &["fmt", "--all", "--check"])));
    let clippy = ["clippy", "--quiet", "--workspace", "--exclude", "monitor-ebpf", "--all-targets"];
    report.stage("clippy, user half", || check(cargo(root, &clippy).args(["--", "-D", "warnings"])));
    report.stage("clippy, kernel half", || check(&mut compile::clippy_kernel_half(root)));
    let unit = ["test", "--workspace", "--exclude", "monitor-ebpf", "--exclude", "holdfire-tests"];
    report.stage("unit tests", || libtest(&mut cargo(root, &unit), Vec::new));
    report.stage("integration tests, this kernel", || integration(root, options));
    if options.no_vm {
        report.stage("other kernels", || Ok(Counts::one_skipped("other kernels: left out by --no-vm")));
    } else {
        vm::stages(root, &vm::Options::everything(), &mut report);
    }
    Ok(report.finish())
}

fn check(command: &mut Command) -> anyhow::Result<Counts> {
    exec::quiet(command).map(|_| Counts::one_passed())
}

fn integration(root: &Path, options: &Options) -> anyhow::Result<Counts> {
    let holdfire = compile::tests(root)?.program("holdfire")?;
    let skips = root.join("target/skipped-tests");
    fs::write(&skips, "")?;
    let mut command = cargo(root, &["test", "--package", "holdfire-tests"]);
    command.env("HOLDFIRE_SKIPS", &skips).env("HOLDFIRE_RUNS", options.runs.to_string());
    command.env("HOLDFIRE_BIN", holdfire);
    libtest(&mut command, || {
        fs::read_to_string(&skips).unwrap_or_default().lines().map(str::to_owned).collect()
    })
}

/// Runs libtest, counts, and shows what failed.
fn libtest(command: &mut Command, skipped: impl FnOnce() -> Vec<String>) -> anyhow::Result<Counts> {
    let output = command.output()?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    let counts = Counts::of_libtest(&stdout, skipped());
    if output.status.success() {
        return Ok(counts);
    }
    if counts.failed == 0 {
        bail!(
            "`{}` did not get to its tests:\n{}",
            exec::describe(command),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    println!("\n{}", failures(&stdout));
    Ok(counts)
}

/// The part of libtest's output that tells about failures.
pub(crate) fn failures(output: &str) -> &str {
    output.find("\nfailures:\n").map_or(output, |start| &output[start + 1..])
}
