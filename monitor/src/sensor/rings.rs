//! Reading the rings in the order of cause and effect.
//!
//! A TLS write says how much had been put into the ring of events before it; the reader has taken all of that before it
//! hands the write out. So whoever judges a write knows every file its process had opened.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use monitor_common::tls::Write;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use zerocopy::FromBytes;

/// Bytes the kernel puts before each record; records are aligned to as many.
const RECORD_HEAD: u64 = 8;

/// Times to look again for a record that another processor has reserved and not yet filled. Filling takes microseconds;
/// a processor that was preempted in the middle may take longer, hence the naps of 10 µs between.
const PATIENCE: u32 = 10_000;

/// Both rings.
pub struct Rings {
    events: RingBuf<MapData>,
    plaintext: RingBuf<MapData>,
    /// Bytes of the ring of events read so far, counted as the kernel counts.
    read: u64,
}

impl Rings {
    pub(super) fn new(events: RingBuf<MapData>, plaintext: RingBuf<MapData>) -> Self {
        Self { events, plaintext, read: 0 }
    }

    /// Waits until a ring asks for attention, `wake` becomes readable, or the time is up.
    pub fn wait(&self, wake: BorrowedFd<'_>, timeout: Duration) {
        let ready = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut fds = [ready(self.plaintext.as_fd()), ready(self.events.as_fd()), ready(wake)];
        let timeout = PollTimeout::try_from(timeout).unwrap_or(PollTimeout::MAX);
        // An interrupted wait is as good as one that timed out: the caller looks at everything anyway.
        let _ = poll(&mut fds, timeout);
    }

    /// Hands out everything there is, each write after the events that precede it. Returns the records handed out.
    pub fn drain(&mut self, mut each: impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        for _ in 0..WRITES {
            // The bytes are copied, since the ring of events is read while the write waits.
            let write = self.plaintext.next().map(|record| record.to_vec());
            let Some(write) = write else { break };
            let before = Write::read_from_prefix(&write).map_or(0, |(head, _)| head.events_before);
            count += self.events_until(before, &mut each) + 1;
            each(&write);
        }
        count + self.events_until(u64::MAX, &mut each)
    }

    fn events_until(&mut self, until: u64, each: &mut impl FnMut(&[u8])) -> usize {
        let mut count = 0;
        let mut patience = PATIENCE;
        while self.read < until {
            let Some(record) = self.events.next() else {
                if until == u64::MAX || patience == 0 {
                    break;
                }
                patience -= 1;
                std::thread::sleep(Duration::from_micros(10));
                continue;
            };
            self.read += (RECORD_HEAD + record.len() as u64).next_multiple_of(RECORD_HEAD);
            each(&record);
            count += 1;
            // Plaintext that came meanwhile is not kept waiting by a flood of events.
            if until == u64::MAX && count >= BATCH {
                break;
            }
        }
        if patience == 0 {
            tracing::warn!("a record of the kernel half stayed unfinished; judging without it");
        }
        count
    }
}

/// Writes handed out before the caller can do something else: one that writes without end must not keep it from taking
/// decisions.
const WRITES: usize = 64;

/// Events handed out before plaintext is looked for again.
const BATCH: usize = 256;
