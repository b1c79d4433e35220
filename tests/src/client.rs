//! Requests other than the incident's own, made by curl inside a session.

use std::ffi::OsString;
use std::time::Duration;

use monitor::demo::{HOST, Scene};

/// Reads the token where the incident's agent found it, then calls curl. The token is in no argument of the session's
/// command: that would grant it.
const WITH_FOUND_TOKEN: &str = r#"token=$(sed -n s/^RAILWAY_TOKEN=//p scripts/domains/.env.legacy)
curl "$@" -H "Authorization: Bearer $token""#;

/// A command that calls curl with `words` and the token that lies in the repository.
pub fn with_found_token(scene: &Scene, patience: Duration, words: &[&str]) -> Vec<OsString> {
    let mut command: Vec<OsString> = ["sh", "-c", WITH_FOUND_TOKEN, "sh"].map(OsString::from).into();
    command.extend(options(scene, patience));
    command.extend(words.iter().map(OsString::from));
    command
}

/// A command that calls curl with `words`.
pub fn curl(scene: &Scene, patience: Duration, words: &[&str]) -> Vec<OsString> {
    let mut command = vec![OsString::from("curl")];
    command.extend(options(scene, patience));
    command.extend(words.iter().map(OsString::from));
    command
}

/// The address of `path` on the scene's server.
pub fn url(scene: &Scene, path: &str) -> String {
    format!("https://{HOST}:{}{path}", scene.server.port())
}

/// What makes curl talk to the scene's server and to nothing else.
fn options(scene: &Scene, patience: Duration) -> Vec<OsString> {
    let resolve = format!("{HOST}:{}:127.0.0.1", scene.server.port());
    let patience = patience.as_secs().to_string();
    let words =
        ["--silent", "--show-error", "--noproxy", "*", "--resolve", &resolve, "--max-time", &patience];
    let mut options: Vec<OsString> = words.into_iter().map(OsString::from).collect();
    options.extend(["--cacert".into(), scene.server.authority().into()]);
    options
}
