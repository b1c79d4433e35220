//! From the writes of a process to verdicts: what may leave, write by write.

use std::sync::Arc;

use monitor_common::record::Header;
use monitor_common::tls::{LAST, Write};

use super::{Pipeline, Verdict};
use crate::credential::Redactor;
use crate::decode::tls::TlsDecoder;
use crate::detect::Catalog;
use crate::event::story::{CURL, Story, process};
use crate::event::{Decision, Event, Fact, Mode};
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
        let mut pipeline =
            Pipeline::new(Arc::new(Policy::builtin().unwrap()), Arc::new(Catalog::builtin().unwrap()));
        let story = Story::up_to_connection(Mode::Hold);
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
        let header = Header { tid: CURL, process: process(CURL).0, flags: LAST, ..Header::default() };
        let write = Write { header, stream: 1, buffer, len: text.len() as u32, ..Write::default() };
        let seen = self.decoder.take(&write, text.as_bytes(), &self.redactor);
        let worst = seen.into_iter().map(|seen| self.step(seen.fact)).max().unwrap_or(Verdict::Release);
        worst.max(self.pipeline.standing(process(CURL)))
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
