//! Records of the process tree into facts.

use monitor_common::process::{ARGS_CUT, ARGS_UNREADABLE, Exec, Exit, Fork};

use super::Seen;
use super::file::path;
use super::record::front;
use crate::credential::Redactor;
use crate::event::{Executed, Exited, Fact, Forked, ProcessId};

/// Arguments shown of one command; the rest is flagged as cut. Tools with more take them from `xargs`.
const ARGUMENTS: usize = 1024;

/// A child.
pub fn forked(fork: &Fork) -> Seen {
    Seen::new(&fork.header, Fact::Forked(Forked { child_pid: fork.child_tgid, child: ProcessId(fork.child) }))
}

/// A program. `args` are the bytes that follow the record.
pub fn executed(exec: &Exec, args: &[u8], redactor: &Redactor) -> Seen {
    let paths = front(&exec.paths, exec.paths_len);
    let split = paths.len().min(exec.exe_len as usize);
    let args = front(args, exec.args_len);
    let args = args.strip_suffix(b"\0").unwrap_or(args);
    let mut argv: Vec<String> = args
        .split(|byte| *byte == 0)
        .take(ARGUMENTS + 1)
        .map(|arg| String::from_utf8_lossy(arg).into_owned())
        .collect();
    if args.is_empty() {
        argv.clear();
    }
    let too_many = argv.len() > ARGUMENTS;
    argv.truncate(ARGUMENTS);
    let fact = Executed {
        exe: redactor.path(&path(&paths[..split], false)).into_owned(),
        dev: exec.dev,
        ino: exec.ino,
        argv: redactor.argv(&argv),
        argv_truncated: too_many || exec.header.flags & (ARGS_CUT | ARGS_UNREADABLE) != 0,
        cwd: redactor.path(&path(&paths[split..], false)).into_owned(),
        uid: exec.uid,
        cgroup: exec.cgroup,
    };
    Seen::new(&exec.header, Fact::Executed(fact))
}

/// An end; the code as wait(2) encodes it.
pub fn exited(exit: &Exit) -> Seen {
    let signal = (exit.code & 0x7f) as u8;
    let fact = if signal == 0 {
        Exited { code: Some((exit.code >> 8 & 0xff) as u8), signal: None }
    } else {
        Exited { code: None, signal: Some(signal) }
    };
    Seen::new(&exit.header, Fact::Exited(fact))
}

#[cfg(test)]
mod tests {
    use monitor_common::process::PATHS;
    use monitor_common::record::Header;
    use zerocopy::FromZeros;

    use super::*;
    use crate::secret::Fingerprinter;

    fn exec(paths: &[u8], exe_len: u32, args: &[u8]) -> Executed {
        let mut record = Exec::new_zeroed();
        record.paths[..paths.len()].copy_from_slice(paths);
        record.paths_len = paths.len() as u32;
        record.exe_len = exe_len;
        record.args_len = args.len() as u32;
        match executed(&record, args, &Redactor::new(Fingerprinter::new(&[7; 32]))).fact {
            Fact::Executed(executed) => executed,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_and_arguments_are_taken_apart() {
        let executed = exec(b"curl\0bin\0usr\0repo\0home\0", 13, b"curl\0-s\0\0https://x\0");
        assert_eq!(executed.exe, "/usr/bin/curl");
        assert_eq!(executed.cwd, "/home/repo");
        assert_eq!(executed.argv, ["curl", "-s", "", "https://x"]);
        assert!(!executed.argv_truncated);
    }

    #[test]
    fn a_token_in_a_path_is_hidden() {
        let token = "ghp_16C7e42F292c6912E7710c838347Ae178B4a";
        let executed = exec(format!("x\0{token}\0tmp\0{token}\0tmp\0").as_bytes(), 47, b"x\0");
        for path in [executed.exe, executed.cwd] {
            assert!(path.starts_with("/tmp/‹fp:") && !path.contains(token), "{path}");
        }
    }

    #[test]
    fn lengths_beyond_the_record_are_harmless() {
        let executed = exec(&[b'a'; PATHS], u32::MAX, b"");
        assert!(executed.argv.is_empty());
        assert_eq!(executed.cwd, "/");
    }

    #[test]
    fn exits_are_told_apart() {
        let exit = |code| match exited(&Exit { header: Header::default(), code, pad: 0 }).fact {
            Fact::Exited(exited) => (exited.code, exited.signal),
            other => panic!("{other:?}"),
        };
        assert_eq!(exit(0x0300), (Some(3), None));
        assert_eq!(exit(9), (None, Some(9)));
        assert_eq!(exit(0x8b), (None, Some(11)));
    }
}
