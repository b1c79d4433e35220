//! The thread that owns the monitor: it reads the rings, lets sessions judge, moves the gate, and takes commands.

use std::collections::BTreeMap;
use std::os::fd::AsFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use monitor_common::tls::{GATED, LAST, RUNNING};
use nix::sys::eventfd::{EfdFlags, EventFd};
use tokio::sync::oneshot;

use super::clock::boot_now;
use super::gatekeeper::{Gatekeeper, Held};
use super::live::{Live, Notice, Outcome};
use crate::credential::scan::Scanner;
use crate::decode::{Record, session_of};
use crate::event::{Action, Decided, Decision, Enforced, Fact, ProcessId};
use crate::pipeline::{Step, Verdict};
use crate::policy::Finding;
use crate::response::{Hold, Holds, NotDecided};
use crate::sensor::{GateError, Rings, Sensor};
use crate::time::Timestamp;

/// How long small records may lie in the ring unread.
const TICK: Duration = Duration::from_millis(15);

/// How long the rest of a request is waited for while its first part is held back: longer than a client waits for a
/// `100 Continue` before it goes on without (curl: 1 s), shorter than people wait.
const REST: Duration = Duration::from_millis(1500);

/// How long events may wait before they are put into the capture file.
const FLUSH: Duration = Duration::from_secs(1);

/// Something asked of the engine.
pub enum Command {
    /// What waits for a decision.
    Pending(oneshot::Sender<Vec<Hold>>),
    /// A decision about a hold.
    Decide {
        hold: String,
        decision: Decision,
        by: String,
        uid: Option<u32>,
        reason: Option<String>,
        reply: oneshot::Sender<Result<Hold, Refused>>,
    },
    /// Whether a process belongs to a session.
    IsMember(u32, oneshot::Sender<bool>),
    /// From now on this process's children belong to the session; and that they no longer do.
    Launch { number: u64, on: bool, armed: bool, reply: oneshot::Sender<Result<(), String>> },
    /// Tell how many processes of a session are alive.
    Members(u64, oneshot::Sender<Vec<u32>>),
    /// End a session with this exit code.
    End { number: u64, exit_code: u8, reply: oneshot::Sender<Outcome> },
}

/// Why a decision was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    #[error(transparent)]
    Not(#[from] NotDecided),
    #[error("the gate could not be moved; the connection stays held")]
    Gate,
}

/// Talks to the engine from other threads.
#[derive(Clone)]
pub struct Handle {
    commands: mpsc::Sender<Command>,
    wake: Arc<EventFd>,
}

impl Handle {
    /// Sends a command; it is lost if the engine has ended, and then the reply's sender is dropped.
    pub fn send(&self, command: Command) {
        if self.commands.send(command).is_ok() {
            let _ = self.wake.write(1);
        }
    }

    /// Asks, and waits for the answer on this thread; none if the engine has ended.
    pub fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.send(command(reply));
        answer.blocking_recv().ok()
    }
}

/// The monitor.
pub struct Engine {
    keeper: Gatekeeper,
    scanner: Scanner,
    /// By the kernel half's number.
    sessions: BTreeMap<u64, Running>,
    commands: mpsc::Receiver<Command>,
    wake: Arc<EventFd>,
    notices: mpsc::SyncSender<Notice>,
    last_flush: Timestamp,
}

/// The engine broke; its sessions were ended.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the monitor broke, and its sessions were ended with it")]
pub struct Broken;

struct Running {
    live: Live,
    holds: Holds,
    hold_timeout: Duration,
    /// Processes whose request waits for its rest, and since when they have written nothing.
    waiting: BTreeMap<ProcessId, (Held, Timestamp)>,
}

impl Running {
    /// Puts a finding that is to be held into the queue; false if that is full.
    fn hold(&mut self, held: Held, finding: &Finding) -> bool {
        let Some(id) = &finding.hold else { return true };
        let hold = Hold {
            id: id.clone(),
            session: self.live.id.clone(),
            finding: finding.id.clone(),
            title: finding.title.clone(),
            severity: finding.severity,
            pid: held.tgid,
            process: held.process,
            command: self.live.pipeline().session().tree().name_at(held.process, finding.event).to_owned(),
            host: finding.host.clone(),
            reasons: finding.reasons.clone(),
            since: finding.time,
            until: boot_now().plus(self.hold_timeout),
        };
        let added = self.holds.add(hold.clone());
        if added {
            self.live.notices.push(Notice::Held(hold));
        }
        added
    }

