//! Processes: what runs in a session is in the session, however it came to be, and is told in full.

use holdfire_tests::holdfire::Holdfire;
use holdfire_tests::host::{Need, limit};
use holdfire_tests::needs;
use holdfire_tests::process::Running;
use serde_json::Value;

/// The programs a session ran, after it ended with code 0.
#[track_caller]
fn executed(command: &[&str]) -> Vec<Value> {
    let holdfire = Holdfire::new();
    Running::start(&mut holdfire.run(&["--mode", "observe"], command)).finish(limit()).expect_code(0);
    holdfire.events("executed")
}

fn arguments(event: &Value) -> Vec<&str> {
    event["argv"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn arguments_directory_and_user_are_told() {
    needs!(Need::Monitor, Need::Program("zstd"));
    let events = executed(&["sh", "-c", "cd /usr && /bin/echo one 'two three' '' && true"]);
    let echo = events.iter().find(|event| arguments(event).first() == Some(&"/bin/echo"));
    let echo = echo.unwrap_or_else(|| panic!("{events:?}"));
    assert_eq!(arguments(echo), ["/bin/echo", "one", "two three", ""]);
    assert_eq!((echo["cwd"].as_str(), echo["uid"].as_u64()), (Some("/usr"), Some(0)));
    assert!(echo["exe"].as_str().unwrap().ends_with("/bin/echo"), "{echo}");
}

#[test]
fn long_arguments_are_whole_or_marked_as_cut() {
    needs!(Need::Monitor, Need::Program("zstd"));
    for length in [1_000, 100_000] {
        let word = "x".repeat(length);
        let events = executed(&["/bin/echo", &word]);
        let event = &events[0];
        let told = arguments(event).get(1).map_or(0, |word| word.len());
        let cut = event["argv_truncated"] == true;
        assert!(told == length || cut, "{told} of {length} bytes, not marked as cut");
        assert!(told > 0, "nothing of {length} bytes");
    }
}

#[test]
fn every_descendant_belongs_to_the_session() {
    needs!(Need::Monitor, Need::Program("zstd"), Need::Program("setsid"));
    for (way, script) in [
        ("a child", "/bin/echo MARK"),
        ("a subshell", "(/bin/echo MARK)"),
        ("in the background", "/bin/echo MARK & wait"),
        ("in a session of its own", "setsid -w /bin/echo MARK"),
        ("as an orphan", "(setsid sh -c 'sleep 0.3; exec /bin/echo MARK' &)"),
        ("in place of its parent", "exec /bin/echo MARK"),
    ] {
        let events = executed(&["sh", "-c", script]);
        let seen = events.iter().any(|event| arguments(event) == ["/bin/echo", "MARK"]);
        assert!(seen, "{way}: {events:?}");
    }
}

#[test]
fn how_processes_end_is_told() {
    needs!(Need::Monitor, Need::Program("zstd"));
    let holdfire = Holdfire::new();
    let script = "sh -c 'exit 7'; sh -c 'kill -TERM $$'; true";
    Running::start(&mut holdfire.run(&["--mode", "observe"], ["sh", "-c", script]))
        .finish(limit())
        .expect_code(0);
    let ends = holdfire.events("exited");
    assert!(ends.iter().any(|end| end["code"] == 7), "{ends:?}");
    assert!(ends.iter().any(|end| end["signal"] == 15), "{ends:?}");
}

#[test]
fn processes_outside_are_not_told() {
    needs!(Need::Monitor, Need::Program("zstd"));
    let holdfire = Holdfire::new();
    let session = Running::start(&mut holdfire.run(&["--mode", "observe"], ["sleep", "2"]));
    for _ in 0..20 {
        std::process::Command::new("/bin/true").arg("outside-of-the-session").status().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    session.finish(limit()).expect_code(0);
    let capture = holdfire.lines().join("\n");
    assert!(!capture.contains("outside-of-the-session"), "{capture}");
}
