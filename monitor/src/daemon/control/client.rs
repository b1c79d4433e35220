//! Asks a monitor over its control socket.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use axum::http::StatusCode;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use super::{Decide, Membership, Problem};
use crate::response::Hold;

/// Longest answer a client takes: a thousand holds.
const ANSWER: usize = 16 << 20;

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

    /// Whether a process is a member of the session there. Answered to root alone.
    ///
    /// # Errors
    /// As [`Self::pending`].
    pub(super) async fn is_member(&self, pid: u32) -> Result<bool, ClientError> {
        let answer: Membership = self.call("GET", &format!("/v1/members/{pid}"), Bytes::new()).await?;
        Ok(answer.member)
    }

    /// Where its socket is.
    pub(super) fn path(&self) -> &Path {
        &self.path
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
        // Only what could not be read as HTTP is answered without a sentence.
        let sentence = serde_json::from_slice(&bytes).map(|problem: Problem| problem.error);
        Err(match (method, status) {
            ("POST", StatusCode::NOT_FOUND) => ClientError::NoSuchHold,
            _ => ClientError::Refused(sentence.unwrap_or_else(|_none| format!("it answers {status}"))),
        })
    }
}
