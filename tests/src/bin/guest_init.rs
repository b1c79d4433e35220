//! The first process of a test machine: makes the kernel's file systems appear, brings the loopback up, runs the command
//! it was given after `--` on the kernel's command line, says how that ended, and switches the machine off.
//!
//! Unknown `NAME=value` words of the kernel's command line arrive here as the environment and are passed on.

#![allow(clippy::print_stdout, reason = "the console is its only way out")]

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};

use anyhow::Context;
use holdfire_tests::network;
use nix::mount::{MsFlags, mount};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

/// Says that the kernel has come so far.
const BOOTED: &str = "HOLDFIRE-BOOTED";
/// The build machine reads the outcome from the line that starts so.
const RESULT: &str = "HOLDFIRE-GUEST: ";
/// One such line for each skipped test.
const SKIPPED: &str = "HOLDFIRE-SKIPPED: ";
const SKIPS: &str = "/tmp/skips";

fn main() {
    println!("{BOOTED}");
    let outcome = prepare().and_then(|()| run());
    for line in fs::read_to_string(SKIPS).unwrap_or_default().lines() {
        println!("{SKIPPED}{line}");
    }
    match outcome {
        Ok(status) => println!("{RESULT}{}", code(status)),
        Err(error) => println!("{RESULT}{error:#}"),
    }
    switch_off();
}

fn prepare() -> anyhow::Result<()> {
    for (kind, place) in [
        ("proc", "/proc"),
        ("sysfs", "/sys"),
        ("devtmpfs", "/dev"),
        ("tmpfs", "/run"),
        ("tmpfs", "/tmp"),
        ("cgroup2", "/sys/fs/cgroup"),
        ("tracefs", "/sys/kernel/tracing"),
        ("securityfs", "/sys/kernel/security"),
        ("bpf", "/sys/fs/bpf"),
    ] {
        fs::create_dir_all(place).with_context(|| format!("cannot make {place}"))?;
        mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>)
            .with_context(|| format!("cannot mount {kind} on {place}"))?;
    }
    network::loopback_up().context("cannot bring the loopback up")
}

fn run() -> anyhow::Result<ExitStatus> {
    let mut words = std::env::args_os().skip(1);
    let program = words.next().context("no command after -- on the kernel's command line")?;
    let child = Command::new(&program)
        .args(words)
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/root")
        .env("HOLDFIRE_SKIPS", SKIPS)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let wanted = Pid::from_raw(i32::try_from(child.id())?);
    // Orphans are ours to reap too.
    loop {
        match waitpid(None, None)? {
            WaitStatus::Exited(pid, code) if pid == wanted => return Ok(ExitStatus::from_raw(code << 8)),
            WaitStatus::Signaled(pid, signal, _) if pid == wanted => {
                return Ok(ExitStatus::from_raw(signal as i32));
            }
            _ => {}
        }
    }
}

/// The code a shell would show.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default())
}

#[allow(unsafe_code, reason = "no safe binding switches a machine off")]
fn switch_off() {
    // SAFETY: takes no pointer. Nothing here is on a disk that would need a sync; the machine is started with
    // -no-reboot, so that a restart ends it on every kernel, with or without ACPI.
    unsafe { libc::reboot(libc::RB_AUTOBOOT) };
}
