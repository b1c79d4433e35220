//! The control socket: who waits, and who decides.
//!
//! HTTP and JSON over a unix socket (`curl --unix-socket` works), one socket per monitor. Deciding belongs to root and to
//! the group `holdfire`, never to a process of a monitored session, whoever it runs as. When in doubt about the caller
//! this refuses: a caller that has ended since it connected may have been a member.
//!
//! ```text
//! GET  /v1/holds         → [Hold, …]
//! POST /v1/holds/{id}    {"decision": "approved"|"denied"|"killed", "reason": "…"} → Hold
//! ```
//! Errors are `{"error": "a sentence"}` with status 403 (not yours to decide), 404 (no such hold) or 409 (decided already).

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use axum::extract::connect_info::{ConnectInfo, Connected};
use axum::extract::{DefaultBodyLimit, Path as Segment, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::serve::IncomingStream;
use axum::{Json, Router};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use nix::unistd::{Gid, Group, Uid, User, chown};
use serde::{Deserialize, Serialize};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use super::clock::boot_now;
use super::engine::{Command, Handle, Refused};
use crate::event::Decision;
use crate::response::{Hold, NotDecided};
use crate::time::Timestamp;

/// The group whose members may decide.
const GROUP: &str = "holdfire";

/// Longest request body: a reason is a sentence.
const BODY: usize = 16 << 10;

/// Longest answer a client takes: a thousand holds.
const ANSWER: usize = 16 << 20;

/// The other end of a connection, as the kernel knows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub uid: u32,
    pub gid: u32,
    /// The process that connected; none if the kernel does not say.
    pub pid: Option<u32>,
    /// When it connected.
    at: Timestamp,
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        match stream.io().peer_cred() {
            Ok(peer) => Self {
                uid: peer.uid(),
                gid: peer.gid(),
                pid: peer.pid().and_then(|pid| u32::try_from(pid).ok()),
                at: boot_now(),
            },
            // Nobody: may not decide anything.
            Err(_) => Self { uid: u32::MAX, gid: u32::MAX, pid: None, at: boot_now() },
        }
    }
}

/// A decision, as a client sends it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    pub decision: Decision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Problem {
    error: String,
}

/// Makes the control socket at `path`. To be called where a tokio runtime is entered.
///
/// # Errors
/// The socket cannot be made.
pub fn bind(path: &Path) -> io::Result<UnixListener> {
    let group = Group::from_name(GROUP).ok().flatten().map(|group| group.gid);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    // Whoever connects before this is asked who they are all the same.
    fs::set_permissions(path, fs::Permissions::from_mode(0o660))?;
    if let Some(group) = group {
        chown(path, None, Some(group))?;
    }
    Ok(listener)
}

/// Serves the control socket until the task is dropped.
///
/// # Errors
/// Connections can no longer be accepted.
pub async fn serve(listener: UnixListener, engine: Handle) -> io::Result<()> {
    let router = Router::new()
        .route("/v1/holds", get(pending))
        .route("/v1/holds/{id}", post(decide))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(engine);
    axum::serve(listener, router.into_make_service_with_connect_info::<Peer>()).await
}

async fn pending(State(engine): State<Handle>, ConnectInfo(peer): ConnectInfo<Peer>) -> Response {
    if let Err(refusal) = may_decide(&engine, peer).await {
        return refusal;
    }
    match ask(&engine, Command::Pending).await {
        Some(holds) => Json(holds).into_response(),
        None => ending(),
    }
}

async fn decide(
    State(engine): State<Handle>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    Segment(hold): Segment<String>,
    Json(decide): Json<Decide>,
) -> Response {
    if let Err(refusal) = may_decide(&engine, peer).await {
        return refusal;
    }
    if !matches!(decide.decision, Decision::Approved | Decision::Denied | Decision::Killed) {
        return problem(StatusCode::BAD_REQUEST, "decisions are approved, denied and killed");
    }
    let by = user_name(peer.uid);
    let (decision, reason) = (decide.decision, decide.reason);
    let answer =
        ask(&engine, |reply| Command::Decide { hold, decision, by, uid: Some(peer.uid), reason, reply })
            .await;
    match answer {
        Some(Ok(hold)) => Json(hold).into_response(),
        Some(Err(refused)) => {
            let status = match refused {
                Refused::Not(NotDecided::NoSuchHold) => StatusCode::NOT_FOUND,
                Refused::Not(_) => StatusCode::CONFLICT,
                Refused::Gate => StatusCode::INTERNAL_SERVER_ERROR,
            };
            problem(status, &refused.to_string())
        }
        None => ending(),
    }
}

