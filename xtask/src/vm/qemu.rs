//! Boots one machine and reads its console until it ends or its time is up.
//!
//! Always emulated: a /dev/kvm inside a virtual machine may be there and hang.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

/// What a machine is started with.
pub(super) struct Machine<'a> {
    pub(super) kernel: &'a Path,
    pub(super) initramfs: &'a Path,
    /// The command its first process runs.
    pub(super) command: &'a [String],
    /// Environment of that command; values without spaces.
    pub(super) environment: &'a [(String, String)],
    pub(super) time_limit: Duration,
}

/// What a machine said.
#[derive(Default)]
pub(super) struct Said {
    /// The first process ran.
    pub(super) booted: bool,
    /// The lines on its console, without those of [`RESULT`] and [`SKIPPED`].
    pub(super) lines: Vec<String>,
    /// What followed [`RESULT`]: an exit code, or why there is none.
    pub(super) result: Option<String>,
    /// What followed [`SKIPPED`], one per skipped test.
    pub(super) skipped: Vec<String>,
}

/// Written by the first process of the machine (`tests/src/bin/guest_init.rs`).
const BOOTED: &str = "HOLDFIRE-BOOTED";
const RESULT: &str = "HOLDFIRE-GUEST: ";
const SKIPPED: &str = "HOLDFIRE-SKIPPED: ";

impl Machine<'_> {
    /// Runs the machine to its end; `each` sees every line as it comes.
    pub(super) fn run(&self, mut each: impl FnMut(&str)) -> anyhow::Result<Said> {
        // setpriv becomes qemu, which then ends with this program, however this program ends.
        let mut child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            // Without cmpxchg16b, which qemu 7.2 emulates wrongly now and then: it leaves the flags of another
            // value behind, and a kernel that uses it in its allocator dies.
            .args(["-accel", "tcg,thread=multi", "-cpu", "max,-cx16", "-smp", "2", "-m", "1536"])
            .args(["-display", "none", "-monitor", "none", "-serial", "stdio", "-nic", "none", "-no-reboot"])
            .arg("-kernel")
            .arg(self.kernel)
            .arg("-initrd")
            .arg(self.initramfs)
            .args(["-append", &self.kernel_arguments()?])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start qemu-system-x86_64; `cargo xtask setup` installs it")?;
        let console = child.stdout.take().context("qemu has no output")?;
        let (sender, receiver) = mpsc::channel();
        let reader = thread::spawn(move || {
            for line in BufReader::new(console).split(b'\n').map_while(Result::ok) {
                if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                    return;
                }
            }
        });
        let deadline = Instant::now() + self.time_limit;
        let mut said = Said::default();
        let timed_out = loop {
            match receiver.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => said.take(line, &mut each),
                Err(mpsc::RecvTimeoutError::Disconnected) => break false,
                Err(mpsc::RecvTimeoutError::Timeout) => break true,
            }
        };
        // It has ended by itself, or it must: either way it is ours, by its handle.
        child.kill().context("cannot end qemu")?;
        child.wait()?;
        drop(receiver);
        let _ = reader.join();
        if timed_out {
            let limit = self.time_limit.as_secs();
            bail!("the machine did not end within {limit} s; its console:\n{}", said.lines.join("\n"));
        }
        Ok(said)
    }

    fn kernel_arguments(&self) -> anyhow::Result<String> {
        let words = self.command.iter().chain(self.environment.iter().map(|(_, value)| value));
        if let Some(word) = words.into_iter().find(|word| word.contains(char::is_whitespace)) {
            bail!("`{word}` has a space, which the kernel's command line cannot carry");
        }
        // `bpf` is not in Debian's default list; the rung that needs it shall be tried.
        let mut arguments = "console=ttyS0 panic=-1 loglevel=3 lsm=capability,landlock,bpf".to_owned();
        for (name, value) in self.environment {
            arguments += &format!(" {name}={value}");
        }
        Ok(format!("{arguments} -- {}", self.command.join(" ")))
    }
}

impl Said {
    fn take(&mut self, line: String, each: &mut impl FnMut(&str)) {
        if line == BOOTED {
            self.booted = true;
        } else if let Some(result) = line.strip_prefix(RESULT) {
            self.result = Some(result.to_owned());
        } else if let Some(test) = line.strip_prefix(SKIPPED) {
            self.skipped.push(test.to_owned());
        } else {
            each(&line);
            self.lines.push(line);
        }
    }
}
