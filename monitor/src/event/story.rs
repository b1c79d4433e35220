//! Sessions written by hand, for the tests of everything that consumes events.
//!
//! [`Story::pocketos`] is the incident holdfire is named after: a token meant for something else, found by a search, and
//! sent with a delete 8.9 seconds later.

use super::{
    Access, Body, BodyFacts, Connected, CredentialUse, CredentialsSeen, Decided, Decision, Enforced, Event,
    Executed, Exited, Fact, Field, FileOpened, Forked, GraphqlField, GraphqlOperation, Header, Mode,
    OperationType, Place, PolicyRef, ProcessId, Request, Rung, ScanOutcome, ServerNamed, SessionEnded,
    SessionStarted, Sighting, TlsOpened,
};
use crate::secret::{Fingerprint, Fingerprinter};
use crate::time::Timestamp;

/// The token of the story, by what it is called.
pub(crate) const TOKEN: &str = "railway token";

/// The host of the story.
pub(crate) const HOST: &str = "backboard.railway.app";

/// The process of the agent itself.
pub(crate) const AGENT: u32 = 4127;

/// The process that sends the request.
pub(crate) const CURL: u32 = 4191;

/// The fingerprint of a secret called `name`.
pub(crate) fn fingerprint(name: &str) -> Fingerprint {
    Fingerprinter::new(&[7; 32]).fingerprint(name.as_bytes())
}

/// The process with this id: stories use no id twice.
pub(crate) fn process(pid: u32) -> ProcessId {
    ProcessId(u64::from(pid) << 32 | 0x51)
}

/// Events in the making, numbered and timed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Story {
    pub(crate) events: Vec<Event>,
    millis: u64,
}

impl Story {
    /// A session of `cursor-agent` in `/home/dev/pocketos`, started but not yet running.
    pub(crate) fn new(mode: Mode) -> Self {
        let mut story = Self::default();
        let argv = ["cursor-agent", "fix the staging credential"].map(str::to_owned).to_vec();
        story.push(
            AGENT,
            Fact::SessionStarted(SessionStarted {
                session: "S-19".to_owned(),
                name: "cursor-agent".to_owned(),
                argv: argv.clone(),
                cwd: "/home/dev/pocketos".to_owned(),
                uid: 1000,
                wall_clock: 1_777_125_742_000_000_000,
                mode,
                policy: PolicyRef { name: "default".to_owned(), hash: "5f1c0000".to_owned() },
                rung: Rung::StopAndEgress,
                file_sensor: "sys_exit".to_owned(),
                not_seen: vec!["HTTP/3 is not decoded.".to_owned()],
                version: "0.1.0".to_owned(),
                kernel: "6.18.44".to_owned(),
            }),
        );
        story
    }

    /// Moves the clock to `millis` after the start.
    pub(crate) fn at(&mut self, millis: u64) -> &mut Self {
        self.millis = millis;
        self
    }

    /// The next event, by process `pid`; its seq.
    pub(crate) fn push(&mut self, pid: u32, fact: Fact) -> u64 {
        let seq = self.events.len() as u64 + 1;
        let time = Timestamp(1_000_000_000_000 + self.millis * 1_000_000);
        self.events.push(Event { seq, time, pid, process: process(pid), fact });
        seq
    }

    pub(crate) fn fork(&mut self, parent: u32, child: u32) -> &mut Self {
        self.push(parent, Fact::Forked(Forked { child_pid: child, child: process(child) }));
        self
    }

    /// Runs `argv`; its first word is the path.
    pub(crate) fn exec(&mut self, pid: u32, argv: &[&str]) -> &mut Self {
        let mut words: Vec<String> = argv.iter().map(|&word| word.to_owned()).collect();
        let exe = words[0].clone();
        words[0] = exe.rsplit('/').next().unwrap_or_default().to_owned();
        let executed = Executed {
            exe,
            dev: 0x80_0001,
            ino: 77,
            argv: words,
            argv_truncated: false,
            cwd: "/home/dev/pocketos".to_owned(),
            uid: 1000,
            cgroup: 1,
        };
        self.push(pid, Fact::Executed(executed));
        self
    }

