//! The process tree: fork, exec, exit.

use core::ffi::c_void;

use aya_ebpf::{
    helpers::{bpf_get_current_uid_gid, generated},
    macros::raw_tracepoint,
    programs::RawTracePointContext,
};
use monitor_common::{
    process::{ARGS, ARGS_CUT, ARGS_SMALL, ARGS_UNREADABLE, Exec, Exit, Fork, PATHS, PATHS_CUT},
    record::kind,
    session::Member,
};

use crate::{
    emit, file,
    kernel::{self, Address, offset},
    session,
};

/// `TP_PROTO(struct task_struct *parent, struct task_struct *child)`, before the child can run.
#[raw_tracepoint(tracepoint = "sched_process_fork")]
pub fn process_fork(ctx: RawTracePointContext) -> i32 {
    let child = Address(ctx.arg(1));
    let child_tgid: u32 = child.read(offset!(task_tgid));
    // A thread belongs to its group already.
    if child_tgid == kernel::current_ids().0 {
        return 0;
    }
    if let Some((parent, member)) = session::inherit(child, child_tgid) {
        let header = emit::header(kind::FORK, &parent);
        emit::send(kind::FORK, parent.session, Fork { header, child: member.process, child_tgid, pad: 0 });
    }
    0
}

/// An exec with room for its arguments.
#[repr(C)]
struct ExecWith<const N: usize> {
    exec: Exec,
    args: [u8; N],
}

/// `TP_PROTO(struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)`, when the new image is in place.
#[raw_tracepoint(tracepoint = "sched_process_exec")]
pub fn process_exec(_: RawTracePointContext) -> i32 {
    let Some(member) = session::current() else { return 0 };
    let mm = kernel::current_task().follow(offset!(task_mm));
    let start: u64 = mm.read(offset!(mm_arg_start));
    let end: u64 = mm.read(offset!(mm_arg_end));
    let total = end.saturating_sub(start);
    if total <= ARGS_SMALL as u64 {
        exec::<ARGS_SMALL>(&member, mm, start, total);
    } else {
        exec::<ARGS>(&member, mm, start, total);
    }
    0
}

#[inline(always)]
fn exec<const N: usize>(member: &Member, mm: Address, args: u64, args_total: u64) {
    let Some(mut entry) = emit::reserve::<ExecWith<N>>(kind::EXEC, member.session) else { return };
    let record = emit::pointer(&mut entry);
    let task = kernel::current_task();
    let exe = mm.follow(offset!(mm_exe_file));
    let inode = exe.follow(offset!(file_inode));
    let mut header = emit::header(kind::EXEC, member);

    // SAFETY: `record` is the room just reserved; every field is written before the record is handed over, but for the
    // tails of `paths` and `args`, whose lengths say so.
    unsafe {
        (*record).exec.ino = inode.read(offset!(inode_ino));
        (*record).exec.dev = inode.follow(offset!(inode_sb)).read(offset!(sb_dev));
        (*record).exec.cgroup = generated::bpf_get_current_cgroup_id();
        (*record).exec.uid = bpf_get_current_uid_gid() as u32;

        let paths = (&raw mut (*record).exec.paths).cast::<u8>();
        let length = &raw mut (*record).exec.paths_len;
        length.write_volatile(0);
        let mut cut = file::walk::<PATHS>(
            exe.follow(offset!(file_path_dentry)),
            exe.follow(offset!(file_path_mnt)),
            paths,
            length,
        );
        (*record).exec.exe_len = length.read_volatile();
        let fs = task.follow(offset!(task_fs));
        cut |= file::walk::<PATHS>(
            fs.follow(offset!(fs_pwd_dentry)),
            fs.follow(offset!(fs_pwd_mnt)),
            paths,
            length,
        );
        if cut {
            header.flags |= PATHS_CUT;
        }

        let mut copied = args_total;
        if copied > N as u64 {
            copied = N as u64;
            header.flags |= ARGS_CUT;
        }
        let room = (&raw mut (*record).args).cast::<c_void>();
        if copied > 0 && generated::bpf_probe_read_user(room, copied as u32, args as *const c_void) != 0 {
            copied = 0;
            header.flags |= ARGS_UNREADABLE;
        }
        (*record).exec.args_len = copied as u32;
        (*record).exec.args_total = args_total as u32;
        (*record).exec.header = header;
    }
    emit::submit(entry);
}

/// `TP_PROTO(struct task_struct *p)` (and `bool group_dead` since 6.16), for each thread.
#[raw_tracepoint(tracepoint = "sched_process_exit")]
pub fn process_exit(_: RawTracePointContext) -> i32 {
    let Some(member) = session::current() else { return 0 };
    let task = kernel::current_task();
    // The group lives until its last thread ends, whichever that is; the leader may go first.
    if task.follow(offset!(task_signal)).read::<u32>(offset!(signal_live)) != 0 {
        return 0;
    }
    if session::leave(kernel::current_ids().0) {
        let header = emit::header(kind::EXIT, &member);
        let code = task.read(offset!(task_exit_code));
        emit::send(kind::EXIT, member.session, Exit { header, code, pad: 0 });
    }
    0
}
