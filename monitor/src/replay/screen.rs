//! Decides which events become rows.
//!
//! The default, the story, is for reading: findings and everything they rest on, secrets when first met, destinations
//! when first met, requests that may change something, decisions, and every gap in what was seen. Programs are shown
//! when they belong to a finding, or when nothing was found. When in doubt an event is hidden, and counted: `--filter
//! all` shows it.

use std::collections::HashSet;
use std::time::Duration;

use super::filter::Filter;
use super::names::Names;
use super::row::{Row, Topic};
use super::scout::Scout;
use crate::event::{BodyFacts, Event, Fact, OperationType, ProcessId, Request};
use crate::pipeline::Step;
use crate::secret::Fingerprint;
use crate::ui;

/// Things remembered as already shown. Beyond it later ones count as shown.
const REMEMBERED: usize = 100_000;

/// Turns events into rows.
#[derive(Debug)]
pub struct Screen<'a> {
    scout: &'a Scout,
    filter: Filter,
    /// Only what happened in this time after the start is shown.
    span: std::ops::RangeInclusive<Duration>,
    names: Names,
    secrets: HashSet<Fingerprint>,
    places: HashSet<String>,
    blind: HashSet<(ProcessId, String)>,
    hidden: u64,
}

impl<'a> Screen<'a> {
    pub fn new(scout: &'a Scout, filter: Filter, span: std::ops::RangeInclusive<Duration>) -> Self {
        Self {
            scout,
            filter,
            span,
            names: Names::default(),
            secrets: HashSet::new(),
            places: HashSet::new(),
            blind: HashSet::new(),
            hidden: 0,
        }
    }

    /// The rows of an event and of what was found at it.
    pub fn rows(&mut self, event: &Event, step: &Step) -> Vec<Row> {
        self.names.learn(event);
        let offset = self.scout.offset(event.time);
        // Asked for every event, so that "first" means first in the session and not first on the screen.
        let tells = self.tells(event);
        let shown = match &self.filter {
            Filter::All => true,
            Filter::Topics(topics) => topics.contains(&Topic::of(&event.fact)),
            // What was read out of a file says which file, and what a child became says that there is one.
            Filter::Story if matches!(event.fact, Fact::FileOpened(_) | Fact::Forked(_)) => false,
            Filter::Story => tells || self.scout.is_evidence(event.seq),
        };
        let in_span = self.span.contains(&offset);
        let mut rows = Vec::new();
        if shown && in_span {
            let row = Row::of(event, offset, &self.names);
            let new_secret = tells && matches!(event.fact, Fact::CredentialsSeen(_));
            rows.push(if new_secret { row.first_seen() } else { row });
        } else {
            self.hidden += 1;
        }
        let alerts = match &self.filter {
            Filter::Topics(topics) => topics.contains(&Topic::Alert),
            Filter::All | Filter::Story => true,
        };
        if alerts && in_span {
            rows.extend(
                step.findings
                    .iter()
                    .map(|finding| Row::finding(finding, self.scout.offset(finding.time), &self.names)),
            );
        }
        rows
    }

    /// Events that were not shown.
    pub fn hidden(&self) -> u64 {
        self.hidden
    }

    /// Whether an event is worth reading by itself.
    fn tells(&mut self, event: &Event) -> bool {
        match &event.fact {
            Fact::SessionStarted(_) | Fact::SessionEnded(_) | Fact::Lost(_) | Fact::Decided(_) => true,
            Fact::Executed(_) => self.scout.found_nothing(),
            Fact::CredentialsSeen(seen) => {
                let mut first = false;
                for sighting in &seen.sightings {
                    first |= self.secrets.len() < REMEMBERED && self.secrets.insert(sighting.fingerprint);
                }
                first
            }
            // A connection that will name its server is shown when it does.
            Fact::Connected(connected) => {
                connected.peer.port() != 443 && self.first_place(connected.peer.to_string())
            }
            Fact::ServerNamed(_) => {
                let server = self.names.server(event.process).unwrap_or_default().to_owned();
                self.first_place(server)
            }
            Fact::Requested(request) => request.complete && may_change(request),
            Fact::Unread(unread) => {
                self.blind.len() < REMEMBERED
                    && self.blind.insert((event.process, ui::cut(&unread.why, 64).into_owned()))
            }
            Fact::Enforced(enforced) => enforced.failed.is_some(),
            Fact::Forked(_)
            | Fact::Exited(_)
            | Fact::FileOpened(_)
            | Fact::TlsOpened(_)
            | Fact::Waited(_) => false,
        }
    }

    fn first_place(&mut self, place: String) -> bool {
        self.places.len() < REMEMBERED && self.places.insert(place)
    }
}

/// By its form alone; what it would do is for the pipeline to say.
fn may_change(request: &Request) -> bool {
    match &request.body.facts {
        BodyFacts::Graphql(operations) => operations.iter().any(|it| it.kind == OperationType::Mutation),
        BodyFacts::None | BodyFacts::Fields(_) => {
            !matches!(request.method.as_str(), "GET" | "HEAD" | "OPTIONS")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::Moment;
    use crate::replay::testing::moments;
    use crate::ui::Printer;

    fn show(moments: &[Moment], filter: &str, from: u64, until: u64) -> String {
        let mut scout = Scout::default();
        moments.iter().for_each(|moment| scout.add(moment));
        let span = Duration::from_secs(from)..=Duration::from_secs(until);
        let mut screen = Screen::new(&scout, filter.parse().unwrap(), span);
        let (printer, out, _) = Printer::to_screens();
        printer.line(&scout).unwrap();
        for moment in moments {
            let Moment::Event(event, step) = moment else { continue };
            screen.rows(event, step).iter().for_each(|row| printer.line(row).unwrap());
        }
        out.text() + &format!("hidden {}", screen.hidden())
    }

    #[test]
    fn the_story() {
        insta::assert_snapshot!(show(&moments(), "story", 0, 1_000));
    }

    #[test]
    fn everything() {
        insta::assert_snapshot!(show(&moments(), "all", 0, 1_000));
    }

    #[test]
    fn a_part_by_topic_and_time() {
        insta::assert_snapshot!(show(&moments(), "exec,alert", 1, 20));
    }

    #[test]
    fn nothing_found_shows_what_ran() {
        let mut moments = moments();
        for moment in &mut moments {
            if let Moment::Event(_, step) = moment {
                step.findings.clear();
            }
        }
        let shown = show(&moments, "story", 0, 1_000);
        assert!(shown.contains("rg -n RAILWAY") && !shown.contains("HOLD"), "{shown}");
    }

    #[test]
    fn a_session_cannot_paint_on_the_screen() {
        let mut moments = moments();
        for moment in &mut moments {
            if let Moment::Event(event, _) = moment
                && let Fact::Executed(executed) = &mut event.fact
            {
                executed.exe = "/tmp/\u{1b}[31mroot\u{202e}".to_owned();
                executed.argv = vec!["a\nb".to_owned(), "\u{1b}]0;title\u{7}".to_owned()];
            }
        }
        let shown = show(&moments, "all", 0, 1_000);
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n') && !shown.contains('\u{202e}'),
            "{shown}"
        );
        assert_eq!(shown.lines().count(), moments.len() + 3);
    }
}
