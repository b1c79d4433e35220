//! A message as the event that detectors and people see: what it asks for, free of secrets.
//!
//! The bias: what was not understood, not kept or not to be trusted is said in `body.undecodable` and `body.truncated`;
//! a request about which nothing is said there has been read as far as its format is read at all.

use std::borrow::Cow;

use super::credentials::Uses;
use super::form::Pair;
use super::http1::Message;
use super::json::Json;
use super::{body, fields, form, graphql, json, show};
use crate::credential::Redactor;
use crate::event::{Body, BodyFacts, Field, Header, Request};

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
    let mut facts = reader.facts(target.path);
    let truncated = reader.truncated;
    // Servers take a query from the URL of a POST too, and some prefer it.
    if let Some(found) = graphql::in_pairs(&pairs, redactor) {
        let in_url = reader.graphql(found);
        facts = reader.joined(facts, in_url);
    }
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

/// Reads a body, in one of the ways it may be meant.
struct BodyReader<'a, 'u, 'r> {
    message: &'a Message,
    redactor: &'r Redactor,
    uses: &'u mut Uses<'r>,
    notes: &'u mut Vec<Cow<'static, str>>,
    truncated: bool,
}

impl BodyReader<'_, '_, '_> {
    fn facts(&mut self, path: &str) -> BodyFacts {
        let message = self.message;
        if message.body.is_empty() {
            return BodyFacts::None;
        }
        let whole = message.complete && !message.truncated;
        let codings = codings(message);
        let codings: Vec<&str> = codings.iter().map(String::as_str).collect();
        let decoded = body::decode(&message.body, &codings, whole);
        decoded.trouble.into_iter().for_each(|what| self.note(what));
        self.truncated |= decoded.truncated;
        let whole = whole && !decoded.truncated && decoded.trouble.is_none();
        let text = String::from_utf8_lossy(&decoded.bytes);
        let mut facts = self.text(&text, whole);
        if decoded.trouble.is_some() && matches!(facts, BodyFacts::None) {
            // Most servers do not decode requests at all: a coding that is only claimed must not hide the body.
            facts = self.text(&String::from_utf8_lossy(&message.body), false);
        }
        let endpoint = path.trim_end_matches('/').to_ascii_lowercase().ends_with("graphql");
        if endpoint && whole && !matches!(facts, BodyFacts::Graphql(_)) {
            self.note("no GraphQL operation found");
        }
        facts
    }

    fn text(&mut self, text: &str, whole: bool) -> BodyFacts {
        let kind = header(self.message, "content-type").unwrap_or_default().to_ascii_lowercase();
        // Without a type, and with curl's, a server may take either.
        let form = kind.starts_with("application/x-www-form-urlencoded") || kind.is_empty();
        if let Some(parsed) = json::parse(text, whole) {
            parsed.trouble.into_iter().for_each(|what| self.note(what));
            let facts = self.json(text, &parsed);
            return if form { self.with_form(facts, text) } else { facts };
        }
        let begins_like_json = text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']);
        // `{ volumes }` is both the beginning of JSON and a document.
        if (begins_like_json || kind.starts_with("application/graphql"))
            && let Some(found) = graphql::in_document(text, self.redactor)
        {
            return self.graphql(found);
        }
        if form && form::pairs(text).0.iter().any(Pair::has_plain_name) {
            return self.form(text);
        }
        // Chunk sizes around it, a prefix against script inclusion, a type that is no JSON: what counts is in there.
        if let Some(found) = graphql::in_broken_json(text, self.redactor) {
            return self.graphql(found);
        }
        if whole && (begins_like_json || kind.contains("json")) {
            self.note("not well-formed JSON, or more than is read");
        }
        BodyFacts::None
    }

    fn json(&mut self, text: &str, parsed: &json::Parsed) -> BodyFacts {
        parsed.values.iter().for_each(|value| self.uses.json(value));
        if let Some(found) = graphql::in_json(&parsed.values, self.redactor) {
            return self.graphql(found);
        }
        if parsed.trouble.is_some()
            && let Some(found) = graphql::in_broken_json(text, self.redactor)
        {
            return self.graphql(found);
        }
        self.fields(fields::of_json(&parsed.values, self.redactor))
    }

    fn form(&mut self, text: &str) -> BodyFacts {
        let (pairs, all) = form::pairs(text);
        self.uses.pairs("body", &pairs);
        // AWS and Slack send JSON inside a form field; its secrets are secrets too.
        let nested: Vec<Json> = pairs
            .iter()
            .filter_map(|pair| json::parse(&pair.value, false))
            .flat_map(|one| one.values)
            .collect();
        nested.iter().for_each(|value| self.uses.json(value));
        if let Some(found) = graphql::in_pairs(&pairs, self.redactor) {
            return self.graphql(found);
        }
        self.fields(fields::of_pairs(&pairs, all, self.redactor))
    }

    /// Adds the form fields in a text that is JSON as well: `{"a":"&Action=DeleteVolume&"}` is both.
    fn with_form(&mut self, facts: BodyFacts, text: &str) -> BodyFacts {
        let (mut pairs, all) = form::pairs(text);
        pairs.retain(Pair::has_plain_name);
        if pairs.is_empty() {
            return facts;
        }
        let mut found = fields::of_pairs(&pairs, all, self.redactor);
        match facts {
            BodyFacts::Graphql(_) => {
                self.note("form fields beside a GraphQL query");
                return facts;
            }
            BodyFacts::Fields(more) => found.fields.extend(more),
            BodyFacts::None => {}
        }
        self.fields(found)
    }

    fn fields(&mut self, found: fields::Fields) -> BodyFacts {
        self.truncated |= !found.all;
        let any = found.fields.iter().any(|field: &Field| !field.name.is_empty() || !field.value.is_empty());
        if any { BodyFacts::Fields(found.fields) } else { BodyFacts::None }
    }

    fn joined(&mut self, in_body: BodyFacts, in_url: BodyFacts) -> BodyFacts {
        match (in_body, in_url) {
            (BodyFacts::Graphql(mut all), BodyFacts::Graphql(more)) => {
                all.extend(more);
                BodyFacts::Graphql(all)
            }
            (BodyFacts::Fields(_), in_url) => {
                self.note("a body beside a GraphQL query in the URL");
                in_url
            }
            (_, in_url) => in_url,
        }
    }

    fn note(&mut self, what: &'static str) {
        if !self.notes.iter().any(|note| note == what) {
            self.notes.push(what.into());
        }
    }

    fn graphql(&mut self, found: graphql::Found) -> BodyFacts {
        for (path, value) in &found.literals {
            self.uses.leaf(path, value);
        }
        found.trouble.into_iter().for_each(|what| self.note(what));
        BodyFacts::Graphql(found.operations)
    }
}

/// The codings in the order they were applied.
fn codings(message: &Message) -> Vec<String> {
    let listed = |wanted: &'static str| {
        let values = message.headers.iter().filter(move |(name, _)| name == wanted);
        values.flat_map(|(_, value)| {
            let text = String::from_utf8_lossy(value).into_owned();
            text.split(',').map(|coding| coding.trim().to_owned()).collect::<Vec<_>>()
        })
    };
    let transfer = listed("transfer-encoding").filter(|coding| !coding.eq_ignore_ascii_case("chunked"));
    listed("content-encoding").chain(transfer).collect()
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
