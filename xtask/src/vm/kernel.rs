//! Gets Debian's cloud kernels: small, with everything needed to boot from memory built in, and with BTF.
//!
//! Each kernel line lives in another suite, so each gets an apt state of its own below `target/vm`: the machine's own
//! package lists and sources stay as they are, and no root is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};

use crate::exec;

/// A kernel line and the suite that carries it.
struct Line {
    name: &'static str,
    sources: &'static str,
}

/// The lines that can be had. 5.15 is in no Debian suite; 5.10 and 6.1 bracket it.
const LINES: &[Line] = &[
    Line { name: "5.10", sources: "deb http://deb.debian.org/debian-security bullseye-security main" },
    Line {
        name: "6.1",
        sources: "deb http://deb.debian.org/debian bookworm main\n\
                  deb http://deb.debian.org/debian-security bookworm-security main",
    },
    Line { name: "6.12", sources: "deb http://deb.debian.org/debian trixie main" },
    Line { name: "6.18", sources: "deb http://deb.debian.org/debian trixie-backports main" },
];

/// The names of all lines, oldest first.
pub(super) fn lines() -> Vec<String> {
    LINES.iter().map(|line| line.name.to_owned()).collect()
}

/// The kernel image of a line: from `target/vm` if it is there, else downloaded.
pub(super) fn image(name: &str, directory: &Path) -> anyhow::Result<PathBuf> {
    let line = LINES
        .iter()
        .find(|line| line.name == name)
        .with_context(|| format!("no source is known for kernel {name}; known are {}", lines().join(", ")))?;
    let directory = directory.join(name);
    if let Some(image) = extracted(&directory) {
        return Ok(image);
    }
    let apt = Apt::new(&directory, line.sources)?;
    apt.run("apt-get", &["update"])?;
    let depends = apt.run("apt-cache", &["depends", "linux-image-cloud-amd64"])?;
    let package = newest(&depends, name)
        .with_context(|| format!("its suite carries no linux-image-{name}.*-cloud-amd64 at the moment"))?;
    apt.run("apt-get", &["download", package])?;
    let deb = find(&directory, |file| file.starts_with(package) && file.ends_with(".deb"))
        .with_context(|| format!("apt-get download left no {package}_*.deb"))?;
    exec::quiet(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&directory))?;
    fs::remove_file(&deb)?;
    // Modules are 100 MB that the initial file system does not carry.
    fs::remove_dir_all(directory.join("lib")).or_else(|_absent| fs::remove_dir_all(directory.join("usr")))?;
    extracted(&directory).with_context(|| format!("{package} holds no boot/vmlinuz-*"))
}

fn extracted(directory: &Path) -> Option<PathBuf> {
    find(&directory.join("boot"), |file| file.starts_with("vmlinuz-"))
}

fn find(directory: &Path, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let mut entries = fs::read_dir(directory).ok()?.flatten();
    entries.find(|entry| entry.file_name().to_str().is_some_and(&wanted)).map(|entry| entry.path())
}

/// The image that the meta-package depends on, if it is of the wanted line.
fn newest<'a>(depends: &'a str, line: &str) -> Option<&'a str> {
    let wanted = format!("linux-image-{line}.");
    depends
        .lines()
        .filter_map(|row| row.trim().strip_prefix("Depends: "))
        .find(|package| package.starts_with(&wanted) && package.ends_with("-cloud-amd64"))
}

/// apt with its state, cache and sources below one directory.
struct Apt {
    directory: PathBuf,
    options: Vec<String>,
}

impl Apt {
    fn new(directory: &Path, sources: &str) -> anyhow::Result<Self> {
        let root = directory.join("apt");
        for part in ["state/lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(root.join(part))?;
        }
        fs::write(root.join("sources.list"), format!("{sources}\n"))?;
        fs::write(root.join("status"), "")?;
        let root = fs::canonicalize(&root)?;
        let Some(root) = root.to_str() else { bail!("{} is not UTF-8", root.display()) };
        let options = [
            format!("Dir::State={root}/state"),
            format!("Dir::State::lists={root}/state/lists"),
            format!("Dir::State::status={root}/status"),
            format!("Dir::Cache={root}/cache"),
            format!("Dir::Etc::sourcelist={root}/sources.list"),
            "Dir::Etc::sourceparts=/dev/null".to_owned(),
            "Acquire::Languages=none".to_owned(),
            "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false".to_owned(),
            // The sandbox user cannot write below somebody's target directory.
            "APT::Sandbox::User=root".to_owned(),
        ];
        Ok(Self { directory: directory.to_owned(), options: options.into() })
    }

    fn run(&self, program: &str, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new(program);
        command.current_dir(&self.directory).env("LC_ALL", "C");
        for option in &self.options {
            command.args(["-o", option]);
        }
        exec::quiet(command.args(arguments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_image_of_the_line_counts() {
        let depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.12.107+deb13-cloud-amd64\n";
        assert_eq!(newest(depends, "6.12"), Some("linux-image-6.12.107+deb13-cloud-amd64"));
        assert_eq!(newest(depends, "6.1"), None, "6.1 is not 6.12");
        assert_eq!(newest("E: No packages found", "6.1"), None);
    }
}
