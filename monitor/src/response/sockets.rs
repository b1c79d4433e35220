//! The sockets a process can write to: finding them, ending them, and waking them up.
//!
//! By whatever way a process came by a socket (connected it, inherited it, was sent it), it is among its descriptors.
//! A duplicate taken through a pidfd acts on the very socket, without the process noticing and without netlink.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

use nix::sys::socket::{SockType, SockaddrStorage, getpeername, getsockopt, setsockopt, sockopt};

/// Descriptors looked at in one process; an agent has some hundreds.
const DESCRIPTORS: usize = 65_536;

/// Sockets duplicated from one process. Beyond that they are held by their cookies alone.
const SOCKETS: usize = 512;

/// A duplicate of a socket of another process. While it exists, the socket does too: it is kept as long as the socket is
/// held, and no longer.
#[derive(Debug)]
pub struct Descriptor {
    /// The kernel's cookie of the socket.
    pub cookie: u64,
    fd: OwnedFd,
}

impl Descriptor {
    /// A socket of one's own.
    ///
    /// # Errors
    /// The descriptor is no IPv4 or IPv6 socket.
    pub fn of(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { cookie: internet_cookie(&fd)?, fd })
    }
}

/// The connected TCP sockets among a process's descriptors.
///
/// # Errors
/// The process has ended, or may not be looked into, or this one has no descriptors left.
pub fn open_sockets(pid: u32) -> io::Result<Vec<Descriptor>> {
    let process = pidfd_open(pid)?;
    let mut sockets = Vec::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fd"))?.take(DESCRIPTORS).flatten() {
        let Some(number) = entry.file_name().to_str().and_then(|name| name.parse::<RawFd>().ok()) else {
            continue;
        };
        let is_socket =
            fs::read_link(entry.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
        if !is_socket {
            continue;
        }
        let fd = match pidfd_getfd(&process, number) {
            Ok(fd) => fd,
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => return Err(error),
            // Closed in the meantime, and then nothing is sent by this way any more.
            Err(_) => continue,
        };
        // One that listens must not be ended with the others, and has no far end.
        let connected = getpeername::<SockaddrStorage>(fd.as_raw_fd()).is_ok();
        let stream = getsockopt(&fd, sockopt::SockType).is_ok_and(|kind| kind == SockType::Stream);
        if connected && stream && sockets.len() < SOCKETS {
            sockets.extend(Descriptor::of(fd));
        }
    }
    Ok(sockets)
}

/// Ends a connection at once: what had not left is thrown away, the far end gets a reset, the process an error.
///
/// # Errors
/// The kernel refused; what the kernel half holds stays held.
pub fn abort(socket: &Descriptor) -> io::Result<()> {
    // Connecting to nowhere is how a connection is dissolved: unlike shutdown(2) it throws the queue away.
    let nowhere = libc::sockaddr { sa_family: libc::AF_UNSPEC as libc::sa_family_t, sa_data: [0; 14] };
    #[allow(unsafe_code, reason = "no safe wrapper connects to AF_UNSPEC")]
    // SAFETY: the address is a valid sockaddr of the length given, and lives through the call.
    let result = unsafe {
        libc::connect(
            socket.fd.as_raw_fd(),
            &raw const nowhere,
            size_of::<libc::sockaddr>() as libc::socklen_t,
        )
    };
    if result == 0 {
        return Ok(());
    }
    let refused = io::Error::last_os_error();
    // A thread waits inside this socket: ending both directions wakes it.
    nix::sys::socket::shutdown(socket.fd.as_raw_fd(), nix::sys::socket::Shutdown::Both)
        .map_err(|_also_refused| refused)
}

/// Lets a released socket send now what its timer would only send later: setting TCP_NODELAY pushes what is queued.
/// Best effort: without it the request goes out when the timer comes round.
pub fn nudge(socket: &Descriptor) {
    let Ok(before) = getsockopt(&socket.fd, sockopt::TcpNoDelay) else { return };
    let pushed = setsockopt(&socket.fd, sockopt::TcpNoDelay, &true);
    if !before && pushed.is_ok() {
        let _ = setsockopt(&socket.fd, sockopt::TcpNoDelay, &false);
    }
}

/// The cookie of an IPv4 or IPv6 socket; an error for any other.
fn internet_cookie(fd: &OwnedFd) -> io::Result<u64> {
    let domain = integer_option(fd, libc::SO_DOMAIN)?;
    if ![libc::AF_INET, libc::AF_INET6].map(|known| u64::from(known.unsigned_abs())).contains(&domain) {
        return Err(io::ErrorKind::Unsupported.into());
    }
    integer_option(fd, libc::SO_COOKIE)
}

/// Reads an integer option of up to eight bytes; nix has no name for these two.
fn integer_option(fd: &OwnedFd, option: libc::c_int) -> io::Result<u64> {
    let mut value = [0_u8; 8];
    let mut length = value.len() as libc::socklen_t;
    #[allow(unsafe_code, reason = "no safe wrapper reads this option")]
    // SAFETY: the buffer has the length given, and both live through the call.
    let result = unsafe {
        libc::getsockopt(fd.as_raw_fd(), libc::SOL_SOCKET, option, value.as_mut_ptr().cast(), &raw mut length)
    };
    if result == 0 { Ok(u64::from_ne_bytes(value)) } else { Err(io::Error::last_os_error()) }
}

fn pidfd_open(pid: u32) -> io::Result<OwnedFd> {
    #[allow(unsafe_code, reason = "no safe wrapper in the dependencies")]
    // SAFETY: plain integers.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    owned(fd)
}

fn pidfd_getfd(process: &OwnedFd, number: RawFd) -> io::Result<OwnedFd> {
    #[allow(unsafe_code, reason = "no safe wrapper in the dependencies")]
    // SAFETY: plain integers, and a descriptor that lives through the call.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), number, 0) };
    owned(fd)
}

fn owned(fd: libc::c_long) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    #[allow(unsafe_code, reason = "a descriptor the kernel just made for us")]
    // SAFETY: the kernel returned a fresh descriptor that nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn own_sockets_are_found_and_ended_before_they_send() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        let cookie = internet_cookie(&OwnedFd::from(client.try_clone().unwrap())).unwrap();
        let sockets = open_sockets(std::process::id()).unwrap();
        let socket = sockets.iter().find(|socket| socket.cookie == cookie).unwrap();
        let listening = internet_cookie(&OwnedFd::from(listener.try_clone().unwrap())).unwrap();
        assert!(sockets.iter().all(|socket| socket.cookie != listening), "a listening socket sends nothing");
        nudge(socket);
        abort(socket).unwrap();
        assert!(client.write_all(b"x").is_err());
        let mut received = Vec::new();
        assert_eq!(server.read_to_end(&mut received).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(received.is_empty());
    }

    #[test]
    fn a_process_that_has_gone_is_an_error() {
        assert!(open_sockets(u32::MAX >> 1).is_err());
    }
}
