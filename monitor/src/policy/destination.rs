//! How far away a request goes.
//!
//! Bias: what is not known to be near is far. A process chooses its `Host` and can send through a proxy on loopback, so
//! address and names must agree: only a loopback address under local names is this machine.

use std::net::IpAddr;

use super::{Destination, Situation};
use crate::detect::bare_host;

/// Names that no public server has: reserved by RFC 2606, 6761, 6762, 8375 and 9476, or by ICANN for private use.
const PRIVATE_SUFFIXES: [&str; 8] =
    [".internal", ".local", ".lan", ".home.arpa", ".test", ".localhost", ".svc", ".alt"];

/// How far away the request of `situation` goes: the farthest of its addresses and names.
pub(super) fn destination(situation: &Situation<'_>) -> Destination {
    let names = [situation.host, situation.server_name].into_iter().flatten().map(of_name);
    let peers = situation.peers.iter().copied().map(of_address);
    if situation.peers.is_empty() || situation.provider.is_some() {
        return Destination::Public;
    }
    // A local name alone proves nothing, and a private address may be a proxy to a public name.
    names.chain(peers).max_by_key(|destination| *destination as u8).unwrap_or(Destination::Public)
}

fn of_name(host: &str) -> Destination {
    let name = bare_host(host);
    if let Ok(address) = name.parse() {
        of_address(address)
    } else if name == "localhost" || name.ends_with(".localhost") {
        Destination::Loopback
    } else if !name.contains('.') || PRIVATE_SUFFIXES.iter().any(|suffix| name.ends_with(suffix)) {
        Destination::Private
    } else {
        Destination::Public
    }
}

fn of_address(address: IpAddr) -> Destination {
    let address = address.to_canonical();
    let private = match address {
        IpAddr::V4(v4) => v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unique_local() || v6.is_unicast_link_local(),
    };
    // Connecting to 0.0.0.0 or :: reaches this machine.
    if address.is_loopback() || address.is_unspecified() {
        Destination::Loopback
    } else if private {
        Destination::Private
    } else {
        Destination::Public
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Mode;
    use crate::policy::CredentialFacts;

    #[test]
    fn near_is_only_what_is_near_by_name_and_address() {
        use Destination::{Loopback, Private, Public};
        for (host, server_name, peers, expect) in [
            (Some("localhost:8443"), None, &["127.0.0.1"][..], Loopback),
            (Some("[::1]:8443"), Some("api.localhost"), &["::1"], Loopback),
            (Some("127.0.0.1"), None, &["::ffff:127.0.0.1", "::"], Loopback),
            (None, None, &["127.0.0.1"], Loopback),
            (Some("api.test"), None, &["127.0.0.1"], Private),
            (Some("db.svc"), None, &["10.1.2.3"], Private),
            (Some("localhost"), None, &["10.1.2.3"], Private),
            (Some("localhost"), None, &["fd00::1", "127.0.0.1"], Private),
            (Some("localhost"), None, &[], Public),
            (Some("localhost"), Some("api.example.com"), &["127.0.0.1"], Public),
            (Some("api.example.com"), None, &["127.0.0.1"], Public),
            (Some("localhost"), None, &["127.0.0.1", "1.2.3.4"], Public),
            (Some("localhost.example.com"), None, &["127.0.0.1"], Public),
        ] {
            let peers: Vec<IpAddr> = peers.iter().map(|peer| peer.parse().unwrap()).collect();
            let situation = Situation {
                effects: &[],
                blind: None,
                provider: None,
                credential: CredentialFacts::NONE,
                host,
                server_name,
                peers: &peers,
                method: None,
                tainted: false,
                mode: Mode::Hold,
            };
            assert_eq!(destination(&situation), expect, "{host:?} {server_name:?} {peers:?}");
        }
    }
}
