//! Ends TCP sockets that no process holds any more, by the kernel's cookie of the socket.
//!
//! A process that writes and exits leaves its socket behind: the kernel goes on sending what is queued, and there is
//! no descriptor left to duplicate and abort. `NETLINK_SOCK_DIAG` still reaches it: one request lists the host's TCP
//! sockets with their cookies, another ends a socket. Ending throws the queue away and sends the far end a reset.
//! Kernels before 6.11 (commit bac76cf89816) only throw the queue of an orphan away, and call it ended all the same:
//! it has nothing left to send, lingers without a timer, and the far end learns of it when it next sends something.
//!
//! Only sockets in the network namespace of the caller are listed. Those of a process in another one (a container)
//! come back as absent, and the caller must not take that to mean that they cannot send.
//!
//! By hand, because nix knows nothing of this family beyond its number, and the netlink crates would bring six crates
//! for two messages.
//!
//! When in doubt a socket is not called absent: an answer that cannot be read is an error, and a socket that is not
//! found is looked for twice, since a list taken while sockets come and go may leave one out.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, connect, recv, send, setsockopt,
    socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use zerocopy::{FromBytes, Immutable, IntoBytes};

/// The kernel answers within the call that asks; this long is waited should it ever not, in seconds.
const PATIENCE: i64 = 1;

/// The kernel puts no more than this into one datagram of a list, in bytes.
const DATAGRAM: usize = 32_768;

/// Datagrams read for one answer. A full one lists some 300 sockets, so this is beyond what a host has open.
const DATAGRAMS: usize = 16_384;

/// How often a socket is looked for before it is called absent.
const LOOKS: usize = 2;

/// `<linux/sock_diag.h>`.
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;

/// The states of `<net/tcp_states.h>` in which a socket may have something to send: all eleven but `TIME_WAIT` (6),
/// `CLOSE` (7) and `LISTEN` (10).
const STATES: u32 = 0b1111_1111_1110 & !(1 << 6 | 1 << 7 | 1 << 10);

/// What became of the sockets that were to be ended.
#[derive(Debug, Default)]
pub struct Destroyed {
    /// Cookies of those the kernel says it ended: what they had queued is gone.
    pub ended: Vec<u64>,
    /// How many are not among the sockets of this network namespace, or not any more.
    pub absent: usize,
    /// Those that are still there, by cookie, and why: `EOPNOTSUPP` where the kernel was built without
    /// `CONFIG_INET_DIAG_DESTROY`, `EPERM` without `CAP_NET_ADMIN`. They go on sending unless something holds them.
    pub refused: Vec<(u64, io::Error)>,
}

/// Ends the TCP sockets with these cookies, whoever holds them; a holder gets `ECONNABORTED`.
///
/// # Errors
/// The host's sockets could not be listed. Nothing has been ended then.
pub fn destroy(cookies: &BTreeSet<u64>) -> io::Result<Destroyed> {
    let mut outcome = Destroyed::default();
    if cookies.is_empty() {
        return Ok(outcome);
    }
    let found = find(cookies)?;
    outcome.absent = cookies.len() - found.len();
    let mut channel = Channel::open()?;
    for (cookie, target) in found {
        match channel.end(&target) {
            Ok(()) => outcome.ended.push(cookie),
            Err(gone) if gone.raw_os_error() == Some(libc::ENOENT) => outcome.absent += 1,
            Err(refused) => outcome.refused.push((cookie, refused)),
        }
    }
    Ok(outcome)
}

/// The sockets with these cookies, as far as they are there.
fn find(cookies: &BTreeSet<u64>) -> io::Result<BTreeMap<u64, Target>> {
    let mut found = BTreeMap::new();
    for _look in 0..LOOKS {
        // A socket that speaks IPv4 under an IPv6 address is listed under IPv6.
        for family in [libc::AF_INET, libc::AF_INET6] {
            if found.len() == cookies.len() {
                return Ok(found);
            }
            // A channel for each list: one that was left half read takes no further request.
            Channel::open()?.list(family as u8, |target| {
                let cookie = target.id.cookie();
                if cookies.contains(&cookie) {
                    found.insert(cookie, target);
                }
                found.len() < cookies.len()
            })?;
        }
    }
    Ok(found)
}

