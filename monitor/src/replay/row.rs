//! One event as one line of the screen.

use std::fmt;
use std::time::Duration;

use anstyle::Style;

use super::names::Names;
use crate::event::{
    Action, Body, BodyFacts, CredentialsSeen, Decided, Decision, Event, Exited, Fact, Field, OperationType,
    Place, Request, ScanOutcome,
};
use crate::policy::{Finding, Severity};
use crate::time::Offset;
use crate::ui::{self, style};

/// Widths of the columns before the last, in characters.
pub(super) const ACTOR: usize = 18;
const WHAT: usize = 44;

/// Longest last column: two lines of a usual terminal.
const NOTE: usize = 160;

/// What an event is about: the words of the second column and of `--filter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    Session,
    Fork,
    Exec,
    Exit,
    Open,
    Read,
    Conn,
    Tls,
    Http,
    Blind,
    Lost,
    Gate,
    Alert,
}

impl Topic {
    pub(super) const ALL: [Self; 13] = [
        Self::Session,
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Open,
        Self::Read,
        Self::Conn,
        Self::Tls,
        Self::Http,
        Self::Blind,
        Self::Lost,
        Self::Gate,
        Self::Alert,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Session => "session",
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Open => "open",
            Self::Read => "read",
            Self::Conn => "conn",
            Self::Tls => "tls",
            Self::Http => "http",
            Self::Blind => "blind",
            Self::Lost => "lost",
            Self::Gate => "gate",
            Self::Alert => "alert",
        }
    }

    pub(super) fn names() -> String {
        Self::ALL.map(Self::name).join(", ")
    }

    pub(super) fn of(fact: &Fact) -> Self {
        match fact {
            Fact::SessionStarted(_) | Fact::SessionEnded(_) => Self::Session,
            Fact::Forked(_) => Self::Fork,
            Fact::Executed(_) => Self::Exec,
            Fact::Exited(_) => Self::Exit,
            Fact::FileOpened(_) => Self::Open,
            Fact::CredentialsSeen(_) => Self::Read,
            Fact::Connected(_) | Fact::ServerNamed(_) => Self::Conn,
            Fact::TlsOpened(_) => Self::Tls,
            Fact::Requested(_) => Self::Http,
            Fact::Unread(_) => Self::Blind,
            Fact::Lost(_) => Self::Lost,
            Fact::Waited(_) | Fact::Decided(_) | Fact::Enforced(_) => Self::Gate,
        }
    }
}

/// A line: when, what it is about, who, what, and what there is to say about it.
#[derive(Clone, Debug)]
pub struct Row {
    offset: Duration,
    word: &'static str,
    style: Style,
    actor: String,
    what: String,
    note: String,
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (offset, word, style) = (Offset(self.offset).to_string(), self.word, self.style);
        let actor = ui::safe(&self.actor);
        let what = ui::safe(&self.what);
        let note = ui::safe(&self.note);
        let actor = ui::cut(&actor, ACTOR);
        write!(f, "{offset:>10}  {style}{word:<6}{style:#}  ")?;
        if note.is_empty() {
            write!(f, "{actor:<ACTOR$}  {}", ui::cut(&what, WHAT + NOTE))
        } else {
            write!(f, "{actor:<ACTOR$}  {:<WHAT$}  {}", ui::cut_front(&what, WHAT), ui::cut(&note, NOTE))
        }
    }
}

impl Row {
    /// The row of an event `offset` after the start.
    pub(super) fn of(event: &Event, offset: Duration, names: &Names) -> Self {
        let (style, what, note) = describe(event, names);
        let word = match &event.fact {
            Fact::Decided(decided) => decided_word(decided),
            Fact::SessionStarted(_) => "start",
            Fact::SessionEnded(_) => "end",
            fact => Topic::of(fact).name(),
        };
        Self { offset, word, style, actor: names.process(event.pid, event.process), what, note }
    }

    /// Says in the row that its secrets were not met before.
    pub(super) fn first_seen(mut self) -> Self {
        self.note += "  first seen";
        self
    }

    /// The row of a finding.
    pub(super) fn finding(finding: &Finding, offset: Duration, names: &Names) -> Self {
        let word = match finding.action {
            Action::Allow => "allow",
            Action::Alert => "ALERT",
            Action::Hold => "HOLD",
            Action::Deny => "DENY",
            Action::Kill => "KILL",
        };
        let id = finding.hold.as_deref().unwrap_or(&finding.id);
        Self {
            offset,
            word,
            style: if finding.severity >= Severity::High { style::BAD } else { style::WARN },
            actor: names.process(finding.pid, finding.process),
            what: format!("{id} {} {}", finding.rule, finding.severity),
            note: finding.title.clone(),
        }
    }
}

