//! The reading commands, on captures whole and broken.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Parser as _;

use super::*;
use crate::event::Mode;
use crate::event::story::Story;
use crate::pipeline::Pipeline;
use crate::store::capture::{State, verify};
use crate::store::testing;

/// A state directory with one session in it, recorded as a live run does: events, and what the pipeline found.
struct Host {
    state: tempfile::TempDir,
}

impl Host {
    fn new() -> Self {
        let host = Self { state: tempfile::tempdir().unwrap() };
        let mut writer = Folder::new(host.state.path()).create(&testing::header()).unwrap();
        let mut pipeline: Pipeline = judge::pipeline(judge::policy(&[]).unwrap()).unwrap();
        let events = Story::pocketos(Mode::Hold).events;
        for event in &events {
            writer.event(event).unwrap();
            for finding in pipeline.step(event).findings {
                writer.finding(&finding).unwrap();
            }
            writer.flush().unwrap();
        }
        writer.finish(events.last().unwrap().time).unwrap();
        host
    }

    fn capture(&self) -> PathBuf {
        Folder::new(self.state.path()).file(&testing::header().session)
    }

    /// Exit code, standard output and standard error, with the state directory called STATE.
    fn holdfire(&self, line: &str) -> (u8, String, String) {
        let cli = Cli::try_parse_from(["holdfire"].into_iter().chain(line.split(' '))).unwrap();
        let (printer, out, err) = Printer::to_screens();
        let overrides = Overrides { state_dir: Some(self.state.path().to_owned()), run_dir: None };
        let context = Context { settings: Settings::load(overrides), printer };
        let exit =
            dispatch(cli.command, &context).unwrap_or_else(|error| failure::tell(&error, &context.printer));
        let name = self.state.path().display().to_string();
        let user = crate::settings::user_name(1000);
        let tidy = |text: String| {
            text.replace(&name, "STATE").replace(&format!("user       {user}\n"), "user       USER\n")
        };
        (exit.code(), tidy(out.text()), tidy(err.text()))
    }

    /// Changes the bytes of the capture.
    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(self.capture()).unwrap();
        change(&mut bytes);
        fs::write(self.capture(), bytes).unwrap();
    }
}

