//! Why a finding came to be: the events that lead from the start of the session to it.
//!
//! Bias: one event too many rather than one too few, up to a limit that keeps an alert readable.

use std::collections::BTreeSet;

use super::{Destination, Origin, Session};
use crate::event::{Place, ProcessId};

/// Events named as evidence of one finding. The chain itself is some dozen; the rest is room for further files.
const MAX_EVIDENCE: usize = 64;

/// The seqs of the events a finding rests on, in order: how sender and reader came to be, where the credential stood,
/// the connection, and the event that completed it.
///
/// `origins` has the most telling place first; for the others the reading alone is named.
pub fn evidence(
    session: &Session,
    seq: u64,
    process: ProcessId,
    stream: u64,
    origins: &[&Origin],
    destination: &Destination,
) -> Vec<u64> {
    let mut weighty = vec![seq];
    weighty.extend(session.flows.steps(process, stream));
    if let Some(best) = origins.first() {
        weighty.extend(sighting(best));
        weighty.extend(lineage(session, best.process, best.event));
    }
    weighty.extend(lineage(session, process, seq));
    weighty.extend(&destination.evidence);
    weighty.extend(origins.iter().skip(1).flat_map(|origin| sighting(origin)));
    let mut kept = BTreeSet::new();
    for event in weighty {
        if kept.len() == MAX_EVIDENCE {
            break;
        }
        kept.insert(event);
    }
    kept.into_iter().collect()
}

/// The open and the sighting.
fn sighting(origin: &Origin) -> Vec<u64> {
    match origin.place {
        Place::File { opened, .. } => vec![opened, origin.event],
        _ => vec![origin.event],
    }
}

/// From the event `seq` of `process` up to the root: each fork, and the start of the program that was running.
fn lineage(session: &Session, process: ProcessId, seq: u64) -> Vec<u64> {
    let mut events = Vec::new();
    let mut until = seq;
    for process in session.tree.chain(process).into_iter().rev() {
        if let Some(image) = session.tree.image_at(process, until) {
            events.push(image.at.seq);
        }
        let Some(forked) = session.tree.get(process).and_then(|process| process.forked) else { break };
        events.push(forked.seq);
        until = forked.seq;
    }
    events
}
