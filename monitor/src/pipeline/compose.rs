//! Writes the finding: a judgement with its history, in words and in evidence.

use std::time::Duration;

use super::case::Case;
use super::matching::Carried;
use crate::event::{Action, Event, Place, PolicyRef};
use crate::policy::Finding;
use crate::session::{Provenance, Session, evidence};

/// The finding of a case.
pub(super) fn finding(
    case: Case<'_>,
    session: &Session,
    policy: PolicyRef,
    action: Action,
    hold: Option<String>,
) -> Finding {
    let Case { event, waited, key, judgement, carried, destination, host, unseen, .. } = case;
    let origins = carried.met.as_ref().map_or(&[][..], |met| &met.origins);
    let mut evidence = evidence(session, event.seq, event.process, key.stream, origins, destination);
    evidence.extend(waited.map(|waited| waited.seq));
    let rule = judgement.rule.unwrap_or_default();
    let mut reasons = judgement.reasons;
    if let Some(history) = history(session, event, carried) {
        reasons.insert(reasons.len().min(1), history);
    }
    let mut not_seen = unseen;
    if let Some(met) = carried.met.as_ref().filter(|met| met.more_places > 0) {
        not_seen.push(format!("{} more places held the same value; they are not listed.", met.more_places));
    }
    not_seen.extend(session.not_seen());
    Finding {
        id: id(session, &rule, &evidence),
        time: waited.unwrap_or(event).time,
        event: event.seq,
        pid: event.pid,
        process: event.process,
        rule,
        policy,
        severity: judgement.severity,
        title: judgement.title,
        effect: judgement.effect,
        host,
        credential: carried.credential(),
        asked: judgement.asked,
        action,
        hold,
        reasons,
        evidence,
        rung: session.rung(),
        not_seen,
    }
}

/// `A-` and eight hex digits over session, rule and evidence. The evidence names the event, so ids differ.
fn id(session: &Session, rule: &str, evidence: &[u64]) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in [session.started().map_or("", |(_, started)| &started.session), rule] {
        hasher.update(text.as_bytes()).update(&[0]);
    }
    for seq in evidence {
        hasher.update(&seq.to_le_bytes());
    }
    format!("A-{}", &hasher.finalize().to_hex()[..8])
}

/// Where the session has the credential from, in one sentence; the most telling place speaks.
fn history(session: &Session, event: &Event, carried: &Carried<'_>) -> Option<String> {
    let met = carried.met.as_ref()?;
    let best = met.origins.first()?;
    let fingerprint = carried.facts().fingerprint?;
    let discovered = carried.provenance() == Provenance::Discovered;
    let more = met.origins.len() as u64 - 1 + met.more_places;
    let also = match more {
        0 => String::new(),
        1 => " and 1 more place".to_owned(),
        more => format!(" and {more} more places"),
    };
    let place = match &best.place {
        Place::Environment => format!("the environment the session was started with{also}"),
        Place::Arguments => format!("the arguments the session was started with{also}"),
        Place::Inherited { path } => format!("{}, handed to the session{also}", session.relative(path)),
        Place::File { path, .. } => {
            let ago = ago(event.time.since(best.time));
            let reader = session.tree().name_at(best.process, best.event);
            format!("{}{also}, read by {reader}({}) {ago} ago", session.relative(path), best.pid)
        }
    };
    let given = if discovered { " It was not given to this session." } else { "" };
    Some(format!("Credential {fingerprint} stood in {place}.{given}"))
}

/// `8.9s`, and from a minute on without the fraction: `3m12s`.
fn ago(duration: Duration) -> String {
    match duration.as_secs() {
        0..60 => format!("{:.1}s", duration.as_secs_f64()),
        seconds => format!("{}m{:02}s", seconds / 60, seconds % 60),
    }
}
