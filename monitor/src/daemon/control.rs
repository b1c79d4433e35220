//! The control socket: who waits, and who decides.
//!
//! HTTP and JSON over a unix socket (`curl --unix-socket` works), one socket per monitor. Deciding belongs to root and to
//! the group `holdfire`, never to a process of a monitored session, whoever it runs as. When in doubt about the caller
//! this refuses: a caller that has ended since it connected may have been a member.
//!
//! ```text
//! GET  /v1/holds         → [Hold, …]
//! POST /v1/holds/{id}    {"decision": "approved"|"denied"|"killed", "reason": "…"} → Hold
//! GET  /v1/members/{pid} → {"member": bool}, to root alone: monitors ask one another
//! ```
//! Every error is `{"error": "a sentence"}`; docs/control-api.md lists the statuses.

mod caller;
mod client;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use axum::extract::connect_info::ConnectInfo;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{DefaultBodyLimit, Path as Segment, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use nix::unistd::{Group, Uid, User, chown};
use serde::{Deserialize, Serialize};
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use self::caller::{GROUP, Others, Peer, is_approver, started_before};
pub use self::client::{Client, ClientError};
use super::engine::{Command, Handle, Refused};
use crate::event::Decision;
use crate::response::NotDecided;

/// Longest request body: a reason is a sentence.
const BODY: usize = 16 << 10;

/// A decision, as a client sends it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decide {
    pub decision: Decision,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a process belongs to the session of the monitor that was asked.
#[derive(Debug, Serialize, Deserialize)]
struct Membership {
    member: bool,
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
/// The listener is bound to no path, or connections can no longer be accepted.
pub async fn serve(listener: UnixListener, engine: Handle) -> io::Result<()> {
    let own = listener.local_addr()?;
    let own = own.as_pathname().ok_or(io::ErrorKind::InvalidInput)?;
    let server = Server::new(own, move |command| engine.send(command));
    axum::serve(listener, router(server).into_make_service_with_connect_info::<Peer>()).await
}

/// What each request is answered with.
#[derive(Clone)]
struct Server {
    /// Sends to the engine; the sender of a reply is dropped if it has ended.
    engine: Arc<dyn Fn(Command) + Send + Sync>,
    others: Others,
}

impl Server {
    fn new(own: &Path, engine: impl Fn(Command) + Send + Sync + 'static) -> Self {
        Self { engine: Arc::new(engine), others: Others::beside(own) }
    }

    /// The engine's answer.
    ///
    /// # Errors
    /// The engine has ended.
    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Result<T, Refusal> {
        let (reply, answer) = oneshot::channel();
        (self.engine)(command(reply));
        answer.await.map_err(|_ended| problem(StatusCode::SERVICE_UNAVAILABLE, "the monitor is ending"))
    }

    /// Lets root and the group pass, unless they act from within a session, this one or another.
    async fn may_decide(&self, peer: Peer) -> Result<(), Refusal> {
        let refuse = |why| Err(problem(StatusCode::FORBIDDEN, why));
        let unknown = "the process that asked has ended, so it cannot be told apart";
        if !is_approver(peer) {
            return refuse("deciding belongs to root and to the group holdfire");
        }
        let Some(pid) = peer.pid else { return refuse(unknown) };
        let member = self.ask(|reply| Command::IsMember(pid, reply)).await?;
        let elsewhere = match self.others.have_member(pid).await {
            Ok(member) => member,
            Err(error) => {
                tracing::warn!(%error, "another monitor does not say whether a caller is a member of its session");
                return refuse(
                    "another monitor does not say whether the process that asked belongs to its session",
                );
            }
        };
        if member || elsewhere {
            return refuse("a process of a monitored session cannot decide");
        }
        // Looked at after the questions, so that an answer about a later process of the same id is caught.
        if !started_before(pid, peer.at) {
            return refuse(unknown);
        }
        Ok(())
    }
}

fn router(server: Server) -> Router {
    Router::new()
        .route("/v1/holds", get(pending))
        .route("/v1/holds/{id}", post(decide))
        .route("/v1/members/{pid}", get(member))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "there is no such path") })
        .method_not_allowed_fallback(|| async {
            problem(StatusCode::METHOD_NOT_ALLOWED, "there is no such method on this path")
        })
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(server)
}

async fn pending(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
) -> Result<Response, Refusal> {
    server.may_decide(peer).await?;
    Ok(Json(server.ask(Command::Pending).await?).into_response())
}

async fn decide(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    hold: Result<Segment<String>, PathRejection>,
    decide: Result<Json<Decide>, JsonRejection>,
) -> Result<Response, Refusal> {
    server.may_decide(peer).await?;
    let Segment(hold) = hold.map_err(|bad| problem(bad.status(), &bad.body_text()))?;
    let Json(decide) = decide.map_err(|bad| problem(bad.status(), &bad.body_text()))?;
    if !matches!(decide.decision, Decision::Approved | Decision::Denied | Decision::Killed) {
        return Err(problem(StatusCode::BAD_REQUEST, "decisions are approved, denied and killed"));
    }
    let by = user_name(peer.uid);
    let Decide { decision, reason } = decide;
    let answer = server
        .ask(|reply| Command::Decide { hold, decision, by, uid: Some(peer.uid), reason, reply })
        .await?;
    answer.map(|hold| Json(hold).into_response()).map_err(|refused| {
        let status = match refused {
            Refused::Not(NotDecided::NoSuchHold) => StatusCode::NOT_FOUND,
            Refused::Not(_) => StatusCode::CONFLICT,
            Refused::Gate => StatusCode::INTERNAL_SERVER_ERROR,
        };
        problem(status, &refused.to_string())
    })
}

async fn member(
    State(server): State<Server>,
    ConnectInfo(peer): ConnectInfo<Peer>,
    pid: Result<Segment<u32>, PathRejection>,
) -> Result<Response, Refusal> {
    if peer.uid != 0 {
        return Err(problem(StatusCode::FORBIDDEN, "only monitors ask this, as root"));
    }
    let Segment(pid) = pid.map_err(|bad| problem(bad.status(), &bad.body_text()))?;
    let member = server.ask(|reply| Command::IsMember(pid, reply)).await?;
    Ok(Json(Membership { member }).into_response())
}

fn user_name(uid: u32) -> String {
    User::from_uid(Uid::from_raw(uid)).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
}

/// An error as it is answered.
struct Refusal(StatusCode, String);

fn problem(status: StatusCode, error: &str) -> Refusal {
    Refusal(status, error.to_owned())
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(Problem { error: self.1 })).into_response()
    }
}
