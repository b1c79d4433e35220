//! holdfire watches AI coding agents and stops a destructive action before it leaves the machine.
//!
//! Modules in reading order; each may use those before it and never those after (ARCHITECTURE.md says why):
//!
//! - [`secret`], [`time`]: values that must not be printed; time as events carry it.
//! - [`event`]: typed facts.
//! - [`credential`]: finding credentials where they are written.
//! - [`detect`]: what an action would do.
//! - [`policy`]: whether it may.
//! - [`pipeline`]: the core; one event in, findings and a verdict out.
//! - [`demo`]: the incident, played on this machine.

pub mod credential;
pub mod demo;
pub mod detect;
pub mod event;
pub mod pipeline;
pub mod policy;
pub mod secret;
pub mod time;
