//! Where the fields of the kernel's structs lie on the running kernel.
//!
//! Rust has no CO-RE relocations: user space looks the fields up in the kernel's BTF and hands them over as one frozen
//! global, so the verifier sees constants.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Declares the struct once, with the BTF name of each field beside it: `struct field [or older names]`.
macro_rules! offsets {
    ($($(#[$doc:meta])* $name:ident: $of:literal $($field:literal)|+;)+) => {
        /// Byte offsets of kernel fields.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
        pub struct Offsets {
            $($(#[$doc])* pub $name: u32,)+
        }

        /// What to look up for each field of [`Offsets`], in order: its name here, the struct, the field's names with
        /// the newest first (`a.b` descends into a nested struct).
        pub const LOOKUPS: &[(&str, &str, &[&str])] = &[$((stringify!($name), $of, &[$($field),+]),)+];
    };
}

offsets! {
    task_tgid: "task_struct" "tgid";
    task_pid: "task_struct" "pid";
    task_real_parent: "task_struct" "real_parent";
    task_start_boottime: "task_struct" "start_boottime" | "real_start_time";
    task_signal: "task_struct" "signal";
    task_files: "task_struct" "files";
    task_fs: "task_struct" "fs";
    task_mm: "task_struct" "mm";
    task_exit_code: "task_struct" "exit_code";
    /// TS_COMPAT tells a 32-bit system call.
    task_status: "task_struct" "thread_info.status";
    signal_live: "signal_struct" "live";
    signal_tty: "signal_struct" "tty";
    signal_pids: "signal_struct" "pids";
    files_fdt: "files_struct" "fdt";
    fdt_fd: "fdtable" "fd";
    fdt_max_fds: "fdtable" "max_fds";
    file_path_mnt: "file" "f_path.mnt";
    file_path_dentry: "file" "f_path.dentry";
    file_inode: "file" "f_inode";
    file_mode: "file" "f_mode";
    file_flags: "file" "f_flags";
    fs_pwd_mnt: "fs_struct" "pwd.mnt";
    fs_pwd_dentry: "fs_struct" "pwd.dentry";
    mm_arg_start: "mm_struct" "arg_start";
    mm_arg_end: "mm_struct" "arg_end";
    mm_exe_file: "mm_struct" "exe_file";
    inode_ino: "inode" "i_ino";
    inode_mode: "inode" "i_mode";
    inode_sb: "inode" "i_sb";
    sb_dev: "super_block" "s_dev";
    dentry_parent: "dentry" "d_parent";
    dentry_name: "dentry" "d_name.name" | "__d_name.name";
    vfsmount_root: "vfsmount" "mnt_root";
    mount_mnt: "mount" "mnt";
    mount_parent: "mount" "mnt_parent";
    mount_mountpoint: "mount" "mnt_mountpoint";
    sock_cookie: "sock_common" "skc_cookie";
    regs_orig_ax: "pt_regs" "orig_ax";
}

const _: () = assert!(core::mem::size_of::<Offsets>() == LOOKUPS.len() * 4);

#[cfg(feature = "user")]
#[allow(unsafe_code, reason = "aya's marker for globals")]
// SAFETY: plain data without padding or invalid bit patterns, as its zerocopy derives prove.
unsafe impl aya::Pod for Offsets {}
