//! holdfire watches AI coding agents and stops a destructive action before it leaves the machine.
//!
//! Modules in reading order; each may use those before it and never those after (ARCHITECTURE.md says why):
//!
//! - [`secret`], [`time`]: values that must not be printed; time as events carry it.
//! - [`yaml`]: files people write.
//! - [`event`]: typed facts.
//! - [`credential`]: finding credentials where they are written.
//! - [`protocol`]: plaintext bytes into requests.
//! - [`detect`]: what an action would do.
//! - [`policy`]: whether it may.
//! - [`pipeline`]: the core; one event in, findings and a verdict out.

pub mod credential;
pub mod detect;
pub mod event;
pub mod pipeline;
pub mod policy;
pub mod protocol;
pub mod secret;
pub mod sensor;
pub mod time;
pub mod yaml;
