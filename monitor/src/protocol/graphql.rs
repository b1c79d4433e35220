//! GraphQL operations of a request, wherever it carries them: a JSON body or a batch of them, a form, the URL's query,
//! or a bare document.
//!
//! A body is known by what it holds, not by its content type: curl sends JSON as
//! `application/x-www-form-urlencoded`, some clients send no type at all. The bias: a field that may be executed counts.
//! So `@skip` and `@include` are not evaluated, every operation counts unless `operationName` picks one, and of repeated
//! keys each does. A partial body is read as far as it goes: its last field may be cut.

mod document;

use self::document::{Budget, Variables};
use super::form::Pair;
use super::json::{self, Json};
use crate::credential::Redactor;
use crate::event::{GraphqlOperation, OperationType};

/// What the name of an operation begins with whose document was not sent: a persisted query, known to the server by its
/// hash. It has no fields, and since it may do anything it is a mutation. `operationName` follows after `: `.
pub const PERSISTED: &str = "persisted query, document not seen";

/// Requests of one batch that are read. Servers allow 10 to 100.
const MAX_BATCH: usize = 256;
/// `query` strings looked for in a body that is no JSON.
const MAX_SCANNED: usize = 16;
/// What a GraphQL request may hold. Anything else may be meant for a server that takes it for its own.
const MEMBERS: &[&str] = &[
    "query",
    "variables",
    "operationName",
    "extensions",
    "id",
    "documentId",
    "doc_id",
    "queryId",
    "context",
];
/// Characters of a name.
const MAX_NAME: usize = 128;

/// What was found in a request.
#[derive(Default)]
pub(super) struct Found {
    pub(super) operations: Vec<GraphqlOperation>,
    /// Scalar arguments written out in documents, by path: a place where credentials may stand.
    pub(super) literals: Vec<(Vec<String>, String)>,
    /// What was not understood, in one clause.
    pub(super) trouble: Option<&'static str>,
}

impl Found {
    /// Keeps the first trouble: what follows is often its consequence.
    fn note(&mut self, what: &'static str) {
        self.trouble.get_or_insert(what);
    }
}

/// One request: where servers disagree which of repeated keys counts, all are here.
#[derive(Default)]
struct Call<'a> {
    documents: Vec<&'a str>,
    variables: Vec<&'a Json>,
    operation_names: Vec<&'a str>,
    persisted: bool,
}

/// Those of a JSON body; none if it holds no GraphQL.
pub(super) fn in_json(values: &[Json], redactor: &Redactor) -> Option<Found> {
    let calls: Vec<&Json> =
        values
            .iter()
            .flat_map(|value| {
                if let Json::List(items) = value { items.as_slice() } else { std::slice::from_ref(value) }
            })
            .take(MAX_BATCH + 1)
            .collect();
    let over = calls.len() > MAX_BATCH;
    let beside = calls.iter().any(|call| call.has_other_than(MEMBERS));
    let calls = calls.into_iter().take(MAX_BATCH).map(|value| Call {
        documents: value.members("query").filter_map(Json::as_text).collect(),
        variables: value.members("variables").collect(),
        operation_names: value.members("operationName").filter_map(Json::as_text).collect(),
        persisted: value
            .members("extensions")
            .any(|extensions| extensions.members("persistedQuery").next().is_some()),
    });
    let mut found = read(calls, redactor)?;
    if beside {
        found.note("fields beside a GraphQL query");
    }
    if over {
        found.note("a GraphQL batch of more than 256 requests");
    }
    Some(found)
}

/// Those of a form or a URL's query; none if it holds no GraphQL.
pub(super) fn in_pairs(pairs: &[Pair<'_>], redactor: &Redactor) -> Option<Found> {
    let called = |name: &'static str| {
        pairs.iter().filter(move |pair| pair.name == name).map(|pair| pair.value.as_str())
    };
    // In a multipart request, `operations`; in a form, some servers take the same.
    let nested: Vec<Json> =
        called("operations").filter_map(|text| json::parse(text, false)).flat_map(|one| one.values).collect();
    if let Some(found) = in_json(&nested, redactor) {
        return Some(found);
    }
    let variables: Vec<Json> = called("variables")
        .filter_map(|text| json::parse(text, false))
        .flat_map(|parsed| parsed.values)
        .collect();
    let call = Call {
        documents: called("query").collect(),
        variables: variables.iter().collect(),
        operation_names: called("operationName").collect(),
        persisted: called("extensions").any(|text| text.contains("\"persistedQuery\"")),
    };
    read(std::iter::once(call), redactor)
}

/// Those of a bare document; none if it is none.
pub(super) fn in_document(text: &str, redactor: &Redactor) -> Option<Found> {
    read(std::iter::once(Call { documents: vec![text], ..Call::default() }), redactor)
}

/// Those of a body that should be JSON and is not, by looking for what follows `"query":`.
pub(super) fn in_broken_json(text: &str, redactor: &Redactor) -> Option<Found> {
    let found = json::strings_after(text, "query", MAX_SCANNED + 1);
    let documents = found.iter().take(MAX_SCANNED).map(String::as_str).collect();
    let mut read = read(std::iter::once(Call { documents, ..Call::default() }), redactor)?;
    if found.len() > MAX_SCANNED {
        read.note("more than 16 GraphQL queries in a body that is no JSON");
    }
    Some(read)
}

fn read<'a>(calls: impl Iterator<Item = Call<'a>>, redactor: &Redactor) -> Option<Found> {
    let mut found = Found::default();
    let mut budget = Budget::new();
    for call in calls {
        let before = found.operations.len();
        let variables = by_name(&call.variables);
        for document in &call.documents {
            document::operations(document, &variables, redactor, &mut budget, &mut found);
        }
        let picked = |operation: &GraphqlOperation| {
            call.operation_names.iter().any(|name| operation.name.as_deref() == Some(name))
        };
        if found.operations[before..].iter().any(picked) {
            let mut at = 0;
            found.operations.retain(|operation| {
                at += 1;
                at <= before || picked(operation)
            });
        }
        if found.operations.len() == before && call.persisted && call.documents.is_empty() {
            let name = call.operation_names.first().map(|name| short(name));
            let name = name.map_or(PERSISTED.to_owned(), |name| format!("{PERSISTED}: {name}"));
            found.operations.push(GraphqlOperation {
                kind: OperationType::Mutation,
                name: Some(name),
                fields: Vec::new(),
            });
        }
    }
    (!found.operations.is_empty()).then_some(found)
}

fn by_name<'a>(given: &[&'a Json]) -> Variables<'a> {
    let mut variables = Variables::new();
    for (name, value) in given.iter().flat_map(|object| object.entries()) {
        variables.entry(name.as_str()).or_default().push(value);
    }
    variables
}

/// Names of the schema are shown as they are: hiding one that a session made look like a secret would hide it from the detectors.
fn short(name: &str) -> String {
    name.chars().filter(|char| char.is_ascii_alphanumeric() || *char == '_').take(MAX_NAME).collect()
}

#[cfg(test)]
mod tests;
