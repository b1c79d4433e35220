//! A Railway-like API over TLS on the loopback, which remembers every byte of plaintext it received.
//!
//! The far end of the demo and of the integration tests: what did not arrive here did not leave. Threads and the
//! standard library's sockets, so that it also runs inside a test without an async runtime.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ServerConfig, ServerConnection};
use tempfile::TempDir;

use super::account::{Account, Volume};
use super::http::{self, Front};

/// The name it answers to; clients are pointed to the loopback by `curl --resolve`.
pub const HOST: &str = "backboard.railway.app";
/// How long a connection's thread waits for bytes before it looks whether the server is to end.
const TICK: Duration = Duration::from_millis(100);
/// Plaintext kept of one connection; the rest is only counted.
const MAX_KEPT: usize = 1 << 20;

/// What one connection brought.
#[derive(Clone, Debug, Default)]
pub struct Connection {
    /// The TLS handshake was completed.
    pub established: bool,
    /// Application bytes received, decrypted.
    pub bytes: u64,
    /// The first of them, up to 1 MiB.
    pub plaintext: Vec<u8>,
    /// Whole requests among them.
    pub requests: u64,
}

impl Connection {
    /// Whether `text` stands in what was kept of the plaintext.
    pub fn contains(&self, text: &str) -> bool {
        self.plaintext.windows(text.len().max(1)).any(|window| window == text.as_bytes())
    }
}

/// A running server. Dropping it ends it and closes its connections.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
    directory: TempDir,
}

#[derive(Debug)]
struct Shared {
    ending: AtomicBool,
    fresh: Account,
    account: Mutex<Account>,
    connections: Mutex<Vec<Connection>>,
}

impl Server {
    /// Listens on a free port of the loopback. `token` may do everything, `volume` is what there is.
    ///
    /// # Errors
    /// If no certificate can be made, or no port or file be had.
    pub fn start(token: &str, volume: Volume) -> anyhow::Result<Self> {
        let directory = tempfile::Builder::new().prefix("holdfire-server-").tempdir()?;
        let (config, authority) = identity()?;
        fs::write(directory.path().join("authority.pem"), authority)?;
        // The agent may run as another user, and has to read the certificate.
        super::readable_by_all(directory.path())?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no port on the loopback")?;
        let address = listener.local_addr()?;
        let account = Account::new(token, volume);
        let shared = Arc::new(Shared {
            ending: AtomicBool::new(false),
            fresh: account.clone(),
            account: Mutex::new(account),
            connections: Mutex::default(),
        });
        let acceptor = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || accept(&listener, &config, &shared))
        };
        Ok(Self { address, shared, acceptor: Some(acceptor), directory })
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// The certificate authority it is to be trusted by, as a PEM file.
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    /// What every connection since the start brought, in the order they were accepted.
    pub fn connections(&self) -> Vec<Connection> {
        lock(&self.shared.connections).clone()
    }

    /// The volumes that are left.
    pub fn volumes(&self) -> Vec<Volume> {
        lock(&self.shared.account).volumes().to_vec()
    }

    /// Brings deleted volumes back; what was received stays recorded.
    pub fn restore(&self) {
        *lock(&self.shared.account) = self.shared.fresh.clone();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shared.ending.store(true, Ordering::Release);
        // Wakes the acceptor. If it cannot be reached, it has ended already.
        let _ = TcpStream::connect(self.address);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join();
        }
    }
}

/// The server's key and certificate, and the authority's certificate as PEM. Made anew at each start and never stored.
fn identity() -> anyhow::Result<(Arc<ServerConfig>, String)> {
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.distinguished_name.push(DnType::CommonName, "holdfire demo authority");
    let authority_key = KeyPair::generate()?;
    let pem = authority.self_signed(&authority_key)?.pem();
    let key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![HOST.to_owned()])?;
    let certificate = leaf.signed_by(&key, &Issuer::new(authority, authority_key))?;
    let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), pem))
}

fn accept(listener: &TcpListener, config: &Arc<ServerConfig>, shared: &Arc<Shared>) {
    let mut threads = Vec::new();
    for stream in listener.incoming() {
        if shared.ending.load(Ordering::Acquire) {
            break;
        }
        let Ok(stream) = stream else { continue };
        let (config, shared) = (Arc::clone(config), Arc::clone(shared));
        threads.retain(|thread: &JoinHandle<()>| !thread.is_finished());
        threads.push(thread::spawn(move || {
            let index = shared.record();
            // A client may hang up or talk nonsense at any time; what came before is recorded all the same.
            let _ = serve(stream, config, &shared, index);
        }));
    }
    for thread in threads {
        let _ = thread.join();
    }
}

impl Shared {
    fn record(&self) -> usize {
        let mut connections = lock(&self.connections);
        connections.push(Connection::default());
        connections.len() - 1
    }

    fn update(&self, index: usize, change: impl FnOnce(&mut Connection)) {
        if let Some(connection) = lock(&self.connections).get_mut(index) {
            change(connection);
        }
    }
}

/// Talks to one client until it hangs up.
fn serve(
    mut socket: TcpStream,
    config: Arc<ServerConfig>,
    shared: &Shared,
    index: usize,
) -> anyhow::Result<()> {
    socket.set_read_timeout(Some(TICK))?;
    let mut tls = ServerConnection::new(config)?;
    let mut waiting = Vec::new();
    let mut told_to_continue = false;
    while !shared.ending.load(Ordering::Acquire) {
        while tls.wants_write() {
            tls.write_tls(&mut socket)?;
        }
        match tls.read_tls(&mut socket) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => continue,
            Err(error) => return Err(error.into()),
        }
        let state = tls.process_new_packets()?;
        shared.update(index, |connection| connection.established |= !tls.is_handshaking());
        let start = waiting.len();
        waiting.resize(start + state.plaintext_bytes_to_read(), 0);
        tls.reader().read_exact(&mut waiting[start..])?;
        shared.update(index, |connection| keep(connection, &waiting[start..]));
        loop {
            match http::front(&waiting)? {
                Front::Whole(request, taken) => {
                    waiting.drain(..taken);
                    told_to_continue = false;
                    let answer = lock(&shared.account).answer(&request);
                    shared.update(index, |connection| connection.requests += 1);
                    let (status, body) = (answer.status, answer.body);
                    let length = body.len();
                    let head = format!(
                        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
                    );
                    tls.writer().write_all(head.as_bytes())?;
                    tls.writer().write_all(body.as_bytes())?;
                }
                Front::Part { continues } => {
                    if continues && !told_to_continue {
                        told_to_continue = true;
                        tls.writer().write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
                    }
                    break;
                }
            }
        }
    }
    Ok(())
}

fn keep(connection: &mut Connection, bytes: &[u8]) {
    connection.bytes += bytes.len() as u64;
    let room = MAX_KEPT.saturating_sub(connection.plaintext.len());
    connection.plaintext.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

/// A panic elsewhere leaves plain counters behind, which are still true.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
