//! Connections: who owns a socket, which server a ClientHello names, and the drop of held packets.

use core::ffi::c_void;

use aya_ebpf::{
    EbpfContext,
    bindings::BPF_ANY,
    helpers::generated,
    macros::{cgroup_skb, cgroup_sock, cgroup_sock_addr, map, raw_tracepoint},
    maps::HashMap,
    programs::{RawTracePointContext, SkBuffContext, SockAddrContext, SockContext},
};
use monitor_common::{
    record::kind,
    session::{ARMED, Member},
    socket::{Closed, Connect, FIRST_PAYLOAD, HELLO, HELLO_SMALL, Hello, SOCKETS, Socket},
};

use crate::{
    emit, gate,
    kernel::{Address, offset},
    session,
};

/// Sockets of members by cookie.
#[map]
static SOCKETS_BY_COOKIE: HashMap<u64, Socket> = HashMap::with_max_entries(SOCKETS, 0);

/// Answers of cgroup hooks.
const PASS: i32 = 1;
const REFUSE: i32 = 0;

const TCP: u8 = 6;

/// `connect(2)` to an IPv4 address, in any cgroup below the root.
#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    let Some((member, tgid, tid)) = session::current_by_task() else { return PASS };
    // SAFETY: the context is valid while the program runs.
    let user_ip4 = unsafe { (*ctx.sock_addr).user_ip4 };
    let mut address = [0; 16];
    address[..4].copy_from_slice(&user_ip4.to_ne_bytes());
    connect(&ctx, &member, tgid, tid, address, 4)
}

/// `connect(2)` to an IPv6 address, in any cgroup below the root.
#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    let Some((member, tgid, tid)) = session::current_by_task() else { return PASS };
    let mut address = [0; 16];
    // SAFETY: the context is valid while the program runs; the verifier wants one aligned load per word.
    unsafe {
        let words = &raw const (*ctx.sock_addr).user_ip6;
        address[..4].copy_from_slice(&words.cast::<u32>().read_volatile().to_ne_bytes());
        address[4..8].copy_from_slice(&words.cast::<u32>().add(1).read_volatile().to_ne_bytes());
        address[8..12].copy_from_slice(&words.cast::<u32>().add(2).read_volatile().to_ne_bytes());
        address[12..].copy_from_slice(&words.cast::<u32>().add(3).read_volatile().to_ne_bytes());
    }
    connect(&ctx, &member, tgid, tid, address, 6)
}

#[inline(always)]
fn connect(
    ctx: &SockAddrContext,
    member: &Member,
    tgid: u32,
    tid: u32,
    address: [u8; 16],
    version: u8,
) -> i32 {
    // SAFETY: the context is valid while the program runs.
    let cookie = unsafe { generated::bpf_get_socket_cookie(ctx.as_ptr()) };
    // SAFETY: as above.
    let (port, protocol) = unsafe { ((*ctx.sock_addr).user_port, (*ctx.sock_addr).protocol) };
    let socket =
        Socket { session: member.session, process: member.process, tgid, seen: 0, dropped: 0, pad: 0 };
    if SOCKETS_BY_COOKIE.insert(cookie, socket, BPF_ANY.into()).is_err() {
        emit::lost(member.session, kind::SOCKET);
        // A socket whose packets could not be held must not come to be in an armed session.
        return if member.flags & ARMED != 0 { REFUSE } else { PASS };
    }
    let header = emit::header_of(kind::CONNECT, member, tgid, tid);
    let port = u16::from_be(port as u16);
    let protocol = protocol as u8;
    emit::send(
        kind::CONNECT,
        member.session,
        Connect { header, cookie, address, port, version, protocol, pad: 0 },
    );
    PASS
}

/// Every packet that leaves a socket of any cgroup below the root, from its IP header on.
#[cgroup_skb(egress)]
pub fn egress(ctx: SkBuffContext) -> i32 {
    // SAFETY: the context is valid while the program runs.
    let cookie = unsafe { generated::bpf_get_socket_cookie(ctx.as_ptr()) };
    let Some(socket) = SOCKETS_BY_COOKIE.get_ptr_mut(cookie) else { return PASS };
    let Some(payload) = payload(&ctx) else { return PASS };
    // SAFETY: a map value, read at once.
    let held = gate::holds(cookie, unsafe { &*socket });
    if held {
        // SAFETY: a map value; only this program writes the field, and a lost update costs one count.
        unsafe { (*socket).dropped = (*socket).dropped.wrapping_add(1) };
        return REFUSE;
    }
    // SAFETY: a map value; only this program writes the field, once.
    unsafe {
        if (*socket).seen & FIRST_PAYLOAD == 0 {
            (*socket).seen |= FIRST_PAYLOAD;
            hello(&ctx, &*socket, cookie, payload);
        }
    }
    PASS
}

