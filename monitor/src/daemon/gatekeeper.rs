//! Carries verdicts out on the kernel half: which sockets are held, when a process runs on.
//!
//! The order is always the same: what must stay held is held before a write counts as judged, and what is denied is
//! marked before it is ended. When in doubt a socket stays held: a process that has ended, or has closed a held socket,
//! sends nothing through it any more.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::thread;
use std::time::Duration;

use monitor_common::socket::{DENIED, HELD, OPEN, Socket};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::event::ProcessId;
use crate::pipeline::Verdict;
use crate::response::{Descriptor, abort, destroy, nudge, open_sockets};
use crate::sensor::{GateError, Sensor};

/// How often, and how long, dead connections are waited for that the kernel cannot be told to end: an orphan gives up
/// after about two minutes.
const ORPHAN_LOOK: Duration = Duration::from_millis(250);
const ORPHAN_LOOKS: u32 = 600;

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
    /// Processes whose packets may have been dropped while they were not standing still.
    ran_on: HashSet<u64>,
    /// Processes that have ended with writes still to be judged.
    ending: HashSet<u64>,
    /// Sockets in another state than open, by the process they were set for.
    set: HashMap<u64, Marked>,
}

/// Sockets that were marked together.
#[derive(Default)]
struct Marked {
    cookies: BTreeSet<u64>,
    /// Duplicates of those that were open, kept as long as the mark: without them a socket whose process ends becomes an
    /// orphan, which is harder to end.
    descriptors: Vec<Descriptor>,
}

impl Gatekeeper {
    pub(super) fn new(sensor: Sensor) -> Self {
        Self {
            sensor,
            judged: HashMap::new(),
            lost: HashMap::new(),
            ran_on: HashSet::new(),
            ending: HashSet::new(),
            set: HashMap::new(),
        }
    }

    /// Carries out the verdict on `writes` gated writes of a process and lets it run on, unless it is to end.
    ///
    /// # Errors
    /// The kernel refused a change. What could not be changed stays held.
    pub(super) fn judge(&mut self, held: Held, writes: u64, verdict: Verdict) -> Result<(), GateError> {
        let process = held.process.0;
        let applied = self.apply(held, verdict);
        if verdict == Verdict::Kill {
            self.signal(held, Signal::SIGKILL);
        }
        if !held.stopped {
            self.ran_on.insert(process);
        }
        let judged = self.judged.entry(process).or_default();
        *judged += writes;
        let judged = *judged;
        // If what must be held could not be, the writes do not count as judged: then nothing leaves at all.
        let released = applied.and_then(|released| self.sensor.judged(process, judged).map(|()| released))?;
        if self.sensor.gate(process).is_some_and(|gate| gate.begun > judged) {
            // Another thread has begun a write meanwhile; the process runs on when that is judged too.
            self.ran_on.insert(process);
            return Ok(());
        }
        if held.stopped {
            self.signal(held, Signal::SIGCONT);
        }
        // Only now does what is pushed pass.
        if self.ran_on.remove(&process) && verdict == Verdict::Release {
            self.sockets_open(held).unwrap_or_default().iter().for_each(nudge);
        } else {
            released.iter().for_each(nudge);
        }
        if self.ending.remove(&process) {
            self.forget(process);
        }
        Ok(())
    }

    /// Applies a decision about a hold.
    ///
    /// # Errors
    /// The kernel refused a change.
    pub(super) fn decide(&mut self, held: Held, verdict: Verdict) -> Result<(), GateError> {
        let applied = self.apply(held, verdict);
        if verdict == Verdict::Kill {
            self.signal(held, Signal::SIGKILL);
        }
        applied?.iter().for_each(nudge);
        Ok(())
    }

