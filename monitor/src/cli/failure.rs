//! Exit codes, and how a failure is told: a sentence, what caused it, and what to do next.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::Write;
use std::io;
use std::path::Path;
use std::process::ExitCode;

use crate::policy::PolicyError;
use crate::sensor::LoadError;
use crate::store::FindError;
use crate::store::capture::ReadError;
use crate::ui::{Printer, safe, style};

/// What the process returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    Fine,
    /// The answer is no: findings, a broken chain, a host that cannot be used.
    No,
    Usage,
    /// No monitor answers.
    Unreachable,
    /// A privilege or a feature of the kernel is missing.
    Privilege,
    /// The session was ended by policy.
    EndedByPolicy,
    /// `run` failed before the command ran, as env(1).
    RunFailed,
    /// The command exists and cannot be executed, as env(1).
    NotExecutable,
    /// There is no such command, as env(1).
    NotFound,
    /// What the command returned.
    Child(u8),
}

impl Exit {
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::No => 1,
            Self::Usage => 2,
            Self::Unreachable => 69,
            Self::Privilege => 77,
            Self::EndedByPolicy => 90,
            Self::RunFailed => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

/// An error that knows its exit code and what to do next. Commands return any error; one without this is told as it is
/// and exits with 1.
#[derive(Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Failure {
    exit: Exit,
    sentence: String,
    next: Option<String>,
    #[source]
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure told by `sentence`, which begins with a capital and has no full stop.
    pub fn new(exit: Exit, sentence: impl Into<String>) -> Self {
        Self { exit, sentence: sentence.into(), next: None, source: None }
    }

    /// What to do next: a command, or a clause in the imperative.
    #[must_use]
    pub fn next(mut self, next: impl Into<String>) -> Self {
        self.next = Some(next.into());
        self
    }

    /// What caused it.
    #[must_use]
    pub fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match &error {
            FindError::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                Self::new(Exit::Privilege, "Only its owner may read this host's sessions")
                    .because(error)
                    .next("run the same command with sudo, or name another folder with --state-dir")
            }
            FindError::Unreadable { .. } => {
                Self::new(Exit::No, "The sessions cannot be listed").because(error).next("check --state-dir")
            }
            FindError::Empty { .. } => Self::new(Exit::No, "No session was recorded yet")
                .because(error)
                .next("holdfire run -- COMMAND records one; sessions recorded by root are listed with sudo"),
            FindError::Unknown { .. } | FindError::Ambiguous { .. } => {
                Self::new(Exit::No, "It is not clear which session is meant")
                    .because(error)
                    .next("holdfire sessions list")
            }
        }
    }
}

impl Failure {
    /// The kernel half cannot be put in place.
    pub(super) fn not_loaded(error: LoadError) -> Self {
        let next = error.next_step();
        Self::new(Exit::Privilege, "This host cannot be watched").because(error).next(next)
    }

    /// A capture, or the rest of it, cannot be read.
    pub(super) fn capture(path: &Path, error: ReadError) -> Self {
        let path = path.display();
        let (exit, sentence, next) = match &error {
            ReadError::Io(io) if io.kind() == io::ErrorKind::PermissionDenied => {
                let next = "run the same command with sudo".to_owned();
                (Exit::Privilege, format!("Only its owner may read the capture {path}"), next)
            }
            ReadError::Io(_) | ReadError::NotACapture { .. } => {
                (Exit::No, format!("{path} cannot be read as a capture"), "holdfire sessions list".to_owned())
            }
            ReadError::Newer { .. } | ReadError::Line { .. } => (
                Exit::No,
                format!("The capture {path} comes from another version"),
                "read it with the holdfire that wrote it, or a newer one".to_owned(),
            ),
            ReadError::Empty => (
                Exit::No,
                format!("The capture {path} holds nothing to read"),
                "look for a copy; the session ended before its first write, or the file was cut".to_owned(),
            ),
            ReadError::Altered { .. } => (
                Exit::No,
                format!("The capture {path} cannot be trusted any further"),
                format!("holdfire sessions verify {path}, and compare with a copy"),
            ),
        };
        Self::new(exit, sentence).because(error).next(next)
    }
}

/// Tells a failure on standard error; returns the code to exit with.
pub(super) fn tell(error: &anyhow::Error, printer: &Printer) -> Exit {
    // Whoever reads our output has read enough (`| head`).
    let broken_pipe = |cause: &(dyn Error + 'static)| {
        cause.downcast_ref::<io::Error>().is_some_and(|it| it.kind() == io::ErrorKind::BrokenPipe)
    };
    if error.chain().any(broken_pipe) {
        return Exit::Fine;
    }
    let failure = error.downcast_ref::<Failure>();
    let bad = style::BAD;
    let mut text = format!("{bad}holdfire:{bad:#} {}.", safe(&error.to_string()));
    for cause in error.chain().skip(1) {
        // A policy has one mistake per line. In other errors a line's end may come from a monitored process.
        let cause_text = cause.to_string();
        let told: Vec<Cow<'_, str>> = match cause.downcast_ref::<PolicyError>() {
            Some(_) => cause_text.lines().map(safe).collect(),
            None => vec![safe(&cause_text)],
        };
        // Writing to a String cannot fail.
        let _ = write!(text, "\n  because {}", told.join("\n          "));
    }
    if let Some(next) = failure.and_then(|failure| failure.next.as_ref()) {
        let _ = write!(text, "\n  next: {}", safe(next));
    }
    printer.note(text);
    failure.map_or(Exit::No, |failure| failure.exit)
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    fn told(error: &anyhow::Error) -> (Exit, String) {
        let (printer, _, err) = Printer::to_screens();
        (tell(error, &printer), err.text())
    }

    #[test]
    fn a_failure_is_told_with_cause_and_next_step() {
        let denied = FindError::Unreadable {
            folder: "/var/lib/holdfire/sessions".into(),
            source: io::ErrorKind::PermissionDenied.into(),
        };
        let (exit, text) = told(&Failure::from(denied).into());
        assert_eq!(exit.code(), 77);
        insta::assert_snapshot!(text);
    }

    #[test]
    fn other_errors_are_told_as_they_are() {
        let broken: anyhow::Result<()> = Err(io::Error::other("it \u{1b}[2Jbroke")).context("It failed");
        let (exit, text) = told(&broken.unwrap_err());
        assert_eq!((exit, text.as_str()), (Exit::No, "holdfire: It failed.\n  because it \\x1b[2Jbroke\n"));
    }

    #[test]
    fn each_mistake_of_a_policy_has_a_line() {
        let mistaken =
            crate::policy::Policy::from_yaml("p.yaml", "name: p\nhold: {timeout: 9, on_exit: \"\\e[2J\"}\n");
        let error =
            Failure::new(Exit::Usage, "The policy p.yaml is not valid").because(mistaken.unwrap_err());
        insta::assert_snapshot!("mistakes", told(&error.into()).1);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let closed: anyhow::Error = io::Error::from(io::ErrorKind::BrokenPipe).into();
        assert_eq!(told(&closed), (Exit::Fine, String::new()));
    }
}
