//! The rings. Whoever wants to say something to user space says it here.

use core::mem::MaybeUninit;

use aya_ebpf::{
    bindings::{BPF_ANY, BPF_RB_AVAIL_DATA, BPF_RB_FORCE_WAKEUP, BPF_RB_NO_WAKEUP, BPF_RB_PROD_POS},
    macros::map,
    maps::{HashMap, RingBuf, ring_buf::RingBufEntry},
};
use monitor_common::{
    record::{EVENTS_BYTES, Header, LossKey, PLAINTEXT_BYTES, WAKE_AT},
    session::Member,
};

use crate::kernel;

/// Everything but plaintext.
#[map]
pub(crate) static EVENTS: RingBuf = RingBuf::with_byte_size(EVENTS_BYTES, 0);

/// TLS plaintext, with the gate.
#[map]
pub(crate) static PLAINTEXT: RingBuf = RingBuf::with_byte_size(PLAINTEXT_BYTES, 0);

/// Records that could not be handed over, by session and kind.
#[map]
static LOSSES: HashMap<LossKey, u64> = HashMap::with_max_entries(16_384, 0);

/// The head of a record about the current thread.
#[inline(always)]
pub(crate) fn header(kind: u16, member: &Member) -> Header {
    let (tgid, tid) = kernel::current_ids();
    header_of(kind, member, tgid, tid)
}

/// The head of a record about another thread.
#[inline(always)]
pub(crate) fn header_of(kind: u16, member: &Member, tgid: u32, tid: u32) -> Header {
    Header {
        kind,
        flags: 0,
        tid,
        tgid,
        pad: 0,
        time: kernel::now(),
        session: member.session,
        process: member.process,
    }
}

/// Room for a record of the size of `T` in the ring of events, counted as lost if there is none.
#[inline(always)]
pub(crate) fn reserve<T: 'static>(kind: u16, session: u64) -> Option<RingBufEntry<T>> {
    let entry = EVENTS.reserve::<T>(0);
    if entry.is_none() {
        lost(session, kind);
    }
    entry
}

/// Hands a record of the ring of events over, waking the reader only when much is unread.
#[inline(always)]
pub(crate) fn submit<T>(entry: RingBufEntry<T>) {
    let flags = if EVENTS.query(BPF_RB_AVAIL_DATA.into()) >= WAKE_AT {
        BPF_RB_FORCE_WAKEUP
    } else {
        BPF_RB_NO_WAKEUP
    };
    entry.submit(flags.into());
}

/// Hands over a record that is small and whole.
#[inline(always)]
pub(crate) fn send<T: Copy + 'static>(kind: u16, session: u64, record: T) {
    if let Some(mut entry) = reserve::<T>(kind, session) {
        entry.write(record);
        submit(entry);
    }
}

/// Bytes ever put into the ring of events.
#[inline(always)]
pub(crate) fn events_so_far() -> u64 {
    EVENTS.query(BPF_RB_PROD_POS.into())
}

/// Counts a record as lost.
#[inline(always)]
pub(crate) fn lost(session: u64, kind: u16) {
    let key = LossKey { session, kind: kind.into(), pad: 0 };
    if let Some(count) = LOSSES.get_ptr_mut(key) {
        // SAFETY: points to the map's value, which lives as long as this program runs; the add is atomic.
        unsafe { crate::gate::add_one(count) };
        return;
    }
    // Two processors may both come here first: then one loss in a pair goes uncounted, never the pair.
    let _ = LOSSES.insert(key, 1, BPF_ANY.into());
}

/// The pointer to a record being filled.
#[inline(always)]
pub(crate) fn pointer<T>(entry: &mut RingBufEntry<T>) -> *mut T {
    let room: &mut MaybeUninit<T> = entry;
    room.as_mut_ptr()
}
