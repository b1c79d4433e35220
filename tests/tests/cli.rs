//! The command line: bad input gets a clear sentence with the next step, and the exit code that is documented.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use holdfire_tests::holdfire::{Holdfire, executable};
use holdfire_tests::host::{Need, limit};
use holdfire_tests::needs;
use holdfire_tests::process::{Finished, Running};
use tempfile::TempDir;

/// Fails unless it ended with this code and said all of these words, in clean lines, on standard error.
#[track_caller]
fn check(ended: Finished, code: i32, words: &[&str]) {
    let ended = ended.expect_code(code);
    let said = ended.stderr.to_lowercase();
    for word in words {
        assert!(said.contains(word), "`{word}` is not in: {}", ended.stderr);
    }
    assert!(!said.contains("panicked") && !said.contains("backtrace"), "{}", ended.stderr);
}

#[test]
fn a_command_that_does_not_exist() {
    needs!(Need::Monitor);
    let holdfire = Holdfire::new();
    let mut run = holdfire.run(&["--mode", "observe"], ["/nonexistent/agent"]);
    check(Running::start(&mut run).finish(limit()), 127, &["/nonexistent/agent"]);
    let mut run = holdfire.run(&["--mode", "observe"], ["no-such-agent-anywhere"]);
    check(Running::start(&mut run).finish(limit()), 127, &["no-such-agent-anywhere"]);
}

#[test]
fn a_command_that_cannot_be_executed() {
    needs!(Need::Monitor);
    let holdfire = Holdfire::new();
    let mut run = holdfire.run(&["--mode", "observe"], ["/etc/passwd"]);
    check(Running::start(&mut run).finish(limit()), 126, &["/etc/passwd"]);
}

#[test]
fn without_root_it_says_what_is_missing() {
    needs!(Need::Program("setpriv"));
    // The build's own directory may be closed to others.
    let directory = TempDir::new().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = directory.path().join("holdfire");
    fs::copy(executable(), &copy).unwrap();
    let mut run = Command::new(&copy);
    if nix::unistd::geteuid().is_root() {
        run = Command::new("setpriv");
        run.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&copy);
    }
    run.args(["--state-dir", "/nonexistent", "run", "--", "true"]).current_dir("/");
    check(Running::start(&mut run).finish(limit()), 77, &["root"]);
}

#[test]
fn an_unreadable_policy_names_the_place() {
    needs!(Need::Monitor);
    let (holdfire, directory) = (Holdfire::new(), TempDir::new().unwrap());
    let policy = directory.path().join("policy.yaml");
    let path = policy.to_str().unwrap();
    let run = |content: Option<&str>| {
        let _ = fs::remove_file(&policy);
        if let Some(content) = content {
            fs::write(&policy, content).unwrap();
        }
        let marker = directory.path().join("ran");
        let mut command = holdfire.run(&["--policy", path], ["touch", marker.to_str().unwrap()]);
        let ended = Running::start(&mut command).finish(limit());
        assert!(!marker.exists(), "the command ran under a policy that could not be read");
        ended
    };
    check(run(None), 2, &["policy.yaml"]);
    check(run(Some("name: broken\nrules: [\n")), 2, &["policy.yaml"]);
    check(run(Some("name: odd\nrulez: []\n")), 2, &["policy.yaml", "rulez"]);
}

#[test]
fn damaged_captures_are_told_from_whole_ones() {
    needs!(Need::Monitor, Need::Program("zstd"));
    let holdfire = Holdfire::new();
    Running::start(&mut holdfire.run(&["--mode", "observe"], ["sh", "-c", "cat /etc/passwd"]))
        .finish(limit())
        .expect_code(0);
    let capture = holdfire.captures().pop().unwrap();
    let whole = fs::read(&capture).unwrap();
    holdfire.call(&["sessions", "verify", "@last"]).expect_code(0);

    fs::write(&capture, &whole[..whole.len() - 10]).unwrap();
    holdfire.call(&["sessions", "verify", "@last"]).expect_code(1);
    let ended = holdfire.call(&["replay", "@last"]);
    assert!(!ended.stderr.contains("panicked"), "{}", ended.stderr);

    let mut altered = whole.clone();
    let middle = whole.len() / 2;
    altered[middle] ^= 1;
    fs::write(&capture, &altered).unwrap();
    check(holdfire.call(&["sessions", "verify", "@last"]), 1, &[]);

    fs::write(&capture, &whole).unwrap();
    holdfire.call(&["sessions", "verify", "@last"]).expect_code(0);
}

#[test]
fn mistyped_commands_are_usage_errors() {
    let holdfire = Holdfire::new();
    for words in [&["run"][..], &["run", "--mode", "loud", "--", "true"], &["sesions"], &["approve"]] {
        let ended = holdfire.call(words);
        assert_eq!(ended.code(), 2, "{words:?}: {}", ended.stderr);
        assert!(ended.stderr.contains("--help") && ended.stdout.is_empty(), "{words:?}: {ended:?}");
    }
}

#[test]
fn what_is_not_there_is_said() {
    let holdfire = Holdfire::new();
    check(holdfire.call(&["pending"]), 69, &["holdfire"]);
    check(holdfire.call(&["approve", "H-1"]), 69, &["holdfire"]);
    for words in
        [&["sessions", "show", "S-NOTTHERE"][..], &["replay", "S-NOTTHERE"], &["explain", "A-nothere"]]
    {
        let ended = holdfire.call(words);
        assert_ne!(ended.code(), 0, "{words:?}");
        assert!(
            !ended.stderr.is_empty() && !ended.stderr.contains("panicked"),
            "{words:?}: {}",
            ended.stderr
        );
    }
}