    /// Keeps what the gate did about findings.
    fn enforced(&mut self, findings: &[Finding], done: &Result<(), GateError>) {
        let failed = done.as_ref().err().map(ToString::to_string);
        if let Some(why) = &failed {
            self.live.notices.push(Notice::GateFailed(why.clone()));
        }
        for finding in findings.iter().filter(|finding| finding.action >= Action::Hold) {
            let (finding, action, rung) = (finding.id.clone(), finding.action, finding.rung);
            self.live
                .own(boot_now(), Fact::Enforced(Enforced { finding, action, rung, failed: failed.clone() }));
        }
        if !findings.is_empty() {
            self.live.flush();
        }
    }
}

impl Engine {
    /// An engine without sessions. Notices go where they cannot block it.
    ///
    /// # Errors
    /// No descriptor is to be had.
    pub fn new(
        sensor: Sensor,
        scanner: Scanner,
        notices: mpsc::SyncSender<Notice>,
    ) -> std::io::Result<(Self, Handle)> {
        let (sender, commands) = mpsc::channel();
        let wake = Arc::new(EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?);
        let engine = Self {
            keeper: Gatekeeper::new(sensor),
            scanner,
            sessions: BTreeMap::new(),
            commands,
            wake: Arc::clone(&wake),
            notices,
            last_flush: boot_now(),
        };
        Ok((engine, Handle { commands: sender, wake }))
    }

    /// Adds a session.
    pub fn add(&mut self, live: Live, hold_timeout: Duration) {
        let running = Running { live, holds: Holds::default(), hold_timeout, waiting: BTreeMap::new() };
        self.sessions.insert(running.live.number, running);
    }

    /// Works until the last handle is gone. If it breaks, the sessions end with it: without a judge nothing may pass.
    ///
    /// # Errors
    /// It broke.
    pub fn run(mut self, mut rings: Rings) -> Result<(), Broken> {
        // What a half-done change left behind is not used again, but for the maps of the kernel half.
        let work = AssertUnwindSafe(|| self.work(&mut rings));
        catch_unwind(work).map_err(|_told_by_the_hook| {
            let sessions: Vec<u64> = self.sessions.keys().copied().collect();
            self.keeper.give_up(&sessions);
            Broken
        })
    }

    fn work(&mut self, rings: &mut Rings) {
        loop {
            rings.wait(self.wake.as_fd(), TICK);
            // A non-blocking read: it fails when nobody has woken us.
            let _ = self.wake.read();
            rings.drain(|bytes| self.record(bytes));
            self.lost_writes();
            self.losses();
            self.expire();
            self.waited();
            self.every_second();
            if !self.commands(rings) {
                return;
            }
            self.publish();
        }
    }

