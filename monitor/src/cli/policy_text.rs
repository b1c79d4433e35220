//! Reads policy files: a shell.
//!
//! holdfire runs as root, and the file of a project lies where the watched agent can write. When in doubt about such a
//! file nothing runs: it is no link, lies in no linked folder, and belongs to somebody who may have an opinion. For any policy, what
//! is no regular file is refused, since opening or reading it may block or never end.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::Mode;

use crate::yaml::MAX_BYTES;

/// Where a project's own policy lies, below the folder the command is started in. It may only tighten.
const FOLDER: &str = ".holdfire";
const FILE: &str = "policy.yaml";

/// Why the text of a policy is not to be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum PolicyTextError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is a link, or its folder is a link or no folder; a link could lead to any file of this host")]
    Link,
    #[error("it belongs to user {owner}, who neither runs the command nor started holdfire")]
    Owner { owner: u32 },
    #[error("it is larger than {MAX_BYTES} bytes")]
    TooLarge,
}

/// A policy that the user named. Links are followed.
///
/// # Errors
/// It cannot be read, or is no regular file of a policy's size.
pub(super) fn named(path: &Path) -> Result<String, PolicyTextError> {
    // A FIFO would block.
    text(OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?)
}

/// The policy of the project at `project`, which must belong to one of `owners`; none if there is none.
///
/// # Errors
/// As [`named`]; or it is a link, or belongs to another user.
pub(super) fn of_project(project: &Path, owners: &[u32]) -> Result<Option<String>, PolicyTextError> {
    let flags = OFlag::O_RDONLY | OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_DIRECTORY)
        .open(project.join(FOLDER));
    let folder = match folder {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // What the kernel says of a link that is to be a folder.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => return Err(PolicyTextError::Link),
        folder => folder?,
    };
    let file: File = match openat(&folder, FILE, flags, Mode::empty()) {
        Err(Errno::ENOENT) => return Ok(None),
        Err(Errno::ELOOP) => return Err(PolicyTextError::Link),
        file => file.map_err(io::Error::from)?.into(),
    };
    let owner = file.metadata()?.uid();
    if !owners.contains(&owner) {
        return Err(PolicyTextError::Owner { owner });
    }
    text(file).map(Some)
}

fn text(file: File) -> Result<String, PolicyTextError> {
    if !file.metadata()?.is_file() {
        return Err(PolicyTextError::NotAFile);
    }
    let mut text = String::new();
    file.take(MAX_BYTES as u64 + 1).read_to_string(&mut text)?;
    if text.len() > MAX_BYTES {
        return Err(PolicyTextError::TooLarge);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use nix::unistd::mkfifo;

    use super::*;

    fn own() -> u32 {
        nix::unistd::geteuid().as_raw()
    }

    /// What is made of a project whose folder `.holdfire` was prepared by `prepare`.
    fn project(prepare: impl FnOnce(&Path)) -> Result<Option<String>, PolicyTextError> {
        let project = tempfile::tempdir().unwrap();
        fs::create_dir(project.path().join(FOLDER)).unwrap();
        prepare(&project.path().join(FOLDER).join(FILE));
        of_project(project.path(), &[own()])
    }

    #[test]
    fn a_project_has_a_plain_file_or_none() {
        assert_eq!(project(|path| fs::write(path, "name: x").unwrap()).unwrap().as_deref(), Some("name: x"));
        assert_eq!(project(|_| {}).unwrap(), None);
        assert_eq!(of_project(tempfile::tempdir().unwrap().path(), &[]).unwrap(), None);
    }

    #[test]
    fn what_a_session_can_put_there_neither_leads_elsewhere_nor_blocks() {
        use PolicyTextError as E;
        assert!(matches!(project(|path| symlink("/etc/hostname", path).unwrap()), Err(E::Link)));
        assert!(matches!(project(|path| symlink("nowhere", path).unwrap()), Err(E::Link)));
        assert!(matches!(project(|path| mkfifo(path, Mode::S_IRWXU).unwrap()), Err(E::NotAFile)));
        assert!(matches!(project(|path| fs::create_dir(path).unwrap()), Err(E::NotAFile)));
        assert!(matches!(project(|path| fs::write(path, [0xff]).unwrap()), Err(E::Io(_))));
        let large = |path: &Path| fs::write(path, " ".repeat(MAX_BYTES + 1)).unwrap();
        assert!(matches!(project(large), Err(E::TooLarge)));

        let linked = tempfile::tempdir().unwrap();
        symlink("/etc", linked.path().join(FOLDER)).unwrap();
        assert!(matches!(of_project(linked.path(), &[own()]), Err(E::Link)));

        let others = tempfile::tempdir().unwrap();
        fs::create_dir(others.path().join(FOLDER)).unwrap();
        fs::write(others.path().join(FOLDER).join(FILE), "").unwrap();
        let refused = of_project(others.path(), &[own() + 1]);
        assert!(matches!(refused, Err(E::Owner { owner }) if owner == own()));
    }

    #[test]
    fn a_named_policy_may_be_a_link_and_no_fifo() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link, fifo) =
            (folder.path().join("file"), folder.path().join("link"), folder.path().join("fifo"));
        fs::write(&file, "name: x").unwrap();
        symlink(&file, &link).unwrap();
        mkfifo(&fifo, Mode::S_IRWXU).unwrap();
        assert_eq!(named(&link).unwrap(), "name: x");
        assert!(matches!(named(&fifo), Err(PolicyTextError::NotAFile)));
    }
}