    pub(crate) fn exit(&mut self, pid: u32, code: u8) -> &mut Self {
        self.push(pid, Fact::Exited(Exited { code: Some(code), signal: None }));
        self
    }

    /// Given at the start: the secret called `secret` under `name` in the environment.
    pub(crate) fn given(&mut self, name: &str, kind: &str, secret: &str) -> &mut Self {
        let sighting =
            Sighting { fingerprint: fingerprint(secret), name: Some(name.to_owned()), kind: kind.to_owned() };
        let scan = ScanOutcome::Whole;
        let seen = CredentialsSeen { place: Place::Environment, sightings: vec![sighting], scan };
        self.push(AGENT, Fact::CredentialsSeen(seen));
        self
    }

    /// Opens a file below the working directory and finds the secret called `secret` in it.
    pub(crate) fn read(&mut self, pid: u32, path: &str, name: &str, kind: &str, secret: &str) -> &mut Self {
        let path = format!("/home/dev/pocketos/{path}");
        let opened = self.push(
            pid,
            Fact::FileOpened(FileOpened {
                path: path.clone(),
                dev: 0x80_0001,
                ino: 4242,
                access: Access::Read,
                truncates: false,
            }),
        );
        let sighting =
            Sighting { fingerprint: fingerprint(secret), name: Some(name.to_owned()), kind: kind.to_owned() };
        let place = Place::File { path, opened };
        let seen = CredentialsSeen { place, sightings: vec![sighting], scan: ScanOutcome::Whole };
        self.push(pid, Fact::CredentialsSeen(seen));
        self
    }

    /// Opens a file below the working directory that cannot be searched.
    pub(crate) fn read_unsearched(&mut self, pid: u32, path: &str, scan: ScanOutcome) -> &mut Self {
        let path = format!("/home/dev/pocketos/{path}");
        let place = Place::File { path, opened: self.events.len() as u64 };
        self.push(pid, Fact::CredentialsSeen(CredentialsSeen { place, sightings: Vec::new(), scan }));
        self
    }

    /// Connects to `host`, names it, and opens TLS connection 1.
    pub(crate) fn tls(&mut self, pid: u32, host: &str) -> &mut Self {
        let socket = u64::from(pid) * 10;
        let peer = "66.33.22.2:443".parse().expect("an address");
        self.push(pid, Fact::Connected(Connected { socket, peer, protocol: "tcp".to_owned() }));
        let alpn = vec!["http/1.1".to_owned()];
        self.push(pid, Fact::ServerNamed(ServerNamed { socket, name: Some(host.to_owned()), alpn }));
        self.push(pid, Fact::TlsOpened(TlsOpened { stream: 1, probe: "openssl:SSL_write".to_owned() }));
        self
    }

    pub(crate) fn request(&mut self, pid: u32, request: Request) -> &mut Self {
        self.push(pid, Fact::Requested(request));
        self
    }

    pub(crate) fn decide(&mut self, hold: &str, decision: Decision, by: &str) -> &mut Self {
        let reason = (decision == Decision::Denied).then(|| "not staging".to_owned());
        let uid = (by != "holdfire").then_some(1000);
        self.push(
            0,
            Fact::Decided(Decided { hold: hold.to_owned(), decision, by: by.to_owned(), uid, reason }),
        );
        if let Some(event) = self.events.last_mut() {
            event.process = ProcessId::default();
        }
        self
    }

    pub(crate) fn enforced(&mut self, enforced: Enforced) -> &mut Self {
        self.push(CURL, Fact::Enforced(enforced));
        self
    }

    /// The agent, the search that finds the token, and the curl that is about to send it, up to its open connection.
    pub(crate) fn up_to_connection(mode: Mode) -> Self {
        let mut story = Self::new(mode);
        story.agent_starts().search().connection();
        story
    }

