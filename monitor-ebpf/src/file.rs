//! File opens, by what was opened: the path is walked from the file itself, never read from an argument.
//!
//! One of four hooks is loaded, the best the kernel allows; only the last works where trampolines are locked down.

use aya_ebpf::{
    helpers::generated,
    macros::{fentry, kprobe, lsm, raw_tracepoint},
    programs::{FEntryContext, LsmContext, ProbeContext, RawTracePointContext},
};
use monitor_common::{
    file::{NAME, Open, PATH, PATH_CUT, PATH_SMALL, STEPS},
    record::kind,
    session::Member,
};

use crate::{
    emit,
    kernel::{self, Address, offset},
    session,
};

/// `int security_file_open(struct file *file)` as an LSM hook. Returns what the hooks before it said.
#[lsm(hook = "file_open")]
pub fn file_open_lsm(ctx: LsmContext) -> i32 {
    if let Some(member) = session::current() {
        report(&member, Address(ctx.arg(0)), -1);
    }
    ctx.arg(1)
}

/// `int security_file_open(struct file *file)`
#[fentry(function = "security_file_open")]
pub fn file_open_fentry(ctx: FEntryContext) -> i32 {
    if let Some(member) = session::current() {
        report(&member, Address(ctx.arg(0)), -1);
    }
    0
}

/// `int security_file_open(struct file *file)`
#[kprobe(function = "security_file_open")]
pub fn file_open_kprobe(ctx: ProbeContext) -> u32 {
    if let Some(member) = session::current() {
        report(&member, Address(ctx.arg(0).unwrap_or(0)), -1);
    }
    0
}

/// Set in `thread_info.status` while a 32-bit system call runs.
const TS_COMPAT: u32 = 2;

/// Whether a system call returns a descriptor it has opened: open, creat, openat, open_by_handle_at, openat2; and
/// io_uring_setup, whose opens pass no system call, so that at least its coming into use is told.
#[inline(always)]
fn opens(number: u64, compat: bool) -> bool {
    if compat {
        matches!(number, 5 | 8 | 295 | 342 | 425 | 437)
    } else {
        matches!(number, 2 | 85 | 257 | 304 | 425 | 437)
    }
}

/// `TP_PROTO(struct pt_regs *regs, long ret)`
///
/// Runs for every system call of the host, so the cheap questions come before the one about membership.
#[raw_tracepoint(tracepoint = "sys_exit")]
pub fn file_open_sys_exit(ctx: RawTracePointContext) -> i32 {
    let fd: i64 = ctx.arg(1);
    if fd < 0 {
        return 0;
    }
    let number: u64 = Address(ctx.arg(0)).read(offset!(regs_orig_ax));
    if !opens(number, false) && !opens(number, true) {
        return 0;
    }
    let Some(member) = session::current() else { return 0 };
    let task = kernel::current_task();
    let compat = task.read::<u32>(offset!(task_status)) & TS_COMPAT != 0;
    if !opens(number, compat) {
        return 0;
    }
    let table = task.follow(offset!(task_files)).follow(offset!(files_fdt));
    if fd >= table.read::<u32>(offset!(fdt_max_fds)).into() {
        return 0;
    }
    let file = table.follow(offset!(fdt_fd)).follow(fd as usize * size_of::<usize>());
    // Another thread may have closed or replaced the descriptor in the meantime: 23 of 60,000 in the worst case.
    if !file.is_null() {
        report(&member, file, fd as i32);
    }
    0
}

#[inline(always)]
fn report(member: &Member, file: Address, fd: i32) {
    if !open::<PATH_SMALL>(member, file, fd) {
        open::<PATH>(member, file, fd);
    }
}

#[repr(C)]
struct OpenWith<const N: usize> {
    open: Open,
    path: [u8; N],
}

/// Reports an open with `N` bytes for its path; false if that was too little and more may help.
#[inline(always)]
fn open<const N: usize>(member: &Member, file: Address, fd: i32) -> bool {
    let Some(mut entry) = emit::reserve::<OpenWith<N>>(kind::FILE, member.session) else { return true };
    let record = emit::pointer(&mut entry);
    let inode = file.follow(offset!(file_inode));
    let mut header = emit::header(kind::FILE, member);
    let cut;
    // SAFETY: `record` is the room just reserved; every field is written before the record is handed over, but for the
    // tail of `path`, whose length says so.
    unsafe {
        let length = &raw mut (*record).open.path_len;
        length.write_volatile(0);
        cut = walk::<N>(
            file.follow(offset!(file_path_dentry)),
            file.follow(offset!(file_path_mnt)),
            (&raw mut (*record).path).cast(),
            length,
        );
        if cut {
            header.flags |= PATH_CUT;
        }
        if cut && N < PATH {
            // Submitted as an empty record, not discarded: the reader counts bytes to know how far it has read.
            header.kind = kind::SKIP;
        }
        (*record).open.ino = inode.read(offset!(inode_ino));
        (*record).open.dev = inode.follow(offset!(inode_sb)).read(offset!(sb_dev));
        (*record).open.fd = fd;
        (*record).open.flags = file.read(offset!(file_flags));
        (*record).open.mode = file.read(offset!(file_mode));
        (*record).open.inode_mode = inode.read::<u16>(offset!(inode_mode)).into();
        (*record).open.header = header;
    }
    emit::submit(entry);
    !(cut && N < PATH)
}

/// Walks from a dentry up to the root of its mount namespace, appending each component and a NUL to `buffer`, whose used
/// length is `*length`. Returns whether anything was left out.
///
/// # Safety
/// `buffer` must have room for `N` bytes, `length` must be valid, and both must lie in memory the verifier knows by its
/// size.
#[inline(always)]
pub(crate) unsafe fn walk<const N: usize>(
    mut dentry: Address,
    vfsmount: Address,
    buffer: *mut u8,
    length: *mut u32,
) -> bool {
    let mut mount = Address(vfsmount.0.wrapping_sub(offset!(mount_mnt) as u64));
    for _ in 0..STEPS {
        let root = mount.field(offset!(mount_mnt)).follow(offset!(vfsmount_root));
        if dentry == root {
            let above = mount.follow(offset!(mount_parent));
            if above == mount || above.is_null() {
                return false;
            }
            dentry = mount.follow(offset!(mount_mountpoint));
            mount = above;
            continue;
        }
        // The growing length is read back from memory: a register whose value the verifier follows through 48 rounds
        // costs it a million instructions, a value it knows nothing of costs nine thousand.
        // SAFETY: valid by contract.
        let used = unsafe { length.read_volatile() };
        if used > (N - NAME) as u32 {
            return true;
        }
        let name = dentry.follow(offset!(dentry_name));
        // SAFETY: `used + NAME <= N`, checked above.
        let copied = unsafe {
            generated::bpf_probe_read_kernel_str(
                buffer.add(used as usize).cast(),
                NAME as u32,
                name.0 as *const _,
            )
        };
        if copied <= 0 {
            return true;
        }
        // SAFETY: valid by contract.
        unsafe { length.write_volatile(used.wrapping_add(copied as u32)) };
        let parent = dentry.follow(offset!(dentry_parent));
        // A dentry that is its own parent but no mount's root is no part of a tree: a pipe, a memfd, a lazily
        // unmounted directory.
        if parent == dentry {
            return false;
        }
        dentry = parent;
    }
    true
}
