//! Which mounts are served by a program of an unprivileged user, who could make every access wait for ever.
//!
//! Decided from the kernel's mount table alone, since even asking such a file for its size is answered by that program. Bias: a mount
//! that is in no table counts as safe, since only a process that entered another namespace after opening can cause it, and
//! the caller's deadline stands behind.

use std::collections::HashMap;
use std::fs;
use std::os::fd::{AsRawFd, OwnedFd};

use super::open::OpenError;

/// Mounts remembered. Hosts have some hundred; over this they are read anew.
const MOUNTS_MAX: usize = 1024;

/// Who serves a mount, if it is a user.
type Server = Option<(String, u32)>;

/// Verdicts by mount id.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    known: HashMap<u64, Server>,
}

impl Mounts {
    /// Fails if the file behind `handle` lies on a user's file system. Asks the kernel only.
    pub(super) fn check(&mut self, pid: u32, handle: &OwnedFd) -> Result<(), OpenError> {
        let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", handle.as_raw_fd()))
            .map_err(|source| OpenError::Read { source })?;
        let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse().ok());
        let Some(id) = id else { return Ok(()) };
        if !self.known.contains_key(&id) {
            if self.known.len() >= MOUNTS_MAX {
                self.known.clear();
            }
            let table = |pid: &str| fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            let server = [table("self"), table(&pid.to_string())]
                .iter()
                .flat_map(|table| table.lines().filter_map(mount).collect::<Vec<_>>())
                .find(|mount| mount.id == id)
                .and_then(|mount| mount.server);
            self.known.insert(id, server);
        }
        refuse(self.known.get(&id).cloned().flatten())
    }

    /// Fails if walking `path` could enter a user's file system.
    pub(super) fn check_path(&self, pid: u32, path: &str) -> Result<(), OpenError> {
        for pid in ["self".to_owned(), pid.to_string()] {
            let table = fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap_or_default();
            let on_the_way = |mount: &Mount<'_>| mount.server.is_some() && path.starts_with(mount.point);
            refuse(table.lines().filter_map(mount).find(on_the_way).and_then(|mount| mount.server))?;
        }
        Ok(())
    }
}

fn refuse(server: Server) -> Result<(), OpenError> {
    match server {
        Some((filesystem, user)) => Err(OpenError::Stalling { filesystem, user }),
        None => Ok(()),
    }
}

/// One line of a mount table (proc_pid_mountinfo(5)).
struct Mount<'a> {
    id: u64,
    point: &'a str,
    server: Server,
}

fn mount(line: &str) -> Option<Mount<'_>> {
    let (place, kind) = line.split_once(" - ")?;
    let mut place = place.split(' ');
    let id = place.next()?.parse().ok()?;
    let point = place.nth(3)?;
    let mut kind = kind.split(' ');
    let filesystem = kind.next()?;
    let user = kind.nth(1)?.split(',').find_map(|option| option.strip_prefix("user_id=")?.parse().ok());
    let served = user.filter(|user| *user != 0 && filesystem.starts_with("fuse"));
    Some(Mount { id, point, server: served.map(|user| (filesystem.to_owned(), user)) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mounts_of_users_are_told_from_those_of_root() {
        let check = |line: &str, expect: Option<(u64, &str, Option<(&str, u32)>)>| {
            let mount = mount(line);
            let shown = mount.as_ref().map(|mount| {
                (mount.id, mount.point, mount.server.as_ref().map(|(name, user)| (name.as_str(), *user)))
            });
            assert_eq!(shown, expect, "{line}");
        };
        let options = "rw,nosuid,nodev,relatime shared:1 master:2";
        check(
            &format!("36 35 0:52 / /home/a/x {options} - fuse.sshfs h:/ rw,user_id=1000,group_id=1000"),
            Some((36, "/home/a/x", Some(("fuse.sshfs", 1000)))),
        );
        check(
            &format!("37 35 0:53 / /mnt {options} - fuse x rw,user_id=0,group_id=0,allow_other"),
            Some((37, "/mnt", None)),
        );
        check("21 1 8:1 / / rw - ext4 /dev/sda1 rw", Some((21, "/", None)));
        check("not a mount", None);
        check("", None);
    }
}
