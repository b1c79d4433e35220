use proptest::prelude::*;

use super::*;

/// One line for each message: what it is, how far it is, what is wrong with it.
fn line(message: &Message) -> String {
    let state = match (message.head_complete, message.complete) {
        (false, _) => "head",
        (true, false) => "open",
        (true, true) => "done",
    };
    let body = String::from_utf8_lossy(&message.body);
    let doubt = message.suspicious.map(|why| format!(" ({why})")).unwrap_or_default();
    let cut = if message.truncated { " cut" } else { "" };
    format!("{} {} {} {state}{cut} [{body}]{doubt}", message.index, message.method, message.target)
}

/// What a stream says after each of `writes`.
fn read(writes: &[&str]) -> Vec<Vec<String>> {
    let mut stream = RequestStream::new();
    writes.iter().map(|write| stream.push(write.as_bytes()).iter().map(line).collect()).collect()
}

fn check(writes: &[&str], expect: &[&[&str]]) {
    assert_eq!(read(writes), expect, "{writes:#?}");
}

#[test]
fn requests_in_any_number_of_writes() {
    check(&["GET /a HTTP/1.1\r\nHost: h\r\n\r\n"], &[&["0 GET /a done []"]]);
    check(
        &["POST /a HTTP/1.1\r\nContent-Length: 6\r\n\r\n", "abc", "def"],
        &[&["0 POST /a open []"], &["0 POST /a open [abc]"], &["0 POST /a done [abcdef]"]],
    );
    check(
        &[
            "GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 1\r\n\r\nxDELETE /c HT",
            "TP/1.1\r\n",
            "\r\n",
        ],
        &[
            &["0 GET /a done []", "1 POST /b done [x]", "2   head []"],
            &["2 DELETE /c head []"],
            &["2 DELETE /c done []"],
        ],
    );
    check(&["\r\n\r\nGET /a HTTP/1.1\nHost: h\n\n"], &[&["0 GET /a done []"]]);
    check(&["GET http://h/a HTTP/1.0\r\n\r\n"], &[&["0 GET http://h/a done []"]]);
    check(
        &["PUT /a HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n", "ab"],
        &[&["0 PUT /a open []"], &["0 PUT /a done [ab]"]],
    );
    check(
        &[
            "POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=\"y\"\r\nab",
            "c\r\n0\r\nSum: 1\r\n",
            "\r\nGET /b HTTP/1.1\r\n\r\n",
        ],
        &[&["0 POST /a open [ab]"], &["0 POST /a open [abc]"], &["0 POST /a done [abc]", "1 GET /b done []"]],
    );
}

#[test]
fn doubtful_framing_is_never_complete() {
    let post = |headers: &str, rest: &str| {
        read(&[&format!("POST / HTTP/1.1\r\n{headers}\r\n\r\n{rest}")]).remove(0).remove(0)
    };
    let check = |headers, rest, expect: &str| assert_eq!(post(headers, rest), expect, "{headers}");
    check(
        "Content-Length: 3\r\nContent-Length: 4",
        "abcd",
        "0 POST / open [abcd] (two different Content-Length values)",
    );
    check("Content-Length: 3, 3", "abc", "0 POST / done [abc]");
    check("Content-Length: +3", "abc", "0 POST / open [abc] (a Content-Length that is no number)");
    check(
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "1\r\na\r\n0\r\n\r\nDELETE / HTTP/1.1\r\n\r\n",
        "0 POST / open [aDELETE / HTTP/1.1\r\n\r\n] (both Content-Length and Transfer-Encoding)",
    );
    check(
        "Transfer-Encoding: chunked\x0b",
        "0\r\n\r\n",
        "0 POST / open [0\r\n\r\n] (a header line that is not well formed)",
    );
    check(
        "Transfer-Encoding: chunked, x",
        "0\r\n\r\n",
        "0 POST / open [0\r\n\r\n] (a Transfer-Encoding that does not end in chunked)",
    );
    check(
        "Transfer-Encoding:\r\n chunked",
        "1\r\na\r\n0\r\n\r\n",
        "0 POST / open [a] (a header folded over several lines)",
    );
    check(
        "Transfer-Encoding : chunked",
        "1\r\na\r\n",
        "0 POST / open [1\r\na\r\n] (a header line that is not well formed)",
    );
    check("Transfer-Encoding: chunked", "2\r\nabXX", "0 POST / open [abXX] (broken chunked framing)");
    check("Host: a\r\nHost: b\r\nContent-Length: 1", "x", "0 POST / open [x] (two different Host values)");
}

