//! The processes of a session: who started whom, and what each ran.
//!
//! A process that ended and left no trace in the evidence may be forgotten to bound memory; one that met a credential
//! or had a finding is kept with all its ancestors. Nothing is judged here.

use std::collections::{BTreeMap, VecDeque};

use super::Moment;
use crate::event::{Executed, Exited, ProcessId};

/// Processes kept at once. A day of an agent that builds software is some 100,000 processes, nearly all of them ended
/// and without a trace: forgetting those keeps the rest of any honest session. With the limits below, a hostile one
/// costs 50 MB.
const MAX_PROCESSES: usize = 8192;

/// Programs kept per process. Wrappers that become one another are two or three; the newest are kept.
const MAX_IMAGES: usize = 4;

/// Bytes of arguments kept per program: what a screen shows, with room; the event itself has all of them.
const MAX_ARGV_BYTES: usize = 1024;

/// Bytes kept of the path of a program, its end.
const MAX_EXE_BYTES: usize = 256;

/// Ancestors followed. The kernel's own limit on nesting is far lower in practice.
const MAX_DEPTH: usize = 256;

/// A program a process ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    pub at: Moment,
    /// Path of the executable, its last [`MAX_EXE_BYTES`].
    pub exe: String,
    /// Its arguments, cut at [`MAX_ARGV_BYTES`].
    pub argv: Vec<String>,
    /// There were more.
    pub argv_cut: bool,
}

impl Image {
    fn new(at: Moment, executed: &Executed) -> Self {
        let mut room = MAX_ARGV_BYTES;
        let mut argv = Vec::new();
        let mut argv_cut = executed.argv_truncated;
        for argument in &executed.argv {
            if argument.len() + 1 > room {
                argv.push(argument[..argument.floor_char_boundary(room)].to_owned());
                argv_cut = true;
                break;
            }
            room -= argument.len() + 1;
            argv.push(argument.clone());
        }
        let exe = &executed.exe;
        let end = exe.ceil_char_boundary(exe.len().saturating_sub(MAX_EXE_BYTES));
        Self { at, exe: exe[end..].to_owned(), argv, argv_cut }
    }

    /// The file name of the executable: argument 0 is only what the process says of itself.
    fn name(&self) -> &str {
        let exe = base_name(&self.exe);
        if exe.is_empty() { self.argv.first().map_or("", |argument| base_name(argument)) } else { exe }
    }
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// One process.
#[derive(Clone, Debug, Default)]
pub struct Process {
    /// Its process id on the host.
    pub pid: u32,
    /// Its parent, if its start was seen.
    pub parent: Option<ProcessId>,
    /// When it was forked, if that was seen.
    pub forked: Option<Moment>,
    /// What it ran, oldest first.
    pub images: Vec<Image>,
    /// How and when it ended.
    pub exited: Option<(Moment, Exited)>,
    children: u32,
    kept: bool,
}

/// All processes of a session.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    processes: BTreeMap<ProcessId, Process>,
    root: Option<ProcessId>,
    forgettable: VecDeque<ProcessId>,
    refused: u64,
}

impl Tree {
    /// A process acted: it is known from now on, and the first one is the root.
    pub(super) fn saw(&mut self, process: ProcessId, pid: u32) {
        self.insert(process, Process { pid, ..Process::default() });
    }

    pub(super) fn forked(&mut self, at: Moment, parent: ProcessId, child: ProcessId, child_pid: u32) {
        // A child that acted before its fork was reported is only given its parent: ids are never reused.
        if parent == child || self.chain(parent).contains(&child) {
            return;
        }
        self.insert(child, Process { pid: child_pid, ..Process::default() });
        let Some(process) = self.processes.get_mut(&child) else { return };
        if process.parent.is_some() || self.root == Some(child) {
            return;
        }
        process.parent = Some(parent);
        process.forked = Some(at);
        if let Some(parent) = self.processes.get_mut(&parent) {
            parent.children += 1;
        }
    }

    pub(super) fn executed(&mut self, at: Moment, process: ProcessId, executed: &Executed) {
        if let Some(process) = self.processes.get_mut(&process) {
            if process.images.len() == MAX_IMAGES {
                process.images.remove(0);
            }
            process.images.push(Image::new(at, executed));
        }
    }

    pub(super) fn exited(&mut self, at: Moment, process: ProcessId, exited: &Exited) {
        let Some(entry) = self.processes.get_mut(&process) else { return };
        let first = entry.exited.is_none();
        entry.exited = Some((at, exited.clone()));
        if first && entry.children == 0 {
            self.forgettable.push_back(process);
        }
    }

    /// Keeps a process, and so its ancestors, until the end of the session: evidence names it.
    pub(super) fn keep(&mut self, process: ProcessId) {
        if let Some(process) = self.processes.get_mut(&process) {
            process.kept = true;
        }
    }

    fn insert(&mut self, id: ProcessId, process: Process) {
        if self.processes.contains_key(&id) {
            return;
        }
        if self.processes.len() >= MAX_PROCESSES && !self.forget_one() {
            self.refused += 1;
            return;
        }
        self.root.get_or_insert(id);
        self.processes.insert(id, process);
    }

