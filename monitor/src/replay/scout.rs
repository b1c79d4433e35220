//! The first pass through a capture: what must be known before the first row is shown.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::Moment;
use crate::event::{Fact, SessionStarted};
use crate::time::Timestamp;
use crate::ui;

/// Events remembered as evidence, and alerts as places to go to. Beyond it evidence is shown only by its own merit.
const REMEMBERED: usize = 100_000;

/// What a first pass learnt.
#[derive(Debug, Default)]
pub struct Scout {
    started: Option<SessionStarted>,
    first: Option<Timestamp>,
    last: Timestamp,
    evidence: BTreeSet<u64>,
    alerts: Vec<(String, Timestamp)>,
}

impl Scout {
    /// Takes what happened next.
    pub fn add(&mut self, moment: &Moment) {
        let Moment::Event(event, step) = moment else {
            return;
        };
        self.first.get_or_insert(event.time);
        self.last = self.last.max(event.time);
        if let (None, Fact::SessionStarted(started)) = (&self.started, &event.fact) {
            self.started = Some(started.clone());
        }
        for finding in &step.findings {
            if self.alerts.len() < REMEMBERED {
                self.alerts.push((finding.id.clone(), finding.time));
            }
            let room = REMEMBERED.saturating_sub(self.evidence.len());
            self.evidence.extend(finding.evidence.iter().take(room));
        }
    }

    /// How long after the start `time` is.
    pub fn offset(&self, time: Timestamp) -> Duration {
        time.since(self.first.unwrap_or_default())
    }

    /// The alerts, and when after the start they came.
    pub fn alerts(&self) -> impl Iterator<Item = (&str, Duration)> {
        self.alerts.iter().map(|(id, time)| (id.as_str(), self.offset(*time)))
    }

    pub(super) fn is_evidence(&self, seq: u64) -> bool {
        self.evidence.contains(&seq)
    }

    pub(super) fn found_nothing(&self) -> bool {
        self.alerts.is_empty()
    }
}

/// The heading: which session, when, how long, under which policy.
impl fmt::Display for Scout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(started) = &self.started else {
            return f.write_str("The beginning of this session is missing.");
        };
        let strong = ui::style::STRONG;
        write!(
            f,
            "{strong}{} {}{strong:#} · {} · {} · mode {} · policy {}@{}",
            ui::safe(&started.session),
            ui::safe(&started.name),
            ui::wall_clock(started.wall_clock),
            ui::span(self.offset(self.last)),
            started.mode,
            ui::safe(&started.policy.name),
            ui::safe(&started.policy.hash),
        )
    }
}
