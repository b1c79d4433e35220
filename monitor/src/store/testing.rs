//! The PocketOS story as a capture would hold it: an agent meets a credential error, searches the repository, finds a
//! token made for something else and sends `volumeDelete` with it.

use std::path::Path;

use super::capture::{Header, Writer};
use crate::detect::{Confidence, Effect, Reversibility, Verb};
use crate::event::{
    Access, Action, Body, BodyFacts, Connected, CredentialUse, CredentialsSeen, Decided, Decision, Enforced,
    Event, Executed, Exited, Fact, Field, FileOpened, Forked, GraphqlField, GraphqlOperation, Lost, Mode,
    OperationType, Place, PolicyRef, ProcessId, Request, Rung, ScanOutcome, ServerNamed, SessionEnded,
    SessionStarted, Sighting, TlsOpened,
};
use crate::policy::{Credential, Finding, Origin, Provenance, Severity};
use crate::secret::{Fingerprint, Fingerprinter};
use crate::time::Timestamp;

const BOOT: u64 = 86_400_000_000_000;
/// 2026-04-25 14:02:22 UTC.
const WALL: u64 = 1_777_125_742_000_000_000;

pub(crate) fn header() -> Header {
    Header {
        format: super::capture::FORMAT,
        session: "S-35BMA19Z".to_owned(),
        version: "0.1.0".to_owned(),
        boot_id: "5b0f4a1e-0000-4000-8000-7d2c1f9e3a55".to_owned(),
        kernel: "6.18.44".to_owned(),
        wall_clock: WALL,
        boot_clock: Timestamp(BOOT),
        fingerprint_key: "1d0c55aa".to_owned(),
        policies: Vec::new(),
    }
}

pub(crate) fn token() -> Fingerprint {
    Fingerprinter::new(&[7; 32]).fingerprint(b"the token of another environment")
}

fn policy() -> PolicyRef {
    PolicyRef { name: "default".to_owned(), hash: "5f1c22d0".to_owned() }
}

/// Milliseconds into the session.
fn at(milliseconds: u64) -> Timestamp {
    Timestamp(BOOT + milliseconds * 1_000_000)
}

fn words(text: &str) -> Vec<String> {
    text.split('|').map(str::to_owned).collect()
}

fn exec(exe: &str, argv: &str) -> Fact {
    Fact::Executed(Executed {
        exe: exe.to_owned(),
        dev: 0x800001,
        ino: 77,
        argv: words(argv),
        argv_truncated: false,
        cwd: "/home/dev/pocketos".to_owned(),
        uid: 1000,
        cgroup: 4242,
    })
}

fn fork(child: u32) -> Fact {
    Fact::Forked(Forked { child_pid: child, child: ProcessId(child.into()) })
}

fn opened(path: &str, ino: u64) -> Fact {
    Fact::FileOpened(FileOpened {
        path: path.to_owned(),
        dev: 0x800001,
        ino,
        access: Access::Read,
        truncates: false,
    })
}

fn request(method: &str, host: &str, path: &str, mutation: Option<(&str, &str)>) -> Fact {
    let facts = mutation.map_or(BodyFacts::None, |(name, id)| {
        let argument = Field { name: "volumeId".to_owned(), value: id.to_owned() };
        let field = GraphqlField { name: name.to_owned(), arguments: vec![argument] };
        let fields = vec![field];
        BodyFacts::Graphql(vec![GraphqlOperation { kind: OperationType::Mutation, name: None, fields }])
    });
    Fact::Requested(Request {
        stream: 0x55d0_1000,
        index: 0,
        method: method.to_owned(),
        host: Some(host.to_owned()),
        path: path.to_owned(),
        query: Vec::new(),
        headers: Vec::new(),
        credentials: vec![CredentialUse {
            fingerprint: token(),
            position: "header:authorization".to_owned(),
            by_definition: true,
        }],
        body: Body { bytes: 172, truncated: false, undecodable: None, facts },
        complete: true,
    })
}

pub(crate) const RAILWAY: &str = "backboard.railway.app";

