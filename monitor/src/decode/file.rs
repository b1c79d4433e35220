//! Records of file opens into facts, and into what is to be searched for credentials.

use monitor_common::file::{Open, PATH_CUT};

use super::Seen;
use crate::event::{Access, Fact, FileOpened};

/// `FMODE_READ` and `FMODE_WRITE` of `file->f_mode`.
const READ: u32 = 1;
const WRITE: u32 = 2;
/// `O_TRUNC` of `file->f_flags`.
const O_TRUNC: u32 = 0o1000;
/// The type bits of an inode's mode, and a regular file's.
const TYPE: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;

/// An open. `name` are the components that follow the record.
pub fn opened(open: &Open, name: &[u8]) -> Seen {
    let access = match (open.mode & READ != 0, open.mode & WRITE != 0) {
        (true, true) => Access::ReadWrite,
        (true, false) => Access::Read,
        (false, true) => Access::Write,
        (false, false) => Access::Path,
    };
    let fact = FileOpened {
        path: path(name, open.header.flags & PATH_CUT != 0),
        dev: open.dev,
        ino: open.ino,
        access,
        truncates: open.flags & O_TRUNC != 0,
    };
    Seen::new(&open.header, Fact::FileOpened(fact))
}

/// Whether the opener can read a regular file's contents through this open. What was cut to nothing as it was opened
/// holds nothing yet.
pub fn readable(open: &Open) -> bool {
    open.mode & READ != 0 && open.inode_mode & TYPE == REGULAR && open.flags & O_TRUNC == 0
}

/// Joins components that run from the leaf to the root, each ended by NUL, to a path. One that was cut on its root side
/// begins with `…`.
pub fn path(components: &[u8], cut: bool) -> String {
    let components = components.strip_suffix(b"\0").unwrap_or(components);
    let mut path = String::from(if cut { "…" } else { "" });
    if components.is_empty() && !cut {
        path.push('/');
        return path;
    }
    for component in components.split(|byte| *byte == 0).rev().filter(|component| !component.is_empty()) {
        path.push('/');
        path.push_str(&String::from_utf8_lossy(component));
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn components_become_paths() {
        fn check(components: &[u8], cut: bool, expect: &str) {
            assert_eq!(path(components, cut), expect);
        }
        check(b".env\0repo\0home\0", false, "/home/repo/.env");
        check(b"", false, "/");
        check(b"deep\0deeper\0", true, "…/deeper/deep");
        check(b"\xff\0a\0", false, "/a/\u{fffd}");
        check(b"[io_uring]\0", false, "/[io_uring]");
    }

    #[test]
    fn only_what_can_be_read_is_searched() {
        fn check(mode: u32, flags: u32, inode_mode: u32, expect: bool) {
            assert_eq!(readable(&Open { mode, flags, inode_mode, ..Open::default() }), expect);
        }
        check(READ, 0, 0o100_644, true);
        check(READ | WRITE, 0, 0o100_600, true);
        check(WRITE, 0, 0o100_644, false);
        check(READ | WRITE, O_TRUNC, 0o100_644, false);
        check(READ, 0, 0o040_755, false);
        check(READ, 0, 0o010_600, false);
    }
}
