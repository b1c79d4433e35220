//! What processes and connections are called on the screen.

use std::collections::HashMap;

use super::row::ACTOR;
use crate::event::{Event, Fact, ProcessId};
use crate::ui;

/// Processes and sockets remembered. When there are more, the screen falls back to numbers for the later ones.
const REMEMBERED: usize = 100_000;

/// Longest name remembered, in bytes: that of a host. What is longer is cut, since a capture may be hostile.
const NAME: usize = 255;

/// Names learnt from the events so far.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Where the session works: paths below it are shown from there.
    home: String,
    programs: HashMap<ProcessId, String>,
    /// Addresses of sockets.
    peers: HashMap<u64, String>,
    /// The server each process named last.
    servers: HashMap<ProcessId, String>,
}

impl Names {
    pub(super) fn learn(&mut self, event: &Event) {
        match &event.fact {
            Fact::SessionStarted(started) => {
                self.home = format!("{}/", started.cwd.trim_end_matches('/'));
                remember(&mut self.programs, event.process, started.name.clone());
            }
            Fact::Forked(forked) => {
                if let Some(program) = self.programs.get(&event.process).cloned() {
                    remember(&mut self.programs, forked.child, program);
                }
            }
            Fact::Executed(executed) => {
                let program = executed.exe.rsplit('/').next().unwrap_or_default();
                remember(&mut self.programs, event.process, program.to_owned());
            }
            Fact::Connected(connected) => {
                remember(&mut self.peers, connected.socket, connected.peer.to_string());
            }
            Fact::ServerNamed(named) => {
                let peer = self.peers.get(&named.socket);
                let server = match (&named.name, peer) {
                    (Some(name), Some(peer)) => {
                        format!("{name}:{}", peer.rsplit(':').next().unwrap_or_default())
                    }
                    (Some(name), None) => name.clone(),
                    (None, Some(peer)) => peer.clone(),
                    (None, None) => "a server not named".to_owned(),
                };
                remember(&mut self.servers, event.process, server);
            }
            _ => {}
        }
    }

    /// `rg(4131)`, or `pid 4131` while its program is not known; empty for the monitor.
    pub(super) fn process(&self, pid: u32, process: ProcessId) -> String {
        match self.programs.get(&process) {
            _ if pid == 0 => String::new(),
            // The number tells processes apart, so the name gives way.
            Some(program) => {
                let number = format!("({pid})");
                ui::cut(program, ACTOR.saturating_sub(number.len())).into_owned() + &number
            }
            None => format!("pid {pid}"),
        }
    }

    /// `path`, from where the session works if it is below.
    pub(super) fn path<'a>(&self, path: &'a str) -> &'a str {
        // A session in / is shown whole paths.
        if self.home.len() > 1 { path.strip_prefix(self.home.as_str()).unwrap_or(path) } else { path }
    }

    /// The server a process named last.
    pub(super) fn server(&self, process: ProcessId) -> Option<&str> {
        self.servers.get(&process).map(String::as_str)
    }
}

fn remember<K: Eq + std::hash::Hash>(map: &mut HashMap<K, String>, key: K, mut name: String) {
    name.truncate(name.floor_char_boundary(NAME));
    if map.len() < REMEMBERED || map.contains_key(&key) {
        map.insert(key, name);
    }
}
