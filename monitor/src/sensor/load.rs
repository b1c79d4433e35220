//! Loads the kernel half and attaches it as the table of hooks says.

use std::fs::{self, File};
use std::path::PathBuf;

use aya::programs::uprobe::UProbeScope;
use aya::programs::{
    CgroupAttachMode, CgroupSkbAttachType, CgroupSockAddr, FEntry, KProbe, Lsm, Program, ProgramError,
    RawTracePoint, UProbe,
};
use aya::{Btf, Ebpf, EbpfLoader};

use super::btf::{self, BtfError};
use super::hooks::{Attach, Family, HOOKS, Hook, place};
use super::library;

/// The kernel half, laid here by build.rs; aligned because it is parsed in place.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/holdfire-ebpf"));

/// Why the kernel half is not in place.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("loading probes takes root")]
    NotRoot,
    #[error("this kernel has no type information ({VMLINUX})", VMLINUX = btf::VMLINUX)]
    NoBtf { source: std::io::Error },
    #[error("this kernel's type information does not fit holdfire")]
    Btf(#[from] BtfError),
    #[error("no cgroup v2 hierarchy is mounted, so packets cannot be held")]
    NoCgroup2,
    #[error("the kernel refused the probes as a whole")]
    Object { source: Box<aya::EbpfError> },
    #[error("the kernel refused the probe {program} ({place}: {why}); without it {without}")]
    Hook { program: &'static str, place: String, without: &'static str, why: String },
    #[error("the kernel object lacks the map {0}")]
    NoMap(&'static str),
}

impl LoadError {
    /// What to do about it.
    pub fn next_step(&self) -> &'static str {
        match self {
            Self::NotRoot => {
                "run it with sudo; the command itself runs as whoever called sudo, or as --user says"
            }
            Self::NoBtf { .. } => {
                "run a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of all current distributions are"
            }
            Self::Btf(_) => "run a kernel from 5.10 on, or report this one",
            Self::NoCgroup2 => {
                "mkdir -p /sys/fs/cgroup/unified && mount -t cgroup2 none /sys/fs/cgroup/unified"
            }
            Self::Object { .. } | Self::Hook { .. } => "holdfire doctor shows what this host lacks",
            Self::NoMap(_) => "build holdfire anew: its two halves do not fit together",
        }
    }
}

/// How one hook fared.
#[derive(Debug)]
pub struct Attached {
    pub hook: &'static Hook,
    pub outcome: Outcome,
}

/// How one hook fared.
#[derive(Debug)]
pub enum Outcome {
    /// In place; for uprobes, in these files.
    In(Vec<PathBuf>),
    /// Not tried, since a better one is in place.
    NotNeeded,
    /// Refused, and the kernel's reason.
    Refused(String),
}

/// The kernel half in place. Dropping it takes everything out again.
pub struct Loaded {
    pub ebpf: Ebpf,
    /// One row per hook, in the order of the table.
    pub attached: Vec<Attached>,
}

impl Loaded {
    /// The file hook in force: `lsm`, `fentry`, `kprobe` or `sys_exit`.
    pub fn file_sensor(&self) -> &'static str {
        let in_place =
            |row: &&Attached| row.hook.family == Family::File && matches!(row.outcome, Outcome::In(_));
        self.attached.iter().find(in_place).map_or("none", |row| match row.hook.attach {
            Attach::Lsm(_) => "lsm",
            Attach::Fentry(_) => "fentry",
            Attach::Kprobe(_) => "kprobe",
            _ => "sys_exit",
        })
    }

    /// What this host's hooks cannot see, one sentence each.
    pub fn not_seen(&self) -> Vec<String> {
        let mut sentences = Vec::new();
        match self.file_sensor() {
            "lsm" | "fentry" => {}
            "kprobe" => sentences.push("files opened through io_uring are seen, but late".to_owned()),
            _ => sentences.push(
                "files opened through io_uring (no trampolines on this kernel: opens are seen at system-call exit)".to_owned(),
            ),
        }
        let probed =
            self.attached.iter().any(|row| matches!(&row.outcome, Outcome::In(files) if !files.is_empty()));
        if !probed {
            sentences.push("plaintext of TLS (no libssl found on this host)".to_owned());
        }
        sentences
    }
}

/// Where cgroup v2 is mounted, from /proc/mounts.
pub fn cgroup2_root() -> Option<PathBuf> {
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    mounts.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (_, place, kind) = (fields.next()?, fields.next()?, fields.next()?);
        (kind == "cgroup2").then(|| PathBuf::from(place))
    })
}

