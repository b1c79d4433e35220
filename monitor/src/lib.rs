//! holdfire watches AI coding agents and stops a destructive action before it leaves the machine.
//!
//! Modules in reading order; each may use those before it and never those after (ARCHITECTURE.md says why):
//!
//! - [`secret`], [`time`]: values that must not be printed; time as events carry it.
//! - [`yaml`]: files people write.
//! - [`event`]: typed facts.
//! - [`credential`]: finding credentials where they are written.
//! - [`session`]: what is known of one session: its processes, secrets, connections and causes.
//! - [`detect`]: what an action would do.
//! - [`policy`]: whether it may.
//! - [`pipeline`]: the core; one event in, findings and a verdict out.
//! - [`store`]: keeping sessions; [`replay`]: judging them again.
//! - [`explain`]: a finding and its causes, for people.
//! - [`settings`]: the environment; [`ui`]: the screen; [`cli`]: one file per command.

pub mod cli;
pub mod credential;
pub mod detect;
pub mod event;
pub mod explain;
pub mod pipeline;
pub mod policy;
pub mod replay;
pub mod secret;
pub mod session;
pub mod settings;
pub mod store;
pub mod time;
pub mod ui;
pub mod yaml;