/// The events, numbered from 1.
pub(crate) fn story() -> Vec<Event> {
    let seen = |path: &str, opened, sightings| {
        Fact::CredentialsSeen(CredentialsSeen {
            place: Place::File { path: path.to_owned(), opened },
            sightings,
            scan: ScanOutcome::Whole,
        })
    };
    let sighting = Sighting {
        fingerprint: token(),
        name: Some("RAILWAY_TOKEN".to_owned()),
        kind: "railway-token".to_owned(),
    };
    let peer = |socket, address: &str| {
        let peer = address.parse().unwrap();
        Fact::Connected(Connected { socket, peer, protocol: "tcp".to_owned() })
    };
    let named = |socket, name: &str| {
        Fact::ServerNamed(ServerNamed {
            socket,
            name: Some(name.to_owned()),
            alpn: vec!["http/1.1".to_owned()],
        })
    };
    let facts = vec![
        (0, 0, started()),
        (2, 4127, exec("/usr/bin/node", "cursor-agent|fix the staging credential")),
        (801, 4127, fork(4129)),
        (803, 4129, exec("/usr/bin/bash", "bash|-c|rg -n RAILWAY .")),
        (811, 4129, fork(4131)),
        (815, 4131, exec("/usr/bin/rg", "rg|-n|RAILWAY|.")),
        (830, 4131, opened("/home/dev/pocketos/README.md", 501)),
        (831, 4131, seen("/home/dev/pocketos/README.md", 7, Vec::new())),
        (832, 4131, opened("/home/dev/pocketos/scripts/domains/.env.legacy", 502)),
        (833, 4131, seen("/home/dev/pocketos/scripts/domains/.env.legacy", 9, vec![sighting])),
        (840, 4131, Fact::Exited(Exited { code: Some(0), signal: None })),
        (2104, 4127, peer(900, "160.79.104.10:443")),
        (2109, 4127, named(900, "api.anthropic.com")),
        (9690, 4127, fork(4190)),
        (9695, 4190, exec("/usr/bin/bash", "bash|-c|curl -X POST https://backboard.railway.app/graphql/v2")),
        (9700, 4190, fork(4191)),
        (
            9702,
            4191,
            exec(
                "/usr/bin/curl",
                "curl|-X|POST|https://backboard.railway.app/graphql/v2|-H|‹fp:b0945165›|-d|‹172 B›",
            ),
        ),
        (9720, 4191, peer(901, "66.33.22.2:443")),
        (9725, 4191, named(901, RAILWAY)),
        (
            9731,
            4191,
            Fact::TlsOpened(TlsOpened { stream: 0x55d0_1000, probe: "openssl:SSL_write".to_owned() }),
        ),
        (9733, 4191, request("POST", RAILWAY, "/graphql/v2", Some(("volumeDelete", "3d2c42fb-6c5e")))),
        (
            9734,
            0,
            Fact::Enforced(Enforced {
                finding: "A-7f3c0a11".to_owned(),
                action: Action::Hold,
                rung: Rung::StopAndEgress,
                failed: None,
            }),
        ),
        (12_000, 0, Fact::Lost(Lost { record: "file".to_owned(), count: 3 })),
        (
            50_810,
            0,
            Fact::Decided(Decided {
                hold: "H-1".to_owned(),
                decision: Decision::Denied,
                by: "dev".to_owned(),
                uid: Some(1000),
                reason: Some("not staging".to_owned()),
            }),
        ),
        (50_900, 4191, Fact::Exited(Exited { code: Some(35), signal: None })),
        (192_000, 0, Fact::SessionEnded(SessionEnded { exit_code: 1, lost: 3 })),
    ];
    (1..)
        .zip(facts)
        .map(|(seq, (time, pid, fact))| Event {
            seq,
            time: at(time),
            pid,
            process: ProcessId(pid.into()),
            fact,
        })
        .collect()
}

fn started() -> Fact {
    Fact::SessionStarted(SessionStarted {
        session: header().session,
        name: "cursor-agent".to_owned(),
        argv: vec!["cursor-agent".to_owned(), "fix the staging credential".to_owned()],
        cwd: "/home/dev/pocketos".to_owned(),
        uid: 4_000_000,
        wall_clock: WALL,
        mode: Mode::Hold,
        policy: policy(),
        rung: Rung::StopAndEgress,
        file_sensor: "lsm".to_owned(),
        not_seen: vec!["Traffic over HTTP/3 is not seen.".to_owned()],
        version: "0.1.0".to_owned(),
        kernel: "6.18.44".to_owned(),
    })
}

/// What the pipeline found at event 21.
pub(crate) fn finding() -> Finding {
    Finding {
        id: "A-7f3c0a11".to_owned(),
        time: at(9733),
        event: 21,
        pid: 4191,
        process: ProcessId(4191),
        rule: "destroy.irreversible".to_owned(),
        policy: policy(),
        severity: Severity::Critical,
        title: "A volume would be deleted, with a credential this session was never given".to_owned(),
        effect: Some(Effect {
            verb: Verb::Destroys,
            reversibility: Reversibility::S4,
            object: "volume".to_owned(),
            target: Some("3d2c42fb-6c5e".to_owned()),
            provider: "railway".to_owned(),
            operation: "volumeDelete".to_owned(),
            recovery: None,
            confidence: Confidence::Sure,
        }),
        host: Some(RAILWAY.to_owned()),
        credential: Some(Credential {
            fingerprint: token(),
            position: "header:authorization".to_owned(),
            provenance: Provenance::Discovered,
            kind: Some("railway-token".to_owned()),
            name: Some("RAILWAY_TOKEN".to_owned()),
            origins: vec![Origin {
                place: Place::File {
                    path: "/home/dev/pocketos/scripts/domains/.env.legacy".to_owned(),
                    opened: 9,
                },
                event: 10,
                pid: 4131,
                process: ProcessId(4131),
                time: at(833),
            }],
        }),
        asked: Action::Hold,
        action: Action::Hold,
        hold: Some("H-1".to_owned()),
        reasons: vec!["volumeDelete cannot be undone".to_owned()],
        evidence: vec![9, 10, 15, 17, 18, 19, 20, 21],
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
    writer.finish(at(192_001)).unwrap();
}