/// A netlink socket that talks to the kernel and to nobody else.
struct Channel {
    fd: OwnedFd,
    sequence: u32,
    buffer: Vec<u8>,
}

impl Channel {
    fn open() -> io::Result<Self> {
        let fd = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::seconds(PATIENCE))?;
        // Connected to the kernel (port 0), it takes answers from nobody else.
        connect(fd.as_raw_fd(), &NetlinkAddr::new(0, 0))?;
        Ok(Self { fd, sequence: 0, buffer: vec![0; DATAGRAM] })
    }

    /// Lists the TCP sockets of a family until `each` says that it has seen enough.
    fn list(&mut self, family: u8, each: impl FnMut(Target) -> bool) -> io::Result<()> {
        let everything = Target { family, id: SocketId::default() };
        self.ask(SOCK_DIAG_BY_FAMILY, libc::NLM_F_DUMP, &everything, each)
    }

    /// Ends one socket. `ENOENT`: it has gone since it was listed.
    fn end(&mut self, target: &Target) -> io::Result<()> {
        self.ask(SOCK_DESTROY, libc::NLM_F_ACK, target, |_unasked| true)
    }

    /// Sends a request and reads until the kernel says how it ended, or until `each` returns false.
    fn ask(
        &mut self,
        kind: u16,
        flags: libc::c_int,
        target: &Target,
        mut each: impl FnMut(Target) -> bool,
    ) -> io::Result<()> {
        self.sequence = self.sequence.wrapping_add(1);
        let request = Request::new(kind, flags as u16, self.sequence, target);
        send(self.fd.as_raw_fd(), request.as_bytes(), MsgFlags::empty())?;
        for _datagram in 0..DATAGRAMS {
            // With this flag the length is that of the datagram, also where it did not fit.
            let length = match recv(self.fd.as_raw_fd(), &mut self.buffer, MsgFlags::MSG_TRUNC) {
                Ok(length) => length,
                Err(Errno::EINTR) => continue,
                Err(Errno::EAGAIN) => return Err(io::ErrorKind::TimedOut.into()),
                Err(other) => return Err(other.into()),
            };
            let datagram = self.buffer.get(..length).ok_or_else(unreadable)?;
            for reply in Replies::of(datagram, self.sequence) {
                match reply {
                    Reply::Socket(socket) if each(socket) => {}
                    Reply::Socket(_) | Reply::Done => return Ok(()),
                    Reply::Failed(errno) => return Err(io::Error::from_raw_os_error(errno)),
                    Reply::Unreadable => return Err(unreadable()),
                }
            }
        }
        Err(io::Error::other("the kernel's answer about its sockets does not end"))
    }
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's answer about its sockets cannot be read")
}

/// `struct nlmsghdr`.
#[derive(Clone, Copy, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Header {
    /// Of the message with this header, in bytes.
    length: u32,
    kind: u16,
    flags: u16,
    sequence: u32,
    port: u32,
}

const _: () = assert!(size_of::<Header>() == 16);

/// `struct inet_diag_sockid`. But for the cookie it is handed back to the kernel as it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct SocketId {
    ports: [u8; 4],
    addresses: [[u8; 16]; 2],
    interface: u32,
    /// The low half, then the high half.
    cookie: [u32; 2],
}

const _: () = assert!(size_of::<SocketId>() == 48);

impl SocketId {
    fn cookie(&self) -> u64 {
        let [low, high] = self.cookie;
        u64::from(high) << 32 | u64::from(low)
    }
}

/// A socket as the kernel finds it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Target {
    family: u8,
    id: SocketId,
}

/// A header with `struct inet_diag_req_v2`.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Request {
    header: Header,
    family: u8,
    protocol: u8,
    extensions: u8,
    padding: u8,
    states: u32,
    id: SocketId,
}

const _: () = assert!(size_of::<Request>() == 16 + 56);

impl Request {
    fn new(kind: u16, flags: u16, sequence: u32, target: &Target) -> Self {
        Self {
            header: Header {
                length: size_of::<Self>() as u32,
                kind,
                flags: flags | libc::NLM_F_REQUEST as u16,
                sequence,
                port: 0,
            },
            family: target.family,
            protocol: libc::IPPROTO_TCP as u8,
            extensions: 0,
            padding: 0,
            states: STATES,
            id: target.id,
        }
    }
}

