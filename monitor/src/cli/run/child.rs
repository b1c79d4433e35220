//! The command: as whom it runs, how it is started, what its end means.

use std::ffi::{CString, OsString};
use std::io;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus};

use nix::errno::Errno;
use nix::sys::resource::{Resource, getrlimit, rlim_t, setrlimit};
use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::{Gid, Pid, Uid, User, getgrouplist, setgid, setgroups, setuid};

use crate::cli::{Exit, Failure};

/// As whom the command runs.
pub(super) struct Identity {
    user: Option<User>,
    groups: Vec<Gid>,
}

/// The command could not be started.
pub(super) struct NotStarted {
    pub(super) command: OsString,
    pub(super) source: io::Error,
}

impl NotStarted {
    /// The exit code, as env(1) has it.
    pub(super) fn exit(&self) -> Exit {
        match self.source.kind() {
            io::ErrorKind::NotFound => Exit::NotFound,
            io::ErrorKind::PermissionDenied => Exit::NotExecutable,
            _ if self.source.raw_os_error() == Some(libc::ENOEXEC) => Exit::NotExecutable,
            _ => Exit::RunFailed,
        }
    }
}

impl Identity {
    /// The user named, or else whoever called sudo, or else the user of this process: an agent has no business being
    /// root because its monitor has.
    ///
    /// # Errors
    /// There is no such user.
    pub(super) fn choose(name: Option<&str>) -> Result<Self, Failure> {
        let unknown = |name: &str| {
            Failure::new(Exit::Usage, format!("There is no user {name}"))
                .next("name a user of this host with --user")
        };
        let named = match name {
            Some(name) => Some(User::from_name(name).ok().flatten().ok_or_else(|| unknown(name))?),
            None => sudo_user(),
        };
        let Some(user) = named.filter(|user| user.uid != Uid::effective()) else {
            return Ok(Self { user: None, groups: Vec::new() });
        };
        let login = CString::new(user.name.as_str()).map_err(|_nul| unknown(&user.name))?;
        let groups = getgrouplist(&login, user.gid).map_err(|error| {
            Failure::new(Exit::RunFailed, format!("The groups of {} cannot be read", user.name))
                .because(error)
        })?;
        Ok(Self { user: Some(user), groups })
    }

    /// Whose files have a say in this session: root, the user of the command, and whoever started holdfire.
    pub(super) fn concerned(&self) -> [u32; 3] {
        let invoker = sudo_user().map_or(Uid::current(), |user| user.uid);
        [0, self.uid(), invoker.as_raw()]
    }

    /// The user id of the command.
    pub(super) fn uid(&self) -> u32 {
        self.user.as_ref().map_or(Uid::effective(), |user| user.uid).as_raw()
    }
}

/// Who called sudo, if this is root by way of it.
fn sudo_user() -> Option<User> {
    #[expect(clippy::disallowed_methods, reason = "part of who the user is, as sudo(8) tells it")]
    let uid = std::env::var("SUDO_UID").ok()?.parse().ok()?;
    if !Uid::effective().is_root() {
        return None;
    }
    User::from_uid(Uid::from_raw(uid)).ok().flatten()
}

/// What this process has changed of itself, and the command gets as it was.
pub(super) struct Inherited {
    pub(super) mask: SigSet,
    pub(super) descriptors: Limit,
}

/// A soft and a hard limit.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    soft: rlim_t,
    hard: rlim_t,
}

/// Takes as many descriptors as this process may have: held sockets are duplicated, and one process with many of them
/// must not use up what the others need. Returns the limit as it was.
///
/// # Errors
/// The limit cannot be read.
pub(super) fn raise_descriptors() -> io::Result<Limit> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    // Refused only if another process lowers the hard limit in this moment.
    let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    Ok(Limit { soft, hard })
}

/// Starts the command with this process's streams, terminal, directory, environment, and what it was started with.
pub(super) fn start(
    command: &[OsString],
    identity: &Identity,
    inherited: Inherited,
) -> Result<Child, NotStarted> {
    let Some((program, args)) = command.split_first() else {
        return Err(NotStarted { command: OsString::new(), source: io::ErrorKind::InvalidInput.into() });
    };
    let mut child = Command::new(program);
    child.args(args);
    let become_user = identity.user.as_ref().map(|user| {
        child
            .env("HOME", &user.dir)
            .env("USER", &user.name)
            .env("LOGNAME", &user.name)
            .env("SHELL", &user.shell);
        (user.uid, user.gid, identity.groups.clone())
    });
    #[allow(unsafe_code, reason = "becoming another user happens between fork and exec")]
    // SAFETY: the closure makes system calls on values made before the fork; it neither allocates nor locks.
    unsafe {
        child.pre_exec(move || {
            let Limit { soft, hard } = inherited.descriptors;
            setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
            if let Some((uid, gid, groups)) = &become_user {
                setgroups(groups)?;
                setgid(*gid)?;
                setuid(*uid)?;
            }
            sigprocmask(SigmaskHow::SIG_SETMASK, Some(&inherited.mask), None)?;
            Ok(())
        });
    }
    child.spawn().map_err(|source| NotStarted { command: program.clone(), source })
}

/// Waits for the command's end, calls `ended`, and only then reaps it: until then its id can mean no other process.
///
/// # Errors
/// It cannot be waited for.
pub(super) fn wait(child: &mut Child, ended: impl FnOnce()) -> io::Result<ExitStatus> {
    let pid = i32::try_from(child.id()).map_err(io::Error::other)?;
    loop {
        match waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => break,
        }
    }
    ended();
    child.wait()
}

/// The command's exit code, or 128 plus the signal that ended it, as shells have it.
pub(super) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(255);
    u8::try_from(code).unwrap_or(255)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_told_ended_before_it_is_reaped() {
        let mut child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        let mut seen = String::new();
        let status = wait(&mut child, || seen = std::fs::read_to_string(&stat).unwrap()).unwrap();
        assert!(seen.contains(") Z "), "{seen}");
        assert_eq!(exit_code(status), 3);
        assert!(std::fs::metadata(&stat).is_err());
    }
}
