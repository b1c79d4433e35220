//! What a developer of holdfire types: `cargo xtask help`.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "talking to a developer is its purpose")]
#![allow(clippy::disallowed_methods, reason = "it measures time and looks programs up on the path")]

mod bench;
mod compile;
mod exec;
mod report;
mod setup;
mod test;
mod vm;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

use self::setup::Wish;

/// Set-up, build, tests, machines, benchmarks and the demo of holdfire.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building and testing need; says each thing it does or finds present
    Setup {
        /// Only say what is missing; exit 1 if anything is
        #[arg(long)]
        check: bool,
    },
    /// Build both halves
    Build {
        /// With optimisation
        #[arg(long)]
        release: bool,
    },
    /// Everything that can be checked here: format, clippy, unit, integration and machine tests
    Test(test::Options),
    /// Format the sources
    Fmt,
    /// The PocketOS incident, live: once observed, once stopped
    Demo,
    /// What holdfire costs processes it does not watch
    Bench(bench::Options),
    /// Run the tests, or a command, on other kernels
    Vm(vm::Options),
    /// What a build machine runs
    Ci,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the task did well.
fn run(task: Task) -> anyhow::Result<bool> {
    let root = root();
    match task {
        Task::Setup { check } => setup::run(if check { Wish::Check } else { Wish::Install }),
        Task::Build { release } => {
            setup::run(Wish::InstallQuietly)?;
            let profile: &[&str] = if release { &["build", "--release"] } else { &["build"] };
            exec::shown(&mut compile::cargo(&root, profile))
        }
        Task::Test(options) => test::run(&root, &options),
        Task::Fmt => exec::shown(&mut compile::cargo(&root, &["fmt", "--all"])),
        Task::Demo => {
            setup::run(Wish::InstallQuietly)?;
            let build = ["build", "--quiet", "--release", "--package", "monitor"];
            Ok(exec::shown(&mut compile::cargo(&root, &build))?
                && exec::shown(
                    Command::new(root.join("target/release/holdfire")).args(["demo", "pocketos", "--live"]),
                )?)
        }
        Task::Bench(options) => bench::run(&root, &options),
        Task::Vm(options) => {
            setup::run(Wish::InstallQuietly)?;
            vm::run(&root, &options)
        }
        Task::Ci => exec::shown(&mut Command::new(root.join(".ci/run"))),
    }
}

/// The workspace this was built in.
fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().unwrap_or(own).to_owned()
}