#[test]
fn after_doubt_a_write_may_begin_a_request() {
    check(
        &[
            "POST /a HTTP/1.1\r\nContent-Length: 1, 2\r\n\r\nx",
            "y",
            "DELETE /b HTTP/1.1\r\n\r\n",
            "PUT /c HTTP/1.1\r\nContent-Length: 1\r\n\r\nz",
        ],
        &[
            &["0 POST /a open [x] (two different Content-Length values)"],
            &["0 POST /a open [xy] (two different Content-Length values)"],
            &["1 DELETE /b done [] (earlier bytes of this connection were lost or of doubtful framing)"],
            &["2 PUT /c open [z] (earlier bytes of this connection were lost or of doubtful framing)"],
        ],
    );
}

#[test]
fn lost_bytes_are_never_papered_over() {
    let mut stream = RequestStream::new();
    stream.push(b"POST /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc");
    stream.lost();
    let lines = |messages: Vec<Message>| messages.iter().map(line).collect::<Vec<_>>();
    assert_eq!(lines(stream.push(b"ghi")), ["0 POST /a open cut [abcghi] (bytes of this request were lost)"]);
    assert_eq!(stream.take_unreadable(), Some(Unreadable { why: Why::LostBytes, bytes: 3 }));
    assert_eq!(stream.take_unreadable(), None);
    assert_eq!(lines(stream.push(b"GET /b HTTP/1.1\r\n\r\n")).len(), 1);

    let mut stream = RequestStream::new();
    stream.push(b"GET /a HT");
    stream.lost();
    assert_eq!(stream.blind(), Some(Why::LostBytes));
    assert!(stream.push(b"not a request").is_empty());
    let after = "1 GET /b done [] (earlier bytes of this connection were lost or of doubtful framing)";
    stream.push(b"GET /x HTTP/1.1\r\n\r\n");
    assert_eq!(lines(stream.push(b"GET /b HTTP/1.1\r\n\r\n")), [after]);
}

#[test]
fn what_is_no_request_is_said_once() {
    let check = |writes: &[&[u8]], why, bytes| {
        let mut stream = RequestStream::new();
        writes.iter().for_each(|write| drop(stream.push(write)));
        assert_eq!(stream.take_unreadable(), Some(Unreadable { why, bytes }));
        assert_eq!((stream.take_unreadable(), stream.blind()), (None, Some(why)));
        assert!(stream.push(b"GET / HTTP/1.1\r\n\r\n").is_empty());
    };
    check(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"], Why::Http2, 16);
    check(&[b"PRI * HT", b"TP/2.0\r\n\r\nSM\r\n\r\n"], Why::Http2, 16);
    check(&[b"\x16\x03\x01\x02\x00"], Why::NotHttp, 5);
    check(&[b"SELECT 1;\n"], Why::NotHttp, 10);
    check(&[b"GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", b"\x82\x85\x01\x02\x03\x04"], Why::Upgraded, 6);
    check(&[b"CONNECT h:443 HTTP/1.1\r\n\r\n", b"\x16\x03\x01"], Why::Tunnel, 3);
    check(&[b"GET / HTTP/1.1\r\nA: ", &[b'a'; MAX_HEAD]], Why::HeadTooLong, MAX_HEAD as u64);
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(MAX_HEADERS + 1));
    check(&[many.as_bytes()], Why::TooManyHeaders, many.len() as u64);
}

