//! The initial file system of a test machine: a first process, programs of this host with the shared libraries they
//! ask for, and the few files that resolve names.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::BufWriter;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;

use super::cpio::Archive;
use crate::exec;

/// Programs the scenarios call, besides holdfire and its tests.
const PROGRAMS: &[&str] = &[
    "sh", "bash", "curl", "setpriv", "setsid", "timeout", "zstd", "cat", "dmesg", "echo", "env", "grep",
    "head", "id", "kill", "ls", "rm", "sed", "sleep", "touch", "true", "uname", "wc",
];

/// Small files the C library and OpenSSL look for.
const SETTINGS: &[(&str, &str)] = &[
    ("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/bin/sh\n"),
    ("/etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("/etc/ssl/openssl.cnf", "openssl_conf = none\n[none]\n"),
];

/// What to put into a machine.
pub(super) struct Contents {
    /// The first process.
    pub(super) init: PathBuf,
    /// Programs of our own, by their place in the machine.
    pub(super) binaries: Vec<(String, PathBuf)>,
    /// Scripts, by their place in the machine.
    pub(super) scripts: Vec<(String, String)>,
}

/// Writes the archive; `scratch` holds binaries without their debugging symbols, which would not fit into memory.
pub(super) fn write(contents: &Contents, archive: &Path, scratch: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(scratch)?;
    let mut out = Archive::new(BufWriter::new(File::create(archive)?));
    let mut libraries = BTreeSet::new();
    for (name, target) in
        [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")]
    {
        out.link(name, target)?;
    }
    for directory in ["/dev", "/proc", "/sys", "/run", "/tmp", "/root", "/var/lib"] {
        out.directory(directory)?;
    }
    out.device("/dev/console", 0o600, (5, 1))?;
    out.device("/dev/null", 0o666, (1, 3))?;
    for (path, text) in SETTINGS {
        out.file(path, 0o644, text.as_bytes())?;
    }
    for (path, text) in &contents.scripts {
        out.file(path, 0o755, text.as_bytes())?;
    }
    let own = std::iter::once(("/init".to_owned(), &contents.init));
    for (path, binary) in own.chain(contents.binaries.iter().map(|(path, binary)| (path.clone(), binary))) {
        libraries.extend(shared_libraries(binary)?);
        out.file(&path, 0o755, &fs::read(stripped(binary, scratch)?)?)?;
    }
    for program in PROGRAMS {
        // An absent program is the business of the test that asks for it: it says what it skips.
        if let Some(path) = find(program) {
            libraries.extend(shared_libraries(&path)?);
            out.file(&format!("/usr/bin/{program}"), 0o755, &fs::read(path)?)?;
        }
    }
    for library in libraries {
        let content = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        let permissions = fs::metadata(&library)?.permissions().mode() & 0o777;
        out.file(&guest_path(&library), permissions, &content)?;
    }
    out.finish()?;
    Ok(())
}

fn find(program: &str) -> Option<PathBuf> {
    ["/usr/bin", "/bin", "/usr/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

/// A copy without debugging symbols.
fn stripped(binary: &Path, scratch: &Path) -> anyhow::Result<PathBuf> {
    let name = binary.file_name().with_context(|| format!("{} names no file", binary.display()))?;
    let copy = scratch.join(name);
    exec::quiet(Command::new("strip").arg("-o").arg(&copy).arg(binary))?;
    Ok(copy)
}

/// What `ldd` lists, the loader included. A static program has none.
fn shared_libraries(binary: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd").env("LC_ALL", "C").arg(binary).output().context("cannot start ldd")?;
    Ok(libraries_of(&String::from_utf8_lossy(&output.stdout)))
}

fn libraries_of(listing: &str) -> Vec<PathBuf> {
    let words = listing.lines().flat_map(str::split_whitespace);
    words.filter(|word| word.starts_with('/')).map(PathBuf::from).collect()
}

/// `/lib` and `/lib64` are links in the machine as on the host: what stands below them goes where they point.
fn guest_path(library: &Path) -> String {
    let path = library.to_string_lossy();
    match path.strip_prefix("/lib") {
        Some(rest) => format!("/usr/lib{rest}"),
        None => path.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ldd_is_read() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibssl.so.3 => /usr/lib/x86_64-linux-gnu/libssl.so.3 (0x1)\n\
                       \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x2)\n\t/lib64/ld-linux-x86-64.so.2 (0x3)\n";
        let places: Vec<String> = libraries_of(listing).iter().map(|path| guest_path(path)).collect();
        assert_eq!(
            places,
            [
                "/usr/lib/x86_64-linux-gnu/libssl.so.3",
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "/usr/lib64/ld-linux-x86-64.so.2"
            ]
        );
        assert!(libraries_of("\tnot a dynamic executable\n").is_empty());
    }
}
