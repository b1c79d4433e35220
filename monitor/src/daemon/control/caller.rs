//! Who asks, and whether they may decide.
//!
//! Each session has its own kernel half, which knows its own members only. So that two sessions cannot approve each
//! other's actions, every other monitor in the folder is asked about the caller. When in doubt the caller is refused: a
//! monitor that is there and does not answer might have called it a member.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use nix::unistd::{Gid, Group, Uid, User};
use tokio::net::UnixListener;

use super::client::{Client, ClientError};
use crate::daemon::clock::boot_now;
use crate::time::Timestamp;

/// The group whose members may decide.
pub(super) const GROUP: &str = "holdfire";

/// Longest time all other monitors together may take to say whether they know a process: they answer within
/// milliseconds unless they are stuck.
const OTHERS: Duration = Duration::from_secs(2);

/// The other end of a connection, as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub uid: u32,
    pub gid: u32,
    /// The process that connected; none if the kernel does not say.
    pub pid: Option<u32>,
    /// When it connected.
    pub at: Timestamp,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        match stream.io().peer_cred() {
            Ok(peer) => Self {
                uid: peer.uid(),
                gid: peer.gid(),
                pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()),
                at: boot_now(),
            },
            // Nobody: may not decide anything.
            Err(_) => Self { uid: u32::MAX, gid: u32::MAX, pid: None, at: boot_now() },
        }
    }
}

/// Root, and the group.
pub(super) fn is_approver(peer: Peer) -> bool {
    if peer.uid == 0 {
        return true;
    }
    let Ok(Some(group)) = Group::from_name(GROUP) else { return false };
    let listed = || {
        let user = User::from_uid(Uid::from_raw(peer.uid)).ok().flatten();
        user.is_some_and(|user| group.mem.contains(&user.name) || user.gid == group.gid)
    };
    Gid::from_raw(peer.gid) == group.gid || listed()
}

/// Whether a process lives and began before a moment: the 22nd field of its stat, in ticks of a hundredth of a second.
pub(super) fn started_before(pid: u32, moment: Timestamp) -> bool {
    const NANOSECONDS_PER_TICK: u64 = 10_000_000;
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let start: Option<u64> = after_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok());
    start.is_some_and(|ticks| ticks.saturating_mul(NANOSECONDS_PER_TICK) <= moment.0)
}

/// The other monitors: all control sockets in the folder of one's own.
#[derive(Clone, Debug)]
pub(super) struct Others {
    own: PathBuf,
}

impl Others {
    /// Those beside the socket at `own`.
    pub(super) fn beside(own: &Path) -> Self {
        Self { own: own.to_owned() }
    }

    /// Whether a process is a member of any of their sessions.
    ///
    /// # Errors
    /// One of them is there and does not say.
    pub(super) async fn have_member(&self, pid: u32) -> Result<bool, ClientError> {
        let silent = |source| ClientError::Unreachable { path: self.own.clone(), source };
        let asked = tokio::time::timeout(OTHERS, self.ask(pid)).await;
        asked.map_err(|elapsed| silent(io::Error::new(io::ErrorKind::TimedOut, elapsed)))?
    }

    async fn ask(&self, pid: u32) -> Result<bool, ClientError> {
        let folder = self.own.parent().filter(|folder| !folder.as_os_str().is_empty());
        let unreadable = |source| ClientError::Unreachable { path: self.own.clone(), source };
        for other in Client::all(folder.unwrap_or(Path::new("."))).map_err(unreadable)? {
            if other.path().file_name() == self.own.file_name() {
                continue;
            }
            match other.is_member(pid).await {
                Ok(false) => {}
                Ok(true) => return Ok(true),
                // A monitor that has ended, in order or not: it has no members any more.
                Err(ClientError::Unreachable { source, .. })
                    if matches!(
                        source.kind(),
                        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound
                    ) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }
}
