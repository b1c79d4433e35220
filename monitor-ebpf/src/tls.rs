//! TLS plaintext, taken at the entry of the write function, before encryption.

use core::ffi::c_void;

use aya_ebpf::{
    bindings::{BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP},
    helpers::generated,
    macros::uprobe,
    programs::ProbeContext,
};
use monitor_common::{
    record::{Header, kind},
    session::{ARMED, Member},
    tls::{CHUNK, CHUNKS, CUT, GATED, LAST, RUNNING, TIERS, UNREADABLE, Write, probe},
};

use crate::{emit, gate, session};

/// `int SSL_write(SSL *ssl, const void *buf, int num)`
#[uprobe]
pub fn ssl_write(ctx: ProbeContext) -> u32 {
    let Some(member) = session::current() else { return 0 };
    let length: i32 = ctx.arg(2).unwrap_or(0);
    written(&ctx, &member, length.max(0) as u64, probe::SSL_WRITE)
}

/// `int SSL_write_ex(SSL *s, const void *buf, size_t num, size_t *written)`
#[uprobe]
pub fn ssl_write_ex(ctx: ProbeContext) -> u32 {
    let Some(member) = session::current() else { return 0 };
    written(&ctx, &member, ctx.arg(2).unwrap_or(0), probe::SSL_WRITE_EX)
}

/// A write of `total` bytes from the second argument on the connection of the first.
#[inline(always)]
fn written(ctx: &ProbeContext, member: &Member, total: u64, probe: u16) -> u32 {
    let mut header = emit::header(kind::TLS, member);
    let mut record = Write {
        stream: ctx.arg(0).unwrap_or(0),
        buffer: ctx.arg(1).unwrap_or(0),
        total,
        events_before: emit::events_so_far(),
        probe,
        ..Write::default()
    };
    if member.flags & ARMED != 0 {
        let Some(begun) = gate::begin(ctx, member) else { return 0 };
        header.flags |= GATED;
        if begun.running {
            header.flags |= RUNNING;
        }
    }
    record.header = header;

    let mut offset: u64 = 0;
    for _ in 0..CHUNKS {
        let rest = total.saturating_sub(offset);
        if rest > CHUNK as u64 {
            if !copy::<{ TIERS[3] }>(record, offset, CHUNK as u64, 0) {
                return abandon(member, header);
            }
            offset += CHUNK as u64;
            continue;
        }
        let done = if rest > TIERS[2] as u64 {
            copy::<{ TIERS[3] }>(record, offset, rest, LAST)
        } else if rest > TIERS[1] as u64 {
            copy::<{ TIERS[2] }>(record, offset, rest, LAST)
        } else if rest > TIERS[0] as u64 {
            copy::<{ TIERS[1] }>(record, offset, rest, LAST)
        } else {
            copy::<{ TIERS[0] }>(record, offset, rest, LAST)
        };
        if !done {
            return abandon(member, header);
        }
        return 0;
    }
    // Longer than what is copied: an empty last record says so.
    if !copy::<{ TIERS[0] }>(record, offset, 0, LAST | CUT) {
        return abandon(member, header);
    }
    0
}

/// The ring was full: user space must learn of a gated write by other means.
#[inline(always)]
fn abandon(member: &Member, header: Header) -> u32 {
    if header.flags & GATED != 0 {
        gate::lost(member);
    } else {
        emit::lost(member.session, kind::TLS);
    }
    0
}

#[repr(C)]
struct WriteWith<const N: usize> {
    write: Write,
    bytes: [u8; N],
}

/// Hands `len` bytes of the buffer over; false if the ring is full.
#[inline(always)]
fn copy<const N: usize>(mut write: Write, offset: u64, len: u64, flags: u16) -> bool {
    let Some(mut entry) = emit::PLAINTEXT.reserve::<WriteWith<N>>(0) else { return false };
    let record = emit::pointer(&mut entry);
    // Bounded on 64 bits, since before 6.3 the verifier forgets what is known of the lower half alone.
    let len = core::cmp::min(core::hint::black_box(len), N as u64);
    write.header.flags |= flags;
    write.offset = offset as u32;
    write.len = len as u32;
    // SAFETY: `record` is the room just reserved, with `N` bytes after its head; the helper is given no more.
    unsafe {
        let room = (&raw mut (*record).bytes).cast::<c_void>();
        let from = write.buffer.wrapping_add(offset) as *const c_void;
        if len > 0 && generated::bpf_probe_read_user(room, len as u32, from) != 0 {
            // Not in memory just now: unknown, never empty.
            write.len = 0;
            write.header.flags |= UNREADABLE;
        }
        (*record).write = write;
    }
    // The writer of a gated write stands still until it is judged; nobody waits for the others.
    let wake = if write.header.flags & (GATED | LAST) == GATED | LAST {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    entry.submit(wake.into());
    true
}
