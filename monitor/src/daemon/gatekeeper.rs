//! Carries verdicts out on the kernel half: which sockets are held, when a process runs on.

use std::collections::{HashMap, HashSet};

use monitor_common::socket::{DENIED, HELD, OPEN, Socket};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::event::ProcessId;
use crate::pipeline::Verdict;
use crate::response::{Descriptor, abort, nudge, open_sockets};
use crate::sensor::{GateError, Sensor};

/// A process at the gate.
#[derive(Clone, Copy, Debug)]
pub(super) struct Held {
    pub(super) session: u64,
    pub(super) process: ProcessId,
    pub(super) tgid: u32,
    /// The kernel half has stopped it.
    pub(super) stopped: bool,
}

/// Moves the gate.
pub(super) struct Gatekeeper {
    pub(super) sensor: Sensor,
    /// Gated writes judged, by process.
    judged: HashMap<u64, u64>,
    /// Gated writes that the kernel half lost and that were judged as such, by process.
    lost: HashMap<u64, u64>,
    /// Processes that have ended with writes still to be judged.
    ending: HashSet<u64>,
    /// Sockets in another state than open, by the process they were set for.
    set: HashMap<u64, Marked>,
}

/// Sockets that were marked together.
struct Marked {
    cookies: Vec<u64>,
    /// Duplicates of those that were open. They keep the sockets from being orphaned when the process ends or closes
    /// them: a socket nobody holds can no longer be ended, and would send what it has once the gate is taken down.
    descriptors: Vec<Descriptor>,
}

impl Gatekeeper {
    pub(super) fn new(sensor: Sensor) -> Self {
        Self {
            sensor,
            judged: HashMap::new(),
            lost: HashMap::new(),
            ending: HashSet::new(),
            set: HashMap::new(),
        }
    }

    /// Carries out the verdict on one gated write and lets the process run on, unless it is to end. The order matters:
    /// what must stay held is held before the write counts as judged.
    ///
    /// # Errors
    /// The kernel refused a change. Everything not done stays held.
    pub(super) fn judge(&mut self, held: Held, verdict: Verdict) -> Result<(), GateError> {
        let state = self.apply(held, verdict);
        if verdict == Verdict::Kill {
            self.signal(held, Signal::SIGKILL);
        }
        state?;
        let process = held.process.0;
        let judged = self.judged.entry(process).or_default();
        *judged += 1;
        let judged = *judged;
        self.sensor.judged(process, judged)?;
        // Another thread may have begun a write since; the process runs on when that is judged too.
        if self.sensor.gate(process).is_none_or(|gate| gate.begun <= judged) {
            if held.stopped {
                self.signal(held, Signal::SIGCONT);
            }
            if self.ending.remove(&process) {
                self.forget(process);
            }
        }
        Ok(())
    }

    /// Puts the sockets a process can write to into the state a verdict asks for, or a decision about an earlier one.
    ///
    /// # Errors
    /// The kernel refused a change.
    pub(super) fn apply(&mut self, held: Held, verdict: Verdict) -> Result<(), GateError> {
        let process = held.process.0;
        match verdict {
            Verdict::Release => match self.set.remove(&process) {
                Some(marked) => self.release(held, marked),
                None => Ok(()),
            },
            Verdict::AwaitRest | Verdict::Hold => self.mark(held, HELD),
            Verdict::Deny | Verdict::Kill => {
                // Marked first, ended after: nothing can leave in between.
                self.mark(held, DENIED)?;
                if let Some(marked) = self.set.remove(&process) {
                    end(held.process, &marked.descriptors);
                }
                Ok(())
            }
        }
    }

    /// Ends a process whose connections are dead from now on.
    ///
    /// # Errors
    /// The kernel refused to hold a socket.
    pub(super) fn kill(&mut self, held: Held) -> Result<(), GateError> {
        let done = self.apply(held, Verdict::Kill);
        self.signal(held, Signal::SIGKILL);
        done
    }