/// `struct inet_diag_msg`; attributes may follow it.
#[derive(FromBytes, IntoBytes, Immutable)]
#[repr(C)]
struct Listed {
    family: u8,
    state: u8,
    timer: u8,
    retransmits: u8,
    id: SocketId,
    /// Until the timer fires, bytes in both queues, owner, inode.
    rest: [u32; 5],
}

const _: () = assert!(size_of::<Listed>() == 72);

/// One message of an answer.
#[derive(Debug, PartialEq, Eq)]
enum Reply {
    Socket(Target),
    /// The list is complete, or the request carried out.
    Done,
    /// The request failed, with this error number.
    Failed(i32),
    /// The rest of the datagram has no meaning.
    Unreadable,
}

/// The messages of a datagram that answer the request with this number; others are stepped over.
struct Replies<'a> {
    rest: &'a [u8],
    sequence: u32,
}

impl<'a> Replies<'a> {
    fn of(datagram: &'a [u8], sequence: u32) -> Self {
        Self { rest: datagram, sequence }
    }

    /// Splits the next message off: its header and what it carries.
    fn split(&mut self) -> Option<(Header, &'a [u8])> {
        let (header, _) = Header::read_from_prefix(self.rest).ok()?;
        let length = header.length as usize;
        let carried = self.rest.get(size_of::<Header>()..length)?;
        // Messages begin at multiples of four bytes; the last one need not be filled up.
        self.rest = self.rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some((header, carried))
    }
}

impl Iterator for Replies<'_> {
    type Item = Reply;

    fn next(&mut self) -> Option<Reply> {
        while !self.rest.is_empty() {
            let Some((header, carried)) = self.split() else {
                self.rest = &[];
                return Some(Reply::Unreadable);
            };
            if header.sequence == self.sequence && i32::from(header.kind) != libc::NLMSG_NOOP {
                return Some(read(header.kind, carried));
            }
        }
        None
    }
}

