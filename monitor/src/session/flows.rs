//! The connections of a session: sockets with their peers and server names, TLS connections with their requests.
//!
//! The kernel names sockets, the TLS library names its connections, and nothing ties the two together yet. So a TLS
//! connection is taken to run over any of its process's TCP sockets that may carry it. Bias: when several may, all of
//! them count, and a destination that was not seen is told as unknown rather than guessed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{IpAddr, SocketAddr};

use super::{Moment, Tree};
use crate::event::{Connected, ProcessId, Request, ServerNamed, TlsOpened};

/// Sockets kept, the newest. An agent and its tools hold some dozens at a time.
const MAX_SOCKETS: usize = 4096;

/// TLS connections kept, the newest.
const MAX_STREAMS: usize = 4096;

/// Server names and addresses considered for one TLS connection; a process that exceeds it is told as unknown.
const MAX_CANDIDATES: usize = 16;

/// Ancestors asked for an inherited socket; servers that fork workers have one or two between.
const MAX_OWNERS: usize = 8;

/// Requests kept whole because a finding is about them.
const MAX_NOTED: usize = 256;

/// One socket.
#[derive(Clone, Debug)]
struct Socket {
    process: ProcessId,
    connected: Option<(Moment, Connected)>,
    named: Option<(Moment, Option<String>)>,
}

/// One TLS connection of one process.
#[derive(Clone, Debug)]
struct Stream {
    /// Tells it from another that later has the same number.
    generation: u64,
    opened: Option<(Moment, String)>,
    /// The newest request: its index and when it was first reported.
    current: Option<(u64, Moment)>,
}

/// Names one request, or all of a TLS connection that cannot be read (`index` None), for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestKey {
    pub process: ProcessId,
    pub stream: u64,
    /// Connections may have the same number one after the other; this tells them apart.
    pub generation: u64,
    pub index: Option<u64>,
}

/// Where a TLS connection goes, as far as it was seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Destination {
    /// Server names its process asked for on sockets that may carry it, the one most likely first.
    pub names: Vec<String>,
    /// Addresses of those sockets; empty if none was seen, or too many.
    pub peers: Vec<SocketAddr>,
    /// Seqs of the `connected` and `server_named` events.
    pub evidence: Vec<u64>,
    /// The probe that saw the plaintext.
    pub probe: Option<String>,
}

impl Destination {
    /// The addresses, without ports.
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.peers.iter().map(SocketAddr::ip).collect()
    }
}

/// A request a finding is about.
#[derive(Clone, Debug, PartialEq)]
pub struct Noted {
    pub request: Option<Request>,
    pub destination: Destination,
}

/// All connections of a session.
#[derive(Clone, Debug, Default)]
pub struct Flows {
    sockets: BTreeMap<u64, Socket>,
    socket_order: VecDeque<u64>,
    streams: BTreeMap<(ProcessId, u64), Stream>,
    stream_order: VecDeque<(ProcessId, u64)>,
    forgotten: u64,
    noted: BTreeMap<u64, Noted>,
}

impl Flows {
    pub(super) fn connected(&mut self, at: Moment, process: ProcessId, connected: &Connected) {
        let socket = self.socket(connected.socket, process);
        socket.process = process;
        socket.connected = Some((at, connected.clone()));
    }

    pub(super) fn named(&mut self, at: Moment, process: ProcessId, named: &ServerNamed) {
        self.socket(named.socket, process).named = Some((at, named.name.clone()));
    }

    fn socket(&mut self, cookie: u64, process: ProcessId) -> &mut Socket {
        if !self.sockets.contains_key(&cookie) {
            if self.sockets.len() == MAX_SOCKETS
                && let Some(oldest) = self.socket_order.pop_front()
            {
                self.sockets.remove(&oldest);
                self.forgotten += 1;
            }
            self.socket_order.push_back(cookie);
        }
        self.sockets.entry(cookie).or_insert(Socket { process, connected: None, named: None })
    }

    pub(super) fn opened(&mut self, at: Moment, process: ProcessId, opened: &TlsOpened) {
        let stream = self.stream(at, process, opened.stream);
        // A number that is opened again belongs to a new connection.
        *stream = Stream { generation: at.seq, opened: Some((at, opened.probe.clone())), current: None };
    }

    pub(super) fn requested(&mut self, at: Moment, process: ProcessId, request: &Request) {
        let stream = self.stream(at, process, request.stream);
        if stream.current.is_none_or(|(index, _)| index != request.index) {
            stream.current = Some((request.index, at));
        }
    }

    pub(super) fn unread(&mut self, at: Moment, process: ProcessId, stream: u64) {
        self.stream(at, process, stream);
    }

