//! Records of connections into facts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use monitor_common::socket::{Connect, Hello};

use super::Seen;
use crate::event::{Connected, Fact, ServerNamed};
use crate::protocol::client_hello::client_hello;

/// IPPROTO_UDP
const UDP: u8 = 17;

/// A connect.
pub fn connected(connect: &Connect) -> Seen {
    let [a, b, c, d, ..] = connect.address;
    let address: IpAddr = if connect.version == 4 {
        Ipv4Addr::new(a, b, c, d).into()
    } else {
        Ipv6Addr::from(connect.address).into()
    };
    let fact = Connected {
        socket: connect.cookie,
        peer: SocketAddr::new(address.to_canonical(), connect.port),
        protocol: if connect.protocol == UDP { "udp".to_owned() } else { "tcp".to_owned() },
    };
    Seen::new(&connect.header, Fact::Connected(fact))
}

/// The first payload of a connection, if it is a ClientHello.
pub fn named(hello: &Hello, bytes: &[u8]) -> Option<Seen> {
    let said = client_hello(bytes).ok()?;
    let fact = ServerNamed { socket: hello.cookie, name: said.name, alpn: said.alpn };
    Some(Seen::new(&hello.header, Fact::ServerNamed(fact)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_both_kinds() {
        fn check(version: u8, address: &[u8], expect: &str) {
            let mut bytes = [0; 16];
            bytes[..address.len()].copy_from_slice(address);
            let seen =
                connected(&Connect { version, address: bytes, port: 443, protocol: 6, ..Connect::default() });
            let Fact::Connected(connected) = seen.fact else { panic!() };
            assert_eq!(connected.peer.to_string(), expect);
        }
        check(4, &[127, 0, 0, 1], "127.0.0.1:443");
        check(6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], "[::1]:443");
        check(6, &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1], "10.0.0.1:443");
    }
}
