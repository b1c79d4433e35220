//! TLS writes: seen whatever the request looks like, and never changed.

use std::ffi::OsString;
use std::fs;
use std::io::Write;

use holdfire_tests::client::{curl, url, with_found_token};
use holdfire_tests::holdfire::Holdfire;
use holdfire_tests::host::{Need, limit, patience};
use holdfire_tests::process::Running;
use holdfire_tests::{linger, needs};
use monitor::demo::{HOST, Scene};

/// Runs a destructive command under `enforce`, where nothing of it arrives, and under `observe`, where it works.
#[track_caller]
fn check_denied(what: &str, command: impl Fn(&Scene) -> Vec<OsString>) {
    let scene = Scene::set().unwrap();
    let play = |mode: &str| {
        let holdfire = Holdfire::new();
        let mut session = holdfire.run(&["--mode", mode], command(&scene));
        Running::start(session.current_dir(scene.repository())).finish(limit())
    };
    let ended = play("enforce");
    linger(patience());
    let bytes: u64 = scene.server.connections().iter().map(|connection| connection.bytes).sum();
    assert_eq!((bytes, scene.server.volumes().len()), (0, 1), "{what}: {ended:?}");
    assert!(scene.server.connections().iter().any(|connection| connection.established), "{what}: {ended:?}");
    let ended = play("observe");
    assert_eq!(scene.server.volumes(), [], "{what}, only observed: {ended:?}");
}

/// The scene's volume.
fn volume(scene: &Scene) -> String {
    scene.server.volumes().first().map(|volume| volume.id.clone()).unwrap_or_default()
}