/// Where a packet's payload begins and ends. None for a TCP packet without one: acknowledgements keep held and
/// neighbouring connections alive, and a FIN or RST carries nothing. Whatever is not plainly such a packet counts as
/// payload whole.
#[inline(always)]
fn payload(ctx: &SkBuffContext) -> Option<(u32, u32)> {
    let end = ctx.len();
    let Some(start) = tcp_payload(ctx) else { return Some((0, end)) };
    if start < end { Some((start, end)) } else { None }
}

/// Where the payload of a TCP packet begins; none for any other.
#[inline(always)]
fn tcp_payload(ctx: &SkBuffContext) -> Option<u32> {
    let first: u8 = ctx.load(0).ok()?;
    let (protocol, transport): (u8, u32) = if first >> 4 == 4 {
        (ctx.load(9).ok()?, u32::from(first & 15) * 4)
    } else {
        (ctx.load(6).ok()?, 40)
    };
    if protocol != TCP {
        return None;
    }
    let offset: u8 = ctx.load(transport as usize + 12).ok()?;
    Some(transport + u32::from(offset >> 4) * 4)
}

#[repr(C)]
struct HelloWith<const N: usize> {
    hello: Hello,
    bytes: [u8; N],
}

/// Hands the first payload over if it looks like a ClientHello.
#[inline(always)]
fn hello(ctx: &SkBuffContext, socket: &Socket, cookie: u64, (start, end): (u32, u32)) {
    /// First byte of a TLS record that carries a handshake.
    const HANDSHAKE: u8 = 22;
    if start == 0 || !matches!(ctx.load::<u8>(start as usize), Ok(HANDSHAKE)) {
        return;
    }
    let total = end - start;
    if total <= HELLO_SMALL as u32 {
        copy_hello::<HELLO_SMALL>(ctx, socket, cookie, start, total);
    } else {
        copy_hello::<HELLO>(ctx, socket, cookie, start, total);
    }
}

#[inline(always)]
fn copy_hello<const N: usize>(ctx: &SkBuffContext, socket: &Socket, cookie: u64, start: u32, total: u32) {
    let Some(mut entry) = emit::reserve::<HelloWith<N>>(kind::HELLO, socket.session) else { return };
    let record = emit::pointer(&mut entry);
    let member = Member { session: socket.session, process: socket.process, flags: 0, pad: 0 };
    // The packet may leave in softirq context: the current process is not its owner then.
    let mut header = emit::header_of(kind::HELLO, &member, socket.tgid, socket.tgid);
    // The verifier wants to see that this is neither zero nor too much. Before 6.3 it learns nothing from a comparison
    // with zero, nor from one of the lower halves alone; so one less than the length is bounded, on 64 bits.
    let mut less = core::hint::black_box(u64::from(total).wrapping_sub(1));
    if less > N as u64 - 1 {
        less = N as u64 - 1;
    }
    let mut len = less + 1;
    // SAFETY: `record` is the room just reserved, with `N` bytes after its head; the helper is given no more.
    unsafe {
        let room = (&raw mut (*record).bytes).cast::<c_void>();
        if generated::bpf_skb_load_bytes(ctx.as_ptr().cast(), start, room, len as u32) != 0 {
            len = 0;
            header.kind = kind::SKIP;
        }
        (*record).hello = Hello { header, cookie, len: len as u32, total };
    }
    emit::submit(entry);
}

/// A socket in this state has nothing to send and never will, whatever was still in it.
const TCP_CLOSE: u32 = 7;

/// `TP_PROTO(const struct sock *sk, const int oldstate, const int newstate)`: for TCP, which may outlive its descriptors.
#[raw_tracepoint(tracepoint = "inet_sock_set_state")]
pub fn socket_state(ctx: RawTracePointContext) -> i32 {
    if ctx.arg::<u32>(2) == TCP_CLOSE {
        gone(Address(ctx.arg(0)).read(offset!(sock_cookie)));
    }
    0
}

/// The last descriptor of a socket was closed, in any cgroup below the root: the end of UDP sockets, and of TCP sockets
/// that were never connected or had been dissolved before.
#[cgroup_sock(sock_release)]
pub fn socket_release(ctx: SockContext) -> i32 {
    // SAFETY: the context is valid while the program runs.
    let (protocol, state) = unsafe { ((*ctx.sock).protocol, (*ctx.sock).state) };
    if protocol != u32::from(TCP) || state == TCP_CLOSE {
        // SAFETY: as above.
        gone(unsafe { generated::bpf_get_socket_cookie(ctx.as_ptr()) });
    }
    PASS
}

/// Forgets a socket, and says so.
#[inline(always)]
fn gone(cookie: u64) {
    // SAFETY: copied out at once.
    let Some(socket) = (unsafe { SOCKETS_BY_COOKIE.get(cookie) }).copied() else { return };
    gate::forget(cookie);
    if SOCKETS_BY_COOKIE.remove(cookie).is_ok() {
        let member = Member { session: socket.session, process: socket.process, flags: 0, pad: 0 };
        let header = emit::header_of(kind::CLOSED, &member, socket.tgid, socket.tgid);
        emit::send(kind::CLOSED, socket.session, Closed { header, cookie, dropped: socket.dropped, pad: 0 });
    }
}
