//! Every place of a request where a credential may stand, by fingerprint.
//!
//! Tokens are recognised by value, not by form: no rule tells a Railway token from any other UUID. So what counts here
//! is to look everywhere. The bias: a value too many costs a fingerprint, a value too few costs the chain from the file
//! it was read in. When there are more than can be kept, those the session has met stay.
//!
//! Values are tried in the form a file would hold (percent-decoded, unescaped) and, in URLs, forms and headers, as sent.

mod authorization;
pub(super) mod names;

use std::collections::HashSet;

use percent_encoding::percent_decode;

use super::fields::MAX_DEPTH;
use super::form::Pair;
use super::http1::Message;
use super::json::Json;
use super::show;
use crate::credential::Redactor;
use crate::event::CredentialUse;

/// Uses that are kept of one request.
pub(super) const MAX_USES: usize = 64;
/// Values that are looked at in one request. Each costs a hash of 100 ns and more.
const MAX_TRIED: usize = 8_192;
/// Longest value that may be a credential; the longest tokens known are JWTs and cookies of 4 KiB.
const MAX_SECRET: usize = 8 * 1024;
/// Shortest value that counts where no name says what it is.
const MIN_ANONYMOUS: usize = 16;

/// Headers of every request whose values no server takes as a credential.
const PLAIN: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
];

/// Collects uses.
#[derive(Debug)]
pub(super) struct Uses<'a> {
    redactor: &'a Redactor,
    /// Met before, by definition, and others, in order of sight.
    ranks: [Vec<CredentialUse>; 3],
    seen: HashSet<(crate::secret::Fingerprint, String)>,
    left: usize,
}

impl<'a> Uses<'a> {
    pub(super) fn new(redactor: &'a Redactor) -> Self {
        Self { redactor, ranks: Default::default(), seen: HashSet::new(), left: MAX_TRIED }
    }

    /// All of them, those by definition first, and whether every value was looked at.
    pub(super) fn finish(self) -> (Vec<CredentialUse>, bool) {
        let all = self.left > 0;
        let mut uses: Vec<_> = self.ranks.into_iter().flatten().take(MAX_USES).collect();
        uses.sort_by_key(|one| !one.by_definition);
        (uses, all)
    }

    /// Every header: authorization, cookies, those with telling names, and whatever else looks like a token.
    pub(super) fn headers(&mut self, message: &Message) {
        // Authorization first: a cookie of ten thousand pieces must not use up what may be looked at.
        let (first, others): (Vec<_>, Vec<_>) =
            message.headers.iter().partition(|(name, _)| name.ends_with("authorization"));
        for (name, value) in first.into_iter().chain(others) {
            let position = format!("header:{}", show::name(self.redactor, name));
            match name.as_str() {
                "authorization" | "proxy-authorization" => {
                    let text = String::from_utf8_lossy(value);
                    authorization::values(&text, &mut |value, sure| self.add(&position, value, sure));
                }
                "cookie" => {
                    for pair in value.split(|byte| *byte == b';') {
                        let equals = pair.iter().position(|byte| *byte == b'=').map_or(0, |at| at + 1);
                        self.decoded(&position, pair[equals..].trim_ascii().trim_quotes(), true);
                    }
                }
                name if PLAIN.contains(&name) => {}
                name if names::credential_header(name) => {
                    let text = String::from_utf8_lossy(value);
                    authorization::values(&text, &mut |value, sure| self.decoded(&position, value, sure));
                }
                _ => self.decoded(&position, value, false),
            }
        }
    }

    /// The segments of a path: bot tokens and webhooks stand there.
    pub(super) fn path(&mut self, path: &str) {
        for segment in path.split('/').filter(|segment| segment.len() >= MIN_ANONYMOUS) {
            self.decoded("path", segment.as_bytes(), false);
        }
    }

