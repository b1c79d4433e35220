//! Which files are not searched: those the kernel makes up, and those that hold no text.

use nix::sys::statfs::{
    BPF_FS_MAGIC, CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC, FsType, PROC_SUPER_MAGIC,
    SECURITYFS_MAGIC, SELINUX_MAGIC, SYSFS_MAGIC, TRACEFS_MAGIC,
};

use crate::credential::format::Format;
use crate::credential::name::{self, Says};

/// How much of a file is looked at for a NUL byte, as git and grep do.
const HEAD: usize = 8 * 1024;

/// File systems without files of their own. Reading some of theirs does something (`trace_pipe`).
pub(super) fn is_of_kernel(filesystem: FsType) -> bool {
    [
        PROC_SUPER_MAGIC,
        SYSFS_MAGIC,
        DEBUGFS_MAGIC,
        TRACEFS_MAGIC,
        CGROUP_SUPER_MAGIC,
        CGROUP2_SUPER_MAGIC,
        BPF_FS_MAGIC,
        SECURITYFS_MAGIC,
        SELINUX_MAGIC,
    ]
    .contains(&filesystem)
}

/// `/proc/PID/environ`: the one file of the kernel that holds credentials.
pub(super) fn is_environ(filesystem: FsType, path: &str) -> bool {
    filesystem == PROC_SUPER_MAGIC && path.ends_with("/environ")
}

/// Whether content is no text. UTF-16 is text, and has NULs.
pub(super) fn is_binary(content: &[u8]) -> bool {
    const MAGIC: &[&[u8]] =
        &[b"\x7fELF", b"PK\x03\x04", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"\xfd7zXZ", b"%PDF-", b"BZh"];
    let wide = content.starts_with(b"\xff\xfe") || content.starts_with(b"\xfe\xff");
    let head = &content[..content.len().min(HEAD)];
    MAGIC.iter().any(|magic| content.starts_with(magic)) || (!wide && memchr::memchr(0, head).is_some())
}

/// Whether a file is searched although it is binary: its name says that it holds credentials.
pub(super) fn holds_credentials(path: &str) -> bool {
    const ENDINGS: &[&str] =
        &[".keyring", ".kdbx", "/Cookies", "/cookies.sqlite", "/tailscaled.state", "/.mylogin.cnf"];
    let file = path.rsplit('/').next().unwrap_or(path);
    let stem = file.strip_suffix(".db").unwrap_or(file);
    matches!(Format::of_path(path), Some(Format::Dotenv | Format::Netrc | Format::Ini))
        || name::judge(stem.as_bytes()).0 == Says::Secret
        || ENDINGS.iter().any(|ending| path.ends_with(ending))
}
