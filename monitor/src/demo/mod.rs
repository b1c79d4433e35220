//! The incident that defines holdfire, played on this machine with a real client, a real TLS server and the real
//! monitor: once only watched, once stopped.
//!
//! The same server, repository and agent serve the integration tests. Everything listens on the loopback only, and
//! every secret is made up when it starts.

mod account;
mod http;
mod pocketos;
mod repository;
mod scene;
mod server;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub use self::account::Volume;
pub use self::pocketos::{DemoOutcome, Options, pocketos_live};
pub use self::scene::{Scene, Task};
pub use self::server::{Connection, HOST, Server};

/// Lets other users into a temporary directory, which is made for its owner alone. It holds made-up secrets only.
fn readable_by_all(directory: &Path) -> io::Result<()> {
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))
}
