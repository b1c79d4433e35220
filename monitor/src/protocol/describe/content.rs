//! What a body says, in one of the ways a server may take it.
//!
//! The bias: content types and codings are claims. What a body holds decides, and where two readings are possible both
//! are shown, or the second is at least noted.

use std::borrow::Cow;

use super::header;
use crate::credential::Redactor;
use crate::event::{BodyFacts, Field};
use crate::protocol::credentials::Uses;
use crate::protocol::form::Pair;
use crate::protocol::http1::Message;
use crate::protocol::json::Json;
use crate::protocol::{body, fields, form, graphql, json};

/// Reads a body, in one of the ways it may be meant.
pub(super) struct BodyReader<'a, 'u, 'r> {
    pub(super) message: &'a Message,
    pub(super) redactor: &'r Redactor,
    pub(super) uses: &'u mut Uses<'r>,
    pub(super) notes: &'u mut Vec<Cow<'static, str>>,
    /// Not all of the body was looked at.
    pub(super) truncated: bool,
}

impl BodyReader<'_, '_, '_> {
    /// What it says, for a request to `path`.
    pub(super) fn facts(&mut self, path: &str) -> BodyFacts {
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
        let endpoint = path.split('/').any(|segment| segment.eq_ignore_ascii_case("graphql"));
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

    /// Adds the operations in the URL. Servers take a query from there for a POST too, and some prefer it.
    pub(super) fn with_url(&mut self, in_body: BodyFacts, pairs: &[Pair<'_>]) -> BodyFacts {
        let Some(found) = graphql::in_pairs(pairs, self.redactor) else { return in_body };
        let in_url = self.graphql(found);
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
