//! Proves, before anything relies on it, that a held socket sends nothing on this host and a released one does.
//!
//! A connection of the monitor's own over the loopback is held, written to, watched, released. A program that is loaded
//! and attached may still see no packet (another cgroup hierarchy, a hook that was replaced); only this tells.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use monitor_common::socket::{HELD, OPEN, Socket};

use crate::response::{Descriptor, nudge};
use crate::sensor::{GateError, Sensor};

/// How long a held byte is waited for. Over the loopback a byte that is not held arrives within microseconds.
const HELD_FOR: Duration = Duration::from_millis(20);

/// How long a released byte may take.
const RELEASED_WITHIN: Duration = Duration::from_secs(2);

/// Why the gate is not to be relied on.
#[derive(Debug, thiserror::Error)]
pub enum CanaryError {
    #[error("a byte on a held connection left the machine")]
    Leaked,
    #[error("a byte on a released connection did not leave")]
    Stuck(#[source] io::Error),
    #[error("the gate could not be moved")]
    Gate(#[from] GateError),
    #[error("no connection over the loopback is to be had")]
    NoLoopback(#[source] io::Error),
}

/// Holds a connection and lets it go.
///
/// # Errors
/// It was not held, or not let go, or could not be tried.
pub fn prove(sensor: &mut Sensor) -> Result<(), CanaryError> {
    let (mut sender, mut receiver) = pair().map_err(CanaryError::NoLoopback)?;
    let descriptor = Descriptor::of(sender.try_clone().map_err(CanaryError::NoLoopback)?.into())
        .map_err(CanaryError::NoLoopback)?;
    // Session 0 has no members: what the kernel half says of this socket concerns nobody.
    sensor.add_socket(descriptor.cookie, Socket::default())?;
    sensor.set_socket(descriptor.cookie, HELD)?;
    sender.write_all(b"!").map_err(CanaryError::NoLoopback)?;
    receiver.set_read_timeout(Some(HELD_FOR)).map_err(CanaryError::NoLoopback)?;
    if receiver.read(&mut [0]).is_ok_and(|read| read > 0) {
        return Err(CanaryError::Leaked);
    }
    sensor.set_socket(descriptor.cookie, OPEN)?;
    nudge(&descriptor);
    receiver.set_read_timeout(Some(RELEASED_WITHIN)).map_err(CanaryError::Stuck)?;
    receiver.read_exact(&mut [0]).map_err(CanaryError::Stuck)
}

fn pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = TcpStream::connect(listener.local_addr()?)?;
    let (receiver, _) = listener.accept()?;
    Ok((sender, receiver))
}