    fn stream(&mut self, at: Moment, process: ProcessId, number: u64) -> &mut Stream {
        let key = (process, number);
        if !self.streams.contains_key(&key) {
            if self.streams.len() == MAX_STREAMS
                && let Some(oldest) = self.stream_order.pop_front()
            {
                self.streams.remove(&oldest);
                self.forgotten += 1;
            }
            self.stream_order.push_back(key);
        }
        self.streams.entry(key).or_insert(Stream { generation: at.seq, opened: None, current: None })
    }

    /// A new program has none of the old one's TLS connections, and may number its own the same.
    pub(super) fn executed(&mut self, process: ProcessId) {
        let gone: Vec<_> =
            self.streams.range((process, 0)..=(process, u64::MAX)).map(|(key, _)| *key).collect();
        if !gone.is_empty() {
            self.stream_order.retain(|(owner, _)| *owner != process);
        }
        for key in gone {
            self.streams.remove(&key);
        }
    }

    /// The name for good of a request, or of a whole connection.
    pub fn key(&self, process: ProcessId, stream: u64, index: Option<u64>) -> RequestKey {
        let generation = self.streams.get(&(process, stream)).map_or(0, |stream| stream.generation);
        RequestKey { process, stream, generation, index }
    }

    /// When the newest request of a connection was first reported, and when the connection was opened.
    pub(super) fn steps(&self, process: ProcessId, stream: u64) -> Vec<u64> {
        self.streams.get(&(process, stream)).map_or_else(Vec::new, |stream| {
            let opened = stream.opened.as_ref().map(|(at, _)| at.seq);
            opened.into_iter().chain(stream.current.map(|(_, at)| at.seq)).collect()
        })
    }

    /// Where connection `stream` of `process` may go. `host` is what the request says.
    ///
    /// A process without a socket of its own uses one it inherited, so then its nearest ancestor with sockets is asked.
    pub fn destination(
        &self,
        tree: &Tree,
        process: ProcessId,
        stream: u64,
        host: Option<&str>,
    ) -> Destination {
        let mut carriers: Vec<&Socket> = Vec::new();
        for owner in tree.chain(process).into_iter().rev().take(MAX_OWNERS) {
            let newest_first = self.socket_order.iter().rev().filter_map(|cookie| self.sockets.get(cookie));
            carriers.extend(newest_first.filter(|socket| socket.process == owner && socket.may_carry_tls()));
            if !carriers.is_empty() {
                break;
            }
        }
        // Where the request names a server that was asked for, other servers of the process are not meant; a socket
        // whose ClientHello was not seen still may be.
        let host = host.map(without_port);
        if host.is_some() && carriers.iter().any(|socket| socket.name() == host) {
            carriers.retain(|socket| socket.name() == host || socket.name().is_none());
            carriers.sort_by_key(|socket| socket.name() != host);
        }
        let mut destination = Destination {
            probe: self
                .streams
                .get(&(process, stream))
                .and_then(|stream| stream.opened.as_ref())
                .map(|(_, probe)| probe.clone()),
            ..Destination::default()
        };
        let mut seen = BTreeSet::new();
        for socket in carriers.iter().take(MAX_CANDIDATES) {
            if let Some((at, Some(name))) = &socket.named {
                destination.evidence.push(at.seq);
                if !destination.names.contains(name) {
                    destination.names.push(name.clone());
                }
            }
            if let Some((at, connected)) = &socket.connected {
                destination.evidence.push(at.seq);
                if seen.insert(connected.peer) {
                    destination.peers.push(connected.peer);
                }
            }
        }
        if carriers.len() > MAX_CANDIDATES {
            destination.peers.clear();
        }
        destination
    }

    /// Keeps what a finding at event `seq` is about, for its explanation.
    pub(super) fn note(&mut self, seq: u64, noted: Noted) {
        if self.noted.len() < MAX_NOTED {
            self.noted.insert(seq, noted);
        }
    }

    /// What the finding at event `seq` is about, unless there were too many.
    pub fn noted(&self, seq: u64) -> Option<&Noted> {
        self.noted.get(&seq)
    }

    pub(super) fn not_seen(&self, sentences: &mut Vec<String>) {
        if self.forgotten > 0 {
            sentences.push(format!(
                "{} connections were forgotten: more than {MAX_SOCKETS} were made.",
                self.forgotten
            ));
        }
    }
}

impl Socket {
    fn name(&self) -> Option<&str> {
        self.named.as_ref().and_then(|(_, name)| name.as_deref())
    }

    fn may_carry_tls(&self) -> bool {
        self.named.is_some()
            || self.connected.as_ref().is_none_or(|(_, connected)| connected.protocol != "udp")
    }
}

