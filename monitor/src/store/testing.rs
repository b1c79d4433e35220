//! A capture of the PocketOS story: an agent searches the repository, finds a token made for something else and sends
//! `volumeDelete` with it; a human denies.
//!
//! The finding is written by hand, so that screens can be tested without the wording of a policy.

use std::path::Path;

use super::capture::{FORMAT, Header, Writer};
use crate::detect::{Confidence, Effect, Reversibility, Verb};
use crate::event::story::{AGENT, CURL, HOST, Story, TOKEN, fingerprint, process, volume_delete};
use crate::event::{
    Action, Connected, Decision, Enforced, Event, Fact, Lost, Mode, Place, PolicyRef, Rung, ServerNamed,
};
use crate::policy::{Credential, Finding, Origin, Provenance, Severity};
use crate::time::Timestamp;

pub(crate) fn header() -> Header {
    Header {
        format: FORMAT,
        session: "S-35BMA19Z".to_owned(),
        version: "0.1.0".to_owned(),
        boot_id: "5b0f4a1e-0000-4000-8000-7d2c1f9e3a55".to_owned(),
        kernel: "6.18.44".to_owned(),
        wall_clock: 1_777_125_742_000_000_000,
        boot_clock: Timestamp(1_000_000_000_000),
        fingerprint_key: "1d0c55aa".to_owned(),
        policies: Vec::new(),
    }
}

/// The events, numbered from 1.
pub(crate) fn story() -> Vec<Event> {
    let mut story = Story::new(Mode::Hold);
    story.agent_starts().search().at(2_104);
    let peer = "160.79.104.10:443".parse().unwrap();
    story.push(AGENT, Fact::Connected(Connected { socket: 900, peer, protocol: "tcp".to_owned() }));
    let name = Some("api.anthropic.com".to_owned());
    story.push(AGENT, Fact::ServerNamed(ServerNamed { socket: 900, name, alpn: vec!["h2".to_owned()] }));
    story.connection().at(9_733).request(CURL, volume_delete());
    let rung = Rung::StopAndEgress;
    story.enforced(Enforced { finding: "A-7f3c0a11".to_owned(), action: Action::Hold, rung, failed: None });
    story.at(12_000).push(0, Fact::Lost(Lost { record: "file".to_owned(), count: 3 }));
    story.at(50_810).decide("H-1", Decision::Denied, "dev").at(192_000).ends(1);
    story.events
}

/// What was found at the request.
pub(crate) fn finding() -> Finding {
    let events = story();
    let first = |kind: &str| events.iter().find(|event| event.fact.kind() == kind).unwrap();
    let (seen, request) = (first("credentials_seen"), first("requested"));
    Finding {
        id: "A-7f3c0a11".to_owned(),
        time: request.time,
        event: request.seq,
        pid: CURL,
        process: process(CURL),
        rule: "destroy.irreversible".to_owned(),
        policy: PolicyRef { name: "default".to_owned(), hash: "5f1c0000".to_owned() },
        severity: Severity::Critical,
        title: "A volume would be deleted, with a credential this session was never given".to_owned(),
        effect: Some(Effect {
            verb: Verb::Destroys,
            reversibility: Reversibility::S4,
            object: "volume".to_owned(),
            target: None,
            provider: "railway".to_owned(),
            operation: "volumeDelete".to_owned(),
            recovery: None,
            confidence: Confidence::Sure,
        }),
        host: Some(HOST.to_owned()),
        credential: Some(Credential {
            fingerprint: fingerprint(TOKEN),
            position: "header:authorization".to_owned(),
            provenance: Provenance::Discovered,
            kind: Some("railway-token".to_owned()),
            name: Some("RAILWAY_TOKEN".to_owned()),
            origins: vec![Origin {
                place: Place::File {
                    path: "scripts/domains/.env.legacy".to_owned(),
                    opened: first("file_opened").seq,
                },
                event: seen.seq,
                pid: seen.pid,
                process: seen.process,
                time: seen.time,
            }],
        }),
        asked: Action::Hold,
        action: Action::Hold,
        hold: Some("H-1".to_owned()),
        reasons: vec!["volumeDelete cannot be undone".to_owned()],
        evidence: (seen.seq - 1..=seen.seq).chain(request.seq - 4..=request.seq).collect(),
        rung: Rung::StopAndEgress,
        not_seen: Vec::new(),
    }
}

/// Writes the whole story to `path`, one frame per event: many small frames make changes and cuts land everywhere.
pub(crate) fn write_story(path: &Path) {
    let mut writer = Writer::create(path, &header()).unwrap();
    for event in story() {
        writer.event(&event).unwrap();
        if event.seq == finding().event {
            writer.finding(&finding()).unwrap();
        }
        writer.flush().unwrap();
    }
    writer.finish(story().last().unwrap().time).unwrap();
}
