//! Sessions: the command is left alone, and what was recorded can be judged again.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfire_tests::holdfire::Holdfire;
use holdfire_tests::host::{Need, limit, patience};
use holdfire_tests::needs;
use holdfire_tests::process::{Running, find};
use monitor::demo::{Scene, Task};

#[track_caller]
fn check_code(command: &[&str], code: i32) {
    let holdfire = Holdfire::new();
    Running::start(&mut holdfire.run(&["--mode", "enforce"], command)).finish(limit()).expect_code(code);
}

#[test]
fn the_exit_code_is_the_commands_own() {
    needs!(Need::Monitor);
    check_code(&["true"], 0);
    check_code(&["sh", "-c", "exit 7"], 7);
    check_code(&["sh", "-c", "exit 255"], 255);
    check_code(&["sh", "-c", "kill -TERM $$"], 128 + 15);
    check_code(&["sh", "-c", "kill -KILL $$"], 128 + 9);
}

#[test]
fn streams_are_left_alone() {
    needs!(Need::Monitor);
    let holdfire = Holdfire::new();
    let bytes: Vec<u8> = (0..=255_u8).cycle().take(300_000).collect();
    let mut session = holdfire.run(&["--mode", "enforce"], ["sh", "-c", "cat; echo said on stderr >&2"]);
    session.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = session.spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || input.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert_eq!(output.stdout, bytes);
    assert!(
        String::from_utf8_lossy(&output.stderr).lines().any(|line| line == "said on stderr"),
        "{output:?}"
    );
}

#[test]
fn signals_reach_the_command() {
    needs!(Need::Monitor);
    let holdfire = Holdfire::new();
    let script = "trap 'echo got it; exit 5' TERM; while :; do sleep 0.05; done; : signals-reach-the-command";
    let session = Running::start(&mut holdfire.run(&["--mode", "observe"], ["sh", "-c", script]));
    find("sh", "signals-reach-the-command", limit());
    // The shell has started, but its trap may not be set yet.
    std::thread::sleep(Duration::from_millis(300));
    assert!(Command::new("kill").arg(session.pid().to_string()).status().unwrap().success());
    let ended = session.finish(limit()).expect_code(5);
    assert_eq!(ended.stdout, "got it\n");
}

#[test]
fn the_session_runs_as_the_chosen_user() {
    needs!(Need::Monitor);
    let holdfire = Holdfire::new();
    let mut session = holdfire.run(&["--mode", "observe", "--user", "nobody"], ["id", "-u"]);
    let ended = Running::start(session.current_dir("/")).finish(limit()).expect_code(0);
    assert_eq!(ended.stdout, "65534\n");
}

#[test]
fn nobody_else_may_read_a_session() {
    needs!(Need::Monitor, Need::Program("setpriv"));
    let holdfire = Holdfire::new();
    Running::start(&mut holdfire.run(&["--mode", "observe"], ["true"])).finish(limit()).expect_code(0);
    let capture = holdfire.captures().pop().unwrap();
    let mut reader = Command::new("setpriv");
    reader.args(["--reuid=65534", "--regid=65534", "--clear-groups", "cat"]).arg(&capture);
    assert!(!reader.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
}

#[test]
fn replay_finds_the_same_byte_for_byte() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("zstd"));
    for mode in ["observe", "enforce"] {
        let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
        let mut agent = holdfire.agent(&["--mode", mode], &scene, Task::FixStaging, patience());
        Running::start(&mut agent).finish(limit());
        let stored: Vec<String> =
            holdfire.lines().into_iter().filter(|line| line.starts_with(r#"{"type":"finding""#)).collect();
        assert!(!stored.is_empty(), "{mode}: no finding");
        let replayed = holdfire.call(&["replay", "@last", "--json"]).expect_code(0).stdout;
        assert_eq!(replayed.lines().collect::<Vec<_>>(), stored, "{mode}");
        holdfire.call(&["sessions", "verify", "@last"]).expect_code(0);
    }
}

#[test]
fn a_finding_fails_the_run_when_asked() {
    needs!(Need::Monitor, Need::Program("curl"));
    for (severity, code) in [("critical", 1), ("high", 1)] {
        let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
        let flags = ["--mode", "observe", "--fail-on", severity];
        let mut agent = holdfire.agent(&flags, &scene, Task::FixStaging, patience());
        Running::start(&mut agent).finish(limit()).expect_code(code);
    }
    let holdfire = Holdfire::new();
    let mut quiet = holdfire.run(&["--mode", "observe", "--fail-on", "critical"], ["true"]);
    Running::start(&mut quiet).finish(limit()).expect_code(0);
}
