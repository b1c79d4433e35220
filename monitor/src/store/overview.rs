//! What a session was, in one screen: gathered from its lines in bounded memory.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::capture::{End, Line};
use crate::event::{Event, Fact, ProcessId, SessionStarted};
use crate::policy::Finding;
use crate::time::Timestamp;

/// Findings kept; further ones are only counted. One is at most a line, so a hostile capture fills 100 MiB.
const FINDINGS: usize = 100;

/// Programs, kinds of lost records, and hosts of one program kept. A screen with more is one nobody reads.
const KEPT: usize = 1_000;

/// Processes whose program is remembered, and hosts of each, to say which programs were seen talking.
const PROCESSES: usize = 20_000;
const HOSTS: usize = 16;

/// Longest name kept, in bytes: that of a host.
const NAME: usize = 255;

/// A session as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Overview {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub started: Option<SessionStarted>,
    /// Time of the first and of the last event.
    pub first: Option<Timestamp>,
    pub last: Option<Timestamp>,
    /// Events by kind.
    pub events: BTreeMap<&'static str, u64>,
    /// The first findings.
    pub findings: Vec<Finding>,
    /// Findings beyond those.
    pub more_findings: u64,
    pub exit_code: Option<u8>,
    /// Records lost, by kind.
    pub lost: BTreeMap<String, u64>,
    /// What programs said over TLS, and what of it was seen.
    pub tls: BTreeMap<String, Coverage>,
    /// What the file itself says at its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<End>,
    #[serde(skip)]
    programs: BTreeMap<ProcessId, String>,
    #[serde(skip)]
    processes: BTreeMap<ProcessId, Talk>,
}

/// How much of one program's TLS traffic was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// Connections whose plaintext was seen.
    pub seen: u64,
    /// The probes that saw it.
    pub probes: BTreeSet<String>,
    /// Processes that began TLS connections without a byte of plaintext being seen.
    pub blind: u64,
    /// Where those went.
    pub blind_hosts: BTreeSet<String>,
}

#[derive(Clone, Debug, Default, PartialEq)]
struct Talk {
    named: BTreeSet<String>,
    seen: bool,
}

impl Overview {
    /// Takes the next line.
    pub fn add(&mut self, line: Line) {
        match line {
            Line::Header(_) => {}
            Line::Event(event) => self.event(*event),
            Line::Finding(finding) if self.findings.len() < FINDINGS => self.findings.push(*finding),
            Line::Finding(_) => self.more_findings += 1,
            Line::End(end) => self.end = Some(end),
        }
    }

    /// To be called after the last line: settles which processes stayed blind.
    pub fn finish(&mut self) {
        for (process, talk) in std::mem::take(&mut self.processes) {
            if talk.seen || talk.named.is_empty() {
                continue;
            }
            if let Some(coverage) = self.coverage(process) {
                coverage.blind += 1;
                let room = KEPT.saturating_sub(coverage.blind_hosts.len());
                coverage.blind_hosts.extend(talk.named.into_iter().take(room));
            }
        }
    }

    fn event(&mut self, event: Event) {
        self.first.get_or_insert(event.time);
        self.last = self.last.max(Some(event.time));
        *self.events.entry(event.fact.kind()).or_default() += 1;
        match event.fact {
            Fact::SessionStarted(started) => self.started = Some(started),
            Fact::SessionEnded(ended) => self.exit_code = Some(ended.exit_code),
            Fact::Lost(lost) => {
                let record = short(&lost.record);
                if self.lost.len() < KEPT || self.lost.contains_key(record) {
                    let count = self.lost.entry(record.to_owned()).or_default();
                    *count = count.saturating_add(lost.count);
                }
            }
            Fact::Forked(forked) if self.programs.len() < PROCESSES => {
                if let Some(program) = self.programs.get(&event.process).cloned() {
                    self.programs.insert(forked.child, program);
                }
            }
            Fact::Executed(executed) if self.programs.len() < PROCESSES => {
                let program = executed.exe.rsplit('/').next().unwrap_or_default();
                self.programs.insert(event.process, short(program).to_owned());
            }
            Fact::ServerNamed(named) if self.processes.len() < PROCESSES => {
                let talk = self.processes.entry(event.process).or_default();
                if talk.named.len() < HOSTS {
                    let host = named.name.as_deref().unwrap_or("a server not named");
                    talk.named.insert(short(host).to_owned());
                }
            }
            Fact::TlsOpened(opened) => {
                if self.processes.len() < PROCESSES {
                    self.processes.entry(event.process).or_default().seen = true;
                }
                if let Some(coverage) = self.coverage(event.process) {
                    coverage.seen += 1;
                    if coverage.probes.len() < HOSTS {
                        coverage.probes.insert(short(&opened.probe).to_owned());
                    }
                }
            }
            _ => {}
        }
    }

    fn coverage(&mut self, process: ProcessId) -> Option<&mut Coverage> {
        let program = self.programs.get(&process).map_or("unknown", String::as_str);
        if self.tls.len() >= KEPT && !self.tls.contains_key(program) {
            return None;
        }
        Some(self.tls.entry(program.to_owned()).or_default())
    }
}

fn short(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[test]
    fn the_story_in_one_screen() {
        let mut overview = Overview::default();
        for event in testing::story() {
            overview.add(Line::Event(Box::new(event)));
        }
        overview.add(Line::Finding(Box::new(testing::finding())));
        overview.finish();
        assert_eq!(overview.events["executed"], 5);
        assert_eq!((overview.exit_code, overview.lost["file"]), (Some(1), 3));
        let agent = &overview.tls["cursor-agent"];
        assert_eq!((agent.seen, agent.blind), (0, 1));
        assert!(agent.blind_hosts.contains("api.anthropic.com"));
        let curl = &overview.tls["curl"];
        assert_eq!((curl.seen, curl.blind), (1, 0));
    }

    #[test]
    fn endless_sessions_are_counted_not_kept() {
        let mut overview = Overview::default();
        for _ in 0..FINDINGS + 5 {
            overview.add(Line::Finding(Box::new(testing::finding())));
        }
        assert_eq!((overview.findings.len(), overview.more_findings), (FINDINGS, 5));
    }
}