/// `host` of `host:port`; an IPv6 address in brackets stays as it is.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if !name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn at(seq: u64) -> Moment {
        Moment { seq, time: Timestamp(seq) }
    }

    /// Sockets as `process socket peer name`, `-` for what was not seen.
    fn flows(sockets: &[&str]) -> (Flows, Tree) {
        let (mut flows, mut tree) = (Flows::default(), Tree::default());
        tree.saw(ProcessId(1), 1);
        tree.forked(at(1), ProcessId(1), ProcessId(2), 2);
        for (seq, line) in (2..).zip(sockets) {
            let parts: Vec<&str> = line.split(' ').collect();
            let process = ProcessId(parts[0].parse().unwrap());
            let socket = parts[1].parse().unwrap();
            if parts[2] != "-" {
                let (protocol, peer) = parts[2].split_once('/').unwrap();
                let connected =
                    Connected { socket, peer: peer.parse().unwrap(), protocol: protocol.to_owned() };
                flows.connected(at(seq * 10), process, &connected);
            }
            if parts[3] != "-" {
                let named = ServerNamed { socket, name: Some(parts[3].to_owned()), alpn: Vec::new() };
                flows.named(at(seq * 10 + 1), process, &named);
            }
        }
        (flows, tree)
    }

    #[test]
    fn destinations() {
        for (what, sockets, process, host, names, peers) in [
            ("nothing seen", &[][..], 2, Some("a.test"), &[][..], &[][..]),
            ("one", &["2 7 tcp/192.0.2.1:443 a.test"], 2, Some("a.test"), &["a.test"], &["192.0.2.1:443"]),
            (
                "host with port",
                &["2 7 tcp/192.0.2.1:443 a.test"],
                2,
                Some("a.test:443"),
                &["a.test"],
                &["192.0.2.1:443"],
            ),
            (
                "the named one of several, and one that named nobody",
                &["2 7 tcp/192.0.2.1:443 a.test", "2 8 tcp/192.0.2.2:443 b.test", "2 9 tcp/192.0.2.3:443 -"],
                2,
                Some("a.test"),
                &["a.test"],
                &["192.0.2.1:443", "192.0.2.3:443"],
            ),
            (
                "a host nobody asked for: all, the newest first",
                &["2 7 tcp/192.0.2.1:443 a.test", "2 8 tcp/192.0.2.2:443 b.test"],
                2,
                Some("front.test"),
                &["b.test", "a.test"],
                &["192.0.2.2:443", "192.0.2.1:443"],
            ),
            ("not by name resolution", &["2 7 udp/192.0.2.53:53 -"], 2, Some("a.test"), &[], &[]),
            (
                "inherited",
                &["1 7 tcp/192.0.2.1:443 a.test"],
                2,
                Some("a.test"),
                &["a.test"],
                &["192.0.2.1:443"],
            ),
            ("not a child's", &["2 7 tcp/192.0.2.1:443 a.test"], 1, Some("a.test"), &[], &[]),
        ] {
            let (flows, tree) = flows(sockets);
            let destination = flows.destination(&tree, ProcessId(process), 1, host);
            assert_eq!(destination.names, names, "{what}");
            let found: Vec<String> = destination.peers.iter().map(ToString::to_string).collect();
            assert_eq!(found, peers, "{what}");
        }
    }

    #[test]
    fn a_number_used_again_names_another_request() {
        let mut flows = Flows::default();
        let opened = TlsOpened { stream: 5, probe: "openssl:SSL_write".to_owned() };
        flows.opened(at(1), ProcessId(1), &opened);
        let first = flows.key(ProcessId(1), 5, Some(0));
        flows.unread(at(2), ProcessId(1), 5);
        assert_eq!(flows.key(ProcessId(1), 5, Some(0)), first);
        flows.executed(ProcessId(1));
        flows.unread(at(3), ProcessId(1), 5);
        let second = flows.key(ProcessId(1), 5, Some(0));
        assert_ne!(second, first);
        flows.opened(at(4), ProcessId(1), &opened);
        assert_ne!(flows.key(ProcessId(1), 5, Some(0)), second);
    }

    #[test]
    fn floods_are_bounded_and_told() {
        let mut flows = Flows::default();
        for n in 0..MAX_SOCKETS as u64 + 5 {
            let named = ServerNamed { socket: n, name: None, alpn: Vec::new() };
            flows.named(at(n), ProcessId(1), &named);
            flows.unread(at(n), ProcessId(1), n);
        }
        assert_eq!((flows.sockets.len(), flows.streams.len()), (MAX_SOCKETS, MAX_STREAMS));
        let mut sentences = Vec::new();
        flows.not_seen(&mut sentences);
        assert_eq!(sentences, ["10 connections were forgotten: more than 4096 were made."]);
    }
}
