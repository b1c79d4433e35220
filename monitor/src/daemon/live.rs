//! One session while it runs: records in, events kept, verdicts out.

use std::collections::BTreeMap;
use std::sync::Arc;

use monitor_common::tls::{GATED, LAST, Write};

use crate::credential::Redactor;
use crate::credential::scan::{ScanRequest, Scanner};
use crate::decode::{Record, Seen, file, process, socket, tls::TlsDecoder};
use crate::detect::Catalog;
use crate::event::{
    Action, CredentialsSeen, Event, Fact, FileOpened, Lost, Place, ProcessId, ScanOutcome, SessionEnded,
    SessionStarted, Unread, Waited,
};
use crate::pipeline::{Pipeline, Step, Verdict};
use crate::policy::{Finding, Policy, Severity};
use crate::store::capture::{WriteError, Writer};
use crate::time::Timestamp;

/// What the people at the terminal are told.
#[derive(Clone, Debug)]
pub enum Notice {
    /// A finding, as it is made.
    Found(Box<Finding>),
    /// An action waits for a decision.
    Held(crate::response::Hold),
    /// A hold was decided.
    Decided { hold: crate::response::Hold, decided: crate::event::Decided, waited: std::time::Duration },
    /// The capture cannot be written.
    NotWritten(String),
    /// The gate could not do what was ordered.
    GateFailed(String),
    /// Records were lost.
    Lost(Lost),
}

/// What a session was given at its start.
#[derive(Clone, Debug, Default)]
pub struct Given {
    pub seen: Vec<CredentialsSeen>,
}

/// Why a session could not begin.
#[derive(Debug, thiserror::Error)]
pub enum LiveError {
    #[error("the session cannot be recorded")]
    Capture(#[from] WriteError),
}

/// How a session ended.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    pub events: u64,
    pub lost: u64,
    /// Findings, by what was ordered.
    pub findings: BTreeMap<Action, u64>,
    /// The gravest of them.
    pub worst: Option<Severity>,
    /// Notices that were not shown, since nobody took them.
    pub not_shown: u64,
    /// A process of the session was killed by a verdict.
    pub killed: bool,
    /// From the first event to the end.
    pub lasted: std::time::Duration,
    /// Why the capture could not be closed, if so.
    pub not_closed: Option<String>,
}

/// One running session.
pub struct Live {
    /// The kernel half's number of it.
    pub number: u64,
    /// `S-…`
    pub id: String,
    pipeline: Pipeline,
    tls: TlsDecoder,
    redactor: Redactor,
    writer: Writer,
    seq: u64,
    began: Timestamp,
    pub outcome: Outcome,
    pub notices: Vec<Notice>,
}

impl Live {
    /// Begins a session: its first events are what it is and what it was given.
    ///
    /// # Errors
    /// The capture cannot be written.
    pub fn begin(
        number: u64,
        started: SessionStarted,
        given: Given,
        time: Timestamp,
        (policy, catalog): (Arc<Policy>, Arc<Catalog>),
        redactor: Redactor,
        writer: Writer,
    ) -> Result<Self, LiveError> {
        let mut live = Self {
            number,
            id: started.session.clone(),
            pipeline: Pipeline::new(policy, catalog),
            tls: TlsDecoder::default(),
            redactor,
            writer,
            seq: 0,
            began: time,
            outcome: Outcome::default(),
            notices: Vec::new(),
        };
        live.own(time, Fact::SessionStarted(started));
        for seen in given.seen {
            live.own(time, Fact::CredentialsSeen(seen));
        }
        live.writer.flush_durable()?;
        Ok(live)
    }

    /// What is known of the session.
    pub fn pipeline(&self) -> &Pipeline {
        &self.pipeline
    }

    /// Takes a record of the kernel half. The verdict is for gated writes, when their last record has come.
    pub fn take(&mut self, record: &Record<'_>, scanner: &mut Scanner) -> Step {
        match record {
            Record::Fork(fork) => {
                self.keep(process::forked(fork));
            }
            Record::Exec(exec, args) => {
                let seen = process::executed(exec, args, &self.redactor);
                self.keep(seen);
            }
            Record::Exit(exit) => {
                self.tls.ended(exit.header.process);
                self.keep(process::exited(exit));
            }
            Record::File(open, name) => self.opened(open, name, scanner),
            Record::Connect(connect) => {
                self.keep(socket::connected(connect));
            }
            Record::Hello(hello, bytes) => {
                if let Some(seen) = socket::named(hello, bytes) {
                    self.keep(seen);
                }
            }
            Record::Tls(write, bytes) => return self.written(write, bytes),
            Record::Closed(_) | Record::Skip => {}
        }
        Step::default()
    }