/// Lets root and the group pass, unless they act from within a session.
async fn may_decide(engine: &Handle, peer: Peer) -> Result<(), Response> {
    if !is_approver(peer) {
        return Err(problem(StatusCode::FORBIDDEN, "deciding belongs to root and to the group holdfire"));
    }
    let unknown =
        || problem(StatusCode::FORBIDDEN, "the process that asked has ended, so it cannot be told apart");
    let pid = peer.pid.ok_or_else(unknown)?;
    let member = ask(engine, |reply| Command::IsMember(pid, reply)).await.ok_or_else(ending)?;
    if member {
        return Err(problem(
            StatusCode::FORBIDDEN,
            "a process of a monitored session cannot decide about it",
        ));
    }
    // Looked at after the question, so that an answer about a later process of the same id is caught.
    if !started_before(pid, peer.at) {
        return Err(unknown());
    }
    Ok(())
}

fn is_approver(peer: Peer) -> bool {
    if peer.uid == 0 {
        return true;
    }
    let Ok(Some(group)) = Group::from_name(GROUP) else { return false };
    let listed = || {
        let user = User::from_uid(Uid::from_raw(peer.uid)).ok().flatten();
        user.is_some_and(|user| group.mem.contains(&user.name) || user.gid == group.gid)
    };
    Gid::from_raw(peer.gid) == group.gid || listed()
}

/// Whether a process lives and began before a moment: the 22nd field of its stat, in ticks of a hundredth of a second.
fn started_before(pid: u32, moment: Timestamp) -> bool {
    const NANOSECONDS_PER_TICK: u64 = 10_000_000;
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let start: Option<u64> = after_name.split_whitespace().nth(19).and_then(|ticks| ticks.parse().ok());
    start.is_some_and(|ticks| ticks.saturating_mul(NANOSECONDS_PER_TICK) <= moment.0)
}

fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

async fn ask<T>(engine: &Handle, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
    let (reply, answer) = oneshot::channel();
    engine.send(command(reply));
    answer.await.ok()
}

fn problem(status: StatusCode, error: &str) -> Response {
    (status, Json(Problem { error: error.to_owned() })).into_response()
}

fn ending() -> Response {
    problem(StatusCode::SERVICE_UNAVAILABLE, "the monitor is ending")
}

/// Why a monitor did not answer as asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    #[error("the control socket {path} does not answer")]
    Unreachable { path: PathBuf, source: io::Error },
    #[error("you may not use the control socket {path}")]
    NotAllowed { path: PathBuf },
    #[error("{0}")]
    Refused(String),
    #[error("there is no such hold")]
    NoSuchHold,
    #[error("the monitor's answer cannot be understood")]
    Garbled,
}

/// Talks to one monitor.
#[derive(Clone, Debug)]
pub struct Client {
    path: PathBuf,
}

impl Client {
    /// One client for every control socket in the folder, in the order of their names.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn all(folder: &Path) -> io::Result<Vec<Self>> {
        let entries = fs::read_dir(folder)?.flatten().map(|entry| entry.path());
        let mut paths: Vec<PathBuf> =
            entries.filter(|path| path.extension().is_some_and(|end| end == "sock")).collect();
        paths.sort();
        Ok(paths.into_iter().map(|path| Self { path }).collect())
    }

    /// What waits for a decision there.
    ///
    /// # Errors
    /// Nobody answers, or not to this user.
    pub async fn pending(&self) -> Result<Vec<Hold>, ClientError> {
        self.call("GET", "/v1/holds", Bytes::new()).await
    }

    /// Decides about a hold.
    ///
    /// # Errors
    /// As [`Self::pending`]; or there is no such hold, or it is decided already.
    pub async fn decide(&self, hold: &str, decide: &Decide) -> Result<Hold, ClientError> {
        let body = serde_json::to_vec(decide).map_err(|_never| ClientError::Garbled)?;
        let id: String = hold.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        self.call("POST", &format!("/v1/holds/{id}"), body.into()).await
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: &str,
        target: &str,
        body: Bytes,
    ) -> Result<T, ClientError> {
        let stream = UnixStream::connect(&self.path).await.map_err(|source| match source.kind() {
            io::ErrorKind::PermissionDenied => ClientError::NotAllowed { path: self.path.clone() },
            _ => ClientError::Unreachable { path: self.path.clone(), source },
        })?;
        let lost = |error: hyper::Error| ClientError::Unreachable {
            path: self.path.clone(),
            source: io::Error::other(error),
        };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(lost)?;
        tokio::spawn(connection);
        let request = hyper::Request::builder()
            .method(method)
            .uri(target)
            .header("host", "holdfire")
            .header("content-type", "application/json")
            .body(Full::new(body))
            .map_err(|_never| ClientError::Garbled)?;
        let answer = sender.send_request(request).await.map_err(lost)?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER);
        let bytes = body.collect().await.map_err(|_too_long| ClientError::Garbled)?.to_bytes();
        if status.is_success() {
            return serde_json::from_slice(&bytes).map_err(|_syntax| ClientError::Garbled);
        }
        let problem: Problem = serde_json::from_slice(&bytes).map_err(|_syntax| ClientError::Garbled)?;
        Err(if status == StatusCode::NOT_FOUND {
            ClientError::NoSuchHold
        } else {
            ClientError::Refused(problem.error)
        })
    }
}