/// Loads and attaches everything. Whoever needs only to know what would load calls it too, and drops the result.
///
/// # Errors
/// Something required is missing; see [`LoadError`].
pub fn load() -> Result<Loaded, LoadError> {
    if !nix::unistd::geteuid().is_root() {
        return Err(LoadError::NotRoot);
    }
    let raw = fs::read(btf::VMLINUX).map_err(|source| LoadError::NoBtf { source })?;
    let offsets = btf::offsets(&raw)?;
    let cgroup = cgroup2_root().and_then(|root| File::open(root).ok()).ok_or(LoadError::NoCgroup2)?;
    let kernel = Btf::from_sys_fs().ok();

    let mut ebpf = EbpfLoader::new()
        .btf(kernel.as_ref())
        .override_global("OFFSETS", &offsets, true)
        .load(OBJECT)
        .map_err(|source| LoadError::Object { source: Box::new(source) })?;

    let mut attached: Vec<Attached> = Vec::new();
    for hook in HOOKS {
        let file_done = attached
            .iter()
            .any(|row| row.hook.family == Family::File && matches!(row.outcome, Outcome::In(_)));
        let outcome = if hook.family == Family::File && file_done {
            Outcome::NotNeeded
        } else {
            match attach(&mut ebpf, hook, &cgroup, kernel.as_ref()) {
                Ok(files) => Outcome::In(files),
                Err(source) if hook.required => {
                    let why = reason(source.as_ref());
                    return Err(LoadError::Hook {
                        program: hook.program,
                        place: place(hook.attach),
                        without: hook.without,
                        why,
                    });
                }
                Err(source) => Outcome::Refused(reason(source.as_ref())),
            }
        };
        attached.push(Attached { hook, outcome });
    }
    let refused =
        |row: &&Attached| row.hook.family == Family::File && matches!(row.outcome, Outcome::Refused(_));
    if attached.iter().filter(refused).count()
        == HOOKS.iter().filter(|hook| hook.family == Family::File).count()
        && let Some(last) = attached.iter().rfind(refused)
        && let Outcome::Refused(why) = &last.outcome
    {
        let (program, without, why) = (last.hook.program, last.hook.without, why.clone());
        return Err(LoadError::Hook { program, place: place(last.hook.attach), without, why });
    }
    Ok(Loaded { ebpf, attached })
}

type Refusal = Box<dyn std::error::Error + Send + Sync>;

/// The innermost cause, in one line, with the verifier's last word if it had one: its logs run to thousands of lines.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    if let Some(ProgramError::LoadError { io_error, verifier_log }) = error.downcast_ref() {
        let log = verifier_log.to_string();
        let before_summary = log
            .lines()
            .take_while(|line| !line.starts_with("processed ") && !line.starts_with("verification time"));
        return match before_summary.last() {
            Some(line) if !line.trim().is_empty() => format!("{io_error}: {}", line.trim()),
            _ => io_error.to_string(),
        };
    }
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string().lines().next().unwrap_or_default().to_owned()
}

/// Attaches one hook; for uprobes, the files it is in.
fn attach(ebpf: &mut Ebpf, hook: &Hook, cgroup: &File, btf: Option<&Btf>) -> Result<Vec<PathBuf>, Refusal> {
    let program =
        ebpf.program_mut(hook.program).ok_or_else(|| format!("the kernel object lacks {}", hook.program))?;
    let btf = || btf.ok_or("no type information");
    match hook.attach {
        Attach::RawTracepoint(name) => {
            let program: &mut RawTracePoint = program.try_into()?;
            program.load()?;
            program.attach(name)?;
        }
        Attach::Lsm(name) => {
            let program: &mut Lsm = program.try_into()?;
            program.load(name, btf()?)?;
            program.attach()?;
        }
        Attach::Fentry(name) => {
            let program: &mut FEntry = program.try_into()?;
            program.load(name, btf()?)?;
            program.attach()?;
        }
        Attach::Kprobe(name) => {
            let program: &mut KProbe = program.try_into()?;
            program.load()?;
            program.attach(name, 0)?;
        }
        Attach::Cgroup(_) => attach_cgroup(program, cgroup)?,
        Attach::Uprobe(name) => {
            let program: &mut UProbe = program.try_into()?;
            program.load()?;
            return attach_uprobe(program, name);
        }
    }
    Ok(Vec::new())
}

fn attach_cgroup(program: &mut Program, cgroup: &File) -> Result<(), Refusal> {
    // Links always allow other programs beside them; asking for it explicitly is EINVAL.
    let mode = CgroupAttachMode::default();
    match program {
        Program::CgroupSkb(program) => {
            program.load()?;
            program.attach(cgroup, CgroupSkbAttachType::Egress, mode)?;
        }
        Program::CgroupSock(program) => {
            program.load()?;
            program.attach(cgroup, mode)?;
        }
        program => {
            let program: &mut CgroupSockAddr = program.try_into()?;
            program.load()?;
            program.attach(cgroup, mode)?;
        }
    }
    Ok(())
}

/// Puts the probe into every libssl of the host that has the function.
fn attach_uprobe(program: &mut UProbe, name: &'static str) -> Result<Vec<PathBuf>, Refusal> {
    let mut files = Vec::new();
    for path in library::openssl() {
        let functions = match library::functions(&path, &[name]) {
            Ok(functions) => functions,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "library not probed");
                continue;
            }
        };
        for function in functions {
            program.attach(function.offset, &path, UProbeScope::AllProcesses)?;
            files.push(path.clone());
        }
    }
    Ok(files)
}
