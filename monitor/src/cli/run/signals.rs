//! Signals sent to `holdfire run` go on to the command.
//!
//! What the terminal sends (Ctrl-C) has reached the command already, since it is in the same process group; it is not
//! sent twice. `SI_KERNEL` tells the one from the other, which is why the signals are read from a descriptor.
//!
//! Once the command has ended, a signal that asks for an end goes to what is left of the session as SIGTERM, and the next
//! one as SIGKILL: shells start background jobs with SIGINT and SIGQUIT ignored. When in doubt whether a process id
//! still means the process it meant, nothing is sent.
//!
//! The signals by which a terminal stops a background job that reads or writes are blocked as well: the session shares the terminal and
//! could set `stty tostop`, and a stopped monitor decides nothing. (SIGPIPE is ignored by Rust's own start.)

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::signal::{SigSet, SigmaskHow, Signal, kill, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;

use crate::daemon::{Command, Handle};

/// Those that can be sent to a process to make it do something.
const FORWARDED: [Signal; 7] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGALRM,
];

/// Those that ask for an end.
const ENDING: [Signal; 4] = [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM];

/// Those that stop a process because of what it does on a terminal.
const STOPPING: [Signal; 2] = [Signal::SIGTTIN, Signal::SIGTTOU];

/// `si_code` of a signal that the kernel itself sent, such as the terminal's.
const SI_KERNEL: i32 = 0x80;

/// Signals that are kept for [`Blocked::forward`].
pub(super) struct Blocked {
    /// The mask this process was started with, which the command gets.
    pub(super) inherited: SigSet,
    signals: SignalFd,
    stop: Arc<EventFd>,
}

/// Keeps signals from this thread and those it will start.
pub(super) fn block() -> io::Result<Blocked> {
    let set: SigSet = FORWARDED.into_iter().collect();
    let mut inherited = SigSet::empty();
    let blocked: SigSet = FORWARDED.into_iter().chain(STOPPING).collect();
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&blocked), Some(&mut inherited))?;
    Ok(Blocked {
        inherited,
        signals: SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?,
        stop: Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?),
    })
}

/// Forwarding under way.
pub(super) struct Forwarding {
    /// Held while a signal is sent to the command, so that it is not reaped meanwhile.
    command_ended: Arc<Mutex<bool>>,
    stop: Arc<EventFd>,
    thread: JoinHandle<()>,
}

impl Blocked {
    /// Forwards to the command while it runs, and then to what is left of the session.
    pub(super) fn forward(self, command: u32, session: u64, handle: Handle) -> Forwarding {
        let command_ended = Arc::new(Mutex::new(false));
        let (ended, stop) = (Arc::clone(&command_ended), Arc::clone(&self.stop));
        let thread = thread::spawn(move || {
            let mut rest = Rest::default();
            while let Some((signal, by_kernel)) = self.next() {
                {
                    let ended = ended.lock().unwrap_or_else(PoisonError::into_inner);
                    if !*ended {
                        if !by_kernel {
                            send(command, signal);
                        }
                        continue;
                    }
                }
                let members = || handle.ask(|reply| Command::Members(session, reply)).unwrap_or_default();
                send_all(members, rest.instead(signal));
            }
        });
        Forwarding { command_ended, stop, thread }
    }

    /// The next signal and whether the kernel sent it; none when forwarding ends.
    fn next(&self) -> Option<(Signal, bool)> {
        loop {
            if let Ok(Some(info)) = self.signals.read_signal() {
                let sent = FORWARDED.into_iter().find(|signal| *signal as u32 == info.ssi_signo);
                return sent.map(|signal| (signal, info.ssi_code == SI_KERNEL));
            }
            let ready = |fd| PollFd::new(fd, PollFlags::POLLIN);
            let mut fds = [ready(self.signals.as_fd()), ready(self.stop.as_fd())];
            let _ = poll(&mut fds, PollTimeout::NONE);
            if fds[1].any() == Some(true) {
                return None;
            }
        }
    }
}

impl Forwarding {
    /// The command has ended and is not reaped yet: signals go to the rest of its session from now on, since its id may
    /// soon mean another process.
    pub(super) fn command_ended(&self) {
        *self.command_ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
    }

    /// Ends it.
    pub(super) fn end(self) {
        let _ = self.stop.write(1);
        let _ = self.thread.join();
    }
}

/// What the rest of a session was told so far.
#[derive(Debug, Default)]
struct Rest {
    asked: bool,
}

impl Rest {
    /// What is sent instead of a signal.
    fn instead(&mut self, signal: Signal) -> Signal {
        if !ENDING.contains(&signal) {
            return signal;
        }
        if std::mem::replace(&mut self.asked, true) { Signal::SIGKILL } else { Signal::SIGTERM }
    }
}

fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have ended in this moment, which is what the signal was for.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}

/// Signals every process that is a member before and after a handle on it was taken: between the two its id can have
/// come to mean no other process that is not a member too.
fn send_all(members: impl Fn() -> Vec<u32>, signal: Signal) {
    let taken: Vec<(u32, OwnedFd)> =
        members().into_iter().filter_map(|pid| pidfd_open(pid).ok().map(|fd| (pid, fd))).collect();
    let still = members();
    for (_, process) in taken.iter().filter(|(pid, _)| still.contains(pid)) {
        pidfd_send(process, signal);
    }
}

fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    #[allow(unsafe_code, reason = "no safe wrapper in the dependencies")]
    // SAFETY: plain integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(unsafe_code, reason = "a descriptor the kernel just made for us")]
    // SAFETY: the kernel returned a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as i32) })
}

fn pidfd_send(process: &OwnedFd, signal: Signal) {
    #[allow(unsafe_code, reason = "no safe wrapper in the dependencies")]
    // SAFETY: integers, a descriptor that lives through the call, and no siginfo.
    let _it_may_have_ended = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            process.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command as Program;

    use super::*;

    #[test]
    fn what_is_left_is_asked_and_then_ended() {
        let mut rest = Rest::default();
        let sent = [Signal::SIGUSR1, Signal::SIGINT, Signal::SIGUSR1, Signal::SIGHUP, Signal::SIGTERM]
            .map(|signal| rest.instead(signal));
        assert_eq!(
            sent,
            [Signal::SIGUSR1, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGKILL, Signal::SIGKILL]
        );
    }

    #[test]
    fn only_members_are_signalled() {
        let sleep = || Program::new("sleep").arg("60").spawn().unwrap();
        let (mut member, mut former) = (sleep(), sleep());
        let answers = std::cell::Cell::new(0);
        // The second is no member any more when asked again.
        let members = || {
            answers.set(answers.get() + 1);
            if answers.get() == 1 { vec![member.id(), former.id()] } else { vec![member.id()] }
        };
        send_all(members, Signal::SIGTERM);
        assert_eq!(member.wait().unwrap().signal(), Some(libc::SIGTERM));
        assert!(former.try_wait().unwrap().is_none());
        former.kill().unwrap();
        former.wait().unwrap();
    }
}