    /// Marks every socket the process has connected or has open.
    fn mark(&mut self, held: Held, state: u32) -> Result<(), GateError> {
        let mut marked = self
            .set
            .remove(&held.process.0)
            .unwrap_or(Marked { cookies: Vec::new(), descriptors: Vec::new() });
        for descriptor in open_sockets(held.tgid).unwrap_or_default() {
            if marked.descriptors.iter().all(|known| known.cookie != descriptor.cookie) {
                marked.descriptors.push(descriptor);
            }
        }
        marked.cookies.extend(self.sensor.sockets_of(held.process.0));
        marked.cookies.extend(marked.descriptors.iter().map(|descriptor| descriptor.cookie));
        marked.cookies.sort_unstable();
        marked.cookies.dedup();
        let owner = Socket {
            session: held.session,
            process: held.process.0,
            tgid: held.tgid,
            state,
            seen: 0,
            dropped: 0,
        };
        let mut done = Ok(());
        for cookie in &marked.cookies {
            let set = self.sensor.set_socket(*cookie, state, Some(owner));
            done = done.and(set);
        }
        self.set.insert(held.process.0, marked);
        done
    }

    /// Opens sockets again, but only those the process still has: what it has closed meanwhile would send a request that
    /// nobody waits for any more.
    fn release(&mut self, held: Held, marked: Marked) -> Result<(), GateError> {
        let open = open_sockets(held.tgid).unwrap_or_default();
        let still_open = |cookie| open.iter().any(|descriptor| descriptor.cookie == cookie);
        for cookie in marked.cookies {
            let state = if still_open(cookie) { OPEN } else { DENIED };
            match self.sensor.set_socket(cookie, state, None) {
                Ok(()) => {}
                // Gone in the meantime: nothing is left to send.
                Err(_) if self.sensor.socket(cookie).is_none() => {}
                Err(error) => return Err(error),
            }
        }
        open.iter().for_each(nudge);
        let (_, closed): (Vec<_>, Vec<_>) =
            marked.descriptors.into_iter().partition(|descriptor| still_open(descriptor.cookie));
        end(held.process, &closed);
        Ok(())
    }

    /// Signals the process, if it still is the same one.
    fn signal(&self, held: Held, signal: Signal) {
        let same = self.sensor.member(held.tgid).is_some_and(|member| member.process == held.process.0);
        let Ok(pid) = i32::try_from(held.tgid) else { return };
        if same {
            // It may end in this very moment, which is as good.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Writes the kernel half has lost since the last call.
    pub(super) fn lost_writes(&mut self) -> Vec<Held> {
        let mut writes = Vec::new();
        for (process, gate) in self.sensor.gates() {
            let told = self.lost.entry(process).or_default();
            let fresh = gate.lost.saturating_sub(*told);
            *told = gate.lost;
            let held =
                Held { session: gate.session, process: ProcessId(process), tgid: gate.tgid, stopped: true };
            writes.extend((0..fresh).map(|_| held));
        }
        writes
    }

    /// A process has ended: what it had held stays dead, and it is forgotten once all its writes are judged.
    pub(super) fn ended(&mut self, process: ProcessId) {
        if let Some(marked) = self.set.remove(&process.0) {
            for cookie in &marked.cookies {
                // Gone already, or it stays as it is: held.
                let _ = self.sensor.set_socket(*cookie, DENIED, None);
            }
            end(process, &marked.descriptors);
        }
        let process = process.0;
        let judged = self.judged.get(&process).copied().unwrap_or(0);
        match self.sensor.gate(process) {
            Some(gate) if gate.begun != judged => {
                self.ending.insert(process);
            }
            Some(_) => self.forget(process),
            None => {}
        }
    }

    fn forget(&mut self, process: u64) {
        self.judged.remove(&process);
        self.lost.remove(&process);
        self.sensor.forget(process);
    }
}

/// Ends connections that are marked as denied.
fn end(process: ProcessId, descriptors: &[Descriptor]) {
    for descriptor in descriptors {
        if let Err(error) = abort(descriptor) {
            tracing::warn!(%process, %error, "a denied connection could not be ended; it stays dead");
        }
    }
}