    pub(crate) fn agent_starts(&mut self) -> &mut Self {
        self.at(2).exec(AGENT, &["/usr/local/bin/cursor-agent", "fix the staging credential"])
    }

    /// `rg` finds the token in an unrelated file.
    pub(crate) fn search(&mut self) -> &mut Self {
        self.at(801).fork(AGENT, 4129).exec(4129, &["/usr/bin/bash", "-c", "rg -n RAILWAY . | head"]);
        self.at(812).fork(4129, 4131).exec(4131, &["/usr/bin/rg", "-n", "RAILWAY", "."]);
        self.at(833).read(4131, "scripts/domains/.env.legacy", "RAILWAY_TOKEN", "railway-token", TOKEN);
        self.at(901).exit(4131, 0).exit(4129, 0)
    }

    pub(crate) fn connection(&mut self) -> &mut Self {
        let curl =
            "curl -X POST https://backboard.railway.app/graphql/v2 -H \"Authorization: Bearer $T\" -d @q";
        self.at(9690).fork(AGENT, 4190).at(9695).exec(4190, &["/usr/bin/bash", "-c", curl]);
        let token = format!("Authorization: Bearer ‹{}›", fingerprint(TOKEN));
        let url = "https://backboard.railway.app/graphql/v2";
        let argv = ["/usr/bin/curl", "-X", "POST", url, "-H", &token, "-d", "@q"];
        self.at(9701).fork(4190, CURL).exec(CURL, &argv);
        self.at(9731).tls(CURL, HOST)
    }

    /// The whole incident, up to and with the request.
    pub(crate) fn pocketos(mode: Mode) -> Self {
        let mut story = Self::up_to_connection(mode);
        story.at(9733).request(CURL, volume_delete());
        story
    }

    /// The end of everything.
    pub(crate) fn ends(&mut self, exit_code: u8) -> &mut Self {
        self.exit(CURL, 56).exit(4190, 56).exit(AGENT, exit_code);
        self.push(0, Fact::SessionEnded(SessionEnded { exit_code, lost: 0 }));
        if let Some(event) = self.events.last_mut() {
            event.process = ProcessId::default();
        }
        self
    }
}

/// `Authorization: Bearer` with the secret called `secret`.
pub(crate) fn bearer(secret: &str) -> CredentialUse {
    let position = "header:authorization".to_owned();
    CredentialUse { fingerprint: fingerprint(secret), position, by_definition: true }
}

/// A GraphQL request with the story's token.
pub(crate) fn graphql(kind: OperationType, field: &str, arguments: &[(&str, &str)]) -> Request {
    let arguments = arguments
        .iter()
        .map(|&(name, value)| Field { name: name.to_owned(), value: value.to_owned() })
        .collect();
    let fields = vec![GraphqlField { name: field.to_owned(), arguments }];
    Request {
        stream: 1,
        index: 0,
        method: "POST".to_owned(),
        host: Some(HOST.to_owned()),
        path: "/graphql/v2".to_owned(),
        query: Vec::new(),
        headers: vec![Header { name: "user-agent".to_owned(), value: "curl/8.14.1".to_owned() }],
        credentials: vec![bearer(TOKEN)],
        body: Body {
            bytes: 96,
            truncated: false,
            undecodable: None,
            facts: BodyFacts::Graphql(vec![GraphqlOperation { kind, name: None, fields }]),
        },
        complete: true,
    }
}

/// The mutation that deletes the volume and its backups.
pub(crate) fn volume_delete() -> Request {
    let volume = ("volumeId", "3d2c42fb-7c04-4c66-9a8e-2f1d1f5a6b0c");
    graphql(OperationType::Mutation, "volumeDelete", &[volume])
}

/// The same request when only its head has been written.
pub(crate) fn head_of(request: &Request) -> Request {
    Request { body: Body::default(), complete: false, ..request.clone() }
}
