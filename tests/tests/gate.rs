//! The gate: what is denied or held does not arrive, what is allowed arrives as it was sent.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use holdfire_tests::holdfire::Holdfire;
use holdfire_tests::host::{Need, limit, patience, runs};
use holdfire_tests::process::{self, Running};
use holdfire_tests::{linger, needs, network, wait_for};
use monitor::demo::{Scene, Task};

/// Sessions at once in the repeated scenarios: most of their time is an agent waiting for an answer.
const WORKERS: usize = 4;
/// An agent that would wait for ever, as far as a test is concerned.
const LONG: Duration = Duration::from_secs(120);

/// Calls `run` so many times, on a few threads in the caller's network.
fn repeat(times: usize, run: impl Fn() + Sync) {
    let left = AtomicUsize::new(times);
    let take = || left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok();
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while take() {
                    run();
                }
            });
        }
    });
}

#[test]
fn enforced_nothing_of_the_incident_arrives() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("zstd"));
    let scene = Scene::set().unwrap();
    repeat(runs(), || {
        let holdfire = Holdfire::new();
        let mut agent = holdfire.agent(&["--mode", "enforce"], &scene, Task::FixStaging, patience());
        let ended = Running::start(&mut agent).finish(limit()).expect_code(3);
        assert!(
            ended.stdout.contains("Deleting the broken volume"),
            "it did not come to the delete: {ended:?}"
        );
        let findings = holdfire.findings();
        assert!(findings.iter().any(|finding| finding["action"] == "deny"), "{findings:?}");
    });
    linger(patience());
    assert_eq!(scene.bytes_beyond_inspection(), 0);
    assert_eq!(scene.server.volumes().len(), 1);
    let connections = scene.server.connections();
    let harmless = connections.iter().filter(|connection| connection.requests == 1).count();
    assert_eq!(harmless, runs(), "the first, harmless query of each run arrives");
}

#[test]
fn observed_the_incident_succeeds_and_is_told() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("zstd"));
    let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
    let mut agent = holdfire.agent(&["--mode", "observe"], &scene, Task::FixStaging, patience());
    Running::start(&mut agent).finish(limit()).expect_code(0);
    assert_eq!(scene.server.volumes(), []);
    let findings = holdfire.findings();
    assert!(findings.iter().any(|finding| finding["severity"] == "critical"), "{findings:?}");
    assert!(findings.iter().all(|finding| finding["action"] == "alert"), "{findings:?}");
    let explained = holdfire.call(&["explain", "@last"]).expect_code(0).stdout;
    assert!(explained.contains("volumeDelete") && explained.contains(".env.legacy"), "{explained}");
    assert!(!explained.contains(scene.token()), "{explained}");
}

/// The twin under `enforce`: every request arrives byte for byte as without holdfire, and nothing is sent twice.
#[track_caller]
fn check_twin(task: Task) {
    // A thread of its own, since it does not come back from its own network.
    thread::scope(|scope| {
        scope.spawn(|| {
            network::own();
            let scene = Scene::set().unwrap();
            let words = scene.agent(task, LONG);
            // In turn with and without holdfire, so that what the machine itself sends again falls on both.
            let (mut without, mut with) = (0, 0);
            for _ in 0..runs() {
                let before = network::retransmissions();
                let mut unwatched = Command::new(&words[0]);
                unwatched
                    .args(&words[1..])
                    .current_dir(scene.repository())
                    .env("RAILWAY_TOKEN", scene.token());
                Running::start(&mut unwatched).finish(limit()).expect_code(0);
                let between = network::retransmissions();
                let holdfire = Holdfire::new();
                let mut agent = holdfire.agent(&["--mode", "enforce"], &scene, task, LONG);
                let ended = Running::start(&mut agent).finish(limit()).expect_code(0);
                assert!(ended.stdout.contains("daily-1"), "{ended:?}");
                without += between - before;
                with += network::retransmissions() - between;
            }
            let connections = scene.server.connections();
            assert_eq!(connections.len(), 2 * runs());
            let sent = String::from_utf8_lossy(&connections[0].plaintext).into_owned();
            for connection in &connections[1..] {
                assert_eq!(String::from_utf8_lossy(&connection.plaintext), sent);
            }
            // A machine that stands still for a fifth of a second makes TCP send again by itself: one run in a hundred.
            let noise = runs() as u64 / 100;
            assert!(with <= without + noise, "segments sent again: {without} without, {with} with holdfire");
        });
    });
}

#[test]
fn the_twin_passes_untouched() {
    needs!(alone: Need::Monitor, Need::Program("curl"));
    check_twin(Task::Inspect);
}

#[test]
fn the_twin_that_searched_passes_untouched() {
    needs!(alone: Need::Monitor, Need::Program("curl"));
    check_twin(Task::InspectAfterSearch);
}

/// An incident that is held, and everything to decide about it.
struct Held {
    scene: Scene,
    holdfire: Holdfire,
    session: Running,
    hold: String,
    since: Instant,
}

impl Held {
    #[track_caller]
    fn new(flags: &[&str], wait: Duration) -> Self {
        let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
        let flags = [&["--mode", "hold"], flags].concat();
        let since = Instant::now();
        let mut session = Running::start(&mut holdfire.agent(&flags, &scene, Task::FixStaging, wait));
        let hold = holdfire.held(&mut session);
        Self { scene, holdfire, session, hold, since }
    }