    /// Forgets the process that ended first among those nothing refers to.
    fn forget_one(&mut self) -> bool {
        while let Some(id) = self.forgettable.pop_front() {
            let Some(process) = self.processes.get(&id) else { continue };
            if process.kept || process.children > 0 || self.root == Some(id) {
                continue;
            }
            let parent = process.parent;
            self.processes.remove(&id);
            if let Some((id, parent)) = parent.and_then(|id| Some((id, self.processes.get_mut(&id)?))) {
                parent.children = parent.children.saturating_sub(1);
                if parent.children == 0 && parent.exited.is_some() {
                    self.forgettable.push_back(id);
                }
            }
            return true;
        }
        false
    }

    /// The process everything started from.
    pub fn root(&self) -> Option<ProcessId> {
        self.root
    }

    /// One process.
    pub fn get(&self, process: ProcessId) -> Option<&Process> {
        self.processes.get(&process)
    }

    /// Processes that were not recorded because too many were alive or in evidence.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// `process` and its ancestors, oldest first.
    pub fn chain(&self, process: ProcessId) -> Vec<ProcessId> {
        let mut chain = vec![process];
        let mut at = process;
        while let Some(parent) = self.processes.get(&at).and_then(|process| process.parent) {
            if chain.len() == MAX_DEPTH {
                break;
            }
            chain.push(parent);
            at = parent;
        }
        chain.reverse();
        chain
    }

    /// What `process` ran when the event `seq` happened; a child that has run nothing yet runs what its parent ran.
    pub fn image_at(&self, process: ProcessId, seq: u64) -> Option<&Image> {
        let (mut process, mut seq) = (self.processes.get(&process)?, seq);
        for _ in 0..MAX_DEPTH {
            if let Some(image) = process.images.iter().rev().find(|image| image.at.seq <= seq) {
                return Some(image);
            }
            seq = process.forked?.seq;
            process = self.processes.get(&process.parent?)?;
        }
        None
    }

    /// The name of what `process` ran when the event `seq` happened, `?` if that was not seen.
    pub fn name_at(&self, process: ProcessId, seq: u64) -> &str {
        self.image_at(process, seq).map(Image::name).filter(|name| !name.is_empty()).unwrap_or("?")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn at(seq: u64) -> Moment {
        Moment { seq, time: Timestamp(seq) }
    }

    fn program(path: &str) -> Executed {
        Executed {
            exe: path.to_owned(),
            dev: 0,
            ino: 0,
            argv: vec![path.to_owned()],
            argv_truncated: false,
            cwd: "/".to_owned(),
            uid: 0,
            cgroup: 0,
        }
    }

    const GONE: Exited = Exited { code: Some(0), signal: None };

    #[test]
    fn a_process_is_called_by_what_it_ran_at_the_time() {
        let mut tree = Tree::default();
        tree.saw(ProcessId(1), 1);
        tree.executed(at(1), ProcessId(1), &program("/bin/sh"));
        tree.forked(at(2), ProcessId(1), ProcessId(2), 2);
        tree.executed(at(4), ProcessId(1), &program("/usr/bin/node"));
        tree.executed(at(6), ProcessId(2), &program("/usr/bin/curl"));
        let names = |process, seqs: [u64; 4]| seqs.map(|seq| tree.name_at(ProcessId(process), seq));
        assert_eq!(names(1, [0, 1, 3, 4]), ["?", "sh", "sh", "node"]);
        assert_eq!(names(2, [3, 5, 6, 9]), ["sh", "sh", "curl", "curl"]);
        assert_eq!(tree.chain(ProcessId(2)), [ProcessId(1), ProcessId(2)]);
    }

    #[test]
    fn forks_cannot_make_a_ring() {
        let mut tree = Tree::default();
        tree.saw(ProcessId(1), 1);
        tree.forked(at(1), ProcessId(1), ProcessId(2), 2);
        tree.forked(at(2), ProcessId(2), ProcessId(1), 1);
        tree.forked(at(3), ProcessId(2), ProcessId(2), 2);
        tree.forked(at(4), ProcessId(9), ProcessId(2), 2);
        assert_eq!(tree.chain(ProcessId(2)), [ProcessId(1), ProcessId(2)]);
    }

    #[test]
    fn ended_processes_make_room_but_evidence_stays() {
        let mut tree = Tree::default();
        tree.saw(ProcessId(1), 1);
        for id in 2..100_000 {
            tree.forked(at(id), ProcessId(1), ProcessId(id), 2);
            if id == 50 {
                tree.keep(ProcessId(id));
            }
            tree.exited(at(id), ProcessId(id), &GONE);
        }
        assert_eq!(tree.processes.len(), MAX_PROCESSES);
        assert_eq!(tree.refused(), 0);
        assert!(tree.get(ProcessId(50)).is_some() && tree.get(ProcessId(51)).is_none());
        assert!(tree.get(ProcessId(99_999)).is_some());
    }

    #[test]
    fn too_many_living_processes_are_counted() {
        let mut tree = Tree::default();
        for id in 1..=MAX_PROCESSES as u64 + 7 {
            tree.saw(ProcessId(id), 1);
        }
        assert_eq!((tree.processes.len(), tree.refused()), (MAX_PROCESSES, 7));
    }
}
