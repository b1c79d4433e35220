//! TLS libraries on this host, and the places in them to probe.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{ElfFile, ProgramHeader as _};
use object::{Endianness, Object, ObjectSymbol};

use super::site;

/// Folders the dynamic linker searches on the distributions holdfire is tested on, besides those of ld.so.conf.
const FOLDERS: [&str; 8] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/local/lib64",
];

/// A library file larger than this is no libssl.
const LIBRARY_LIMIT: u64 = 64 << 20;

/// Why a library could not be probed.
#[derive(Debug, thiserror::Error)]
pub(super) enum LibraryError {
    #[error("cannot read {path}")]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{path} is no 64-bit ELF library")]
    NotElf { path: PathBuf, source: object::Error },
    #[error("{path} is larger than any TLS library")]
    TooLarge { path: PathBuf },
}

/// A function to probe: its file offset, moved to the cheapest instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub name: &'static str,
    pub offset: u64,
}

/// Every libssl the dynamic linker would find, each file once.
pub(super) fn openssl() -> Vec<PathBuf> {
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for folder in FOLDERS.iter().map(PathBuf::from).chain(configured_folders()) {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let is_libssl =
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libssl.so"));
            let (Ok(file), Ok(path)) = (fs::metadata(&path), path.canonicalize()) else { continue };
            if is_libssl && file.is_file() && seen.insert((file.dev(), file.ino())) {
                found.push(path);
            }
        }
    }
    found
}

/// Folders named in /etc/ld.so.conf.d.
fn configured_folders() -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir("/etc/ld.so.conf.d") else { return Vec::new() };
    let texts = entries.flatten().filter_map(|entry| fs::read_to_string(entry.path()).ok());
    texts
        .flat_map(|text| text.lines().map(|line| line.trim().to_owned()).collect::<Vec<_>>())
        .filter(|line| line.starts_with('/'))
        .map(PathBuf::from)
        .collect()
}

/// Finds `names` among the exported functions of the library at `path`.
///
/// # Errors
/// The file cannot be read, or is no 64-bit ELF file.
pub(super) fn functions(path: &Path, names: &[&'static str]) -> Result<Vec<Function>, LibraryError> {
    let unreadable = |source| LibraryError::Unreadable { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > LIBRARY_LIMIT {
        return Err(LibraryError::TooLarge { path: path.to_owned() });
    }
    let bytes = fs::read(path).map_err(unreadable)?;
    let elf = ElfFile::<FileHeader64<Endianness>>::parse(bytes.as_slice())
        .map_err(|source| LibraryError::NotElf { path: path.to_owned(), source })?;
    let find = |name: &&'static str| {
        let symbol =
            elf.dynamic_symbols().find(|symbol| symbol.is_definition() && symbol.name() == Ok(*name))?;
        let start = file_offset(&elf, symbol.address())?;
        // The code up to the symbol's end, or a prologue's worth where the symbol has no size.
        let size = if symbol.size() == 0 { 96 } else { symbol.size() };
        let end = start.saturating_add(size).min(bytes.len() as u64);
        let code = bytes.get(start as usize..end as usize)?;
        Some(Function { name, offset: start + site::probe_offset(code) })
    };
    Ok(names.iter().filter_map(find).collect())
}

/// Where the byte at a virtual address lies in the file; probes are placed by file offset.
fn file_offset(elf: &ElfFile<'_, FileHeader64<Endianness>>, address: u64) -> Option<u64> {
    let endian = elf.endian();
    elf.elf_program_headers().iter().filter(|segment| segment.p_type(endian) == PT_LOAD).find_map(|segment| {
        let inside = address.checked_sub(segment.p_vaddr(endian))?;
        (inside < segment.p_filesz(endian)).then(|| segment.p_offset(endian).saturating_add(inside))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_library_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), b"not an ELF file").unwrap();
        assert!(matches!(functions(file.path(), &["SSL_write"]), Err(LibraryError::NotElf { .. })));
        assert!(matches!(functions(Path::new("/nonexistent"), &[]), Err(LibraryError::Unreadable { .. })));
    }
}
