//! The monitor at work: sessions fed from the kernel half, verdicts carried out, people asked.
//!
//! One thread owns all of it ([`engine`]), so that a verdict needs no locks; whoever wants something from it sends a
//! [`Command`].

mod canary;
mod clock;
mod control;
mod engine;
mod gatekeeper;
mod live;

pub use self::canary::{CanaryError, prove};
pub use self::clock::{boot_now, wall_now};
pub use self::control::{Client, ClientError, Decide, bind, serve};
pub use self::engine::{Broken, Command, Engine, Handle, Refused};
pub use self::live::{Given, Live, LiveError, Notice, Outcome};
