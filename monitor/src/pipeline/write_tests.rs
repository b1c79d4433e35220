//! From the writes of a process to verdicts: what may leave, write by write.

use std::sync::Arc;

use monitor_common::record::Header;
use monitor_common::tls::{LAST, Write};

use super::{Pipeline, Verdict};
use crate::credential::Redactor;
use crate::decode::tls::TlsDecoder;
use crate::detect::Catalog;
use crate::event::story::{CURL, Story, process};
use crate::event::{Decision, Event, Exited, Fact, Mode, Waited};
use crate::policy::Policy;
use crate::secret::Fingerprinter;

/// A session up to an open connection, its pipeline, and the decoder before it.
struct Bench {
    decoder: TlsDecoder,
    redactor: Redactor,
    pipeline: Pipeline,
    story: Story,
}

impl Bench {
    fn new() -> Self {
        Self::after(Story::up_to_connection(Mode::Hold))
    }

    fn after(story: Story) -> Self {
        let mut pipeline =
            Pipeline::new(Arc::new(Policy::builtin().unwrap()), Arc::new(Catalog::builtin().unwrap()));
        story.events.iter().for_each(|event| drop(pipeline.step(event)));
        let redactor = Redactor::new(Fingerprinter::new(&[7; 32]));
        Self { decoder: TlsDecoder::default(), redactor, pipeline, story }
    }

    fn step(&mut self, fact: Fact) -> Verdict {
        self.story.push(CURL, fact);
        let event: &Event = self.story.events.last().unwrap();
        self.pipeline.step(event).verdict.unwrap_or(Verdict::Release)
    }

    /// What becomes of a write, as the engine works it out.
    fn write(&mut self, buffer: u64, text: &str) -> Verdict {
        self.write_to(1, buffer, text)
    }

    fn write_to(&mut self, stream: u64, buffer: u64, text: &str) -> Verdict {
        let header = Header { tid: CURL, process: process(CURL).0, flags: LAST, ..Header::default() };
        let write = Write { header, stream, buffer, len: text.len() as u32, ..Write::default() };
        let seen = self.decoder.take(&write, text.as_bytes(), &self.redactor);
        let worst = seen.into_iter().map(|seen| self.step(seen.fact)).max().unwrap_or(Verdict::Release);
        worst.max(self.pipeline.standing(process(CURL)))
    }

    /// Nothing more comes.
    fn waited(&mut self) -> Verdict {
        self.step(Fact::Waited(Waited { millis: 1000 }))
    }

    fn approve(&mut self, hold: &str) -> Verdict {
        self.story.decide(hold, Decision::Approved, "dev");
        let event: &Event = self.story.events.last().unwrap();
        self.pipeline.step(event);
        self.pipeline.standing(process(CURL))
    }
}

const DELETE: &str = "DELETE /v1/volumes/17 HTTP/1.1\r\nHost: backboard.railway.app\r\n\r\n";

#[test]
fn an_approval_lets_one_write_go() {
    use Verdict::{Hold, Release};
    let mut bench = Bench::new();
    assert_eq!(bench.write(100, DELETE), Hold);
    assert_eq!(bench.approve("H-1"), Release, "the one that was held");
    assert_eq!([0; 3].map(|_| bench.write(100, DELETE)), [Hold; 3], "the same again");
    assert_eq!(bench.approve("H-2"), Hold, "two more wait");
}

#[test]
fn a_repetition_inside_a_request_that_was_approved_is_judged_again() {
    use Verdict::{Hold, Release};
    let smuggled = "DELETE /a HTTP/1.1\r\nA: DELETE /b HTTP/1.1\r\nHost: backboard.railway.app\r\nContent-Length: 23\r\n\r\n";
    let mut bench = Bench::new();
    assert_eq!(bench.write(100, smuggled), Hold);
    assert_eq!(bench.approve("H-1"), Release);
    assert_eq!(bench.write(100, smuggled), Hold);
}

#[test]
fn a_retry_behind_a_whole_request_is_what_the_process_is() {
    use Verdict::{Hold, Release};
    let mut bench = Bench::new();
    let head = "DELETE /v1/volumes/17 HTTP/1.1\r\nHost: backboard.railway.app\r\nContent-Length: 3\r\n\r\n";
    assert_eq!((bench.write(100, head), bench.write(500, "[1]")), (Hold, Hold));
    assert_eq!(bench.write(500, "[1]"), Hold);
    assert_eq!(bench.approve("H-1"), Release);
    assert_eq!((bench.write(500, "[1]"), bench.write(100, head)), (Release, Hold));
}

/// The head of a POST with an unknown credential and a body of `length`.
fn head(host: &str, more: &str, length: usize) -> String {
    format!(
        "POST /graphql/v2 HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer 5f1c22d0aa7b4e91\r\n{more}Content-Length: {length}\r\n\r\n"
    )
}

const RAILWAY: &str = "backboard.railway.app";
const DESTROY: &str = r#"{"query":"mutation { volumeDelete(volumeId: \"1\") }"}"#;
const HARMLESS: &str = r#"{"query":"query { me { id } }"}"#;

