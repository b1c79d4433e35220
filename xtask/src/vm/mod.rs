//! Runs holdfire's tests, or any command, on other kernels: Debian's cloud kernels under qemu, booted from memory.

mod cpio;
mod initramfs;
mod kernel;
mod qemu;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail};

use self::initramfs::Contents;
use self::qemu::{Machine, Said};
use crate::compile;
use crate::exec;
use crate::report::{Counts, Report};
use crate::test;

/// Runs of each repeated scenario inside a machine: emulation is about 20 times slower than the host.
const RUNS: u32 = 3;
/// The tests that depend on the kernel: what is seen, and that the gate holds. The others would take an hour under
/// emulation, and say nothing that they do not say on this machine's own kernel.
const TESTS: &str = "process:: file:: socket:: gate::denied gate::enforced gate::a_killed tls::python";
/// Times a machine is started whose kernel dies before its first process runs, which is the emulation's fault.
const BOOTS: u32 = 3;
/// Seconds an agent inside waits for an answer, for the same reason.
const PATIENCE: u32 = 6;

/// What to run on which kernels.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// Kernels, as `6.1,6.12`; all known ones without it.
    #[arg(long, value_delimiter = ',')]
    kernel: Vec<String>,
    /// End a machine after this many seconds.
    #[arg(long, default_value_t = 300)]
    timeout: u64,
    /// A command to run inside instead of the tests; holdfire is on the path, the tests are /tests/live.
    #[arg(last = true)]
    command: Vec<String>,
}

impl Options {
    /// All tests on all kernels.
    pub(crate) fn everything() -> Self {
        Self { kernel: Vec::new(), timeout: 600, command: Vec::new() }
    }
}

/// Runs on each kernel in turn.
pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    let mut report = Report::default();
    stages(root, options, &mut report);
    Ok(report.finish())
}

/// One stage per kernel.
pub(crate) fn stages(root: &Path, options: &Options, report: &mut Report) {
    let directory = root.join("target/vm");
    let initramfs = match prepare(root, &directory, options) {
        Ok(initramfs) => initramfs,
        Err(error) => return report.stage("build the test machine", || Err(error)),
    };
    let kernels = if options.kernel.is_empty() { kernel::lines() } else { options.kernel.clone() };
    for name in kernels {
        report.stage(&format!("kernel {name} in a machine"), || {
            on_kernel(&name, &directory, &initramfs, options)
        });
    }
}

fn prepare(root: &Path, directory: &Path, options: &Options) -> anyhow::Result<PathBuf> {
    if !exec::on_path("qemu-system-x86_64") {
        bail!("qemu-system-x86_64 is not installed; `cargo xtask setup` installs it");
    }
    std::fs::create_dir_all(directory)?;
    let built = compile::tests(root)?;
    let contents = Contents {
        init: built.program("guest_init")?,
        binaries: vec![
            ("/usr/bin/holdfire".to_owned(), built.program("holdfire")?),
            ("/tests/live".to_owned(), built.program("live")?),
        ],
        scripts: vec![("/command".to_owned(), script(&options.command))],
    };
    let archive = directory.join("initramfs.cpio");
    initramfs::write(&contents, &archive, &directory.join("stripped"))
        .context("cannot write the initial file system")?;
    Ok(archive)
}

/// The command as a script, since the kernel's command line cannot carry spaces.
fn script(command: &[String]) -> String {
    if command.is_empty() {
        return format!("#!/bin/sh\nexec /tests/live --test-threads 2 {TESTS}\n");
    }
    let quoted: Vec<String> =
        command.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    format!("#!/bin/sh\nexec {}\n", quoted.join(" "))
}

fn on_kernel(name: &str, directory: &Path, initramfs: &Path, options: &Options) -> anyhow::Result<Counts> {
    let image = match kernel::image(name, directory) {
        Ok(image) => image,
        Err(error) => {
            return Ok(Counts::one_skipped(format!("kernel {name} cannot be had: {}", first_line(&error))));
        }
    };
    let machine = Machine {
        kernel: &image,
        initramfs,
        command: &["/command".to_owned()],
        environment: &[
            ("HOLDFIRE_BIN".to_owned(), "/usr/bin/holdfire".to_owned()),
            ("HOLDFIRE_RUNS".to_owned(), RUNS.to_string()),
            ("HOLDFIRE_PATIENCE".to_owned(), PATIENCE.to_string()),
        ],
        time_limit: Duration::from_secs(options.timeout),
    };
    let wanted_output = !options.command.is_empty();
    let mut said = Said::default();
    for attempt in 1..=BOOTS {
        said = machine.run(|line| {
            if wanted_output {
                println!("{line}");
            }
        })?;
        if said.booted {
            break;
        }
        println!(
            "  kernel {name} did not get to its first process under emulation, attempt {attempt} of {BOOTS}"
        );
    }
    let console = said.lines.join("\n");
    let Some(result) = said.result else { bail!("the machine ended without a result:\n{console}") };
    if wanted_output {
        return if result == "0" {
            Ok(Counts::one_passed())
        } else {
            bail!("the command ended with {result}")
        };
    }
    let skipped = said.skipped.iter().map(|test| format!("{test}, on kernel {name}")).collect();
    let counts = Counts::of_libtest(&console, skipped);
    if result != "0" && counts.failed == 0 {
        bail!("the tests in the machine ended with {result}:\n{console}");
    }
    if counts.failed > 0 {
        println!("\n{}", test::failures(&console));
    }
    Ok(counts)
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}
