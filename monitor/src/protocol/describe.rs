//! A message as the event that detectors and people see: what it asks for, free of secrets.
//!
//! The bias: what was not understood, not kept or not to be trusted is said in `body.undecodable` and `body.truncated`;
//! a request about which nothing is said there has been read as far as its format is read at all.

mod content;

use std::borrow::Cow;

use self::content::BodyReader;
use super::credentials::Uses;
use super::http1::Message;
use super::{fields, form, show};
use crate::credential::Redactor;
use crate::event::{Body, Header, Request};

/// Headers that are kept, because their values say what is asked for and are no secrets by their nature.
const KEPT: &[&str] = &[
    "accept",
    "apollo-require-preflight",
    "content-encoding",
    "content-type",
    "expect",
    "host",
    "upgrade",
    "user-agent",
    "x-amz-target",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
];
/// Those of them that name an operation.
const OPERATIONS: &[&str] = &["x-amz-target", "x-http-method", "x-http-method-override", "x-method-override"];
/// Headers that are kept of one request, and characters of each.
const MAX_HEADERS: usize = 32;
const MAX_HEADER: usize = 256;
/// Longest host name with its port; DNS allows 253.
const MAX_HOST: usize = 264;
/// Longest method; the longest registered one has 17 letters.
const MAX_METHOD: usize = 32;

/// The event for `message`, the newest snapshot of a request on the TLS connection `stream`.
pub fn describe(message: &Message, stream: u64, redactor: &Redactor) -> Request {
    let target = Target::of(message);
    let (pairs, all_pairs) = form::pairs(target.query);
    let query = fields::of_pairs(&pairs, all_pairs, redactor);
    let mut uses = Uses::new(redactor);
    uses.headers(message);
    if let Some(userinfo) = target.userinfo {
        uses.userinfo(userinfo);
    }
    uses.pairs("query", &pairs);
    let path = normal(target.path);
    uses.path(&path);

    let mut notes: Vec<Cow<'static, str>> = Vec::new();
    notes.extend(message.suspicious.map(|suspicion| Cow::Owned(suspicion.to_string())));
    let path = show::path(redactor, &path);
    let (headers, all_headers) = kept_headers(message, redactor);
    for (cut, what) in [
        (path.contains('…'), "a path longer than is kept"),
        (!query.all, "more query parameters than are kept"),
        (!all_headers, "more headers than are kept"),
    ] {
        notes.extend(cut.then_some(what.into()));
    }
    let mut reader =
        BodyReader { message, redactor, uses: &mut uses, notes: &mut notes, truncated: message.truncated };
    let in_body = reader.facts(target.path);
    let facts = reader.with_url(in_body, &pairs);
    let truncated = reader.truncated;
    let (credentials, all_tried) = uses.finish();
    if !all_tried {
        notes.push("more values than are looked at for credentials".into());
    }
    Request {
        stream,
        index: message.index,
        method: show::header(redactor, message.method.as_bytes(), true, MAX_METHOD),
        host: target.host.or_else(|| header(message, "host")).and_then(|host| clean_host(&host, redactor)),
        path,
        query: query.fields,
        headers,
        credentials,
        body: Body {
            bytes: message.body_bytes,
            truncated,
            undecodable: (!notes.is_empty()).then(|| notes.join("; ")),
            facts,
        },
        complete: message.complete,
    }
}

/// A request target taken apart.
struct Target<'a> {
    userinfo: Option<&'a str>,
    host: Option<Cow<'a, str>>,
    path: &'a str,
    query: &'a str,
}

impl<'a> Target<'a> {
    fn of(message: &'a Message) -> Self {
        let (address, query) = message.target.split_once('?').unwrap_or((&message.target, ""));
        if message.method.eq_ignore_ascii_case("connect") {
            return Self { userinfo: None, host: Some(address.into()), path: "", query: "" };
        }
        // RFC 9112, 3.2.2: an absolute target overrides Host.
        let Some((_, rest)) = address.split_once("://").filter(|_| !address.starts_with('/')) else {
            return Self { userinfo: None, host: None, path: address, query };
        };
        let (authority, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        Self { userinfo, host: Some(host.into()), path, query }
    }
}

fn header<'a>(message: &'a Message, name: &str) -> Option<Cow<'a, str>> {
    let (_, value) = message.headers.iter().find(|(own, _)| own == name)?;
    Some(String::from_utf8_lossy(value))
}

/// The headers that are kept, those that name an operation first, and whether that is all of them.
fn kept_headers(message: &Message, redactor: &Redactor) -> (Vec<Header>, bool) {
    let kept = message.headers.iter().filter(|(name, _)| KEPT.contains(&name.as_str()));
    let (mut all, others): (Vec<_>, Vec<_>) = kept.partition(|(name, _)| OPERATIONS.contains(&name.as_str()));
    all.extend(others);
    let whole = all.len() <= MAX_HEADERS;
    let headers = all
        .into_iter()
        .take(MAX_HEADERS)
        .filter_map(|(name, value)| {
            let value = if name == "host" {
                clean_host(&String::from_utf8_lossy(value), redactor)?
            } else {
                show::header(redactor, value, OPERATIONS.contains(&name.as_str()), MAX_HEADER)
            };
            Some(Header { name: name.clone(), value })
        })
        .collect();
    (headers, whole)
}

/// Lower case, without credentials, the root dot and the default port, none of which make it another host.
fn clean_host(host: &str, redactor: &Redactor) -> Option<String> {
    let host = host.rsplit('@').next().unwrap_or_default().trim();
    let host = host.strip_suffix(":443").unwrap_or(host);
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
            (name, Some(port).filter(|port| !port.is_empty()))
        }
        _ => (host, None),
    };
    let mut clean = name.trim_end_matches('.').to_ascii_lowercase();
    if let Some(port) = port {
        clean = format!("{clean}:{port}");
    }
    let plain = clean.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte));
    let clean = if plain { clean } else { show::name(redactor, &clean) };
    (!clean.is_empty()).then(|| clean.chars().take(MAX_HOST).collect())
}

/// A path with its needlessly encoded characters decoded (RFC 3986, 6.2.2.2), so that `%64elete` reads as it acts.
fn normal(path: &str) -> String {
    let mut bytes = Vec::with_capacity(path.len());
    let mut rest = path.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let code = hex.filter(|_| byte == b'%').and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match code.filter(|code| code.is_ascii_alphanumeric() || b"-._~".contains(code)) {
            Some(code) => {
                bytes.push(code);
                rest = &tail[2..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests;
