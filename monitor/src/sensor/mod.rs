//! Everything that touches the kernel; the only module that names aya.

pub mod btf;
pub mod hooks;
mod library;
mod load;
mod site;

pub use self::load::{Attached, LoadError, Loaded, Outcome, cgroup2_root, load};
