//! What `holdfire run` says on standard error: little, one thing per line, and the next command with it.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use crate::cli::Exit;
use crate::daemon::{Notice, Outcome as SessionOutcome};
use crate::event::{Action, Decided, Decision, SessionStarted};
use crate::policy::{Finding, Severity};
use crate::response::Hold;
use crate::sensor::hooks::Family;
use crate::sensor::{Attached, Outcome};
use crate::ui::{Printer, count, counted, cut, safe, span, style};

/// Longest text of a command or a target on one line.
const TEXT: usize = 100;

/// Processes named when a session lingers.
const NAMED: usize = 8;

/// Longest time what `run` itself has to say waits for notices.
const OWN: Duration = Duration::from_millis(100);

/// Tells notices as they come.
pub(super) struct Teller<'a> {
    printer: &'a Printer,
}

impl<'a> Teller<'a> {
    pub(super) fn new(printer: &'a Printer) -> Self {
        Self { printer }
    }

    /// Tells until the engine has ended: its notices as they come, and what `run` itself says soon after. Only this thread
    /// waits if standard error is not read.
    pub(super) fn tell_all(&self, notices: &Receiver<Notice>, own: &Receiver<String>) {
        loop {
            let notice = notices.recv_timeout(OWN);
            if let Some(text) = notice.as_ref().ok().and_then(told) {
                self.printer.note(text);
            }
            // After the notices that were there before it: the last line says that the session has ended.
            if notice.is_err() {
                own.try_iter().for_each(|text| self.printer.note(text));
            }
            if notice.is_err_and(|why| why == RecvTimeoutError::Disconnected) {
                return;
            }
        }
    }
}

/// A line, its verb aligned as cargo's.
fn line(style: anstyle::Style, verb: &str, text: &str) -> String {
    format!("{style}{verb:>12}{style:#} {text}")
}

/// A line below one.
fn below(text: &str) -> String {
    format!("\n             {text}")
}

fn told(notice: &Notice) -> Option<String> {
    Some(match notice {
        // A held one is told with its hold.
        Notice::Found(finding) if finding.hold.is_some() => return None,
        Notice::Found(finding) => found(finding),
        Notice::Held(hold) => held(hold),
        Notice::Decided { hold, decided, waited } => decided_line(hold, decided, *waited),
        Notice::NotWritten(why) => warning(why),
        Notice::GateFailed(why) => {
            line(style::BAD, "Gate failed", &format!("{}; what it holds stays held", safe(why)))
        }
        Notice::Lost(lost) => warning(&format!(
            "{} records of kind {} were lost; holdfire explain says so too",
            count(lost.count),
            lost.record
        )),
    })
}

fn found(finding: &Finding) -> String {
    let (style, verb) = match finding.action {
        Action::Kill => (style::BAD, "Killed"),
        Action::Deny => (style::BAD, "Denied"),
        _ => (style::WARN, "Alert"),
    };
    let mut text = line(style, verb, &format!("{} {}", finding.id, safe(&finding.title)));
    for reason in finding.reasons.iter().take(3) {
        text += &below(&safe(reason));
    }
    text += &below(&format!("{} · holdfire explain {}", finding.severity, finding.id));
    text
}

fn held(hold: &Hold) -> String {
    let mut text = line(style::WARN, "Held", &format!("{} {}", hold.id, safe(&hold.title)));
    for reason in hold.reasons.iter().take(3) {
        text += &below(&safe(reason));
    }
    let left = span(hold.until.since(hold.since));
    text += &below(&format!(
        "held for {left}, then denied · holdfire approve {0} · holdfire deny {0} · holdfire explain {0}",
        hold.id
    ));
    text
}

fn decided_line(hold: &Hold, decided: &Decided, waited: std::time::Duration) -> String {
    let reason = decided.reason.as_ref().map(|reason| format!(" (reason: \"{}\")", cut(&safe(reason), TEXT)));
    let reason = reason.unwrap_or_default();
    let (by, waited) = (safe(&decided.by), span(waited));
    match decided.decision {
        Decision::Approved => {
            line(style::GOOD, "Approved", &format!("{} by {by}{reason} after {waited}", hold.id))
        }
        Decision::Denied => {
            line(style::BAD, "Denied", &format!("{} by {by}{reason} after {waited}", hold.id))
        }
        Decision::Killed => {
            line(style::BAD, "Killed", &format!("{} by {by}{reason} after {waited}", hold.id))
        }
        Decision::Expired => {
            line(style::BAD, "Denied", &format!("{}: nobody decided within {waited}", hold.id))
        }
        Decision::Gone => {
            line(style::BAD, "Denied", &format!("{}: its process ended after {waited}", hold.id))
        }
    }
}