    /// Puts the sockets a process can write to into the state a verdict asks for. Returns those that are open again.
    fn apply(&mut self, held: Held, verdict: Verdict) -> Result<Vec<Descriptor>, GateError> {
        let process = held.process.0;
        match verdict {
            Verdict::Release => match self.set.remove(&process) {
                Some(marked) => self.release(held, marked),
                None => Ok(Vec::new()),
            },
            Verdict::AwaitRest | Verdict::Hold => self.mark(held, HELD).map(|()| Vec::new()),
            Verdict::Deny | Verdict::Kill => {
                let marked = self.mark(held, DENIED);
                if let Some(marked) = self.set.remove(&process) {
                    self.end(marked);
                }
                marked.map(|()| Vec::new())
            }
        }
    }

    /// Marks every socket the process has connected or has open.
    fn mark(&mut self, held: Held, state: u32) -> Result<(), GateError> {
        let mut marked = self.set.remove(&held.process.0).unwrap_or_default();
        for descriptor in self.sockets_open(held).unwrap_or_default() {
            let owner = Socket {
                session: held.session,
                process: held.process.0,
                tgid: held.tgid,
                ..Socket::default()
            };
            if marked.cookies.insert(descriptor.cookie) {
                self.sensor.add_socket(descriptor.cookie, owner)?;
                marked.descriptors.push(descriptor);
            }
        }
        marked.cookies.extend(self.sensor.sockets_of(held.process.0));
        let done = marked.cookies.iter().try_for_each(|cookie| self.sensor.set_socket(*cookie, state));
        self.set.insert(held.process.0, marked);
        done
    }

    /// Opens sockets again, but only those the process still has: what it has closed meanwhile would send a request that
    /// nobody waits for any more.
    fn release(&mut self, held: Held, mut marked: Marked) -> Result<Vec<Descriptor>, GateError> {
        let open = match self.sockets_open(held) {
            Ok(open) => open,
            // Not the process is at fault but this one (no descriptors left): it gets its sockets back.
            Err(error) if self.is_alive(held) => {
                tracing::warn!(pid = held.tgid, %error, "sockets cannot be told apart; all are released");
                marked.cookies.iter().try_for_each(|cookie| self.sensor.set_socket(*cookie, OPEN))?;
                return Ok(marked.descriptors);
            }
            Err(_) => Vec::new(),
        };
        for descriptor in &open {
            if marked.cookies.remove(&descriptor.cookie) {
                self.sensor.set_socket(descriptor.cookie, OPEN)?;
            }
            marked.descriptors.retain(|known| known.cookie != descriptor.cookie);
        }
        self.deny(marked);
        Ok(open)
    }

    /// Marks sockets as denied and ends them. Returns those that could not be ended.
    fn deny(&mut self, marked: Marked) -> BTreeSet<u64> {
        for cookie in &marked.cookies {
            if let Err(error) = self.sensor.set_socket(*cookie, DENIED) {
                tracing::error!(%error, "a connection could not be marked as denied");
            }
        }
        self.end(marked)
    }

    /// Ends connections that are marked as denied: through their descriptor, or by their cookie if nobody has one any
    /// more. Returns those that could not be ended; they stay dead as long as the kernel half is in place.
    fn end(&self, marked: Marked) -> BTreeSet<u64> {
        let Marked { mut cookies, descriptors } = marked;
        for descriptor in &descriptors {
            match abort(descriptor) {
                Ok(()) => _ = cookies.remove(&descriptor.cookie),
                Err(error) => tracing::warn!(%error, "a denied connection could not be dissolved"),
            }
        }
        drop(descriptors);
        cookies.retain(|cookie| self.sensor.knows_socket(*cookie));
        if cookies.is_empty() {
            return cookies;
        }
        match destroy(&cookies) {
            Ok(destroyed) => {
                let refused = destroyed.refused.into_iter();
                refused
                    .inspect(|(_, error)| tracing::warn!(%error, "a denied connection could not be ended"))
                    .map(|(cookie, _)| cookie)
                    .collect()
            }
            Err(error) => {
                tracing::warn!(%error, "denied connections could not be ended");
                cookies
            }
        }
    }

