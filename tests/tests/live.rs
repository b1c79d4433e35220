//! Integration tests on a live kernel, one module per family. What a host cannot do is skipped with its reason.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(clippy::disallowed_methods, reason = "tests wait for real time")]

mod cli;
mod file;
mod gate;
mod process;
mod session;
mod socket;
mod tls;
