//! What this host can do. A test that needs more is skipped, says why, and is counted.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

/// Something a test needs.
#[derive(Clone, Copy, Debug)]
pub enum Need {
    /// Root, and a kernel that describes its types: what every monitored session needs.
    Monitor,
    /// A program, by name or path.
    Program(&'static str),
    /// Debian's Python with its ssl module, which is on the system's libssl. Others may bring their own.
    PythonSsl,
}

impl Need {
    fn missing(self) -> Option<String> {
        match self {
            Self::Monitor if !nix::unistd::geteuid().is_root() => Some("monitoring needs root".to_owned()),
            Self::Monitor if !Path::new("/sys/kernel/btf/vmlinux").exists() => {
                Some("this kernel has no BTF (/sys/kernel/btf/vmlinux)".to_owned())
            }
            Self::Monitor => None,
            Self::Program(name) => (!on_path(name)).then(|| format!("{name} is not installed here")),
            Self::PythonSsl => {
                let mut python = Command::new("/usr/bin/python3");
                let works = python.args(["-c", "import ssl"]).stderr(Stdio::null()).status();
                (!works.is_ok_and(|status| status.success()))
                    .then(|| "no /usr/bin/python3 with ssl here".to_owned())
            }
        }
    }
}

/// Whether something is missing; the first missing thing is told and recorded for the summary.
pub fn skips(needs: &[Need]) -> bool {
    let Some(reason) = needs.iter().find_map(|need| need.missing()) else { return false };
    println!("SKIPPED: {reason}");
    if let Some(list) = env::var_os("HOLDFIRE_SKIPS") {
        let mut list = OpenOptions::new().append(true).create(true).open(list).unwrap();
        // One write, so that lines of tests running at once stay whole.
        list.write_all(format!("{reason}\n").as_bytes()).unwrap();
    }
    true
}

/// Tests run beside one another, but for those whose result a busy machine would change.
static QUIET: RwLock<()> = RwLock::new(());

/// Held by a test that others may run beside.
pub fn beside_others() -> RwLockReadGuard<'static, ()> {
    QUIET.read().unwrap_or_else(PoisonError::into_inner)
}

/// Held by a test that runs alone.
pub fn alone() -> RwLockWriteGuard<'static, ()> {
    QUIET.write().unwrap_or_else(PoisonError::into_inner)
}

/// Leaves the test if this host lacks something. Tests whose result a busy machine would change say `alone:` first.
#[macro_export]
macro_rules! needs {
    (alone: $($need:expr),+) => {
        let _alone = $crate::host::alone();
        if $crate::host::skips(&[$($need),+]) {
            return;
        }
    };
    ($($need:expr),+) => {
        let _beside_others = $crate::host::beside_others();
        if $crate::host::skips(&[$($need),+]) {
            return;
        }
    };
}

fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// How often a repeated scenario runs: `HOLDFIRE_RUNS`, else 10.
pub fn runs() -> usize {
    number("HOLDFIRE_RUNS").unwrap_or(10)
}

/// How long an agent waits for an answer that does not come: `HOLDFIRE_PATIENCE` seconds, else 2. It has to be long
/// enough for one honest request on a slow machine.
pub fn patience() -> Duration {
    Duration::from_secs(number("HOLDFIRE_PATIENCE").unwrap_or(2) as u64)
}

/// Longest time any one command may take before its test fails.
pub fn limit() -> Duration {
    Duration::from_secs(60) + 10 * patience()
}

fn number(variable: &str) -> Option<usize> {
    env::var(variable).ok()?.parse().ok()
}
