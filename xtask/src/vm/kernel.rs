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
    Line { name: "7.2", sources: "deb http://deb.debian.org/debian trixie-backports main" },
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
    let image = directory.join("vmlinuz");
    if image.is_file() {
        return Ok(image);
    }
    let apt = Apt::new(&directory, line.sources)?;
    apt.run("apt-get", &["update"])?;
    let names = apt.run("apt-cache", &["pkgnames", "linux-"])?;
    let package = newest(&names, name)
        .with_context(|| format!("its suite carries no linux-image-{name}.*-cloud-amd64 at the moment"))?;
    apt.run("apt-get", &["download", package])?;
    let deb = find(&directory, |file| file.starts_with(package) && file.ends_with(".deb"))
        .with_context(|| format!("apt-get download left no {package}_*.deb"))?;
    let unpacked = directory.join("unpacked");
    exec::quiet(Command::new("dpkg-deb").arg("-x").arg(&deb).arg(&unpacked))?;
    let found = image_in(&unpacked).with_context(|| format!("{package} holds no kernel image"))?;
    fs::rename(found, &image)?;
    // The modules are 100 MB, and the machines need none.
    fs::remove_dir_all(&unpacked)?;
    fs::remove_file(&deb)?;
    Ok(image)
}

/// The image in an unpacked package: in `boot`, or beside the modules in newer ones.
fn image_in(unpacked: &Path) -> Option<PathBuf> {
    let image = |file: &str| file.starts_with("vmlinuz");
    let modules = find(&unpacked.join("usr/lib/modules"), |_| true);
    find(&unpacked.join("boot"), image).or_else(|| find(&modules?, image))
}

fn find(directory: &Path, wanted: impl Fn(&str) -> bool) -> Option<PathBuf> {
    let mut entries = fs::read_dir(directory).ok()?.flatten();
    entries.find(|entry| entry.file_name().to_str().is_some_and(&wanted)).map(|entry| entry.path())
}

/// The package with the newest image of the line. Since 6.19 images are in `linux-binary-…`, and the `linux-image-…`
/// of the same version only depends on it.
fn newest<'a>(names: &'a str, line: &str) -> Option<&'a str> {
    let version = |package: &'a str| {
        let rest = package.strip_prefix("linux-")?;
        let (kind, rest) = rest.split_once('-').filter(|(kind, _)| matches!(*kind, "image" | "binary"))?;
        let version = rest.strip_prefix(line)?.strip_prefix('.')?.strip_suffix("-cloud-amd64")?;
        let numbers = version.split(|byte: char| !byte.is_ascii_digit()).filter_map(|part| part.parse().ok());
        Some((numbers.collect::<Vec<u32>>(), kind == "binary"))
    };
    names
        .lines()
        .filter_map(|package| version(package).map(|version| (version, package)))
        .max()
        .map(|(_, found)| found)
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
    fn the_newest_image_of_the_line_is_taken() {
        #[track_caller]
        fn check(names: &str, line: &str, expect: Option<&str>) {
            assert_eq!(newest(&names.replace(' ', "\n"), line), expect);
        }
        let stable = "linux-image-6.1.0-9-cloud-amd64 linux-image-6.1.0-56-cloud-amd64 linux-image-6.1.0-57-amd64 \
                      linux-image-6.1.0-58-cloud-amd64-dbg linux-image-6.12.107+deb13-cloud-amd64";
        check(stable, "6.1", Some("linux-image-6.1.0-56-cloud-amd64"));
        check(stable, "6.12", Some("linux-image-6.12.107+deb13-cloud-amd64"));
        check(stable, "6.2", None);
        let split = "linux-image-7.2.12+deb13-cloud-amd64 linux-binary-7.2.12+deb13-cloud-amd64 \
                     linux-binary-unsigned-7.2.14+deb13-cloud-amd64 linux-binary-7.2.9+deb13-cloud-amd64";
        check(split, "7.2", Some("linux-binary-7.2.12+deb13-cloud-amd64"));
    }
}
