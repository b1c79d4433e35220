//! Facts about a request, taken from its plaintext and stripped of everything that may be secret.
//!
//! A body is never kept. What is kept is what a detector needs: the GraphQL operations, or the short scalar fields.

use serde::{Deserialize, Serialize};

use crate::secret::Fingerprint;

/// An HTTP request, as far as it is known after one write. The same request is reported again, with more of it, after
/// each further write, until `complete`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Request {
    /// The TLS connection inside its process.
    pub stream: u64,
    /// Which request of that connection, from 0.
    pub index: u64,
    /// Method, as sent.
    pub method: String,
    /// `Host`, without credentials, lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Path without the query; secrets replaced by fingerprints.
    pub path: String,
    /// Query parameters; secrets replaced.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub query: Vec<Field>,
    /// Headers whose values are no secrets by their nature (content-type, user-agent, x-amz-target, …).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// Every value at a place where a credential may stand, by fingerprint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials: Vec<CredentialUse>,
    /// The body.
    pub body: Body,
    /// The whole request has been written.
    pub complete: bool,
}

/// A header that is safe to keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// Lower case.
    pub name: String,
    pub value: String,
}

/// A value at a place where a credential may stand.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CredentialUse {
    pub fingerprint: Fingerprint,
    /// `header:authorization`, `header:cookie`, `query:key`, `body:token`, …
    pub position: String,
    /// The position carries credentials by definition (Authorization, Cookie, API-key headers, password part of the
    /// URL). Other positions only count when their value is known from elsewhere.
    pub by_definition: bool,
}

/// What a request's body says.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Body {
    /// Bytes of the body written so far, after transfer and before content decoding.
    pub bytes: u64,
    /// Only the first part was looked at: it is over the limit, or bytes were lost.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
    /// Why it could not be decoded or understood, if it could not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undecodable: Option<String>,
    /// What it says.
    #[serde(default)]
    pub facts: BodyFacts,
}

/// The part of a body a detector may use.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyFacts {
    /// Empty, or of a form holdfire does not read.
    #[default]
    None,
    /// GraphQL operations, also from a batch.
    Graphql(Vec<GraphqlOperation>),
    /// Scalar fields of a JSON or form body, by path (`items.0.type`).
    Fields(Vec<Field>),
}

/// One short scalar value under its name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    /// The value, or `‹fp:…›` for a secret and `‹n B›` for a long text.
    pub value: String,
}

/// One GraphQL operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphqlOperation {
    #[serde(rename = "type")]
    pub kind: OperationType,
    /// Its name in the document.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The fields selected at its root, fragments resolved, aliases undone.
    pub fields: Vec<GraphqlField>,
}

/// The three kinds of GraphQL operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationType {
    Query,
    Mutation,
    Subscription,
}

/// A field selected at the root of an operation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GraphqlField {
    /// The name in the schema, never the alias.
    pub name: String,
    /// Arguments: scalars, variables filled in where the request carries them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<Field>,
}

/// Plaintext that is no request holdfire can read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unread {
    /// The TLS connection inside its process.
    pub stream: u64,
    /// `http2`, `not-http`, `lost-bytes`, `unreadable-memory`, …
    pub why: String,
    /// Bytes concerned.
    pub bytes: u64,
}

/// The acting process wrote nothing more for so long while a request of its waited for its rest. Its waiting requests are
/// judged by what there is of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waited {
    /// Milliseconds since its last write.
    pub millis: u64,
}
