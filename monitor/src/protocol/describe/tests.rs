use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::event::BodyFacts;
use crate::protocol::RequestStream;
use crate::secret::Fingerprinter;

fn redactor() -> Redactor {
    Redactor::new(Fingerprinter::new(&[7; 32]))
}

/// The event after the last of `writes`.
fn request(writes: &[&[u8]]) -> Request {
    let mut stream = RequestStream::new();
    let last = writes.iter().flat_map(|write| stream.push(write)).last().unwrap();
    describe(&last, 1, &redactor())
}

fn post(headers: &str, body: &[u8]) -> Request {
    let head = format!("POST /x HTTP/1.1\r\nHost: h\r\n{headers}Content-Length: {}\r\n\r\n", body.len());
    request(&[head.as_bytes(), body])
}

/// The facts in a line, and what was not understood.
fn facts(request: &Request) -> String {
    let facts = match &request.body.facts {
        BodyFacts::None => "none".to_owned(),
        BodyFacts::Graphql(operations) => operations
            .iter()
            .map(|operation| {
                let fields = operation.fields.iter().map(|field| {
                    let arguments: Vec<_> =
                        field.arguments.iter().map(|one| format!("{}={}", one.name, one.value)).collect();
                    format!("{}({})", field.name, arguments.join(","))
                });
                format!("{:?} {}", operation.kind, fields.collect::<Vec<_>>().join(" "))
            })
            .collect::<Vec<_>>()
            .join("; "),
        BodyFacts::Fields(fields) => {
            fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect::<Vec<_>>().join(" ")
        }
    };
    request.body.undecodable.iter().fold(facts, |facts, why| format!("{facts} ! {why}"))
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// The request of the incident: curl as its author typed it, JSON under curl's default content type.
#[test]
fn the_volume_deletion() {
    let body = r#"{"query":"mutation { volumeDelete(volumeId: \"3d2c42fb-0000-4aaa-8bbb-a3c1f0b7d6e5\") }"}"#;
    let head = format!(
        "POST /graphql/v2 HTTP/1.1\r\nHost: backboard.railway.app\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\n\
         Authorization: Bearer 6f0c4ae2-9d1b-47c3-8f57-1b2a30c9e8d4\r\nContent-Length: {}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\n\r\n",
        body.len()
    );
    let request = request(&[head.as_bytes(), body.as_bytes()]);
    insta::assert_json_snapshot!(request, @r#"
    {
      "stream": 1,
      "index": 0,
      "method": "POST",
      "host": "backboard.railway.app",
      "path": "/graphql/v2",
      "headers": [
        {
          "name": "host",
          "value": "backboard.railway.app"
        },
        {
          "name": "user-agent",
          "value": "curl/8.5.0"
        },
        {
          "name": "accept",
          "value": "*/*"
        },
        {
          "name": "content-type",
          "value": "application/x-www-form-urlencoded"
        }
      ],
      "credentials": [
        {
          "fingerprint": "743c05d3fd6a755004929df929d59fe2",
          "position": "header:authorization",
          "by_definition": true
        },
        {
          "fingerprint": "8a9fa9314d54db71251fa9718590b333",
          "position": "header:authorization",
          "by_definition": false
        },
        {
          "fingerprint": "85c91bce55d4b7ab763a9b10559068ee",
          "position": "body:volumeDelete.volumeId",
          "by_definition": false
        }
      ],
      "body": {
        "bytes": 89,
        "facts": {
          "graphql": [
            {
              "type": "mutation",
              "fields": [
                {
                  "name": "volumeDelete",
                  "arguments": [
                    {
                      "name": "volumeId",
                      "value": "3d2c42fb-0000-4aaa-8bbb-a3c1f0b7d6e5"
                    }
                  ]
                }
              ]
            }
          ]
        }
      },
      "complete": true
    }
    "#);
}

#[test]
fn bodies_are_read_for_what_they_hold() {
    let check = |headers, body: &[u8], expect| assert_eq!(facts(&post(headers, body)), expect);
    let json = b"{\"query\":\"mutation{volumeDelete(id:1)}\"}";
    check("", json, "Mutation volumeDelete(id=1)");
    check("Content-Type: text/plain\r\n", json, "Mutation volumeDelete(id=1)");
    check("Content-Encoding: gzip\r\n", &gzip(json), "Mutation volumeDelete(id=1)");
    check("", &gzip(json), "Mutation volumeDelete(id=1)");
    check("Content-Type: application/graphql\r\n", b"mutation{a}", "Mutation a()");
    check("", b"{ volumes }", "Query volumes()");
    check("", b"query=mutation%7Ba%7D", "Mutation a()");
    check("", b"Action=DeleteVolume&VolumeId=vol-1", "Action=DeleteVolume VolumeId=vol-1");
    check("Content-Type: application/json\r\n", b"{\"isDeleted\":true}", "isDeleted=true");
    check("", b"{\"delete\":{\"_id\":\"1\"}}\n{\"a\":2}", "0.delete._id=1 1.a=2");
    check(
        "Content-Type: application/json\r\n",
        b"{\"a\":}",
        "none ! not well-formed JSON, or more than is read",
    );
    check("Content-Type: application/json\r\n", b"{\"a\":1} x", "a=1 ! not well-formed JSON");
    check("", b"<Delete><Object/></Delete>", "none");
    check("", b"&Action=DeleteVolume", "Action=DeleteVolume");
    check("", b"{\"a=b&Action=DeleteVolume", "Action=DeleteVolume ! the JSON ends early");
    check("", b"{\"a\":\"&Action=DeleteVolume&\"}", "Action=DeleteVolume a=&Action=DeleteVolume&");
    check("", b"{\"query\":\"{a} #&Action=Delete&\"}", "Query a() ! form fields beside a GraphQL query");
    check("Content-Encoding: gzip\r\n", json, "Mutation volumeDelete(id=1) ! the compressed body is damaged");
    check("Content-Encoding: rot13\r\n", b"\x01\x02", "none ! a content coding that is not known");
    check("", b"", "none");
}

#[test]
fn partial_bodies_are_read_as_far_as_they_go() {
    let check = |body: &str, expect| {
        let head = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5000\r\n\r\n";
        let request = request(&[head.as_bytes(), body.as_bytes()]);
        assert_eq!((facts(&request).as_str(), request.complete), (expect, false));
    };
    check(r#"{"query":"mutation { volumeDelete(volumeId: \"3d"#, "Mutation volumeDelete()");
    check(r#"{"variables":{"id":"7"},"query":"mutation($id:ID){a(id:$id)"#, "Mutation a(id=7)");
    check(r#"{"que"#, "none");
    check("Action=Delete", "Action=Delete");
}

#[test]
fn targets() {
    let check = |line: &str, headers: &str, host: &str, path: &str| {
        let request = request(&[format!("{line} HTTP/1.1\r\n{headers}\r\n").as_bytes()]);
        assert_eq!(
            (request.host.as_deref().unwrap_or_default(), request.path.as_str()),
            (host, path),
            "{line}"
        );
    };
    check(
        "DELETE /v1/%64elete%2Fx?y=1#z",
        "Host: API.Example.com.:443\r\n",
        "api.example.com",
        "/v1/delete%2Fx",
    );
    check("GET /a#b/c", "Host: h.:\r\n", "h", "/a#b/c");
    check("GET http://u:p@Other.example:8443/a?b", "Host: h\r\n", "other.example:8443", "/a");
    check("GET http://other.example?b", "", "other.example", "/");
    check("CONNECT h.example:443", "Host: x\r\n", "h.example", "");
    check("OPTIONS *", "Host: [::1]:80\r\n", "[::1]:80", "*");
    check("GET /a://b", "", "", "/a://b");
}

#[test]
fn an_overriding_method_and_a_query_surface() {
    let request = request(&[b"POST /a?query=mutation{b}&key=k1 HTTP/1.1\r\nHost: h\r\nX-HTTP-Method-Override: DELETE\r\nX-Amz-Target: DynamoDB_20120810.DeleteTable\r\nX-Other: 1\r\n\r\n"]);
    let headers: Vec<_> = request.headers.iter().map(|one| format!("{}={}", one.name, one.value)).collect();
    assert_eq!(
        headers,
        ["x-http-method-override=DELETE", "x-amz-target=DynamoDB_20120810.DeleteTable", "host=h"]
    );
    assert_eq!(facts(&request), "Mutation b()");
    assert_eq!(request.query[0].value, "mutation{b}");
    assert!(request.query[1].value.starts_with("‹fp:"));
}

#[test]
fn what_was_left_out_is_said() {
    let many: String = (0..100).map(|at| format!("\"k{at}\":1,")).collect();
    let request = post("", format!("{{{many}\"isDeleted\":true}}").as_bytes());
    assert!(request.body.truncated);
    let smuggled = request_of(
        "POST /x HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n28\r\n{\"query\":\"mutation{volumeDelete(id:1)}\"}\r\n",
    );
    assert_eq!(facts(&smuggled), "Mutation volumeDelete(id=1) ! both Content-Length and Transfer-Encoding");
    let beside = request_of("POST /x?query=mutation{a} HTTP/1.1\r\nContent-Length: 7\r\n\r\n{\"x\":1}");
    assert_eq!(facts(&beside), "Mutation a() ! a body beside a GraphQL query in the URL");
    let both =
        request_of("POST /x?query=mutation{a} HTTP/1.1\r\nContent-Length: 15\r\n\r\n{\"query\":\"{b}\"}");
    assert_eq!(facts(&both), "Query b(); Mutation a()");
    let hidden = post("", b"{\"isDeleted\":true,\"query\":\"{b}\"}");
    assert_eq!(facts(&hidden), "Query b() ! fields beside a GraphQL query");
    let elsewhere = request_of("POST /graphql HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}");
    assert_eq!(facts(&elsewhere), "none ! no GraphQL operation found");
}

fn request_of(text: &str) -> Request {
    request(&[text.as_bytes()])
}

proptest! {
    #[test]
    fn a_planted_secret_is_never_shown(secret in "[A-Za-z0-9_~+/-]{12,60}", place in 0usize..8) {
        let encoded = percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC).to_string();
        let body = match place {
            0 => format!("{{\"user\":\"u\",\"password\":\"{secret}\"}}"),
            1 => format!("user=u&password={encoded}"),
            2 => format!("{{\"query\":\"mutation{{login(password:\\\"{secret}\\\")}}\"}}"),
            3 => format!("{{\"query\":\"mutation($t:S){{login(token:$t)}}\",\"variables\":{{\"t\":\"{secret}\"}}}}"),
            _ => String::new(),
        };
        let (query, header) = match place {
            4 => (format!("?token={encoded}"), String::new()),
            5 => (String::new(), format!("Authorization: Bearer {secret}\r\n")),
            6 => (String::new(), format!("Cookie: a=1; session={secret}\r\n")),
            _ => (String::new(), format!("X-Api-Key: {secret}\r\n")),
        };
        let text = format!("POST /graphql{query} HTTP/1.1\r\nHost: h\r\n{header}Content-Length: {}\r\n\r\n{body}", body.len());
        let mut stream = RequestStream::new();
        let fingerprint = redactor().fingerprint(secret.as_bytes());
        for message in stream.push(text.as_bytes()) {
            let request = describe(&message, 1, &redactor());
            let json = serde_json::to_string(&request).unwrap();
            prop_assert!(!json.contains(&secret) && !json.contains(&encoded), "{}", json);
            let debug = format!("{message:?}");
            prop_assert!(!debug.contains(&secret), "{}", debug);
            if place != 3 {
                prop_assert!(request.credentials.iter().any(|one| one.fingerprint == fingerprint && one.by_definition));
            }
        }
    }

    #[test]
    fn never_panics(target in "[!-~]{1,40}", name in "[!-~&&[^:]]{1,12}", value in "[ -~]{0,40}", body in proptest::collection::vec(any::<u8>(), 0..80)) {
        let head = format!("POST {target} HTTP/1.1\r\n{name}: {value}\r\nHost: {value}\r\nAuthorization: {value}\r\nContent-Encoding: {value}\r\nContent-Length: {}\r\n\r\n", body.len() + 1);
        let mut stream = RequestStream::new();
        for write in [head.as_bytes(), &body, b"}"] {
            for message in stream.push(write) {
                let request = describe(&message, 1, &redactor());
                prop_assert!(serde_json::to_string(&request).unwrap().len() < 100_000);
            }
        }
    }
}
