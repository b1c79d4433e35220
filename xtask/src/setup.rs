//! Makes a bare Debian machine able to build, test and demonstrate holdfire, and says each thing it finds or does.
//!
//! Everything is looked for first, so a second run changes nothing and touches no network. Nothing comes from PyPI.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::exec;

/// The last release that uses the LLVM inside rustc; later ones ask for LLVM development packages.
const BPF_LINKER: &str = "0.10.1";

/// Debian packages by a file each brings, and what they are for.
const PACKAGES: &[(&str, &str, &str)] = &[
    ("gcc", "cc", "links programs, compiles zstd and ring"),
    ("libc6-dev", "/usr/include/stdio.h", "the C library's headers"),
    ("curl", "curl", "the agent's client, on libssl (SSL_write)"),
    ("python3-minimal", "/usr/bin/python3", "a client that calls SSL_write_ex"),
    ("libpython3-stdlib", "/usr/share/doc/libpython3-stdlib", "its ssl module"),
    ("zstd", "zstd", "capture files read without holdfire"),
    ("jq", "jq", "capture files read without holdfire"),
    ("util-linux", "setpriv", "tests as another user"),
    ("qemu-system-x86", "qemu-system-x86_64", "other kernels"),
];

/// Kernel file systems that probes are attached through or capabilities read from.
const MOUNTS: &[(&str, &str)] =
    &[("tracefs", "/sys/kernel/tracing"), ("securityfs", "/sys/kernel/security"), ("bpf", "/sys/fs/bpf")];

/// What to do about the things that are missing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Make them present, telling everything.
    Install,
    /// Make them present, telling only what is done.
    InstallQuietly,
    /// Tell what is missing.
    Check,
}

/// Looks for everything, and as wished installs it; whether all is present in the end.
pub(crate) fn run(wish: Wish) -> anyhow::Result<bool> {
    let missing: Vec<Thing> = things().filter(|thing| thing.is_missing(wish)).collect();
    if wish == Wish::Check {
        if !missing.is_empty() {
            println!("{} missing; `cargo xtask setup` installs them", missing.len());
        }
        return Ok(missing.is_empty());
    }
    let packages: Vec<&str> = missing.iter().filter_map(Thing::package).collect();
    if !packages.is_empty() {
        install_packages(&packages)?;
    }
    for thing in missing.iter().filter(|thing| thing.package().is_none()) {
        println!("  installing  {}", thing.name());
        thing.install()?;
    }
    Ok(true)
}

/// One thing that has to be there.
enum Thing {
    RustComponent(&'static str),
    BpfLinker,
    Package { name: &'static str, evidence: &'static str, purpose: &'static str },
    Mount { kind: &'static str, place: &'static str },
}

fn things() -> impl Iterator<Item = Thing> {
    let toolchain = ["rust-src", "clippy", "rustfmt"].map(Thing::RustComponent).into_iter();
    let packages =
        PACKAGES.iter().map(|&(name, evidence, purpose)| Thing::Package { name, evidence, purpose });
    // A machine without these file systems, or a user who may not mount, can still build.
    let mounts = MOUNTS.iter().filter(|_| is_root()).map(|&(kind, place)| Thing::Mount { kind, place });
    packages.chain(toolchain).chain([Thing::BpfLinker]).chain(mounts)
}

impl Thing {
    fn is_missing(&self, wish: Wish) -> bool {
        let present = self.is_present();
        if !present && wish == Wish::Check {
            println!("  missing     {}", self.name());
        }
        if present && wish != Wish::InstallQuietly {
            println!("  present     {}", self.name());
        }
        !present
    }

    fn is_present(&self) -> bool {
        match self {
            Self::RustComponent(name) => installed_components().lines().any(|line| line.starts_with(name)),
            Self::BpfLinker => exec::quiet(Command::new("bpf-linker").arg("--version"))
                .is_ok_and(|version| version.trim().ends_with(BPF_LINKER)),
            Self::Package { evidence, .. } => {
                if evidence.starts_with('/') {
                    Path::new(evidence).exists()
                } else {
                    exec::on_path(evidence)
                }
            }
            Self::Mount { place, .. } => is_mounted(place),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::RustComponent(name) => format!("Rust component {name}"),
            Self::BpfLinker => format!("bpf-linker {BPF_LINKER} (takes about 70 s to build)"),
            Self::Package { name, purpose, .. } => format!("Debian package {name}: {purpose}"),
            Self::Mount { kind, place } => format!("{kind} on {place}"),
        }
    }

    fn package(&self) -> Option<&'static str> {
        match self {
            Self::Package { name, .. } => Some(name),
            _ => None,
        }
    }

    fn install(&self) -> anyhow::Result<()> {
        match self {
            Self::RustComponent(name) => exec::quiet(Command::new("rustup").args(["component", "add", name])),
            Self::BpfLinker => exec::quiet(
                Command::new("cargo")
                    .args([
                        "install",
                        "bpf-linker",
                        "--version",
                        BPF_LINKER,
                        "--locked",
                        "--force",
                        "--quiet",
                    ])
                    // Its own lock file decides, on the toolchain of this project.
                    .env("CARGO_TERM_COLOR", "never"),
            ),
            Self::Mount { kind, place } => exec::quiet(Command::new("mount").args(["-t", kind, kind, place]))
                .with_context(|| format!("this kernel offers no {kind}, or does not let it be mounted")),
            Self::Package { name, .. } => bail!("{name} is installed with the other packages"),
        }
        .map(drop)
    }
}

fn install_packages(packages: &[&str]) -> anyhow::Result<()> {
    println!("  installing  Debian packages {}", packages.join(" "));
    if !exec::on_path("apt-get") {
        bail!("this is no Debian machine; install what corresponds to {}", packages.join(" "));
    }
    exec::quiet(as_root("apt-get")?.args(["update", "--quiet=2"]))?;
    let arguments = ["install", "--yes", "--quiet=2", "--no-install-recommends"];
    exec::quiet(as_root("apt-get")?.args(arguments).args(packages)).map(drop)
}

/// A command as root: directly, or through sudo where that asks nothing.
fn as_root(program: &str) -> anyhow::Result<Command> {
    let mut command = Command::new("env");
    if !is_root() {
        if !exec::on_path("sudo") {
            bail!("installing Debian packages needs root; run `cargo xtask setup` as root once");
        }
        command = Command::new("sudo");
        command.args(["--non-interactive", "env"]);
    }
    command.args(["DEBIAN_FRONTEND=noninteractive", program]);
    Ok(command)
}

fn installed_components() -> String {
    exec::quiet(Command::new("rustup").args(["component", "list", "--installed"])).unwrap_or_default()
}

fn is_mounted(place: &str) -> bool {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1) == Some(place))
}

#[allow(unsafe_code, reason = "libc's geteuid; no dependency for one call")]
pub(crate) fn is_root() -> bool {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}
