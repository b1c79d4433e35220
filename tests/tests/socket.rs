//! Connections: where to, and which server was meant.

use std::net::{TcpListener, UdpSocket};

use holdfire_tests::client::{curl, url};
use holdfire_tests::holdfire::Holdfire;
use holdfire_tests::host::{Need, limit};
use holdfire_tests::needs;
use holdfire_tests::process::Running;
use monitor::demo::{HOST, Scene};

#[test]
fn connections_and_servers_are_named() {
    needs!(Need::Monitor, Need::Program("curl"), Need::Program("zstd"));
    let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
    let words = curl(&scene, limit(), &[&url(&scene, "/v1/volumes")]);
    Running::start(&mut holdfire.run(&["--mode", "observe"], words)).finish(limit()).expect_code(0);
    let connected = holdfire.events("connected");
    let peer = format!("127.0.0.1:{}", scene.server.port());
    let to_server = connected.iter().find(|event| event["peer"] == peer.as_str());
    let socket = &to_server.unwrap_or_else(|| panic!("{connected:?}"))["socket"];
    let named = holdfire.events("server_named");
    let hello = named.iter().find(|event| &event["socket"] == socket).unwrap_or_else(|| panic!("{named:?}"));
    assert_eq!(hello["name"], HOST);
    assert!(hello["alpn"].as_array().unwrap().iter().any(|protocol| protocol == "http/1.1"), "{hello}");
}

#[test]
fn connections_over_ipv6_are_seen() {
    needs!(Need::Monitor, Need::Program("bash"), Need::Program("zstd"));
    let Ok(listener) = TcpListener::bind("[::1]:0") else { panic!("no IPv6 on this host's loopback") };
    let port = listener.local_addr().unwrap().port();
    let holdfire = Holdfire::new();
    let script = format!("exec 3<>/dev/tcp/::1/{port}");
    Running::start(&mut holdfire.run(&["--mode", "observe"], ["bash", "-c", &script]))
        .finish(limit())
        .expect_code(0);
    let connected = holdfire.events("connected");
    let peer = format!("[::1]:{port}");
    assert!(connected.iter().any(|event| event["peer"] == peer.as_str()), "{connected:?}");
}

#[test]
fn datagrams_pass() {
    needs!(Need::Monitor, Need::Program("bash"));
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_read_timeout(Some(limit())).unwrap();
    let script = format!("echo hello > /dev/udp/127.0.0.1/{}", receiver.local_addr().unwrap().port());
    let holdfire = Holdfire::new();
    Running::start(&mut holdfire.run(&["--mode", "enforce"], ["bash", "-c", &script]))
        .finish(limit())
        .expect_code(0);
    let mut buffer = [0; 16];
    let length = receiver.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"hello\n");
}