    fn record(&mut self, bytes: &[u8]) {
        let record = match Record::parse(bytes) {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "the two halves of holdfire do not fit together");
                return;
            }
        };
        let Some(number) = session_of(&record) else { return };
        let gated = match &record {
            Record::Tls(write, _) if write.header.flags & (GATED | LAST) == GATED | LAST => {
                // What was lost before this write may have been what made it foreign.
                self.losses();
                Some(Held {
                    session: number,
                    process: ProcessId(write.header.process),
                    tgid: write.header.tgid,
                    stopped: write.header.flags & RUNNING == 0,
                })
            }
            _ => None,
        };
        let Some(running) = self.sessions.get_mut(&number) else {
            // A session that has ended: nobody judges its stragglers, so they stay held.
            return;
        };
        let step = running.live.take(&record, &mut self.scanner);
        if let Some(held) = gated {
            self.carry_out(held, 1, step);
        }
        if let Record::Exit(exit) = &record {
            self.ended(number, ProcessId(exit.header.process));
        }
    }

    /// Orders the gate, and keeps what came of it.
    fn carry_out(&mut self, held: Held, writes: u64, step: Step) {
        let Some(running) = self.sessions.get_mut(&held.session) else { return };
        let mut verdict = step.verdict.unwrap_or(Verdict::Release);
        for finding in &step.findings {
            if !running.hold(held, finding) {
                verdict = verdict.max(Verdict::Deny);
            }
        }
        running.live.outcome.killed |= verdict == Verdict::Kill;
        if verdict == Verdict::AwaitRest {
            running.waiting.insert(held.process, (held, boot_now()));
        } else {
            running.waiting.remove(&held.process);
        }
        // Without a write there is only something to decide.
        let done = if writes > 0 {
            self.keeper.judge(held, writes, verdict)
        } else {
            self.keeper.decide(held, verdict)
        };
        running.enforced(&step.findings, &done);
    }

    /// Has what waits too long for its rest judged as it is.
    fn waited(&mut self) {
        let now = boot_now();
        let due: Vec<(Held, Timestamp)> = self
            .sessions
            .values()
            .flat_map(|running| running.waiting.values())
            .filter(|(_, since)| now.since(*since) >= REST)
            .copied()
            .collect();
        for (held, since) in due {
            let Some(running) = self.sessions.get_mut(&held.session) else { continue };
            let step = running.live.waited(held.tgid, held.process, since, now);
            self.carry_out(held, 0, step);
        }
    }

    /// Judges writes whose plaintext never came.
    fn lost_writes(&mut self) {
        for (held, writes) in self.keeper.lost_writes() {
            let Some(running) = self.sessions.get_mut(&held.session) else { continue };
            let step = running.live.lost_writes(held.tgid, held.process, boot_now());
            self.carry_out(held, writes, step);
        }
    }

    fn losses(&mut self) {
        for running in self.sessions.values_mut() {
            for (record, count) in self.keeper.sensor.losses(running.live.number) {
                running.live.lost(boot_now(), record, count);
            }
        }
    }

    /// A process has ended; what it had waiting is decided.
    fn ended(&mut self, number: u64, process: ProcessId) {
        self.decide_all(number, Decision::Gone, |hold| hold.process == process);
        if let Some(running) = self.sessions.get_mut(&number) {
            running.waiting.remove(&process);
        }
        self.keeper.ended(process);
    }

    fn expire(&mut self) {
        let now = boot_now();
        let numbers: Vec<u64> = self.sessions.keys().copied().collect();
        numbers
            .into_iter()
            .for_each(|number| self.decide_all(number, Decision::Expired, |hold| hold.until <= now));
    }

    /// Decides, in the name of the monitor, about every hold that fits.
    fn decide_all(&mut self, number: u64, decision: Decision, fits: impl Fn(&Hold) -> bool) {
        let Some(running) = self.sessions.get(&number) else { return };
        let fitting = running.holds.waiting().iter().filter(|hold| fits(hold));
        for id in fitting.map(|hold| hold.id.clone()).collect::<Vec<_>>() {
            // A gate that could not be moved has been told, and the connection stays held.
            let _ = self.decide(number, &id, decision, "holdfire", None, None);
        }
    }

    fn decide(
        &mut self,
        number: u64,
        id: &str,
        decision: Decision,
        by: &str,
        uid: Option<u32>,
        reason: Option<String>,
    ) -> Result<Hold, Refused> {
        let running = self.sessions.get_mut(&number).ok_or(NotDecided::NoSuchHold)?;
        let hold = running.holds.decide(id, decision)?;
        let now = boot_now();
        let reason = reason.map(|reason| running.live.redacted(&reason));
        let decided = Decided { hold: hold.id.clone(), decision, by: by.to_owned(), uid, reason };
        running.live.own(now, Fact::Decided(decided.clone()));
        let held = Held { session: number, process: hold.process, tgid: hold.pid, stopped: false };
        // Of an approval is done what the rest of the process allows: another of its requests may still be held.
        let verdict = match decision {
            Decision::Approved => running.live.pipeline().standing(hold.process),
            Decision::Denied | Decision::Expired | Decision::Gone => Verdict::Deny,
            Decision::Killed => Verdict::Kill,
        };
        running.live.outcome.killed |= verdict == Verdict::Kill;
        let done = self.keeper.decide(held, verdict);
        let action = match verdict {
            Verdict::Release => Action::Allow,
            Verdict::AwaitRest | Verdict::Hold => Action::Hold,
            Verdict::Deny => Action::Deny,
            Verdict::Kill => Action::Kill,
        };
        let failed = done.as_ref().err().map(ToString::to_string);
        let rung = running.live.pipeline().session().rung();
        let enforced = Enforced { finding: hold.finding.clone(), action, rung, failed: failed.clone() };
        running.live.own(now, Fact::Enforced(enforced));
        let waited = now.since(hold.since);
        running.live.notices.push(Notice::Decided { hold: hold.clone(), decided, waited });
        running.live.flush();
        match failed {
            Some(why) => {
                running.live.notices.push(Notice::GateFailed(why));
                Err(Refused::Gate)
            }
            None => Ok(hold),
        }
    }

    /// Puts events into the captures, and looks after processes whose end was not told: their record may be lost.
    fn every_second(&mut self) {
        let now = boot_now();
        if now.since(self.last_flush) < FLUSH {
            return;
        }
        self.last_flush = now;
        self.sessions.values_mut().for_each(|running| running.live.flush());
        let gone: Vec<(u64, ProcessId)> = self
            .sessions
            .iter()
            .flat_map(|(number, running)| running.holds.waiting().iter().map(|hold| (*number, hold)))
            .map(|(number, hold)| Held {
                session: number,
                process: hold.process,
                tgid: hold.pid,
                stopped: false,
            })
            .filter(|held| !self.keeper.is_alive(*held))
            .map(|held| (held.session, held.process))
            .collect();
        gone.into_iter().for_each(|(number, process)| self.ended(number, process));
    }

    fn publish(&mut self) {
        for running in self.sessions.values_mut() {
            for notice in running.live.notices.drain(..) {
                // Whoever should show it does not keep up, or has gone: the capture has it all.
                if self.notices.try_send(notice).is_err() {
                    running.live.outcome.not_shown += 1;
                }
            }
        }
    }

    /// Answers what was asked; false when nobody can ask any more.
    fn commands(&mut self, rings: &mut Rings) -> bool {
        loop {
            match self.commands.try_recv() {
                Ok(command) => self.command(command, rings),
                Err(mpsc::TryRecvError::Empty) => return true,
                Err(mpsc::TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn command(&mut self, command: Command, rings: &mut Rings) {
        // Whoever asked may have gone away; that is no concern of ours, so replies that fail are dropped.
        match command {
            Command::Pending(reply) => {
                let waiting = self.sessions.values().flat_map(|running| running.holds.waiting().to_vec());
                let _ = reply.send(waiting.collect());
            }
            Command::Decide { hold, decision, by, uid, reason, reply } => {
                let number = self.session_with(&hold);
                let _ = reply.send(match number {
                    Some(number) => self.decide(number, &hold, decision, &by, uid, reason),
                    None => Err(NotDecided::NoSuchHold.into()),
                });
            }
            Command::IsMember(pid, reply) => {
                let _ = reply.send(self.keeper.sensor.member(pid).is_some());
            }
            Command::Launch { number, on, armed, reply } => {
                let sensor = &mut self.keeper.sensor;
                let done = if on { sensor.launch(number, armed) } else { sensor.launched() };
                let _ = reply.send(done.map_err(|error| error.to_string()));
            }
            Command::Members(number, reply) => {
                let _ = reply.send(self.keeper.sensor.members(number));
            }
            Command::End { number, exit_code, reply } => {
                // What the last process did may still lie in the rings.
                while rings.drain(|bytes| self.record(bytes)) > 0 {}
                self.losses();
                self.lost_writes();
                self.decide_all(number, Decision::Gone, |_| true);
                self.keeper.close(number);
                while rings.drain(|bytes| self.record(bytes)) > 0 {}
                self.publish();
                if let Some(running) = self.sessions.remove(&number) {
                    let _ = reply.send(running.live.end(boot_now(), exit_code));
                }
            }
        }
    }

    /// The session that has a hold of this id, waiting or decided.
    fn session_with(&self, id: &str) -> Option<u64> {
        self.sessions.iter().find(|(_, running)| running.holds.knows(id)).map(|(number, _)| *number)
    }
}
