//! Writes a cpio archive in the "newc" form, the one the kernel unpacks as its initial file system.
//!
//! By hand, since the form is a 110-byte header per file and the archive needs devices and symbolic links whatever
//! user builds it, which the `cpio` program only does for root.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const CHARACTER_DEVICE: u32 = 0o020_000;

/// An archive being written. Everything in it belongs to root.
pub(super) struct Archive<W: Write> {
    out: W,
    entries: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    pub(super) fn new(out: W) -> Self {
        Self { out, entries: 0, directories: BTreeSet::new() }
    }

    /// A directory and those above it; one that is there already is left alone.
    pub(super) fn directory(&mut self, path: &str) -> io::Result<()> {
        let name = relative(path);
        if name.is_empty() || self.directories.contains(name) {
            return Ok(());
        }
        if let Some((parent, _)) = name.rsplit_once('/') {
            self.directory(parent)?;
        }
        self.directories.insert(name.to_owned());
        self.entry(name, DIRECTORY | 0o755, (0, 0), &[])
    }

    /// A file with these permissions.
    pub(super) fn file(&mut self, path: &str, permissions: u32, content: &[u8]) -> io::Result<()> {
        self.parent(path)?;
        self.entry(relative(path), FILE | permissions, (0, 0), content)
    }

    /// A symbolic link.
    pub(super) fn link(&mut self, path: &str, target: &str) -> io::Result<()> {
        self.parent(path)?;
        self.entry(relative(path), LINK | 0o777, (0, 0), target.as_bytes())
    }

    /// A character device.
    pub(super) fn device(&mut self, path: &str, permissions: u32, number: (u32, u32)) -> io::Result<()> {
        self.parent(path)?;
        self.entry(relative(path), CHARACTER_DEVICE | permissions, number, &[])
    }

    /// Writes the end mark and hands the output back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.entry("TRAILER!!!", 0, (0, 0), &[])?;
        self.out.flush()?;
        Ok(self.out)
    }

    fn parent(&mut self, path: &str) -> io::Result<()> {
        match Path::new(path).parent().and_then(Path::to_str) {
            Some(parent) => self.directory(parent),
            None => Ok(()),
        }
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), content: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let size = u32::try_from(content.len()).map_err(|_over| {
            io::Error::other(format!("{name} is over 4 GiB, too large for a cpio archive"))
        })?;
        let name_size = name.len() as u32 + 1;
        write!(self.out, "070701")?;
        let links = 1;
        for field in [self.entries, mode, 0, 0, links, 0, size, 0, 0, device.0, device.1, name_size, 0] {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(&[0])?;
        self.pad(110 + name_size)?;
        self.out.write_all(content)?;
        self.pad(size)
    }

    /// Names and contents end at a multiple of four.
    fn pad(&mut self, written: u32) -> io::Result<()> {
        self.out.write_all(&[0; 3][..(written.wrapping_neg() % 4) as usize])
    }
}

fn relative(path: &str) -> &str {
    path.trim_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_come_before_their_files_and_once() {
        let mut archive = Archive::new(Vec::new());
        archive.file("/usr/bin/true", 0o755, b"abc").unwrap();
        archive.file("/usr/bin/false", 0o755, b"").unwrap();
        archive.link("/bin", "usr/bin").unwrap();
        let bytes = archive.finish().unwrap();
        let text = String::from_utf8_lossy(&bytes);
        let place = |name: &str| text.find(&format!("{name}\0")).unwrap();
        assert!(place("usr") < place("usr/bin") && place("usr/bin") < place("usr/bin/true"));
        assert_eq!(text.matches("070701").count(), 6, "usr, usr/bin, true, false, bin, the end mark");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn a_header_says_what_the_form_asks_for() {
        let mut archive = Archive::new(Vec::new());
        archive.file("init", 0o755, b"xy").unwrap();
        let bytes = archive.finish().unwrap();
        let header = std::str::from_utf8(&bytes[..110]).unwrap();
        assert_eq!(&header[..6], "070701");
        assert_eq!(&header[14..22], "000081ED", "mode");
        assert_eq!(&header[54..62], "00000002", "size");
        assert_eq!(&header[94..102], "00000005", "name with its NUL");
        assert_eq!(&bytes[110..115], b"init\0");
        assert_eq!(&bytes[116..118], b"xy", "content starts at a multiple of four");
    }
}
