use std::sync::Arc;

use proptest::prelude::*;

use super::*;

/// A ClientHello with these extensions, in one record.
fn hello(extensions: &[(u16, &[u8])]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([9; 32]);
    body.extend([0, 0, 2, 0x13, 1, 1, 0]);
    let mut all = Vec::new();
    for (kind, value) in extensions {
        all.extend(kind.to_be_bytes());
        all.extend((value.len() as u16).to_be_bytes());
        all.extend(*value);
    }
    body.extend((all.len() as u16).to_be_bytes());
    body.extend(all);
    let mut message = vec![1, 0];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(body);
    record(&message)
}

fn record(payload: &[u8]) -> Vec<u8> {
    let mut record = vec![22, 3, 1];
    record.extend((payload.len() as u16).to_be_bytes());
    record.extend(payload);
    record
}

fn sni(name: &str) -> Vec<u8> {
    let length = name.len() as u16;
    let mut value = (length + 3).to_be_bytes().to_vec();
    value.push(0);
    value.extend(length.to_be_bytes());
    value.extend(name.bytes());
    value
}

const ALPN: &[u8] = b"\x00\x0e\x02h2\x08http/1.1\x01\x0a";

/// Name, protocols, encrypted, cut.
type Expected<'a> = (Option<&'a str>, &'a [&'a str], bool, bool);

#[test]
fn hellos() {
    let check = |bytes: &[u8], expect: Result<Expected<'_>, NoClientHello>| {
        let result = client_hello(bytes);
        let result = result.as_ref().map(|one| {
            (one.name.as_deref(), one.alpn.iter().map(String::as_str).collect::<Vec<_>>(), one.ech, one.cut)
        });
        let expect = expect.as_ref().map(|one| (one.0, one.1.to_vec(), one.2, one.3));
        assert_eq!(result, expect);
    };
    let name = sni("API.Example.com");
    let full = hello(&[(0x0a0a, &[]), (0, &name), (16, ALPN), (0xfe0d, &[1; 9])]);
    check(&full, Ok((Some("api.example.com"), &["h2", "http/1.1"], true, false)));
    check(&hello(&[(16, ALPN)]), Ok((None, &["h2", "http/1.1"], false, false)));
    check(&hello(&[]), Ok((None, &[], false, false)));
    // Cut behind the name, inside a key share that stands before it, and inside the name.
    check(&full[..full.len() - 30], Ok((Some("api.example.com"), &[], false, true)));
    check(&hello(&[(51, &[0; 1200]), (0, &name)])[..900], Err(NoClientHello::Cut));
    check(&full[..70], Err(NoClientHello::Cut));
    check(&hello(&[(0, &sni("a b"))]), Err(NoClientHello::Malformed));
    check(&hello(&[(0, &sni("."))]), Err(NoClientHello::Malformed));
    check(&hello(&[(0, &sni(""))]), Err(NoClientHello::Malformed));
    check(&hello(&[(0, &sni(&"a".repeat(256)))]), Err(NoClientHello::Malformed));
    check(b"GET / HTTP/1.1\r\n", Err(NoClientHello::NotTls));
    check(&record(&[2, 0, 0, 0]), Err(NoClientHello::NotTls));
    check(b"", Err(NoClientHello::Cut));
    // Over two records.
    let split = [record(&full[5..60]), record(&full[60..])].concat();
    check(&split, Ok((Some("api.example.com"), &["h2", "http/1.1"], true, false)));
}

/// The hello of a real client.
#[test]
fn a_hello_of_rustls() {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = "backboard.railway.app".try_into().unwrap();
    let mut client = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let mut bytes = Vec::new();
    client.write_tls(&mut bytes).unwrap();
    let expect = ClientHello {
        name: Some("backboard.railway.app".to_owned()),
        alpn: vec!["h2".to_owned()],
        ech: false,
        cut: false,
    };
    assert_eq!(client_hello(&bytes), Ok(expect));
}

proptest! {
    #[test]
    fn never_panics_and_never_errs_about_a_cut(cut in 0usize..200, at in 0usize..200, with: u8, noise in proptest::collection::vec(any::<u8>(), 0..100)) {
        let name = sni("api.example.com");
        let full = hello(&[(16, ALPN), (0, &name), (43, &[2, 3, 4])]);
        match client_hello(&full[..cut.min(full.len())]) {
            Ok(hello) => prop_assert_eq!(hello.name.as_deref(), Some("api.example.com")),
            Err(why) => prop_assert_eq!(why, NoClientHello::Cut),
        }
        let mut changed = full.clone();
        let length = changed.len();
        changed[at % length] = with;
        let _ = client_hello(&changed);
        let _ = client_hello(&noise);
        let _ = client_hello(&record(&noise));
    }
}
