//! Opens the file a process has opened, without side effects on it and without waiting.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, SystemTime};

use nix::errno::Errno;
use nix::fcntl::{OFlag, open as open_at};
use nix::sys::stat::{FileStat, Mode, SFlag, fstat, major, minor};
use nix::sys::statfs::fstatfs;

use super::ScanRequest;
use super::mounts::Mounts;
use super::skip;

/// Why a file could not be searched; shown in alerts.
#[derive(Debug, thiserror::Error)]
pub(super) enum OpenError {
    #[error("the file had gone before it could be read")]
    Gone,
    #[error("the file could not be opened: {0}")]
    Open(Errno),
    #[error("the file lies on {filesystem} mounted by user {user}, who could make reading it wait for ever")]
    Stalling { filesystem: String, user: u32 },
    #[error("the file could not be read: {source}")]
    Read { source: io::Error },
}

/// A regular file, open for reading.
pub(super) struct Opened {
    pub(super) file: File,
    pub(super) stat: FileStat,
    /// It is not the inode the kernel reported.
    pub(super) replaced: bool,
    /// It is a process's environment, made up by the kernel at each read.
    pub(super) of_kernel: bool,
}

impl Opened {
    /// Whether a later change of the file would show in its change time. The kernel's clock for those moves
    /// in steps of up to 10 ms, so a file that has just changed may change again and look the same.
    pub(super) fn is_settled(&self) -> bool {
        const STEP: Duration = Duration::from_millis(100);
        let changed = Duration::new(
            u64::try_from(self.stat.st_ctime).unwrap_or(0),
            u32::try_from(self.stat.st_ctime_nsec).unwrap_or(0),
        );
        #[expect(clippy::disallowed_methods, reason = "compared with a time stamp of a file, in a shell")]
        let now = SystemTime::now();
        now.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|now| now.saturating_sub(changed) > STEP)
    }
}

/// Opens the file by the process's descriptor, else by its path as the process sees it, else by its path.
/// None: it is nothing to read.
pub(super) fn open(request: &ScanRequest<'_>, mounts: &mut Mounts) -> Result<Option<Opened>, OpenError> {
    let by_fd = request.fd.map(|fd| (format!("/proc/{}/fd/{fd}", request.pid), OFlag::empty()));
    let by_path = request.path.starts_with('/').then(|| {
        let in_root = format!("/proc/{}/root{}", request.pid, request.path);
        [in_root, request.path.to_owned()].map(|path| (path, OFlag::O_NOFOLLOW))
    });
    let mut other = None;
    let mut failure = OpenError::Gone;
    for (path, follow) in by_fd.into_iter().chain(by_path.into_iter().flatten()) {
        if follow.contains(OFlag::O_NOFOLLOW) {
            mounts.check_path(request.pid, request.path)?;
        }
        // O_PATH touches nothing: opening a device or a FIFO for reading may already do something.
        let handle = match open_at(path.as_str(), OFlag::O_PATH | OFlag::O_CLOEXEC | follow, Mode::empty()) {
            Ok(handle) => handle,
            Err(Errno::ENOENT | Errno::ESRCH | Errno::ENOTDIR) => continue,
            Err(error) => {
                failure = OpenError::Open(error);
                continue;
            }
        };
        mounts.check(request.pid, &handle)?;
        let stat = fstat(&handle).map_err(OpenError::Open)?;
        if is_requested(&stat, request) {
            return readable(handle, stat, request, false);
        }
        other = other.or(Some((handle, stat)));
    }
    match other {
        Some((handle, stat)) => readable(handle, stat, request, true),
        // Files of the kernel vanish with their process, and but for one hold no credential.
        None if request.path.starts_with("/proc/") && !request.path.ends_with("/environ") => Ok(None),
        None => Err(failure),
    }
}

/// Same inode. The device is compared only where inode numbers alone do not tell: btrfs and overlayfs show
/// user space another device than the one the kernel reports.
fn is_requested(stat: &FileStat, request: &ScanRequest<'_>) -> bool {
    let dev = (major(stat.st_dev) << 20) | minor(stat.st_dev);
    let anonymous = request.dev >> 20 == 0;
    stat.st_ino == request.ino && (anonymous || dev == u64::from(request.dev))
}

fn readable(
    handle: OwnedFd,
    stat: FileStat,
    request: &ScanRequest<'_>,
    replaced: bool,
) -> Result<Option<Opened>, OpenError> {
    if SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT != SFlag::S_IFREG {
        return Ok(None);
    }
    let filesystem = fstatfs(&handle).map_err(OpenError::Open)?.filesystem_type();
    let of_kernel = skip::is_of_kernel(filesystem);
    if of_kernel && !skip::is_environ(filesystem, request.path) {
        return Ok(None);
    }
    let flags = OFlag::O_RDONLY | OFlag::O_NONBLOCK | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let path = format!("/proc/self/fd/{}", handle.as_raw_fd());
    let file = open_at(path.as_str(), flags, Mode::empty()).map_err(OpenError::Open)?;
    Ok(Some(Opened { file: File::from(file), stat, replaced, of_kernel }))
}