    fn written(&mut self, write: &Write, bytes: &[u8]) -> Step {
        let mut step = Step::default();
        for seen in self.tls.take(write, bytes, &self.redactor) {
            let next = self.keep(seen);
            step.findings.extend(next.findings);
            step.verdict = step.verdict.max(next.verdict);
        }
        let judged = write.header.flags & (LAST | GATED) == LAST | GATED;
        // Whatever this write is by itself, what is in force for its process stays so.
        let standing = self.pipeline.standing(ProcessId(write.header.process));
        step.verdict = judged.then(|| step.verdict.unwrap_or(Verdict::Release).max(standing));
        step
    }

    /// Gated writes of a process whose plaintext was lost: judged as traffic nobody could read.
    pub fn lost_writes(&mut self, pid: u32, process: ProcessId, time: Timestamp) -> Step {
        self.tls.lost(process.0);
        let unread = Unread { stream: 0, why: "lost-bytes".to_owned(), bytes: 0 };
        let mut step = self.keep(Seen { time, pid, process, fact: Fact::Unread(unread) });
        step.verdict = Some(step.verdict.unwrap_or(Verdict::Release).max(self.pipeline.standing(process)));
        step
    }

    /// The rest of what this process was writing has not come in time.
    pub fn waited(&mut self, pid: u32, process: ProcessId, since: Timestamp, time: Timestamp) -> Step {
        let millis = u64::try_from(time.since(since).as_millis()).unwrap_or(u64::MAX);
        let mut step = self.keep(Seen { time, pid, process, fact: Fact::Waited(Waited { millis }) });
        step.verdict = Some(step.verdict.unwrap_or(Verdict::Release).max(self.pipeline.standing(process)));
        step
    }

    fn opened(&mut self, open: &monitor_common::file::Open, name: &[u8], scanner: &mut Scanner) {
        let seen = file::opened(open, name);
        let path = match &seen.fact {
            Fact::FileOpened(FileOpened { path, .. }) => path.clone(),
            _ => String::new(),
        };
        let (time, pid, process) = (seen.time, seen.pid, seen.process);
        self.keep(seen);
        if !file::readable(open) {
            return;
        }
        let opened = self.seq;
        let fd = (open.fd >= 0).then_some(open.fd);
        let request = ScanRequest { pid, fd, path: &path, dev: open.dev, ino: open.ino };
        let Some(found) = scanner.scan(&request, &self.redactor) else { return };
        if found.sightings.is_empty() && found.outcome == ScanOutcome::Whole {
            return;
        }
        found.sightings.iter().for_each(|sighting| self.redactor.learn_sighting(sighting));
        let place = Place::File { path, opened };
        let fact =
            Fact::CredentialsSeen(CredentialsSeen { place, sightings: found.sightings, scan: found.outcome });
        self.keep(Seen { time, pid, process, fact });
    }

    /// A fact of the monitor's own.
    pub fn own(&mut self, time: Timestamp, fact: Fact) -> Step {
        if let Fact::CredentialsSeen(seen) = &fact {
            seen.sightings.iter().for_each(|sighting| self.redactor.learn_sighting(sighting));
        }
        self.keep(Seen { time, pid: 0, process: ProcessId(0), fact })
    }

    /// Text of a person, without the session's secrets.
    pub fn redacted(&self, text: &str) -> String {
        self.redactor.text(text)
    }

    /// Records that were lost.
    pub fn lost(&mut self, time: Timestamp, record: &str, count: u64) {
        self.outcome.lost += count;
        let lost = Lost { record: record.to_owned(), count };
        self.notices.push(Notice::Lost(lost.clone()));
        self.own(time, Fact::Lost(lost));
    }

    /// Gives a fact its place, keeps it, and lets it be judged.
    pub fn keep(&mut self, mut seen: Seen) -> Step {
        self.redactor.clean(&mut seen.fact);
        self.seq += 1;
        let event =
            Event { seq: self.seq, time: seen.time, pid: seen.pid, process: seen.process, fact: seen.fact };
        self.outcome.events += 1;
        let written = self.writer.event(&event);
        self.tell(written);
        let step = self.pipeline.step(&event);
        for finding in &step.findings {
            let written = self.writer.finding(finding);
            self.tell(written);
            self.notices.push(Notice::Found(Box::new(finding.clone())));
            *self.outcome.findings.entry(finding.action).or_default() += 1;
            self.outcome.worst = self.outcome.worst.max(Some(finding.severity));
        }
        step
    }

    /// Puts what was kept so far into the file.
    pub fn flush(&mut self) {
        let written = self.writer.flush();
        self.tell(written);
    }

    fn tell(&mut self, written: Result<(), WriteError>) {
        if let Err(error) = written {
            self.notices.push(Notice::NotWritten(error.to_string()));
        }
    }

    /// Ends the session and closes its capture.
    pub fn end(mut self, time: Timestamp, exit_code: u8) -> Outcome {
        self.own(time, Fact::SessionEnded(SessionEnded { exit_code, lost: self.outcome.lost }));
        self.outcome.lasted = time.since(self.began);
        self.outcome.not_closed = self.writer.finish(time).err().map(|error| error.to_string());
        self.outcome
    }
}
