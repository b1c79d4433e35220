//! Signals sent to `holdfire run` go on to the command.
//!
//! What the terminal sends (Ctrl-C) has reached the command already, since it is in the same process group; it is not
//! sent twice. `SI_KERNEL` tells the one from the other, which is why the signals are read from a descriptor.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
    sigprocmask(SigmaskHow::SIG_BLOCK, Some(&set), Some(&mut inherited))?;
    Ok(Blocked {
        inherited,
        signals: SignalFd::with_flags(&set, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?,
        stop: Arc::new(EventFd::from_flags(EfdFlags::EFD_CLOEXEC)?),
    })
}

/// Forwarding under way.
pub(super) struct Forwarding {
    command_ended: Arc<AtomicBool>,
    stop: Arc<EventFd>,
    thread: JoinHandle<()>,
}

impl Blocked {
    /// Forwards to the command while it runs, and then to what is left of the session.
    pub(super) fn forward(self, command: u32, session: u64, handle: Handle) -> Forwarding {
        let command_ended = Arc::new(AtomicBool::new(false));
        let (ended, stop) = (Arc::clone(&command_ended), Arc::clone(&self.stop));
        let thread = thread::spawn(move || {
            while let Some((signal, by_kernel)) = self.next() {
                if !ended.load(Ordering::Relaxed) {
                    if !by_kernel {
                        send(command, signal);
                    }
                } else {
                    let members = handle.ask(|reply| Command::Members(session, reply)).unwrap_or_default();
                    members.into_iter().for_each(|member| send(member, signal));
                }
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
    /// The command has ended: signals go to the rest of its session from now on.
    pub(super) fn command_ended(&self) {
        self.command_ended.store(true, Ordering::Relaxed);
    }

    /// Ends it.
    pub(super) fn end(self) {
        let _ = self.stop.write(1);
        let _ = self.thread.join();
    }
}

fn send(pid: u32, signal: Signal) {
    if let Ok(pid) = i32::try_from(pid) {
        // It may have ended in this moment, which is what the signal was for.
        let _ = kill(Pid::from_raw(pid), signal);
    }
}