fn stored_findings(path: &Path) -> String {
    let text = zstd::stream::decode_all(fs::File::open(path).unwrap()).unwrap();
    let text = String::from_utf8(text).unwrap();
    text.split_inclusive('\n').filter(|line| line.starts_with(r#"{"type":"finding","#)).collect()
}

#[test]
fn a_replay_finds_the_same_byte_for_byte() {
    let host = Host::new();
    let (code, out, err) = host.holdfire("replay @last --json --check");
    assert_eq!(out, stored_findings(&host.capture()));
    assert!(out.lines().count() > 0);
    // The story names another policy text than the one built in.
    assert!(err.ends_with(" found again, nothing else.\n"), "{err}");
    assert_eq!(code, 0);
}

#[test]
fn a_replay_under_another_policy_says_so() {
    let host = Host::new();
    let policy = host.state.path().join("mild.yaml");
    let text = include_str!("../../../policies/default.yaml").replace("action: hold", "action: alert");
    fs::write(&policy, text).unwrap();
    let (code, out, err) =
        host.holdfire(&format!("replay @last --json --check --policy {}", policy.display()));
    assert_eq!(code, 1);
    assert!(out.contains(r#""asked":"alert""#), "{out}");
    assert!(err.contains("findings may differ") && err.contains("differs from the stored"), "{err}");
}

#[test]
fn sessions_are_listed_shown_and_verified() {
    let host = Host::new();
    let (code, out, _) = host.holdfire("sessions list");
    assert_eq!(code, 0);
    assert!(out.lines().nth(1).unwrap().starts_with("S-35BMA19Z"), "{out}");
    let (code, out, err) = host.holdfire("sessions show S-35");
    assert_eq!(code, 0);
    insta::assert_snapshot!("show", out + &err);
    let (code, out, _) = host.holdfire("sessions verify");
    assert!(code == 0 && out.starts_with("STATE/sessions/S-35BMA19Z.hfc is whole: "), "{out}");
    for line in ["sessions list --json", "sessions show --json", "sessions verify --json"] {
        let (code, out, _) = host.holdfire(line);
        assert!(code == 0 && serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{line}: {out}");
    }
}

#[test]
fn a_torn_capture_is_shown_as_far_as_it_goes() {
    let host = Host::new();
    host.change(|bytes| bytes.truncate(bytes.len() - 300));
    for line in ["sessions show", "sessions verify", "replay @last"] {
        let (code, out, err) = host.holdfire(line);
        assert_eq!(code, 1, "{line}");
        assert!(
            !out.is_empty() && (out + &err).contains("torn: the file ends inside a frame"),
            "{line}: {err}"
        );
    }
    let (code, out, _) = host.holdfire("sessions list");
    assert!(code == 0 && out.contains("torn"), "{out}");
}

#[test]
fn an_altered_capture_is_shown_up_to_the_change() {
    let host = Host::new();
    host.change(|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
    });
    assert!(matches!(verify(&host.capture()).unwrap().state, State::Altered { .. }));
    let (code, out, err) = host.holdfire("replay @last");
    assert_eq!(code, 1);
    assert!(out.contains("start"), "{out}");
    assert!(
        err.contains("cannot be trusted any further") && err.contains("next: holdfire sessions verify"),
        "{err}"
    );
    assert_eq!(host.holdfire("sessions show").0, 1);
    assert_eq!(host.holdfire("sessions verify").0, 1);
}

#[test]
fn what_is_not_there_is_said_with_the_next_step() {
    let host = Host::new();
    let check = |line: &str, code: u8, sentence: &str| {
        let (exit, out, err) = host.holdfire(line);
        assert_eq!((exit, out.as_str()), (code, ""), "{line}: {err}");
        assert!(err.contains(sentence) && err.contains("next: "), "{line}: {err}");
    };
    check("replay S-9", 1, "there is no session S-9 in STATE/sessions");
    check("sessions show ./nothing.hfc", 1, "./nothing.hfc cannot be read as a capture");
    check("replay @last --from @A-0", 1, "There is no such alert in this session");
    check("replay @last --policy ./nothing.yaml", 2, "The policy ./nothing.yaml cannot be read");
}

#[test]
fn explanations() {
    let host = Host::new();
    let (code, screen, _) = host.holdfire("explain");
    assert_eq!(code, 0);
    assert!(screen.contains("◆") && screen.contains("verdict  held → waiting for a decision\n"), "{screen}");
    let id = screen.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();

    for same in ["explain @last", "explain H-1", "explain e8", "explain A-", &format!("explain {id}")] {
        assert_eq!(host.holdfire(same), (0, screen.clone(), String::new()), "{same}");
    }
    let (_, evidence, _) = host.holdfire("explain --evidence");
    assert!(evidence.starts_with(&screen) && evidence.contains("\ne8  {\"seq\":8,"), "{evidence}");
    let (_, json, _) = host.holdfire("explain --json --evidence");
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["finding"], id.as_str());
    assert_eq!(json["events"].as_array().unwrap().len(), json["evidence"].as_array().unwrap().len());

    for (line, exit, told) in [
        ("explain e99", 1, "There is nothing to explain under e99."),
        ("explain 7f3c", 2, "It is not clear what to explain."),
        ("explain --session S-nowhere", 1, "It is not clear which session is meant."),
    ] {
        let (code, out, err) = host.holdfire(line);
        assert_eq!((code, out.as_str()), (exit, ""), "{line}");
        assert!(err.contains(told) && err.contains("next: holdfire "), "{line}: {err}");
    }
}

#[test]
fn an_alert_is_found_in_an_older_session() {
    let host = Host::new();
    let (_, screen, _) = host.holdfire("explain");
    let id = screen.lines().nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let mut header = testing::header();
    header.session = "S-ZZZZZZZZ".to_owned();
    header.wall_clock += 1_000_000_000;
    let mut writer = Folder::new(host.state.path()).create(&header).unwrap();
    let start = Story::new(Mode::Hold).events.remove(0);
    writer.event(&start).unwrap();
    writer.finish(start.time).unwrap();

    assert_eq!(host.holdfire("explain").0, 1, "the newest session has no alert");
    assert_eq!(host.holdfire(&format!("explain {id}")), (0, screen, String::new()));
}