fn describe(event: &Event, names: &Names) -> (Style, String, String) {
    let plain = |what: String, note: String| (style::PLAIN, what, note);
    match &event.fact {
        Fact::SessionStarted(started) => (style::STRONG, started.argv.join(" "), String::new()),
        Fact::Forked(forked) => plain(format!("made pid {}", forked.child_pid), String::new()),
        Fact::Executed(executed) => {
            let more = if executed.argv_truncated { " …" } else { "" };
            plain(executed.argv.join(" ") + more, String::new())
        }
        Fact::Exited(exited) => plain(ending(exited), String::new()),
        Fact::FileOpened(opened) => {
            let access = match opened.access {
                crate::event::Access::Read => "to read",
                crate::event::Access::Write => "to write",
                crate::event::Access::ReadWrite => "to read and write",
                crate::event::Access::Path => "by name only",
            };
            let cut = if opened.truncates { ", emptied" } else { "" };
            plain(names.path(&opened.path).to_owned(), format!("{access}{cut}"))
        }
        Fact::CredentialsSeen(seen) => (style::SECRET, place(&seen.place, names), sightings(seen)),
        Fact::Connected(connected) => plain(connected.peer.to_string(), connected.protocol.clone()),
        Fact::ServerNamed(named) => {
            let server = names.server(event.process).unwrap_or_default().to_owned();
            plain(server, named.alpn.join(" "))
        }
        Fact::TlsOpened(opened) => {
            let server = names.server(event.process).unwrap_or_default().to_owned();
            plain(server, format!("{}  plaintext visible", opened.probe))
        }
        Fact::Requested(request) => plain(target(request), body(&request.body, request.complete)),
        Fact::Unread(unread) => {
            (style::WARN, unread.why.clone(), format!("{} not read", ui::bytes(unread.bytes)))
        }
        Fact::Waited(waited) => {
            let after = format!("after {}.{:03}s", waited.millis / 1000, waited.millis % 1000);
            plain("the rest of a request did not come".to_owned(), after)
        }
        Fact::Lost(lost) => {
            let what = format!("{} of {}", ui::counted(lost.count, "record"), lost.record);
            (style::WARN, what, "the kernel could not hand them over".to_owned())
        }
        Fact::Decided(decided) => {
            let reason =
                decided.reason.as_ref().map(|reason| format!("reason: {reason}")).unwrap_or_default();
            (decided_style(decided.decision), format!("{} by {}", decided.hold, decided.by), reason)
        }
        Fact::Enforced(enforced) => match &enforced.failed {
            Some(why) => {
                (style::BAD, format!("{} {}", enforced.action, enforced.finding), format!("FAILED: {why}"))
            }
            None => plain(format!("{} {}", enforced.action, enforced.finding), enforced.rung.to_string()),
        },
        Fact::SessionEnded(ended) => (
            style::STRONG,
            format!("exit {}, {} lost", ended.exit_code, ui::count(ended.lost)),
            String::new(),
        ),
    }
}

fn ending(exited: &Exited) -> String {
    match (exited.code, exited.signal) {
        (_, Some(signal)) => format!("by signal {signal}"),
        (Some(code), None) => format!("code {code}"),
        (None, None) => "no code known".to_owned(),
    }
}

fn place(place: &Place, names: &Names) -> String {
    match place {
        Place::Environment => "its environment".to_owned(),
        Place::Arguments => "its arguments".to_owned(),
        Place::Inherited { path } | Place::File { path, .. } => names.path(path).to_owned(),
    }
}

/// Sightings named on one row; a file with more is a list of secrets anyway.
const SIGHTINGS: usize = 3;

fn sightings(seen: &CredentialsSeen) -> String {
    let mut words: Vec<String> = seen
        .sightings
        .iter()
        .take(SIGHTINGS)
        .map(|sighting| format!("secret {} {}", sighting.kind, sighting.fingerprint))
        .collect();
    if seen.sightings.len() > SIGHTINGS {
        words.push(format!("and {} more", seen.sightings.len() - SIGHTINGS));
    }
    match &seen.scan {
        ScanOutcome::Whole => {}
        ScanOutcome::Partly { bytes } => words.push(format!("only {} searched", ui::bytes(*bytes))),
        ScanOutcome::Replaced { .. } => words.push("replaced before it was searched".to_owned()),
        ScanOutcome::Failed { why } => words.push(format!("not searched: {why}")),
    }
    words.join(", ")
}

fn target(request: &Request) -> String {
    let host = request.host.as_deref().unwrap_or_default();
    format!("{} {host}{}", request.method, request.path)
}

fn body(body: &Body, complete: bool) -> String {
    let mut words = match &body.facts {
        BodyFacts::None if body.bytes == 0 => String::new(),
        BodyFacts::None => ui::bytes(body.bytes),
        BodyFacts::Fields(fields) => fields_text(fields),
        BodyFacts::Graphql(operations) => {
            let operations: Vec<String> = operations
                .iter()
                .map(|operation| {
                    let kind = match operation.kind {
                        OperationType::Query => "query",
                        OperationType::Mutation => "mutation",
                        OperationType::Subscription => "subscription",
                    };
                    let fields: Vec<String> = operation
                        .fields
                        .iter()
                        .map(|field| match field.arguments.as_slice() {
                            [] => field.name.clone(),
                            arguments => format!("{}({})", field.name, fields_text(arguments)),
                        })
                        .collect();
                    format!("{kind} {}", fields.join(" "))
                })
                .collect();
            operations.join("; ")
        }
    };
    if let Some(why) = &body.undecodable {
        words += &format!(" not understood: {why}");
    }
    if body.truncated {
        words += " (looked at in part)";
    }
    if !complete {
        words += " (not complete yet)";
    }
    words
}

fn fields_text(fields: &[Field]) -> String {
    fields.iter().map(|field| format!("{}: {}", field.name, field.value)).collect::<Vec<_>>().join(", ")
}

fn decided_word(decided: &Decided) -> &'static str {
    match decided.decision {
        Decision::Approved => "ALLOW",
        Decision::Denied => "DENY",
        Decision::Killed => "KILL",
        Decision::Expired => "EXPIRE",
        Decision::Gone => "GONE",
    }
}

fn decided_style(decision: Decision) -> Style {
    if decision == Decision::Approved { style::GOOD } else { style::BAD }
}
