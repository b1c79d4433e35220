//! The control socket over real sockets, with an engine made up.

use std::path::PathBuf;

use axum::Extension;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::daemon::boot_now;

/// An engine that has nothing waiting and calls `member` a member.
fn engine(member: Option<u32>) -> impl Fn(Command) + Send + Sync + 'static {
    move |command| match command {
        Command::Pending(reply) => drop(reply.send(Vec::new())),
        Command::IsMember(pid, reply) => drop(reply.send(Some(pid) == member)),
        Command::Decide { reply, .. } => drop(reply.send(Err(NotDecided::NoSuchHold.into()))),
        _ => {}
    }
}

/// A monitor at `folder/name.sock`, asked by this process as user `uid`.
fn monitor(folder: &Path, name: &str, uid: u32, engine: impl Fn(Command) + Send + Sync + 'static) -> PathBuf {
    let path = folder.join(format!("{name}.sock"));
    let listener = UnixListener::bind(&path).unwrap();
    let peer = Peer { uid, gid: uid, pid: Some(std::process::id()), at: boot_now() };
    let router = router(Server::new(&path, engine)).layer(Extension(ConnectInfo(peer)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    path
}

/// Status and body of an answer.
async fn ask(path: &Path, request: &str) -> (u16, String) {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn request(line: &str, kind: &str, body: &str) -> String {
    format!(
        "{line} HTTP/1.1\r\nhost: h\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[tokio::test]
async fn every_error_is_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let path = monitor(folder.path(), "S-1", 0, engine(None));
    let (json, decision) = ("application/json", r#"{"decision":"denied"}"#);
    let long = " ".repeat(BODY + 1);
    for (line, kind, body, status) in [
        ("GET /v1/holds", json, "", 200),
        ("GET /v1/nothing", json, "", 404),
        ("DELETE /v1/holds", json, "", 405),
        ("POST /v1/holds/H-1", json, decision, 404),
        ("POST /v1/holds/%ff", json, decision, 400),
        ("POST /v1/holds/H-1", json, "{", 400),
        ("POST /v1/holds/H-1", json, r#"{"decision":"expired"}"#, 400),
        ("POST /v1/holds/H-1", json, r#"{"decision":"denied","force":1}"#, 422),
        ("POST /v1/holds/H-1", "text/plain", decision, 415),
        ("POST /v1/holds/H-1", json, &long, 413),
        ("GET /v1/members/x", json, "", 400),
    ] {
        let (answered, text) = ask(&path, &request(line, kind, body)).await;
        assert_eq!(answered, status, "{line} {text}");
        let problem = serde_json::from_str::<Problem>(&text);
        assert_eq!(problem.is_ok_and(|problem| !problem.error.is_empty()), status != 200, "{line} {text}");
    }
}

#[tokio::test]
async fn members_are_told_to_root_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = monitor(folder.path(), "S-1", 0, engine(Some(41)));
    let user = monitor(folder.path(), "S-2", 1000, engine(Some(41)));
    let about = |pid| request(&format!("GET /v1/members/{pid}"), "", "");
    assert_eq!(ask(&root, &about(41)).await, (200, r#"{"member":true}"#.to_owned()));
    assert_eq!(ask(&root, &about(42)).await, (200, r#"{"member":false}"#.to_owned()));
    assert_eq!(ask(&user, &about(41)).await.0, 403);
    assert_eq!(ask(&user, &request("GET /v1/holds", "", "")).await.0, 403);
}

/// Whether the monitor S-1 lets this process decide beside what `prepare` puts into its folder.
async fn may_decide_beside(prepare: impl FnOnce(&Path)) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = monitor(folder.path(), "S-1", 0, engine(None));
    prepare(folder.path());
    let (client, other) = (Client::all(folder.path()).unwrap().remove(0), path);
    assert_eq!(client.path(), other);
    match client.pending().await {
        Ok(_) => true,
        Err(ClientError::Refused(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn a_member_of_any_session_decides_nothing() {
    let own = std::process::id();
    let beside =
        |member, uid| may_decide_beside(move |folder| drop(monitor(folder, "S-2", uid, engine(member))));
    assert!(may_decide_beside(|_| {}).await, "alone");
    assert!(beside(None, 0).await, "another session it is no member of");
    assert!(!beside(Some(own), 0).await, "a member of the other session");
    assert!(!beside(None, 1000).await, "the other one refuses to say");
    assert!(
        !may_decide_beside(|folder| drop(monitor(folder, "S-2", 0, |_| {}))).await,
        "the other one is ending"
    );
    let dead = |folder: &Path| drop(std::os::unix::net::UnixListener::bind(folder.join("S-2.sock")).unwrap());
    assert!(may_decide_beside(dead).await, "the other one is dead");
    // Accepts and never answers.
    let stuck = |folder: &Path| {
        Box::leak(Box::new(std::os::unix::net::UnixListener::bind(folder.join("S-2.sock")).unwrap()));
    };
    assert!(!may_decide_beside(stuck).await, "the other one is stuck");
}
