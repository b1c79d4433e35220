//! Network name spaces: a test that counts retransmissions must not count those of others.

use std::fs;
use std::net::UdpSocket;
use std::os::fd::AsRawFd;

use nix::sched::{CloneFlags, unshare};

/// Moves the calling thread, and what it starts from now on, into a network of its own with nothing but a loopback.
pub fn own() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    loopback_up().unwrap();
}

/// TCP segments sent again in the calling thread's network since it was made.
pub fn retransmissions() -> u64 {
    let counters = fs::read_to_string("/proc/thread-self/net/snmp").unwrap();
    let mut rows = counters.lines().filter_map(|line| line.strip_prefix("Tcp: "));
    let (names, values) = (rows.next().unwrap(), rows.next().unwrap());
    let mut pairs = names.split(' ').zip(values.split(' '));
    pairs.find(|(name, _)| *name == "RetransSegs").unwrap().1.parse().unwrap()
}

/// Brings the loopback of the calling thread's network up.
///
/// # Errors
/// Without CAP_NET_ADMIN in that network.
#[allow(unsafe_code, reason = "no safe binding sets interface flags")]
pub fn loopback_up() -> std::io::Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: an all-zero ifreq is a valid one.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[..2].copy_from_slice(&[b'l' as libc::c_char, b'o' as libc::c_char]);
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open and the request lives through the call.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}
