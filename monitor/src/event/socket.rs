//! Facts about connections.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

/// A socket is being connected.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Connected {
    /// The kernel's cookie of the socket, unique since boot.
    pub socket: u64,
    /// The far end.
    pub peer: SocketAddr,
    /// `tcp` or `udp`.
    pub protocol: String,
}

/// A ClientHello named the server it wants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServerNamed {
    /// The kernel's cookie of the socket.
    pub socket: u64,
    /// server_name of the ClientHello; none if it carries none (or an encrypted one).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Application protocols offered (`h2`, `http/1.1`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alpn: Vec<String>,
}

/// The first plaintext write on one TLS connection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TlsOpened {
    /// The TLS connection inside its process.
    pub stream: u64,
    /// Which probe saw it: `openssl:SSL_write`, …
    pub probe: String,
}
