//! The key of this host's fingerprints: a shell, since it reads and creates a file.
//!
//! Whoever has the key can test guesses against fingerprints in captures, so a key others could have read is refused
//! and not repaired: it may have been copied already.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

/// Bytes of the key, as BLAKE3 takes it.
const KEY_LEN: usize = 32;

/// Why there is no host key.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error(
        "could not {action} the host key {path}: {source}. Run as a user who may, or choose another state directory."
    )]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    #[error("the host key {path} is no regular file. Move it away; a new key is created at the next start.")]
    NotAFile { path: PathBuf },
    #[error(
        "the host key {path} can be read by others (mode {mode:03o}). Find out who read it, then run \
         `chmod 600 {path}` to keep it or delete it to start with new fingerprints."
    )]
    Exposed { path: PathBuf, mode: u32 },
    #[error(
        "the host key {path} belongs to user {owner}, not to {expected}. Move it away, or run as that user."
    )]
    Owner { path: PathBuf, owner: u32, expected: u32 },
    #[error(
        "the host key {path} has {bytes} bytes and not {KEY_LEN}. Restore it from a backup; without one delete it: \
         fingerprints of old captures will not match new ones."
    )]
    Length { path: PathBuf, bytes: u64 },
}

/// The key at `path`; created, with its directory, if there is none. Two that create it at once get the same key.
pub fn load_or_create(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, HostKeyError> {
    match load(path) {
        Err(HostKeyError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            create(path).map_err(|source| HostKeyError::Io {
                action: "create",
                path: path.to_owned(),
                source,
            })?;
            load(path)
        }
        loaded => loaded,
    }
}

fn load(path: &Path) -> Result<Zeroizing<[u8; KEY_LEN]>, HostKeyError> {
    let failed = |source| HostKeyError::Io { action: "read", path: path.to_owned(), source };
    let path = path.to_owned();
    // A link could name a file others can write; a FIFO would block.
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK | libc::O_CLOEXEC;
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(&path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    let expected = nix::unistd::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(HostKeyError::NotAFile { path });
    }
    if metadata.uid() != expected {
        return Err(HostKeyError::Owner { path, owner: metadata.uid(), expected });
    }
    if metadata.mode() & 0o077 != 0 {
        return Err(HostKeyError::Exposed { path, mode: metadata.mode() & 0o777 });
    }
    if metadata.len() != KEY_LEN as u64 {
        return Err(HostKeyError::Length { path, bytes: metadata.len() });
    }
    let mut key = Zeroizing::new([0; KEY_LEN]);
    file.read_exact(key.as_mut()).map_err(failed)?;
    Ok(key)
}

/// Writes a new key beside `path` and links it there: a link never replaces a key somebody else made meanwhile.
fn create(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut random = Zeroizing::new([0; KEY_LEN + 8]);
    File::open("/dev/urandom")?.read_exact(random.as_mut())?;
    let (key, suffix) = random.split_at(KEY_LEN);
    let draft = directory.join(format!(".host-key-{}", data_encoding::HEXLOWER.encode(suffix)));
    let written = write(&draft, key).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        linked => linked,
    });
    let removed = fs::remove_file(&draft);
    written.and(removed)?;
    File::open(directory)?.sync_all()
}

fn write(draft: &Path, key: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    file.write_all(key)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_key_is_made_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state/host.key");
        let keys: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| load_or_create(&path).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(keys.iter().all(|key| key == &keys[0]) && *keys[0] != [0; KEY_LEN]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_may_be_known_or_is_damaged_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load_or_create(&path), Err(HostKeyError::Exposed { mode: 0o640, .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, [1; 31]).unwrap();
        assert!(matches!(load_or_create(&path), Err(HostKeyError::Length { bytes: 31, .. })));
        let link = directory.path().join("link");
        symlink(&path, &link).unwrap();
        assert!(matches!(load_or_create(&link), Err(HostKeyError::Io { action: "read", .. })));
        assert!(matches!(load_or_create(directory.path()), Err(HostKeyError::NotAFile { .. })));
    }

    #[test]
    fn a_refusal_says_what_to_do() {
        let error = HostKeyError::Exposed { path: "/var/lib/holdfire/host.key".into(), mode: 0o644 };
        insta::assert_snapshot!(error, @"the host key /var/lib/holdfire/host.key can be read by others (mode 644). Find out who read it, then run `chmod 600 /var/lib/holdfire/host.key` to keep it or delete it to start with new fingerprints.");
    }
}
