//! The load of `cargo xtask bench`: does each kind of call that holdfire probes, many times over, and prints what one of
//! them took as `name nanoseconds`.
//!
//! It runs in no session. What the calls cost more while a session runs beside it is what everybody pays.

#![allow(clippy::print_stdout, reason = "its output is its result")]
#![allow(clippy::disallowed_methods, reason = "measures time")]

use std::ffi::{CStr, c_char, c_int, c_void};
use std::fs::File;
use std::net::TcpStream;
use std::os::fd::AsRawFd;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use monitor::demo::{HOST, Server, Volume};

/// Bytes of one TLS write: an ordinary request with its headers.
const WRITE: usize = 4096;
/// Writes at once: few enough for the socket's buffer, so that the far end's speed does not matter.
const BURST: usize = 16;
const BURSTS: usize = 64;

fn main() -> anyhow::Result<()> {
    report("open", 20_000, || File::open("/etc/passwd").map(drop).context("open"))?;
    report("fork", 500, fork)?;
    report("exec", 200, || {
        let status = Command::new("/bin/true").status().context("exec")?;
        if status.success() { Ok(()) } else { bail!("/bin/true failed") }
    })?;
    tls_writes()
}

/// Does a call so often and prints the mean.
fn report(name: &str, times: u32, mut call: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<()> {
    let started = Instant::now();
    for _ in 0..times {
        call()?;
    }
    print(name, started.elapsed(), times);
    Ok(())
}

fn print(name: &str, took: Duration, times: u32) {
    println!("{name} {:.1}", took.as_nanos() as f64 / f64::from(times));
}

/// A child that ends at once.
#[allow(unsafe_code, reason = "fork without exec has no safe binding")]
fn fork() -> anyhow::Result<()> {
    // SAFETY: this program has one thread here, and the child calls nothing but _exit.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("fork"),
        // SAFETY: as above.
        0 => unsafe { libc::_exit(0) },
        _child => {
            nix::sys::wait::wait().context("wait")?;
            Ok(())
        }
    }
}

/// One upload in many writes through the system's libssl; only the writes are timed.
fn tls_writes() -> anyhow::Result<()> {
    let volume = Volume { id: "none".to_owned(), name: "none".to_owned(), backups: Vec::new() };
    let server = Server::start("bench-token", volume)?;
    let socket = TcpStream::connect(("127.0.0.1", server.port()))?;
    socket.set_nodelay(true)?;
    let mut tls = Tls::connect(&socket)?;
    let length = WRITE * BURST * BURSTS;
    let head = format!(
        "POST /v1/uploads HTTP/1.1\r\nHost: {HOST}\r\nAuthorization: Bearer bench-token\r\nContent-Length: {length}\r\n\r\n"
    );
    tls.write(head.as_bytes())?;
    let chunk = [b'x'; WRITE];
    let mut took = Duration::ZERO;
    for _ in 0..BURSTS {
        // The far end, on the other core, empties the socket meanwhile.
        thread::sleep(Duration::from_millis(2));
        let started = Instant::now();
        for _ in 0..BURST {
            tls.write(&chunk)?;
        }
        took += started.elapsed();
    }
    print("tls-write", took, (BURST * BURSTS) as u32);
    Ok(())
}

type New = unsafe extern "C" fn(*const c_void) -> *mut c_void;
type Ask = unsafe extern "C" fn() -> *const c_void;
type SetFd = unsafe extern "C" fn(*mut c_void, c_int) -> c_int;
type Connect = unsafe extern "C" fn(*mut c_void) -> c_int;
type Write = unsafe extern "C" fn(*mut c_void, *const c_void, c_int) -> c_int;

/// A connection of the libssl that the probes sit on, loaded as any program would load it. Kept until the end of the
/// program, which frees it.
struct Tls {
    connection: *mut c_void,
    write: Write,
}

#[allow(unsafe_code, reason = "calls a C library")]
impl Tls {
    fn connect(socket: &TcpStream) -> anyhow::Result<Self> {
        // SAFETY: the name is a C string; loading libssl runs only its own initialisers.
        let library = unsafe { libc::dlopen(c"libssl.so.3".as_ptr(), libc::RTLD_NOW) };
        if library.is_null() {
            bail!("this host has no libssl.so.3");
        }
        let symbol = |name: &CStr| {
            // SAFETY: the library was loaded above and is never unloaded.
            let found = unsafe { libc::dlsym(library, name.as_ptr().cast::<c_char>()) };
            if found.is_null() { bail!("libssl.so.3 has no {}", name.to_string_lossy()) } else { Ok(found) }
        };
        // SAFETY: these are the signatures in OpenSSL 3's ssl.h, with its pointers as void pointers.
        let (method, context, new) = unsafe {
            (
                std::mem::transmute::<*mut c_void, Ask>(symbol(c"TLS_client_method")?),
                std::mem::transmute::<*mut c_void, New>(symbol(c"SSL_CTX_new")?),
                std::mem::transmute::<*mut c_void, New>(symbol(c"SSL_new")?),
            )
        };
        // SAFETY: as above.
        let (set_fd, connect, write) = unsafe {
            (
                std::mem::transmute::<*mut c_void, SetFd>(symbol(c"SSL_set_fd")?),
                std::mem::transmute::<*mut c_void, Connect>(symbol(c"SSL_connect")?),
                std::mem::transmute::<*mut c_void, Write>(symbol(c"SSL_write")?),
            )
        };
        // SAFETY: each is called with what the one before returned; a null context makes SSL_new return null, and
        // both other functions refuse a null connection.
        let (connection, connected) = unsafe {
            let connection = new(context(method()));
            set_fd(connection, socket.as_raw_fd());
            (connection, connect(connection))
        };
        if connected != 1 {
            bail!("the TLS handshake failed");
        }
        Ok(Self { connection, write })
    }

    fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        // SAFETY: the connection is open and the bytes live through the call.
        let written = unsafe { (self.write)(self.connection, bytes.as_ptr().cast(), bytes.len() as c_int) };
        if written as usize == bytes.len() { Ok(()) } else { bail!("SSL_write returned {written}") }
    }
}
