//! What holdfire says of its own troubles (`tracing`), on standard error.
//!
//! The thread that judges must never wait for somebody to read: lines go through a bounded channel to a thread that
//! writes them. When the channel is full a line is dropped, counted, and the count is told once there is room. By hand,
//! since `tracing-appender` buffers files and starts its thread with the caller's signals.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender, TrySendError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{SigSet, SigmaskHow};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::ui::{counted, safe};

/// Lines that may wait for the terminal. What goes wrong thousandfold is told by its first lines.
const WAITING: usize = 256;

/// Longest line, in bytes; the rest of a longer one says no more.
const LINE: usize = 4096;

/// How long the end of the program waits for the last lines.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is told unless `HOLDFIRE_LOG` says otherwise.
const USUAL: &str = "warn";

enum Message {
    Line(String),
    /// Answered when all lines before are written.
    Flush(mpsc::Sender<()>),
}

/// Waits for the last lines when dropped.
pub(super) struct Log {
    lines: SyncSender<Message>,
}

/// Tells what `filter` lets through from now on (`HOLDFIRE_LOG`, in the syntax of tracing-subscriber's `EnvFilter`).
///
/// # Errors
/// No thread is to be had.
pub(super) fn start(filter: Option<&str>) -> io::Result<Log> {
    let (lines, waiting) = mpsc::sync_channel(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&dropped);
    // `run` takes signals over later, by blocking them in its threads: this one must not be where they go instead.
    let before = SigSet::all().thread_swap_mask(SigmaskHow::SIG_SETMASK)?;
    let thread = thread::Builder::new()
        .name("holdfire-log".to_owned())
        .spawn(move || write_all(&waiting, &count, &mut io::stderr()));
    before.thread_set_mask()?;
    thread?;

    let asked = filter.map(EnvFilter::try_new).transpose();
    let wrong = asked.as_ref().err().map(ToString::to_string);
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(asked.ok().flatten().unwrap_or_else(|| EnvFilter::new(USUAL)))
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .with_writer(Writer { lines: lines.clone(), dropped })
        .finish();
    // Another subscriber is there only if the library is used by a program that brings its own.
    let _ = subscriber.try_init();
    if let Some(error) = wrong {
        tracing::warn!(%error, "HOLDFIRE_LOG is not understood; warnings and errors are told");
    }
    Ok(Log { lines })
}

impl Drop for Log {
    fn drop(&mut self) {
        let (done, written) = mpsc::channel();
        if self.lines.try_send(Message::Flush(done)).is_ok() {
            let _ = written.recv_timeout(PATIENCE);
        }
    }
}

/// Makes one line of each message and hands it on.
struct Writer {
    lines: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
}

struct Line<'a> {
    text: Vec<u8>,
    writer: &'a Writer,
}

impl<'a> MakeWriter<'a> for Writer {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { text: Vec::new(), writer: self }
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = LINE.saturating_sub(self.text.len()).min(bytes.len());
        self.text.extend_from_slice(&bytes[..room]);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        let text = String::from_utf8_lossy(&self.text);
        let line = Message::Line(format!("holdfire: {}\n", safe(text.trim())));
        if let Err(TrySendError::Full(_)) = self.writer.lines.try_send(line) {
            self.writer.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn write_all(waiting: &Receiver<Message>, dropped: &AtomicU64, out: &mut impl Write) {
    for message in waiting {
        // That nobody reads messages is no reason to stop.
        match message {
            Message::Line(line) => drop(out.write_all(line.as_bytes())),
            Message::Flush(done) => drop(done.send(())),
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let _ = writeln!(out, "holdfire: {} not shown: nobody read them", counted(lost, "message"));
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing::subscriber::with_default;

    use super::*;

    /// Logs through a channel of this size that nobody reads meanwhile, and returns what is written then.
    fn told(size: usize, say: impl FnOnce()) -> String {
        let (lines, waiting) = mpsc::sync_channel(size);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer = Writer { lines, dropped: Arc::clone(&dropped) };
        let subscriber = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(USUAL))
            .with_ansi(false)
            .without_time()
            .with_target(false)
            .with_writer(writer)
            .finish();
        with_default(subscriber, say);
        let mut out = Vec::new();
        write_all(&waiting, &dropped, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn warnings_are_told_harmlessly() {
        let out = told(8, || {
            tracing::info!("nothing of note");
            tracing::warn!(path = "a\u{1b}[2J\nb", "library not probed");
        });
        insta::assert_snapshot!(out, @r#"holdfire: WARN library not probed path="a\u{1b}[2J\nb""#);
        let long = told(8, || tracing::error!("{}", "x".repeat(2 * LINE)));
        assert!(long.len() < LINE + 20);
    }

    #[test]
    fn a_full_channel_drops_and_counts() {
        let out = told(1, || (0..3).for_each(|number| tracing::warn!(number, "again")));
        insta::assert_snapshot!(out, @r"
        holdfire: WARN again number=0
        holdfire: 2 messages not shown: nobody read them
        ");
    }
}
