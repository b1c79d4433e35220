//! What became of a finding: ordered, decided, carried out.

use crate::event::{Action, Decision, Mode};
use crate::policy::Finding;
use crate::session::Session;
use crate::ui::span;

/// What became of it, short and long.
pub(super) struct Outcome {
    /// `denied, request not sent`
    pub(super) headline: String,
    /// `held → denied by dev after 41.0s (reason: not staging)`
    pub(super) verdict: String,
}

/// Tells what became of `finding`, by what was reported up to now.
pub(super) fn outcome(session: &Session, finding: &Finding) -> Outcome {
    let (what, verdict, stopped) = decision(session, finding);
    let headline = format!("{what}, {}", sent(session, finding, stopped));
    Outcome { headline, verdict }
}

/// What was done about it in a word and in a line, and whether that stops the request.
fn decision(session: &Session, finding: &Finding) -> (String, String, bool) {
    let asked = match (finding.asked == finding.action, session.mode()) {
        (true, _) => String::new(),
        (false, mode @ (Mode::Observe | Mode::Enforce)) => {
            format!(" (policy asks: {}; mode {mode})", finding.asked)
        }
        (false, Mode::Hold) => format!(" (policy asks: {}; gate: {})", finding.asked, finding.rung),
    };
    match finding.action {
        Action::Allow | Action::Alert => ("alert only".to_owned(), format!("alert{asked}"), false),
        Action::Deny => ("denied".to_owned(), format!("denied at once{asked}"), true),
        Action::Kill => ("process killed".to_owned(), format!("process killed at once{asked}"), true),
        Action::Hold => {
            let Some((at, decided)) = finding.hold.as_deref().and_then(|hold| session.decided(hold)) else {
                return ("held".to_owned(), "held → waiting for a decision".to_owned(), true);
            };
            let (word, stopped) = match decided.decision {
                Decision::Approved => ("approved", false),
                Decision::Denied => ("denied", true),
                Decision::Killed => ("process killed", true),
                Decision::Expired => ("denied, since nobody decided in time", true),
                Decision::Gone => ("denied, since its process ended", true),
            };
            let by = match decided.decision {
                Decision::Expired | Decision::Gone => String::new(),
                _ => format!(" by {}", decided.by),
            };
            let reason = decided.reason.as_ref().map_or_else(String::new, |why| format!(" (reason: {why})"));
            let after = span(at.time.since(finding.time));
            (format!("{word}{by}"), format!("held → {word}{by} after {after}{reason}"), stopped)
        }
    }
}

/// Whether the request left, as far as the gate has said.
fn sent(session: &Session, finding: &Finding, stopped: bool) -> String {
    let enforced = session.enforced(&finding.id).map(|(_, enforced)| enforced);
    match (stopped, enforced.map(|enforced| enforced.failed.as_deref())) {
        (_, Some(Some(why))) => format!("but the gate failed: {why}; the request may have been sent"),
        (false, _) => "request let go".to_owned(),
        (true, Some(None)) => "request not sent".to_owned(),
        (true, None) => "the gate has not reported whether the request was sent".to_owned(),
    }
}