#[test]
fn a_delete_is_denied_in_every_shape() {
    needs!(Need::Monitor, Need::Program("curl"));
    let json = ["-H", "Content-Type: application/json"];
    for (shape, body, flags) in [
        ("as published", r#"{"query":"mutation { volumeDelete(volumeId: \"ID\") }"}"#, &[][..]),
        ("as JSON", r#"{"query":"mutation { volumeDelete(volumeId: \"ID\") }"}"#, &json[..]),
        (
            "with variables",
            r#"{"variables":{"v":"ID"},"query":"mutation D($v: String!) { volumeDelete(volumeId: $v) }"}"#,
            &json[..],
        ),
        ("under an alias", r#"{"query":"mutation { volume: volumeDelete(volumeId: \"ID\") }"}"#, &json[..]),
        (
            "in a fragment",
            r#"{"query":"mutation { ...f } fragment f on Mutation { volumeDelete(volumeId: \"ID\") }"}"#,
            &json[..],
        ),
        (
            "in chunks",
            r#"{"query":"mutation { volumeDelete(volumeId: \"ID\") }"}"#,
            &["-H", "Transfer-Encoding: chunked"][..],
        ),
    ] {
        check_denied(shape, |scene| {
            let body = body.replace("ID", &volume(scene));
            let url = url(scene, "/graphql/v2");
            let words = [&["-X", "POST", &*url, "-d", &body], flags].concat();
            with_found_token(scene, patience(), &words)
        });
    }
    check_denied("as REST", |scene| {
        let url = url(scene, &format!("/v1/volumes/{}", volume(scene)));
        with_found_token(scene, patience(), &["-X", "DELETE", &url])
    });
}

#[test]
fn a_packed_delete_is_denied() {
    needs!(Need::Monitor, Need::Program("curl"));
    check_denied("gzip", |scene| {
        let body = format!(r#"{{"query":"mutation {{ volumeDelete(volumeId: \"{}\") }}"}}"#, volume(scene));
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(body.as_bytes()).unwrap();
        fs::write(scene.repository().join("body.gz"), encoder.finish().unwrap()).unwrap();
        let url = url(scene, "/graphql/v2");
        let words = ["-X", "POST", &url, "-H", "Content-Encoding: gzip", "--data-binary", "@body.gz"];
        with_found_token(scene, patience(), &words)
    });
}

/// Lists the volumes, then deletes one; curl uses one connection for both.
const HONEST_THEN_DELETE: &str = r#"token=$(sed -n s/^RAILWAY_TOKEN=//p scripts/domains/.env.legacy)
list=$1; delete=$2; shift 2
curl "$@" -H "Authorization: Bearer $token" "$list" --next \
     "$@" -H "Authorization: Bearer $token" -X DELETE "$delete""#;

#[test]
fn a_delete_behind_an_honest_request_on_one_connection_is_denied() {
    needs!(Need::Monitor, Need::Program("curl"));
    let play = |mode: &str| {
        let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
        let delete = url(&scene, &format!("/v1/volumes/{}", volume(&scene)));
        let own = ["sh", "-c", HONEST_THEN_DELETE, "sh", &url(&scene, "/v1/volumes"), &delete];
        let options = curl(&scene, patience(), &[]).split_off(1);
        let words = [own.map(OsString::from).to_vec(), options].concat();
        let mut session = holdfire.run(&["--mode", mode], words);
        let ended = Running::start(session.current_dir(scene.repository())).finish(limit());
        linger(patience());
        (scene.server.connections(), scene.server.volumes().len(), ended)
    };
    let (connections, volumes, ended) = play("observe");
    assert_eq!((connections.len(), connections[0].requests, volumes), (1, 2, 0), "{ended:?}");
    // When its connection is cut, curl tries the second request again on a new one.
    let (connections, volumes, ended) = play("enforce");
    assert_eq!((connections[0].requests, volumes), (1, 1), "{ended:?}");
    assert!(connections.iter().all(|connection| !connection.contains("DELETE")), "{ended:?}");
    assert!(connections[1..].iter().all(|connection| connection.bytes == 0), "{ended:?}");
}

/// Python's ssl module calls SSL_write_ex and never SSL_write.
const PYTHON: &str = r"
import re, socket, ssl, sys
port, authority, volume, patience = sys.argv[1:5]
token = re.search('RAILWAY_TOKEN=(.*)', open('scripts/domains/.env.legacy').read()).group(1)
raw = socket.create_connection(('127.0.0.1', int(port)), timeout=float(patience))
tls = ssl.create_default_context(cafile=authority).wrap_socket(raw, server_hostname='HOST')
tls.sendall(f'DELETE /v1/volumes/{volume} HTTP/1.1\r\nHost: HOST\r\nAuthorization: Bearer {token}\r\n\r\n'.encode())
print(tls.recv(100))
";

#[test]
fn python_is_denied_too() {
    needs!(Need::Monitor, Need::PythonSsl);
    check_denied("python", |scene| {
        let (port, patience) = (scene.server.port().to_string(), patience().as_secs().to_string());
        vec![
            "/usr/bin/python3".into(),
            "-c".into(),
            PYTHON.replace("HOST", HOST).into(),
            port.into(),
            scene.server.authority().into(),
            volume(scene).into(),
            patience.into(),
        ]
    });
}

#[test]
fn an_upload_arrives_byte_for_byte() {
    needs!(Need::Monitor, Need::Program("curl"));
    let body: Vec<u8> = (0..700_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (mode, flags) in [
        ("enforce", &[][..]),
        ("hold", &["-H", "Transfer-Encoding: chunked"][..]),
        ("observe", &["-H", "Expect: 100-continue"][..]),
    ] {
        let (holdfire, scene) = (Holdfire::new(), Scene::set().unwrap());
        fs::write(scene.repository().join("body"), &body).unwrap();
        let url = url(&scene, "/v1/uploads");
        let bearer = format!("Authorization: Bearer {}", scene.token());
        let words = [&[&*url, "-H", &bearer, "--data-binary", "@body"], flags].concat();
        let mut session = holdfire.run(&["--mode", mode], curl(&scene, limit(), &words));
        let ended = Running::start(session.current_dir(scene.repository())).finish(limit()).expect_code(0);
        assert_eq!(ended.stdout, r#"{"bytes":700000}"#, "{mode}: {}", ended.stderr);
        if flags.is_empty() {
            let received = scene.server.connections().remove(0).plaintext;
            assert!(received.ends_with(&body), "{mode}: the body was changed");
        }
    }
}
