//! holdfire watches AI coding agents and stops a destructive action before it leaves the machine.
//!
//! Modules in reading order; each may use those before it and never those after (ARCHITECTURE.md says why):
//!
//! - [`secret`], [`time`]: values that must not be printed; time as events carry it.
//! - [`yaml`]: files people write.
//! - [`event`]: typed facts.
//! - [`credential`]: finding credentials where they are written.
//! - [`protocol`]: plaintext bytes into requests.
//! - [`decode`]: records of the kernel half into facts.
//! - [`session`]: what is known of one session: its processes, secrets, connections and causes.
//! - [`detect`]: what an action would do.
//! - [`policy`]: whether it may.
//! - [`pipeline`]: the core; one event in, findings and a verdict out.
//! - [`response`]: what waits for a decision, and the sockets it concerns.
//! - [`store`], [`replay`]: keeping sessions, and playing them again.
//! - [`explain`]: a finding and its causes, for people.
//! - [`sensor`]: the kernel half, loaded and read; the only module that names aya.
//! - [`daemon`]: the monitor at work.
//! - [`settings`], [`ui`], [`cli`]: the environment, the screen, the commands.
//! - [`demo`]: the incident, played live.

pub mod cli;
pub mod credential;
pub mod daemon;
pub mod decode;
pub mod demo;
pub mod detect;
pub mod event;
pub mod explain;
pub mod pipeline;
pub mod policy;
pub mod protocol;
pub mod replay;
pub mod response;
pub mod secret;
pub mod sensor;
pub mod session;
pub mod settings;
pub mod store;
pub mod time;
pub mod ui;
pub mod yaml;
