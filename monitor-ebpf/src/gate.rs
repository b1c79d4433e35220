//! The gate: stopping a writer in the instant of its write, and holding what its sockets would send.
//!
//! See `monitor_common::gate` for the protocol. When in doubt this half holds: a socket it knows with a verdict it does
//! not know sends nothing.

use core::intrinsics::AtomicOrdering;

use aya_ebpf::{EbpfContext, bindings::BPF_NOEXIST, helpers::generated, macros::map, maps::HashMap};
use aya_log_ebpf::error;
use monitor_common::{
    gate::{GATES, Gate, Release},
    record::kind,
    session::Member,
    socket::{OPEN, SOCKETS, Socket},
};

use crate::{
    emit,
    kernel::{self, offset},
};

/// Gated writes begun, by process. Written here only.
#[map]
static GATE: HashMap<u64, Gate> = HashMap::with_max_entries(GATES, 0);

/// Gated writes judged, by process. Written by user space only.
#[map]
static RELEASE: HashMap<u64, Release> = HashMap::with_max_entries(GATES, 0);

/// States of sockets by cookie. Written by user space; taken out here with their socket.
#[map]
static STATES: HashMap<u64, u32> = HashMap::with_max_entries(SOCKETS, 0);

const SIGKILL: u32 = 9;
const SIGSTOP: u32 = 19;

/// Adds one to a counter that others may add to at the same time.
///
/// # Safety
/// `counter` must point to a value of a map.
#[inline(always)]
pub(crate) unsafe fn add_one(counter: *mut u64) {
    // SAFETY: an aligned integer in a map value. The result is not used, so this is the plain atomic add that every
    // kernel has; core's AtomicU64 offers none for this target.
    unsafe { core::intrinsics::atomic_xadd::<u64, u64, { AtomicOrdering::Relaxed }>(counter, 1) };
}

/// What [`begin`] did.
pub(crate) struct Begun {
    /// The process was not stopped, since a job-control shell would see it; its packets are held all the same.
    pub(crate) running: bool,
}

/// Begins a gated write: from here on nothing with a payload leaves the process's sockets, and the process stands still
/// before the function it called runs. None if there was no room to hold it, in which case it is being killed.
#[inline(always)]
pub(crate) fn begin(ctx: &impl EbpfContext, member: &Member) -> Option<Begun> {
    let (tgid, _) = kernel::current_ids();
    let mut gate = GATE.get_ptr_mut(member.process);
    if gate.is_none() {
        let fresh = Gate { begun: 0, lost: 0, session: member.session, tgid, pad: 0 };
        // Another thread may have been faster; then its entry is the one found.
        let _ = GATE.insert(member.process, fresh, BPF_NOEXIST.into());
        gate = GATE.get_ptr_mut(member.process);
    }
    let Some(gate) = gate else {
        emit::lost(member.session, kind::TLS);
        error!(ctx, "no room to hold a write of process {}: killing it", tgid);
        // SAFETY: a signal to the current process.
        unsafe { generated::bpf_send_signal(SIGKILL) };
        return None;
    };
    // SAFETY: a map value; user space never writes it.
    unsafe { add_one(&raw mut (*gate).begun) };
    let running = under_job_control();
    if !running {
        // SAFETY: a signal to the current process; delivered when this probe returns to user mode, and cancelled by the
        // SIGCONT of a verdict that comes before.
        unsafe { generated::bpf_send_signal(SIGSTOP) };
    }
    Some(Begun { running })
}

/// Counts a write that user space will not hear of; it finds it when it looks through the map.
#[inline(always)]
pub(crate) fn lost(member: &Member) {
    if let Some(gate) = GATE.get_ptr_mut(member.process) {
        // SAFETY: a map value; user space never writes it.
        unsafe { add_one(&raw mut (*gate).lost) };
    }
    emit::lost(member.session, kind::TLS);
}

/// Whether a packet with a payload must not leave this socket now.
#[inline(always)]
pub(crate) fn holds(cookie: u64, socket: &Socket) -> bool {
    // SAFETY: an integer, read at once.
    if unsafe { STATES.get(cookie) }.is_some_and(|state| *state != OPEN) {
        return true;
    }
    // SAFETY: values are read at once; entries are only replaced whole.
    let Some(gate) = (unsafe { GATE.get(socket.process) }) else { return false };
    // SAFETY: as above.
    let judged = match unsafe { RELEASE.get(socket.process) } {
        Some(release) => release.judged,
        None => 0,
    };
    gate.begun != judged
}

/// Forgets the state of a socket that is gone.
#[inline(always)]
pub(crate) fn forget(cookie: u64) {
    // Most sockets never had one.
    let _ = STATES.remove(cookie);
}

/// Whether an interactive shell watches the current process as one of its jobs: it has a terminal, and a process group
/// that is not its parent's inside the same session. Such a shell would report a stop to its user and run on.
#[inline(always)]
fn under_job_control() -> bool {
    /// Places in `signal_struct.pids`.
    const GROUP: usize = 2;
    const SESSION: usize = 3;
    let task = kernel::current_task();
    let own = task.follow(offset!(task_signal));
    if own.follow(offset!(signal_tty)).is_null() {
        return false;
    }
    let parent = task.follow(offset!(task_real_parent)).follow(offset!(task_signal));
    let pid = |signal: kernel::Address, which: usize| {
        signal.follow(offset!(signal_pids) + which * size_of::<usize>())
    };
    pid(own, GROUP) != pid(parent, GROUP) && pid(own, SESSION) == pid(parent, SESSION)
}