#[test]
fn a_large_body_is_kept_to_the_limit_and_looked_at_seldom() {
    let mut stream = RequestStream::new();
    stream.push(format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", 4 * MAX_BODY).as_bytes());
    let piece = vec![b'a'; 16 * 1024];
    let messages: Vec<_> = (0..256).flat_map(|_| stream.push(&piece)).collect();
    assert_eq!(messages.len(), 256);
    assert!(messages.iter().filter(|message| message.news).count() < 25);
    let last = messages.last().unwrap();
    assert!(last.complete && last.truncated && last.news);
    assert_eq!((last.body.len(), last.body_bytes), (MAX_BODY, 4 * MAX_BODY as u64));
}

/// The last snapshot of each request, without what depends on the writes.
fn last_of_each(writes: impl Iterator<Item = Vec<u8>>) -> Vec<Message> {
    let mut stream = RequestStream::new();
    let mut last: Vec<Message> = Vec::new();
    for mut message in writes.flat_map(|write| stream.push(&write)) {
        message.news = false;
        let at = message.index as usize;
        last.truncate(at);
        last.push(message);
    }
    last
}

fn request() -> impl Strategy<Value = String> {
    let target = "/[a-z]{0,6}";
    let body = "[ -~]{0,40}";
    prop_oneof![
        target.prop_map(|target| format!("GET {target} HTTP/1.1\r\nHost: h\r\n\r\n")),
        (target, body).prop_map(|(target, body)| {
            format!("POST {target} HTTP/1.1\r\ncontent-length: {}\r\nX: y\r\n\r\n{body}", body.len())
        }),
        (target, body, body).prop_map(|(target, one, two)| {
            let chunk = |text: &str| {
                if text.is_empty() { String::new() } else { format!("{:x};e\r\n{text}\r\n", text.len()) }
            };
            format!(
                "PUT {target} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{}{}0\r\nT: v\r\n\r\n",
                chunk(&one),
                chunk(&two)
            )
        }),
    ]
}

proptest! {
    #[test]
    fn writes_do_not_matter(requests in proptest::collection::vec(request(), 1..6), sizes in proptest::collection::vec(1usize..40, 1..30)) {
        let bytes = requests.concat().into_bytes();
        let whole = last_of_each(std::iter::once(bytes.clone()));
        prop_assert_eq!(whole.len(), requests.len());
        prop_assert!(whole.iter().all(|message| message.complete));
        let (mut rest, mut sizes) = (bytes, sizes.into_iter().cycle());
        let writes = std::iter::from_fn(|| {
            let size = sizes.next()?.min(rest.len());
            (size > 0).then(|| rest.drain(..size).collect::<Vec<u8>>())
        });
        prop_assert_eq!(last_of_each(writes), whole);
    }

    #[test]
    fn never_panics(writes in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..60), any::<bool>()), 0..8), head in "(GET|PUT) / HTTP/1.1\r\n(Content-Length: [0-9]{1,2}\r\n|Transfer-Encoding: chunked\r\n|[ -~]{0,9}\r\n){0,3}\r\n[0-9a-f\r\n]{0,20}") {
        let mut stream = RequestStream::new();
        stream.push(head.as_bytes());
        for (write, lost) in writes {
            stream.push(&write);
            if lost {
                stream.lost();
            } else if !stream.is_retry(&write) {
                stream.repeated();
            }
            stream.push(head.as_bytes());
        }
        stream.take_unreadable();
    }

    /// What counts as a retry would be no request if it were new, however it is cut.
    #[test]
    fn a_retry_is_no_request(noise in "[\\r\\n]{0,3}([A-Z/{}\" ]{0,6}|)", request in request(), from in 0.0..1.0) {
        let text = format!("{noise}{request}").into_bytes();
        let bytes = &text[(text.len() as f64 * from) as usize..];
        if RequestStream::new().is_retry(bytes) {
            prop_assert!(RequestStream::new().push(bytes).is_empty());
        }
    }

    #[test]
    fn a_repetition_inside_a_request_leaves_none_complete_that_has_a_body(requests in proptest::collection::vec(request(), 1..5), at in 0.0..1.0) {
        let bytes = requests.concat().into_bytes();
        let from = (bytes.len() as f64 * at) as usize;
        let mut stream = RequestStream::new();
        stream.push(&bytes[..from]);
        if stream.repeated().is_some() {
            for message in stream.push(&bytes[from..]) {
                prop_assert!(message.suspicious.is_some());
                prop_assert!(!message.complete || message.body.is_empty());
            }
        }
    }

    #[test]
    fn a_loss_is_never_followed_by_a_complete_request_with_a_body(requests in proptest::collection::vec(request(), 1..5), at in 0.0..1.0, gap in 1usize..60) {
        let bytes = requests.concat().into_bytes();
        let from = (bytes.len() as f64 * at) as usize;
        let mut stream = RequestStream::new();
        stream.push(&bytes[..from]);
        stream.lost();
        for message in stream.push(&bytes[(from + gap).min(bytes.len())..]) {
            prop_assert!(message.suspicious.is_some());
            prop_assert!(!message.complete || message.body.is_empty());
        }
    }
}
