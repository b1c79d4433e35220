//! Bytes of the rings into facts.
//!
//! Pure: what needs a look at a file is handed back as something to scan. Records come from the kernel half, yet their
//! contents are the monitored process's: every length is checked, every text is taken as it comes and made printable
//! where it is shown.

pub mod file;
pub mod process;
pub mod record;
pub mod socket;
pub mod tls;

pub use self::record::{DecodeError, Record, session_of};

use crate::event::{Fact, ProcessId};
use crate::time::Timestamp;

/// A fact that has no place in its session yet.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    pub time: Timestamp,
    pub pid: u32,
    pub process: ProcessId,
    pub fact: Fact,
}

impl Seen {
    fn new(header: &monitor_common::record::Header, fact: Fact) -> Self {
        Self { time: Timestamp(header.time), pid: header.tgid, process: ProcessId(header.process), fact }
    }
}