    /// The connected sockets of the process, if its id still means it.
    fn sockets_open(&self, held: Held) -> std::io::Result<Vec<Descriptor>> {
        let sockets = open_sockets(held.tgid);
        // Asked after its descriptors were duplicated: an id that was reused before then is another process's now.
        if self.is_alive(held) { sockets } else { Err(std::io::ErrorKind::NotFound.into()) }
    }

    /// Whether the process lives and its id still means it.
    pub(super) fn is_alive(&self, held: Held) -> bool {
        self.sensor.member(held.tgid).is_some_and(|member| member.process == held.process.0)
    }

    fn signal(&self, held: Held, signal: Signal) {
        if let Ok(pid) = i32::try_from(held.tgid)
            && self.is_alive(held)
        {
            // It may end in this very moment, which is as good.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Writes the kernel half has lost since the last call, and how many, by process.
    pub(super) fn lost_writes(&mut self) -> Vec<(Held, u64)> {
        let mut writes = Vec::new();
        for (process, gate) in self.sensor.gates() {
            let told = self.lost.entry(process).or_default();
            let fresh = gate.lost.saturating_sub(*told);
            *told = gate.lost;
            if fresh > 0 {
                let process = ProcessId(process);
                writes.push((Held { session: gate.session, process, tgid: gate.tgid, stopped: true }, fresh));
            }
        }
        writes
    }

    /// A process has ended: what it had held stays dead, and it is forgotten once all its writes are judged.
    pub(super) fn ended(&mut self, process: ProcessId) {
        let mut marked = self.set.remove(&process.0).unwrap_or_default();
        let judged = self.judged.get(&process.0).copied().unwrap_or(0);
        match self.sensor.gate(process.0) {
            Some(gate) if gate.begun != judged => {
                // It did not stand still for the verdict: what it wrote last was written for nobody.
                marked.cookies.extend(self.sensor.sockets_of(process.0));
                self.ending.insert(process.0);
            }
            Some(_) => self.forget(process.0),
            None => {}
        }
        self.deny(marked);
    }

    fn forget(&mut self, process: u64) {
        self.judged.remove(&process);
        self.lost.remove(&process);
        self.sensor.forget(process);
    }

    /// Ends whatever of a session's connections is not free to send, and waits until it is gone: when the kernel half is
    /// taken down, nothing is held any more.
    pub(super) fn close(&mut self, session: u64) {
        let unjudged = |process| {
            let judged = self.judged.get(&process).copied().unwrap_or(0);
            self.sensor.gate(process).is_some_and(|gate| gate.begun != judged)
        };
        let sockets = self.sensor.sockets(session).into_iter();
        let cookies: BTreeSet<u64> = sockets
            .filter(|(cookie, socket)| self.sensor.state(*cookie) != OPEN || unjudged(socket.process))
            .map(|(cookie, _)| cookie)
            .collect();
        self.deny_and_wait(cookies);
    }

    fn deny_and_wait(&mut self, cookies: BTreeSet<u64>) {
        let mut left = self.deny(Marked { cookies, descriptors: Vec::new() });
        for _ in 0..ORPHAN_LOOKS {
            left.retain(|cookie| self.sensor.knows_socket(*cookie));
            if left.is_empty() {
                return;
            }
            thread::sleep(ORPHAN_LOOK);
        }
        tracing::error!("denied connections outlive the monitor; what they hold may still be sent");
    }

    /// The monitor is broken: ends every process of these sessions and all they could still send.
    pub(super) fn give_up(&mut self, sessions: &[u64]) {
        for session in sessions {
            for _ in 0..100 {
                let members = self.sensor.members(*session);
                if members.is_empty() {
                    break;
                }
                for pid in members.into_iter().filter_map(|member| i32::try_from(member).ok()) {
                    let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
                }
                thread::sleep(Duration::from_millis(20));
            }
            let cookies = self.sensor.sockets(*session).into_iter().map(|(cookie, _)| cookie).collect();
            self.deny_and_wait(cookies);
        }
    }
}