fn read(kind: u16, carried: &[u8]) -> Reply {
    if kind == SOCK_DIAG_BY_FAMILY {
        return match Listed::read_from_prefix(carried) {
            Ok((listed, _attributes)) => Reply::Socket(Target { family: listed.family, id: listed.id }),
            Err(_) => Reply::Unreadable,
        };
    }
    if ![libc::NLMSG_ERROR, libc::NLMSG_DONE].contains(&i32::from(kind)) {
        return Reply::Unreadable;
    }
    // Both begin with an error number, negated, or with zero.
    match i32::read_from_prefix(carried) {
        Ok((0, _)) => Reply::Done,
        Ok((negated, _)) if negated < 0 => Reply::Failed(negated.saturating_neg()),
        _ => Reply::Unreadable,
    }
}

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read, Write};
    use std::net::{SocketAddr, TcpListener, TcpStream};
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::Descriptor;
    use super::*;

    /// A connection to a listener on `local`, made by way of `remote`: the client, its cookie, and the far end.
    fn connection(local: &str, remote: &str) -> Option<(TcpStream, u64, TcpStream)> {
        if !nix::unistd::geteuid().is_root() {
            println!("SKIPPED: ending sockets takes root");
            return None;
        }
        let Ok(listener) = TcpListener::bind((local, 0)) else {
            println!("SKIPPED: this host has no address {local}");
            return None;
        };
        let remote = SocketAddr::new(remote.parse().unwrap(), listener.local_addr().unwrap().port());
        let client = TcpStream::connect(remote).unwrap();
        let (server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let cookie = Descriptor::of(OwnedFd::from(client.try_clone().unwrap())).unwrap().cookie;
        Some((client, cookie, server))
    }

    /// Whether the kernel ends sockets at all; says so if it does not.
    fn supported(outcome: &Destroyed) -> bool {
        let lacks = |error: &io::Error| error.raw_os_error() == Some(libc::EOPNOTSUPP);
        let lacking = outcome.refused.iter().any(|(_, error)| lacks(error));
        if lacking {
            println!("SKIPPED: this kernel has no CONFIG_INET_DIAG_DESTROY");
        }
        !lacking
    }

    /// Writes until neither the far end nor the queue takes any more, and lets the socket go.
    fn orphan(mut client: TcpStream) -> usize {
        client.set_nonblocking(true).unwrap();
        let mut written = 0;
        loop {
            match client.write(&[7; 65_536]) {
                Ok(length) => written += length,
                Err(full) if full.kind() == ErrorKind::WouldBlock => return written,
                Err(other) => panic!("{other}"),
            }
        }
    }

    fn check_orphan(local: &str, remote: &str) {
        let Some((client, cookie, mut server)) = connection(local, remote) else { return };
        let Some((neighbour, _, mut neighbours_server)) = connection(local, remote) else { return };
        let wanted = BTreeSet::from([cookie]);
        let (written, neighbours_written) = (orphan(client), orphan(neighbour));

        let outcome = destroy(&wanted).unwrap();
        if !supported(&outcome) {
            return;
        }
        assert_eq!((outcome.ended, outcome.absent, outcome.refused.len()), (vec![cookie], 0, 0));
        let again = destroy(&wanted).unwrap();
        // Before Linux 6.11 an orphan lingers, and the far end waits for what never comes.
        let (absent, end) = match again.ended.as_slice() {
            [] => (1, ErrorKind::ConnectionReset),
            _lingering => (0, ErrorKind::WouldBlock),
        };
        assert_eq!((again.absent, again.refused.len()), (absent, 0));
        let mut received = Vec::new();
        assert_eq!(server.read_to_end(&mut received).unwrap_err().kind(), end);
        assert!(!received.is_empty() && received.len() < written, "{} of {written}", received.len());

        received.clear();
        neighbours_server.read_to_end(&mut received).unwrap();
        assert_eq!(received.len(), neighbours_written, "a socket that was not named sends all it has");
    }

    #[test]
    fn an_orphan_ends_with_what_it_had_queued() {
        check_orphan("127.0.0.1", "127.0.0.1");
    }

    #[test]
    fn an_orphan_on_ipv6_ends() {
        check_orphan("::1", "::1");
    }

    #[test]
    fn an_orphan_with_ipv4_under_an_ipv6_address_ends() {
        check_orphan("127.0.0.1", "::ffff:127.0.0.1");
    }

    #[test]
    fn the_holder_of_a_socket_that_was_ended_is_told() {
        let Some((mut client, cookie, _server)) = connection("127.0.0.1", "127.0.0.1") else { return };
        let outcome = destroy(&BTreeSet::from([cookie, u64::MAX])).unwrap();
        if !supported(&outcome) {
            return;
        }
        assert_eq!((outcome.ended, outcome.absent, outcome.refused.len()), (vec![cookie], 1, 0));
        assert_eq!(client.read(&mut [0]).unwrap_err().kind(), ErrorKind::ConnectionAborted);
    }

    #[test]
    fn an_unknown_cookie_is_absent() {
        let outcome = destroy(&BTreeSet::from([u64::MAX, u64::MAX - 1])).unwrap();
        assert_eq!((outcome.ended, outcome.absent, outcome.refused.len()), (vec![], 2, 0));
    }

    #[test]
    fn a_request_has_the_layout_of_the_kernel() {
        let id = SocketId {
            ports: [1, 2, 3, 4],
            addresses: [[5; 16], [6; 16]],
            interface: 7,
            cookie: [0x89AB_CDEF, 0x0123_4567],
        };
        assert_eq!(id.cookie(), 0x0123_4567_89AB_CDEF);
        let target = Target { family: 10, id };
        let request = Request::new(SOCK_DESTROY, libc::NLM_F_ACK as u16, 9, &target);
        let expect: [&[u8]; 10] = [
            &72_u32.to_ne_bytes(),
            &21_u16.to_ne_bytes(),
            &5_u16.to_ne_bytes(),
            &[9_u32.to_ne_bytes(), [0; 4]].concat(),
            &[10, 6, 0, 0],
            &0b1011_0011_1110_u32.to_ne_bytes(),
            &[1, 2, 3, 4],
            &[[5; 16], [6; 16]].concat(),
            &7_u32.to_ne_bytes(),
            &0x0123_4567_89AB_CDEF_u64.to_le_bytes(),
        ];
        assert_eq!(request.as_bytes(), expect.concat());
    }

    /// A message that answers request 1.
    fn message(kind: u16, carried: &[u8]) -> Vec<u8> {
        let length = (size_of::<Header>() + carried.len()) as u32;
        let header = Header { length, kind, flags: 0, sequence: 1, port: 0 };
        [header.as_bytes(), carried].concat()
    }

    fn listed(cookie: u32) -> (Vec<u8>, Reply) {
        let id = SocketId { cookie: [cookie, 0], ..SocketId::default() };
        let listed = Listed { family: 2, state: 4, timer: 0, retransmits: 0, id, rest: [0; 5] };
        // With an attribute of five bytes, and filled up to a multiple of four.
        let message = message(SOCK_DIAG_BY_FAMILY, &[listed.as_bytes(), &[5, 0, 8, 0, 3]].concat());
        ([message, vec![0; 3]].concat(), Reply::Socket(Target { family: 2, id }))
    }

    #[test]
    fn answers_are_read() {
        let check = |datagram: &[u8], sequence: u32, expect: &[Reply]| {
            assert_eq!(Replies::of(datagram, sequence).collect::<Vec<_>>(), expect, "{datagram:?}");
        };
        let done = message(libc::NLMSG_DONE as u16, &0_i32.to_ne_bytes());
        let failed = message(libc::NLMSG_ERROR as u16, &(-libc::ENOENT).to_ne_bytes());
        let ((first, first_read), (second, second_read)) = (listed(1), listed(2));
        check(&[], 1, &[]);
        check(&[first, second, done.clone()].concat(), 1, &[first_read, second_read, Reply::Done]);
        check(&failed, 1, &[Reply::Failed(libc::ENOENT)]);
        check(&message(libc::NLMSG_DONE as u16, &i32::MIN.to_ne_bytes()), 1, &[Reply::Failed(i32::MAX)]);
        check(&message(libc::NLMSG_NOOP as u16, &[]), 1, &[]);
        // Answers to a request that was given up.
        check(&[failed, done.clone()].concat(), 2, &[]);
        // No end without a result, and nothing that is not known.
        check(&message(libc::NLMSG_DONE as u16, &[]), 1, &[Reply::Unreadable]);
        check(&message(libc::NLMSG_DONE as u16, &1_i32.to_ne_bytes()), 1, &[Reply::Unreadable]);
        check(&message(77, &[0; 80]), 1, &[Reply::Unreadable]);
        check(&message(SOCK_DIAG_BY_FAMILY, &[0; 71]), 1, &[Reply::Unreadable]);
        // A length shorter than the header, and one longer than the datagram.
        check(&[[15, 0, 0, 0].as_slice(), &done[4..]].concat(), 1, &[Reply::Unreadable]);
        check(&done[..done.len() - 1], 1, &[Reply::Unreadable]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_an_end(datagram in prop::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(Replies::of(&datagram, 1).count() <= datagram.len() / size_of::<Header>() + 1);
        }

        #[test]
        fn a_changed_answer_is_read_to_an_end(
            sockets in prop::collection::vec(any::<u32>(), 1..6),
            changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        ) {
            let mut datagram: Vec<u8> = sockets.iter().flat_map(|cookie| listed(*cookie).0).collect();
            for (place, byte) in changes {
                let place = place.index(datagram.len());
                datagram[place] = byte;
            }
            prop_assert!(Replies::of(&datagram, 1).count() <= datagram.len() / size_of::<Header>() + 1);
        }

        #[test]
        fn an_answer_cut_short_is_never_taken_for_a_whole_one(
            sockets in prop::collection::vec(any::<u32>(), 1..6),
            cut in any::<prop::sample::Index>(),
        ) {
            let mut whole: Vec<u8> = sockets.iter().flat_map(|cookie| listed(*cookie).0).collect();
            whole.extend(message(libc::NLMSG_DONE as u16, &0_i32.to_ne_bytes()));
            let expect: Vec<Reply> = Replies::of(&whole, 1).collect();
            let read: Vec<Reply> = Replies::of(&whole[..cut.index(whole.len())], 1).collect();
            prop_assert!(!read.contains(&Reply::Done));
            let sound = read.iter().take_while(|reply| **reply != Reply::Unreadable).count();
            prop_assert_eq!(&read[..sound], &expect[..sound]);
        }
    }
}