#[test]
fn what_waits_is_not_released_by_other_writes() {
    use Verdict::{AwaitRest, Release};
    let other = "GET /v1/volumes HTTP/1.1\r\nHost: x\r\n\r\n";
    let mut bench = Bench::new();
    assert_eq!(bench.write(1, &head(RAILWAY, "", HARMLESS.len())), AwaitRest);
    assert_eq!(bench.write_to(2, 1, other), AwaitRest, "a harmless one on another connection");
    assert_eq!(bench.write_to(3, 1, &head(RAILWAY, "", HARMLESS.len())), AwaitRest, "another that waits");
    assert_eq!(bench.write(500, HARMLESS), AwaitRest, "the first is whole");
    assert_eq!(bench.write_to(3, 500, HARMLESS), Release, "and the other");
}

#[test]
fn waiting_ends_with_the_process_or_its_program() {
    for (what, fact) in [("exit", Some(Fact::Exited(Exited { code: Some(0), signal: None }))), ("exec", None)]
    {
        let mut bench = Bench::new();
        bench.write(1, &head(RAILWAY, "", 10));
        assert_eq!(bench.pipeline.standing(process(CURL)), Verdict::AwaitRest);
        match fact {
            Some(fact) => drop(bench.step(fact)),
            None => {
                bench.story.exec(CURL, &["/usr/bin/curl"]);
                bench.pipeline.step(bench.story.events.last().unwrap());
            }
        }
        assert_eq!(bench.pipeline.standing(process(CURL)), Verdict::Release, "{what}");
    }
}

#[test]
fn waiting_comes_to_an_end_and_comes_once() {
    use Verdict::{AwaitRest, Hold, Release};
    let clean = || {
        let mut story = Story::new(Mode::Hold);
        story.agent_starts().connection();
        story
    };
    let elsewhere = || {
        let mut story = Story::new(Mode::Hold);
        story.agent_starts().search().tls(CURL, "api.example.com");
        story
    };
    for (what, story, host, body, ended, then) in [
        ("a control plane, tainted", Story::up_to_connection(Mode::Hold), RAILWAY, HARMLESS, Hold, Hold),
        ("a control plane, clean, harmless", clean(), RAILWAY, HARMLESS, Release, Release),
        ("a control plane, clean, destructive in the end", clean(), RAILWAY, DESTROY, Release, Hold),
        (
            "elsewhere, tainted, destructive in the end",
            elsewhere(),
            "api.example.com",
            DESTROY,
            Release,
            Hold,
        ),
    ] {
        let mut bench = Bench::after(story);
        assert_eq!(bench.write(1, &head(host, "", body.len())), AwaitRest, "{what}");
        assert_eq!(bench.waited(), ended, "{what}");
        assert_eq!(bench.pipeline.standing(process(CURL)), ended, "{what}");
        assert_eq!(bench.waited(), ended, "{what}: again");
        let (first, second) = body.split_at(4);
        assert_eq!(bench.write(500, first), ended, "{what}: waits no more");
        assert_eq!(bench.write(600, second), then, "{what}: its end");
    }
}

#[test]
fn the_end_of_waiting_is_told() {
    let mut bench = Bench::new();
    bench.write(1, &head(RAILWAY, "", 10));
    let begun = bench.story.events.last().unwrap().seq;
    bench.story.at(12_000).push(CURL, Fact::Waited(Waited { millis: 1000 }));
    let waited = bench.story.events.last().unwrap();
    let findings = bench.pipeline.step(waited).findings;
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.event, finding.time), (begun, waited.time));
    assert_eq!((finding.rule.as_str(), finding.hold.as_deref()), ("blind.tainted", Some("H-1")));
    assert!(finding.evidence.ends_with(&[begun, waited.seq]), "{:?}", finding.evidence);
    assert!(finding.not_seen[0].contains("its first part was held back"), "{:?}", finding.not_seen);
}

#[test]
fn a_client_that_asks_first_is_not_kept_from_the_answer() {
    use Verdict::{AwaitRest, Hold, Release};
    let ask = "Expect: 100-Continue\r\n";
    for (what, method, body, asked, sent) in [
        ("harmless", "POST", HARMLESS, Release, [AwaitRest, Release]),
        ("destructive in its body", "POST", DESTROY, Release, [AwaitRest, Hold]),
        ("destructive in its head", "DELETE", HARMLESS, Hold, [Hold, Hold]),
    ] {
        let mut bench = Bench::new();
        let head = head(RAILWAY, ask, body.len()).replacen("POST", method, 1);
        assert_eq!(bench.write(1, &head), asked, "{what}");
        let (first, second) = body.split_at(4);
        assert_eq!([bench.write(500, first), bench.write(600, second)], sent, "{what}");
    }
    let mut bench = Bench::new();
    let with_body = head(RAILWAY, ask, 9) + "{";
    assert_eq!(bench.write(1, &with_body), AwaitRest, "one that does not wait for the answer");
}

#[test]
fn more_waiting_requests_than_are_remembered_are_judged_at_once() {
    let mut bench = Bench::new();
    let verdicts: Vec<Verdict> =
        (0..257).map(|stream| bench.write_to(stream, 1, &head(RAILWAY, "", 10))).collect();
    assert_eq!(verdicts[255..], [Verdict::AwaitRest, Verdict::Hold]);
}