    /// The process that sent the held request.
    #[track_caller]
    fn sender(&self) -> i32 {
        process::find("curl", "volumeDelete", limit())
    }

    /// Waits for the end of the session and for what may still come, and checks that nothing did.
    #[track_caller]
    fn nothing_arrived(self, code: i32) -> (Scene, Holdfire) {
        self.session.finish(limit()).expect_code(code);
        linger(self.since.elapsed());
        assert_eq!(self.scene.bytes_beyond_inspection(), 0);
        assert_eq!(self.scene.server.volumes().len(), 1);
        (self.scene, self.holdfire)
    }
}

#[test]
fn approved_after_three_seconds_the_request_arrives_intact() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("zstd"));
    let mut held = Held::new(&[], LONG);
    thread::sleep(Duration::from_secs(3));
    assert_eq!(held.scene.bytes_beyond_inspection(), 0);
    assert!(held.session.is_running(), "{}", held.session.said());
    held.holdfire.call(&["approve", &held.hold, "--reason", "it is staging"]).expect_code(0);
    held.session.finish(limit()).expect_code(0);
    assert_eq!(held.scene.server.volumes(), []);
    // The same request without holdfire, to the volume brought back.
    held.scene.server.restore();
    let words = held.scene.agent(Task::FixStaging, LONG);
    let mut unwatched = Command::new(&words[0]);
    Running::start(unwatched.args(&words[1..]).current_dir(held.scene.repository()))
        .finish(limit())
        .expect_code(0);
    let connections = held.scene.server.connections();
    let deletes: Vec<_> =
        connections.iter().filter(|connection| connection.contains("volumeDelete")).collect();
    assert_eq!(deletes.len(), 2);
    assert_eq!(deletes[0].plaintext, deletes[1].plaintext);
    let decided = held.holdfire.events("decided");
    assert_eq!((decided.len(), decided[0]["reason"].as_str()), (1, Some("it is staging")), "{decided:?}");
}

#[test]
fn denied_nothing_arrives() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("zstd"));
    let held = Held::new(&[], 2 * patience());
    held.holdfire.call(&["deny", &held.hold, "--reason", "not staging"]).expect_code(0);
    let (_, holdfire) = held.nothing_arrived(3);
    assert_eq!(holdfire.events("decided")[0]["decision"], "denied");
}

#[test]
fn denied_and_killed_nothing_arrives() {
    needs!(Need::Monitor, Need::Program("curl"));
    let held = Held::new(&[], LONG);
    held.holdfire.call(&["deny", &held.hold, "--kill"]).expect_code(0);
    held.nothing_arrived(3);
}

#[test]
fn a_killed_sender_flushes_nothing() {
    needs!(Need::Monitor, Need::Program("curl"));
    let held = Held::new(&[], LONG);
    signal(held.sender(), "KILL");
    held.nothing_arrived(3);
}

#[test]
fn continued_by_its_own_user_nothing_arrives() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("setpriv"));
    let held = Held::new(&["--user", "nobody"], 2 * patience());
    let sender = held.sender().to_string();
    for _ in 0..20 {
        let words = ["--reuid=nobody", "--clear-groups", "kill", "-CONT", &sender];
        // The sender may have given up by now.
        let _ = Command::new("setpriv").args(words).status().unwrap();
        thread::sleep(Duration::from_millis(50));
    }
    held.nothing_arrived(3);
}

#[test]
fn timed_out_by_timeout_nothing_arrives() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("timeout"));
    let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
    let since = Instant::now();
    let seconds = (2 * patience()).as_secs().to_string();
    let words = [vec!["timeout".into(), seconds.into()], scene.agent(Task::FixStaging, LONG)].concat();
    let mut session = holdfire.run(&["--mode", "hold"], words);
    let mut session = Running::start(session.current_dir(scene.repository()));
    let hold = holdfire.held(&mut session);
    // timeout(1) ends with 124 when it had to end its command.
    Held { scene, holdfire, session, hold, since }.nothing_arrived(124);
}

#[test]
fn a_session_cannot_approve_itself() {
    needs!(Need::Monitor, Need::Program("curl"));
    let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
    let script = r#"holdfire=$1; shift
"$@" & agent=$!
n=0
until "$holdfire" --state-dir "$STATE" approve H-1 || [ $n -ge 40 ]; do n=$((n + 1)); sleep 0.1; done
[ $n -ge 40 ] && echo never approved
wait $agent"#;
    let own = ["sh", "-c", script, "sh"].map(Into::into).to_vec();
    let executable = holdfire_tests::holdfire::executable().into_os_string();
    let words = [own, vec![executable], scene.agent(Task::FixStaging, 4 * patience())].concat();
    let since = Instant::now();
    let mut session = holdfire.run(&["--mode", "hold"], words);
    let mut session = Running::start(session.current_dir(scene.repository()).env("STATE", holdfire.state()));
    let hold = holdfire.held(&mut session);
    let said = wait_for("forty refusals", limit(), || {
        let said = session.said();
        (said.contains("never approved") || !session.is_running()).then_some(said)
    });
    assert!(said.contains("never approved"), "{said}");
    Held { scene, holdfire, session, hold, since }.nothing_arrived(3);
}

fn signal(pid: i32, name: &str) {
    assert!(Command::new("kill").arg(format!("-{name}")).arg(pid.to_string()).status().unwrap().success());
}
