//! The kernel half's maps as the rest of the program sees them: members, gates, sockets, losses.

use std::collections::BTreeMap;
use std::io;

use aya::Ebpf;
use aya::maps::{HashMap, Map, MapData, MapError, RingBuf};
use monitor_common::gate::{Gate, Release};
use monitor_common::record::{LossKey, kind};
use monitor_common::session::{ARMED, LAUNCHER, Member};
use monitor_common::socket::{OPEN, Socket};

use super::load::{LoadError, Loaded};
use super::rings::Rings;

/// `BPF_NOEXIST`: add an entry, never write over one of the kernel half's.
const NEW: u64 = 1;

/// Why the gate could not be moved.
#[derive(Debug, thiserror::Error)]
#[error("the kernel refused to change the map {map}")]
pub struct GateError {
    map: &'static str,
    source: MapError,
}

/// The kernel half at work.
pub struct Sensor {
    sessions: HashMap<MapData, u32, Member>,
    gates: HashMap<MapData, u64, Gate>,
    releases: HashMap<MapData, u64, Release>,
    sockets: HashMap<MapData, u64, Socket>,
    states: HashMap<MapData, u64, u32>,
    losses: HashMap<MapData, LossKey, u64>,
    /// Losses told so far.
    told: BTreeMap<(u64, u32), u64>,
    /// Holds programs and links; dropping it takes them out.
    _ebpf: Ebpf,
}

impl Sensor {
    /// Takes the kernel half over: its maps, and apart from them its rings.
    ///
    /// # Errors
    /// The object lacks a map, which means that the two halves do not fit together.
    pub fn new(loaded: Loaded) -> Result<(Self, Rings), LoadError> {
        let mut ebpf = loaded.ebpf;
        let mut take = |name: &'static str| ebpf.take_map(name).ok_or(LoadError::NoMap(name));
        fn typed<T: TryFrom<Map, Error = MapError>>(name: &'static str, map: Map) -> Result<T, LoadError> {
            T::try_from(map).map_err(|_kind| LoadError::NoMap(name))
        }
        let events: RingBuf<MapData> = typed("EVENTS", take("EVENTS")?)?;
        let plaintext: RingBuf<MapData> = typed("PLAINTEXT", take("PLAINTEXT")?)?;
        let sensor = Self {
            sessions: typed("SESSIONS", take("SESSIONS")?)?,
            gates: typed("GATE", take("GATE")?)?,
            releases: typed("RELEASE", take("RELEASE")?)?,
            sockets: typed("SOCKETS_BY_COOKIE", take("SOCKETS_BY_COOKIE")?)?,
            states: typed("STATES", take("STATES")?)?,
            losses: typed("LOSSES", take("LOSSES")?)?,
            told: BTreeMap::new(),
            _ebpf: ebpf,
        };
        Ok((sensor, Rings::new(events, plaintext)))
    }

    /// From now on the children this process makes belong to `session`, until [`Self::launched`].
    ///
    /// # Errors
    /// The kernel refused.
    pub fn launch(&mut self, session: u64, armed: bool) -> Result<(), GateError> {
        let flags = LAUNCHER | if armed { ARMED } else { 0 };
        let member = Member { session, process: 0, flags, pad: 0 };
        self.sessions
            .insert(std::process::id(), member, 0)
            .map_err(|source| GateError { map: "SESSIONS", source })
    }

    /// Ends what [`Self::launch`] began.
    ///
    /// # Errors
    /// The kernel refused.
    pub fn launched(&mut self) -> Result<(), GateError> {
        self.sessions.remove(&std::process::id()).map_err(|source| GateError { map: "SESSIONS", source })
    }

    /// A process's membership now.
    pub fn member(&self, tgid: u32) -> Option<Member> {
        self.sessions.get(&tgid, 0).ok()
    }

    /// Members of a session now, by process id.
    pub fn members(&self, session: u64) -> Vec<u32> {
        let entries = self.sessions.iter().flatten();
        entries
            .filter(|(_, member)| member.session == session && member.flags & LAUNCHER == 0)
            .map(|(tgid, _)| tgid)
            .collect()
    }

    /// What the kernel half knows of a process's gated writes.
    pub fn gate(&self, process: u64) -> Option<Gate> {
        self.gates.get(&process, 0).ok()
    }

    /// Every process with gated writes.
    pub fn gates(&self) -> Vec<(u64, Gate)> {
        self.gates.iter().flatten().collect()
    }

    /// Tells the kernel half how many of a process's writes are judged; packets pass when all are.
    ///
    /// # Errors
    /// The kernel refused; the packets stay held.
    pub fn judged(&mut self, process: u64, writes: u64) -> Result<(), GateError> {
        self.releases
            .insert(process, Release { judged: writes }, 0)
            .map_err(|source| GateError { map: "RELEASE", source })
    }

    /// Forgets a process that has ended with nothing left to judge.
    pub fn forget(&mut self, process: u64) {
        // Either may be missing; then there is nothing to forget.
        let _ = self.gates.remove(&process);
        let _ = self.releases.remove(&process);
    }

    /// The cookies of the sockets a process has connected.
    pub fn sockets_of(&self, process: u64) -> Vec<u64> {
        let entries = self.sockets.iter().flatten();
        entries.filter(|(_, socket)| socket.process == process).map(|(cookie, _)| cookie).collect()
    }

    /// Whether a socket is known and not gone yet.
    pub fn knows_socket(&self, cookie: u64) -> bool {
        self.sockets.get(&cookie, 0).is_ok()
    }

    /// Makes a socket known that no member connected: it was inherited, or is older than the session.
    ///
    /// # Errors
    /// The kernel refused: the table is full.
    pub fn add_socket(&mut self, cookie: u64, owner: Socket) -> Result<(), GateError> {
        match self.sockets.insert(cookie, owner, NEW) {
            // Known already.
            Err(MapError::SyscallError(error)) if error.io_error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(())
            }
            done => done.map_err(|source| GateError { map: "SOCKETS_BY_COOKIE", source }),
        }
    }

    /// Sets what may leave a socket: one of the states of `monitor_common::socket`. Of a socket that is gone nothing can.
    ///
    /// # Errors
    /// The kernel refused: the table is full.
    pub fn set_socket(&mut self, cookie: u64, state: u32) -> Result<(), GateError> {
        self.states.insert(cookie, state, 0).map_err(|source| GateError { map: "STATES", source })?;
        // Gone before it was marked: nobody else would take the mark out again.
        if !self.knows_socket(cookie) {
            let _ = self.states.remove(&cookie);
        }
        Ok(())
    }

    /// Every socket of a session that is not gone yet, with its owner and how much was dropped on it.
    pub fn sockets(&self, session: u64) -> Vec<(u64, Socket)> {
        self.sockets.iter().flatten().filter(|(_, socket)| socket.session == session).collect()
    }

    /// What may leave a socket.
    pub fn state(&self, cookie: u64) -> u32 {
        self.states.get(&cookie, 0).unwrap_or(OPEN)
    }

    /// Losses of a session since the last call, by the name of their kind.
    pub fn losses(&mut self, session: u64) -> Vec<(&'static str, u64)> {
        let mut fresh = Vec::new();
        for (key, count) in self.losses.iter().flatten() {
            if key.session != session {
                continue;
            }
            let told = self.told.entry((key.session, key.kind)).or_default();
            if count > *told {
                let name = kind::NAMES.get(key.kind as usize).copied().unwrap_or("unknown");
                fresh.push((name, count - *told));
                *told = count;
            }
        }
        fresh
    }
}
