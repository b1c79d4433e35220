//! Everything that touches the kernel half; the only module that names aya.

pub mod btf;
mod gate;
pub mod hooks;
#[cfg(test)]
mod hooks_doc;
mod library;
mod load;
mod rings;
mod site;

pub use self::gate::{GateError, Sensor};
pub use self::load::{Attached, LoadError, Loaded, Outcome, cgroup2_root, load};
pub use self::rings::Rings;
