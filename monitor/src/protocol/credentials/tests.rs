use super::*;
use crate::protocol::{RequestStream, describe};
use crate::secret::Fingerprinter;

fn redactor() -> Redactor {
    Redactor::new(Fingerprinter::new(&[7; 32]))
}

/// The positions at which `request` carries `secret`, those by definition marked with `!`.
fn positions(redactor: &Redactor, request: &str, secret: &str) -> Vec<String> {
    let messages = RequestStream::new().push(request.as_bytes());
    let fingerprint = redactor.fingerprint(secret.as_bytes());
    describe(&messages[0], 1, redactor)
        .credentials
        .into_iter()
        .filter(|one| one.fingerprint == fingerprint)
        .map(|one| format!("{}{}", one.position, if one.by_definition { "!" } else { "" }))
        .collect()
}

const SECRET: &str = "6f0c4ae2-9d1b-47c3-8f57-1b2a30c9e8d4";

#[test]
fn a_token_is_found_wherever_it_stands() {
    let check = |head: &str, body: &str, expect: &[&str]| {
        let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        assert_eq!(positions(&redactor(), &request, SECRET), expect, "{request}");
    };
    let post = "POST /graphql HTTP/1.1\r\nHost: h";
    let with = |header: &str| format!("{post}\r\n{header}");
    check(&with(&format!("Authorization: Bearer {SECRET}")), "", &["header:authorization!"]);
    check(&with(&format!("Proxy-Authorization: Weird x {SECRET}")), "", &["header:proxy-authorization!"]);
    check(
        &with("Authorization: Basic eDo2ZjBjNGFlMi05ZDFiLTQ3YzMtOGY1Ny0xYjJhMzBjOWU4ZDQ="),
        "",
        &["header:authorization!"],
    );
    check(&with(&format!("Project-Access-Token: {SECRET}")), "", &["header:project-access-token!"]);
    check(&with(&format!("X-Thing: {SECRET}")), "", &["header:x-thing"]);
    check(&with(&format!("Cookie: a=1; s=\"{SECRET}\"; b")), "", &["header:cookie!"]);
    check(&format!("GET /hooks/{SECRET}/a HTTP/1.1\r\nHost: h"), "", &["path"]);
    check(
        &with(&format!("Cookie: {}\r\nAuthorization: Bearer {SECRET}", "a=b;".repeat(9_000))),
        "",
        &["header:authorization!"],
    );
    check(&format!("GET /a?key={SECRET} HTTP/1.1\r\nHost: h"), "", &["query:key!"]);
    check("GET /a?x=6f0c4ae2%2D9d1b-47c3-8f57-1b2a30c9e8d4 HTTP/1.1\r\nHost: h", "", &["query:x"]);
    check(&format!("GET http://u:{SECRET}@h/a HTTP/1.1\r\nHost: h"), "", &["url:userinfo!"]);
    check(post, &format!("{{\"auth\":{{\"token\":\"{SECRET}\"}}}}"), &["body:auth.token!"]);
    check(post, &format!("{{\"a\":[{{\"b\":\"6f0c4ae2\\u002d{}\"}}]}}", &SECRET[9..]), &["body:a.0.b"]);
    check(post, &format!("grant=x&client_secret={SECRET}"), &["body:client_secret!"]);
    check(
        post,
        &format!("{{\"query\":\"mutation {{ login(password: \\\"{SECRET}\\\") {{ id }} }}\"}}"),
        &["body:login.password!"],
    );
}

#[test]
fn decoys_do_not_push_out_a_known_secret() {
    let mut redactor = redactor();
    redactor.learn(redactor.fingerprint(SECRET.as_bytes()));
    let decoys: String = (0..200).map(|at| format!("X-Key-{at}: decoy{at:020}\r\n")).collect();
    let request = format!("GET / HTTP/1.1\r\nHost: h\r\n{decoys}X-Late: {SECRET}\r\n\r\n");
    assert_eq!(positions(&redactor, &request, SECRET), ["header:x-late"]);
}