    /// The user part of an absolute URL.
    pub(super) fn userinfo(&mut self, userinfo: &str) {
        let decoded: Vec<u8> = percent_decode(userinfo.as_bytes()).collect();
        for pair in [&decoded, userinfo.as_bytes()] {
            authorization::user_and_password(pair, &mut |value, sure| {
                self.add("url:userinfo", value, sure && pair == decoded);
            });
        }
    }

    /// The pairs of a URL's query (`place` is `query`) or a form (`body`).
    pub(super) fn pairs(&mut self, place: &str, pairs: &[Pair<'_>]) {
        for pair in pairs {
            let position = format!("{place}:{}", show::name(self.redactor, &pair.name));
            let sure = names::credential_parameter(&pair.name);
            if pair.name.eq_ignore_ascii_case("x-amz-credential") {
                // A presigned URL: the access-key id stands before the scope.
                self.add(&position, pair.value.split('/').next().unwrap_or_default().as_bytes(), true);
            } else {
                self.add(&position, pair.value.as_bytes(), sure);
            }
            if !pair.value.contains(' ') {
                self.add(&position, pair.raw.as_bytes(), false);
            }
        }
    }

    /// The strings of a JSON body. They are unescaped; files are read the same way, so the raw form cannot match.
    pub(super) fn json(&mut self, value: &Json) {
        self.json_at(&mut Vec::new(), value);
    }

    fn json_at(&mut self, path: &mut Vec<String>, value: &Json) {
        if self.left == 0 {
            return;
        }
        match value {
            Json::Text(text) => self.leaf(path, text),
            Json::Plain(_) => {}
            // serde_json has bounded the depth.
            Json::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    path.push(at.to_string());
                    self.json_at(path, item);
                    path.pop();
                }
            }
            Json::Object(members) => {
                for (name, member) in members {
                    path.push(show::name(self.redactor, name));
                    self.json_at(path, member);
                    path.pop();
                }
            }
        }
    }

    /// One value of the body under its path. What does not count is dismissed before its position is put together:
    /// a body may have tens of thousands.
    pub(super) fn leaf(&mut self, path: &[String], value: &str) {
        let own_name = path.iter().rfind(|part| part.parse::<u32>().is_err());
        let sure = own_name.is_some_and(|name| names::credential(name));
        if sure || value.len() >= MIN_ANONYMOUS {
            let tail = &path[path.len().saturating_sub(MAX_DEPTH)..];
            self.add(&format!("body:{}", tail.join(".")), value.as_bytes(), sure);
        }
    }

    /// As sent, and percent-decoded; the decoded form is what a file would hold.
    fn decoded(&mut self, position: &str, value: &[u8], sure: bool) {
        let decoded: Vec<u8> = percent_decode(value).collect();
        self.add(position, &decoded, sure);
        if decoded != value {
            self.add(position, value, false);
        }
    }

    fn add(&mut self, position: &str, value: &[u8], sure: bool) {
        let anonymous = !sure && value.len() < MIN_ANONYMOUS;
        // A whole header (`Bearer …`) may be what a file holds, otherwise tokens have no spaces.
        let spaced = !sure && !position.ends_with("authorization") && value.contains(&b' ');
        if value.is_empty() || value.len() > MAX_SECRET || anonymous || spaced || self.left == 0 {
            return;
        }
        self.left -= 1;
        let fingerprint = self.redactor.fingerprint(value);
        let known = self.redactor.knows(fingerprint);
        let rank = if known { 0 } else { 2 - usize::from(sure) };
        let room = self.ranks[rank].len() < MAX_USES;
        if room && self.seen.insert((fingerprint, position.to_owned())) {
            let position = position.to_owned();
            self.ranks[rank].push(CredentialUse { fingerprint, position, by_definition: sure });
        }
    }
}

/// Cookie values may be quoted.
trait Quoted {
    fn trim_quotes(&self) -> &Self;
}

impl Quoted for [u8] {
    fn trim_quotes(&self) -> &Self {
        self.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(self)
    }
}

#[cfg(test)]
mod tests;
