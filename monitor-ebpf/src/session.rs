//! Membership: the first question of every probe.

use aya_ebpf::{bindings::BPF_ANY, macros::map, maps::HashMap};
use monitor_common::{
    record::kind,
    session::{LAUNCHER, MEMBERS, Member, process_id},
};

use crate::{
    emit,
    kernel::{self, Address, offset},
};

/// Members by thread-group id. User space adds launchers; everybody else joins at fork.
#[map]
static SESSIONS: HashMap<u32, Member> = HashMap::with_max_entries(MEMBERS, 0);

/// The current process's membership, if it is a member.
#[inline(always)]
pub(crate) fn current() -> Option<Member> {
    of(kernel::current_ids().0)
}

/// As [`current`], for programs that may not ask for the current ids (cgroup hooks before 6.1).
#[inline(always)]
pub(crate) fn current_by_task() -> Option<(Member, u32, u32)> {
    let task = kernel::current_task();
    let tgid = task.read(offset!(task_tgid));
    Some((of(tgid)?, tgid, task.read(offset!(task_pid))))
}

/// The membership of a process.
#[inline(always)]
pub(crate) fn of(tgid: u32) -> Option<Member> {
    let member = entry(tgid)?;
    if member.flags & LAUNCHER != 0 { None } else { Some(member) }
}

#[inline(always)]
fn entry(tgid: u32) -> Option<Member> {
    // SAFETY: the value is copied out at once; entries are only replaced whole.
    unsafe { SESSIONS.get(tgid) }.copied()
}

/// Makes a child of the current process a member if its parent is one, or launches members. The child has not run yet.
#[inline(always)]
pub(crate) fn inherit(child: Address, child_tgid: u32) -> Option<(Member, Member)> {
    let parent = entry(kernel::current_ids().0)?;
    let process = process_id(child_tgid, child.read(offset!(task_start_boottime)));
    let member = Member { session: parent.session, process, flags: parent.flags & !LAUNCHER, pad: 0 };
    if SESSIONS.insert(child_tgid, member, BPF_ANY.into()).is_err() {
        emit::lost(parent.session, kind::MEMBER);
        return None;
    }
    Some((parent, member))
}

/// Ends a process's membership; true for the one caller that ended it.
#[inline(always)]
pub(crate) fn leave(tgid: u32) -> bool {
    SESSIONS.remove(tgid).is_ok()
}
