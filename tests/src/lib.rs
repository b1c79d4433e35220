//! What the integration tests need: what this host can do, holdfire as a command, processes, a network of their own.
//!
//! The far end (server, repository, agent) is [`monitor::demo`], which the demo uses too.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a harness that cannot go on fails its test")]
#![allow(clippy::disallowed_methods, reason = "tests wait for real time and are scaled by the environment")]
#![allow(clippy::print_stdout, reason = "a skipped test says so")]

pub mod client;
pub mod holdfire;
pub mod host;
pub mod network;
pub mod process;

use std::thread;
use std::time::{Duration, Instant};

/// Asks every 20 ms until there is an answer; after `limit`, fails with `what`.
#[track_caller]
pub fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// Waits until bytes held for `held` would have come, had they been let go at its end: TCP retransmits after twice the
/// time since it tried last, so never later than the time it has been trying already.
pub fn linger(held: Duration) {
    thread::sleep(held + Duration::from_secs(2));
}