/// The TLS libraries whose plaintext is read: those that a probe is in.
pub(super) fn tls(attached: &[Attached]) -> &'static str {
    let probed = attached.iter().any(|row| {
        row.hook.family == Family::Tls && matches!(&row.outcome, Outcome::In(files) if !files.is_empty())
    });
    if probed { "openssl" } else { "none" }
}

/// The first line.
pub(super) fn monitoring(started: &SessionStarted, tls: &str) -> String {
    let mut text = line(
        style::GOOD,
        "Monitoring",
        &format!(
            "{} · session {} · policy {}@{} · mode {} · gate {} · files {} · TLS {tls}",
            cut(&safe(&started.name), TEXT),
            started.session,
            safe(&started.policy.name),
            started.policy.hash,
            started.mode,
            started.rung,
            started.file_sensor,
        ),
    );
    for sentence in &started.not_seen {
        text += &below(&format!("not seen: {sentence}"));
    }
    text
}

/// The last line.
pub(super) fn finished(outcome: &SessionOutcome, exit: Exit) -> String {
    let of = |action: Action| outcome.findings.get(&action).copied().unwrap_or(0);
    let mut parts = vec![format!("{}, {} lost", counted(outcome.events, "event"), count(outcome.lost))];
    for (action, word) in [
        (Action::Alert, "alerted"),
        (Action::Hold, "held"),
        (Action::Deny, "denied"),
        (Action::Kill, "killed"),
    ] {
        if of(action) > 0 {
            parts.push(format!("{} {word}", of(action)));
        }
    }
    parts.push(format!("exit {}", exit.code()));
    let mut text =
        line(style::GOOD, "Finished", &format!("{} · {}", span(outcome.lasted), parts.join(" · ")));
    if !outcome.findings.is_empty() {
        text += &below("holdfire explain @last · holdfire replay @last");
    }
    text
}

/// Something that is not as it should be, and does not stop the session.
pub(super) fn warning(text: &str) -> String {
    line(style::WARN, "Warning", &safe(text))
}

/// The command has ended, others of its session have not.
pub(super) fn lingering(members: &[u32]) -> String {
    let name = |pid: &u32| {
        let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        format!("{}({pid})", safe(comm.trim()))
    };
    let named: Vec<String> = members.iter().take(NAMED).map(name).collect();
    let more = if members.len() > NAMED { " and others" } else { "" };
    line(
        style::WARN,
        "Waiting",
        &format!(
            "the command has ended; still running: {}{more} · Ctrl-C ends them, a second one at once",
            named.join(", ")
        ),
    )
}

/// What `run` returns: the command's code, unless the policy ended the session or findings are not acceptable.
pub(super) fn exit(command: Exit, outcome: &SessionOutcome, fail_on: Option<Severity>) -> Exit {
    /// 128 + SIGKILL
    const KILLED: u8 = 137;
    if outcome.killed && command.code() == KILLED {
        return Exit::EndedByPolicy;
    }
    let too_bad = fail_on.is_some_and(|limit| outcome.worst >= Some(limit));
    if command.code() == 0 && too_bad { Exit::No } else { command }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sensor::hooks::HOOKS;

    #[test]
    fn only_libraries_with_a_probe_are_named() {
        let check = |files: &[&str], expect: &str| {
            let attached: Vec<Attached> = HOOKS
                .iter()
                .map(|hook| match hook.family {
                    Family::Tls => (hook, files.iter().map(std::path::PathBuf::from).collect()),
                    _ => (hook, Vec::new()),
                })
                .map(|(hook, files)| Attached { hook, outcome: Outcome::In(files) })
                .collect();
            assert_eq!(tls(&attached), expect);
        };
        check(&["/usr/lib/libssl.so.3"], "openssl");
        check(&[], "none");
    }
}
