//! The attach table: every hook holdfire has in the kernel, in one place.
//!
//! The loader, `doctor` and docs/hooks.md read this table, so that what is said cannot drift from what is done.

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// A raw tracepoint of this name.
    RawTracepoint(&'static str),
    /// An LSM hook.
    Lsm(&'static str),
    /// The entry of a kernel function, by trampoline.
    Fentry(&'static str),
    /// The entry of a kernel function, by breakpoint.
    Kprobe(&'static str),
    /// A cgroup v2 hook, on the root.
    Cgroup(&'static str),
    /// The entry of this function in a TLS library.
    Uprobe(&'static str),
}

/// What a hook is for. Hooks of the same family and rung replace one another: the first that loads is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    Process,
    File,
    Socket,
    Gate,
    Tls,
}

/// One hook.
#[derive(Clone, Copy, Debug)]
pub struct Hook {
    /// The program's name in the kernel object.
    pub program: &'static str,
    pub attach: Attach,
    pub family: Family,
    /// holdfire does not start without it. Of the file hooks, any one will do.
    pub required: bool,
    /// First kernel that has it.
    pub since: &'static str,
    /// The prototype it relies on.
    pub prototype: &'static str,
    /// What takes its place where it does not load.
    pub fallback: &'static str,
    /// What is lost without it.
    pub without: &'static str,
}

/// Every hook, in the order of attachment. File hooks stand best first.
pub const HOOKS: &[Hook] = &[
    Hook {
        program: "process_fork",
        attach: Attach::RawTracepoint("sched_process_fork"),
        family: Family::Process,
        required: true,
        since: "4.17",
        prototype: "void (struct task_struct *parent, struct task_struct *child)",
        fallback: "none",
        without: "children would not belong to the session",
    },
    Hook {
        program: "process_exec",
        attach: Attach::RawTracepoint("sched_process_exec"),
        family: Family::Process,
        required: true,
        since: "4.17",
        prototype: "void (struct task_struct *p, pid_t old_pid, struct linux_binprm *bprm)",
        fallback: "none",
        without: "nobody could see which programs ran",
    },
    Hook {
        program: "process_exit",
        attach: Attach::RawTracepoint("sched_process_exit"),
        family: Family::Process,
        required: true,
        since: "4.17",
        prototype: "void (struct task_struct *p)",
        fallback: "none",
        without: "a reused process id would inherit a session",
    },
    Hook {
        program: "file_open_lsm",
        attach: Attach::Lsm("file_open"),
        family: Family::File,
        required: false,
        since: "5.7",
        prototype: "int (struct file *file)",
        fallback: "file_open_fentry",
        without: "nothing, where a later rung loads",
    },
    Hook {
        program: "file_open_fentry",
        attach: Attach::Fentry("security_file_open"),
        family: Family::File,
        required: false,
        since: "5.5",
        prototype: "int (struct file *file)",
        fallback: "file_open_kprobe",
        without: "nothing, where a later rung loads",
    },
    Hook {
        program: "file_open_kprobe",
        attach: Attach::Kprobe("security_file_open"),
        family: Family::File,
        required: false,
        since: "4.1",
        prototype: "int (struct file *file)",
        fallback: "file_open_sys_exit",
        without: "files opened through io_uring, and those whose descriptor is replaced in the same instant",
    },
    Hook {
        program: "file_open_sys_exit",
        attach: Attach::RawTracepoint("sys_exit"),
        family: Family::File,
        required: false,
        since: "4.17",
        prototype: "void (struct pt_regs *regs, long ret)",
        fallback: "none",
        without: "no file read would be seen, so no credential could be told from another",
    },
    Hook {
        program: "connect4",
        attach: Attach::Cgroup("connect4"),
        family: Family::Socket,
        required: true,
        since: "4.17",
        prototype: "connect(2), IPv4",
        fallback: "none",
        without: "no socket would have an owner, so nothing could be held",
    },
    Hook {
        program: "connect6",
        attach: Attach::Cgroup("connect6"),
        family: Family::Socket,
        required: true,
        since: "4.17",
        prototype: "connect(2), IPv6",
        fallback: "none",
        without: "no socket would have an owner, so nothing could be held",
    },
    Hook {
        program: "socket_state",
        attach: Attach::RawTracepoint("inet_sock_set_state"),
        family: Family::Socket,
        required: true,
        since: "4.17",
        prototype: "void (const struct sock *sk, const int oldstate, const int newstate)",
        fallback: "none",
        without: "the table of sockets would fill up",
    },
    Hook {
        program: "socket_release",
        attach: Attach::Cgroup("sock_release"),
        family: Family::Socket,
        required: true,
        since: "5.9",
        prototype: "close of a socket's last descriptor",
        fallback: "none",
        without: "the table of sockets would fill up",
    },
    Hook {
        program: "egress",
        attach: Attach::Cgroup("egress"),
        family: Family::Gate,
        required: true,
        since: "4.10",
        prototype: "every packet leaving a socket",
        fallback: "none",
        without: "nothing could be held, and servers would have no names",
    },
    Hook {
        program: "ssl_write",
        attach: Attach::Uprobe("SSL_write"),
        family: Family::Tls,
        required: true,
        since: "5.5",
        prototype: "int SSL_write(SSL *ssl, const void *buf, int num)",
        fallback: "none",
        without: "requests through OpenSSL would be invisible",
    },
    Hook {
        program: "ssl_write_ex",
        attach: Attach::Uprobe("SSL_write_ex"),
        family: Family::Tls,
        required: true,
        since: "5.5",
        prototype: "int SSL_write_ex(SSL *s, const void *buf, size_t num, size_t *written)",
        fallback: "none",
        without: "requests of Python would be invisible",
    },
];

/// What a hook's attach point is called, for people.
pub fn place(attach: Attach) -> String {
    match attach {
        Attach::RawTracepoint(name) => format!("raw_tp {name}"),
        Attach::Lsm(name) => format!("lsm {name}"),
        Attach::Fentry(name) => format!("fentry {name}"),
        Attach::Kprobe(name) => format!("kprobe {name}"),
        Attach::Cgroup(name) => format!("cgroup {name}"),
        Attach::Uprobe(name) => format!("uprobe {name}"),
    }
}
