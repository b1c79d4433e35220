//! What an HTTP request would do.
//!
//! A request can name its operation in many places, and may name several. All places are looked at and all operations
//! kept, so that a harmless (or permitted) one cannot hide another. Bias: a place where a server might look counts,
//! whether or not this server does.

use super::catalog::last_part;
use super::path::Path;
use super::verbs::Said;
use super::words::clip;
use super::{Catalog, Confidence, Effect, Reversibility, Verb};
use crate::event::{BodyFacts, Field, GraphqlField, OperationType, Request};

/// Longest target in an effect, in characters: a UUID and then some.
pub(super) const MAX_TARGET: usize = 64;
/// Longest operation in an effect, in characters: what a line of a screen can take.
pub(super) const MAX_OPERATION: usize = 120;
/// Most different effects of one request. Beyond it the rest is reported as not judged: a batch of hundreds of
/// different operations is not read by the human who has to decide either.
pub const MAX_EFFECTS: usize = 32;
/// Methods that by their definition change nothing.
const SAFE_METHODS: [&str; 5] = ["GET", "HEAD", "OPTIONS", "TRACE", "CONNECT"];

/// What is known of a request's consequences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assessment {
    /// Every different effect of the operations in the request, worst first, at most [`MAX_EFFECTS`].
    pub effects: Vec<Effect>,
    /// Why part of the request could not be judged, if it writes and part of it could not. A sentence fragment that
    /// follows "the request": `has a body of 70000 bytes of which only the first part was read`.
    pub blind: Option<String>,
    /// The catalogue's provider behind the host or the server name, whatever the request does.
    pub provider: Option<String>,
}

impl Assessment {
    /// The worst effect.
    pub fn worst(&self) -> Option<&Effect> {
        self.effects.first()
    }
}

impl Catalog {
    /// What `request` would do. `server_name` is the name its TLS connection was opened for, which the server may go by
    /// rather than by the request's own `Host`. An incomplete request is judged by what there is of it.
    pub fn assess(&self, request: &Request, server_name: Option<&str>) -> Assessment {
        let provider = [request.host.as_deref(), server_name]
            .into_iter()
            .flatten()
            .find_map(|host| self.provider_of(host))
            .map(str::to_owned);
        let mut found =
            Found { catalog: self, provider: provider.as_deref(), effects: Vec::new(), overflow: false };
        found.look_at(request);
        let Found { mut effects, overflow, .. } = found;
        effects.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.operation.cmp(&b.operation)));
        let blind = if overflow {
            Some(format!("holds more than {MAX_EFFECTS} different destructive operations"))
        } else {
            blind(request, provider.is_some())
        };
        Assessment { effects, blind, provider }
    }

    /// The worst effect of `request`, by its own `Host`.
    pub fn effect(&self, request: &Request) -> Option<Effect> {
        self.assess(request, None).effects.into_iter().next()
    }

    /// Whether an incomplete request may turn out worse with the rest of its body. Not if the rest will not be read
    /// anyway: then it is to be judged now, by what [`Assessment::blind`] says of it.
    pub fn could_become(&self, request: &Request) -> bool {
        !request.complete
            && !is_safe(&request.method)
            && !request.body.truncated
            && request.body.undecodable.is_none()
    }
}

fn is_safe(method: &str) -> bool {
    SAFE_METHODS.iter().any(|safe| method.eq_ignore_ascii_case(safe))
}

/// Why part of a request could not be judged. A body of a form that is not read (an upload, say) counts only where a
/// known control plane would read it.
fn blind(request: &Request, known_provider: bool) -> Option<String> {
    let body = &request.body;
    if is_safe(&request.method) {
        None
    } else if let Some(why) = &body.undecodable {
        Some(format!("has a body that could not be read ({})", clip(why, MAX_TARGET)))
    } else if body.truncated {
        Some(format!("has a body of {} bytes of which only the first part was read", body.bytes))
    } else if known_provider && request.complete && body.bytes > 0 && body.facts == BodyFacts::None {
        Some(format!("has a body of {} bytes in a form holdfire does not read", body.bytes))
    } else {
        None
    }
}

/// What makes one effect worse than another.
fn weight(effect: &Effect) -> (Reversibility, Confidence) {
    (effect.reversibility, effect.confidence)
}

/// The effects found so far.
struct Found<'a> {
    catalog: &'a Catalog,
    provider: Option<&'a str>,
    effects: Vec<Effect>,
    overflow: bool,
}

impl Found<'_> {
    fn look_at(&mut self, request: &Request) {
        let path = Path::new(&request.path);
        self.method(request, &path);
        if !is_safe(&request.method) {
            self.path(request, &path);
            self.headers(request);
        }
        let fields = match &request.body.facts {
            BodyFacts::Fields(fields) => fields.as_slice(),
            _ => &[],
        };
        let names = || request.query.iter().chain(fields);
        names().for_each(|field| self.field(field, &path));
        // S3: POST /bucket?delete
        request.query.iter().filter(|field| field.value.is_empty()).for_each(|field| self.named(&field.name));
        if !self.creates(request, &path) {
            names().for_each(|field| self.guard(field, None, path.target()));
        }
        if let BodyFacts::Graphql(operations) = &request.body.facts {
            let mutations = operations.iter().filter(|operation| operation.kind == OperationType::Mutation);
            mutations.flat_map(|mutation| &mutation.fields).for_each(|field| self.graphql(field));
        }
    }

    /// HTTP DELETE, also where a header puts it in the place of the method sent.
    fn method(&mut self, request: &Request, path: &Path) {
        let overridden = request
            .headers
            .iter()
            .any(|header| self.catalog.verbs.overrides_method(&header.name) && is_delete(&header.value));
        if is_delete(&request.method) || overridden {
            self.delete(path);
        }
    }

    /// A verb in the path. With PUT the last segment is a name the client chooses, and so may be the one before the
    /// last: there only what can hardly be a name counts.
    fn path(&mut self, request: &Request, path: &Path) {
        let verbs = &self.catalog.verbs;
        let is_put = request.method.eq_ignore_ascii_case("PUT");
        let said = path.verb_places().enumerate().find_map(|(at, segment)| {
            let operation_by_place = if at == 0 { !is_put } else { path.ends_in_identifier() && !is_put };
            let counts = operation_by_place
                || verbs.is_bare_verb(segment)
                || (at == 0 && verbs.is_camel_case_verb(segment));
            counts.then(|| verbs.judge(segment)).flatten().map(|said| (at, said))
        });
        if let Some((at, said)) = said.filter(|_| !is_delete(&request.method)) {
            let (before, verb, id) = path.around_verb(at);
            let template = before.template();
            let operation = format!("{} {}{verb}", clip(&request.method, 16), template.trim_end_matches('/'));
            self.add_said(said, before.object(), operation, id.or_else(|| before.target()));
        }
    }

    /// `X-Amz-Target: DynamoDB_20120810.DeleteTable`.
    fn headers(&mut self, request: &Request) {
        for name in amz_targets(request) {
            self.named(name);
        }
    }

    /// A field of a query or body that names an operation or overrides the method.
    fn field(&mut self, field: &Field, path: &Path) {
        let verbs = &self.catalog.verbs;
        let overrides = verbs.speaking_part(&field.name).is_some_and(|last| verbs.overrides_method(last));
        if overrides && is_delete(&field.value) {
            self.delete(path);
        } else if let Some(name) = verbs.named_by(field) {
            self.named(name);
        }
    }

    /// A field that switches a protection off, `operation` if that has a name of its own.
    fn guard(&mut self, field: &Field, operation: Option<&str>, target: Option<String>) {
        if self.catalog.verbs.is_guard_switched_off(&field.name, &field.value) {
            let last = last_part(&field.name);
            let object = clip(last, MAX_TARGET);
            let said = Said { verb: Verb::RemovesGuard, reversibility: Reversibility::G, object };
            let operation = operation.map_or_else(|| format!("{last}={}", field.value), str::to_owned);
            self.add_said(said, None, operation, target);
        }
    }

    /// Whether the request makes something new: it says so, or it is a POST to a collection without naming an operation.
    fn creates(&self, request: &Request, path: &Path) -> bool {
        let verbs = &self.catalog.verbs;
        let fields = match &request.body.facts {
            BodyFacts::Fields(fields) => fields.as_slice(),
            _ => &[],
        };
        let mut named = request
            .query
            .iter()
            .chain(fields)
            .filter_map(|field| verbs.named_by(field))
            .chain(amz_targets(request))
            .peekable();
        if named.peek().is_some() {
            return named.all(|name| verbs.creates(name));
        }
        request.method.eq_ignore_ascii_case("POST") && path.target().is_none()
    }

    fn named(&mut self, name: &str) {
        if let Some(said) = self.catalog.verbs.judge(name) {
            self.add_said(said, None, name.to_owned(), None);
        }
    }

    /// A field at the root of a mutation: by the catalogue, or else by its name.
    fn graphql(&mut self, field: &GraphqlField) {
        let argument = |name: &str| field.arguments.iter().find(|argument| last_part(&argument.name) == name);
        if let Some(entry) = self.catalog.graphql(self.provider, &field.name, &field.arguments) {
            let target = entry.target.as_deref().and_then(argument).map(|argument| argument.value.clone());
            self.add(Effect {
                verb: entry.verb,
                reversibility: entry.reversibility,
                object: entry.object.clone(),
                target,
                provider: String::new(),
                operation: entry.operation.clone(),
                recovery: self.provider.and_then(|_| entry.recovery()),
                confidence: if self.provider.is_some() { Confidence::Sure } else { Confidence::Generic },
            });
        } else if let Some(said) = self.catalog.verbs.judge(&field.name) {
            let target = argument("id").or(field.arguments.first()).map(|argument| argument.value.clone());
            self.add_said(said, None, field.name.clone(), target);
        }
        if !self.catalog.verbs.creates(&field.name) {
            field.arguments.iter().for_each(|argument| self.guard(argument, Some(&field.name), None));
        }
    }

    /// HTTP DELETE of a path: always destroys; what the path names can only make it lighter.
    fn delete(&mut self, path: &Path) {
        let object = path.object().unwrap_or_default();
        let (verb, reversibility) = self.catalog.verbs.weigh(&object, Verb::Destroys, Reversibility::S4);
        let said = Said { verb, reversibility, object };
        self.add_said(said, None, format!("DELETE {}", path.template()), path.target());
    }

    /// Adds what a name said. `otherwise` is the object if the name holds none.
    fn add_said(&mut self, said: Said, otherwise: Option<String>, operation: String, target: Option<String>) {
        let object = Some(said.object).filter(|object| !object.is_empty()).or(otherwise);
        self.add(Effect {
            verb: said.verb,
            reversibility: said.reversibility,
            object: object.unwrap_or_else(|| "resource".to_owned()),
            target,
            provider: String::new(),
            operation,
            recovery: None,
            confidence: if self.provider.is_some() { Confidence::Likely } else { Confidence::Generic },
        });
    }

    /// Keeps an effect, its texts bounded and plain, unless it is known already.
    fn add(&mut self, effect: Effect) {
        let effect = Effect {
            object: clip(&effect.object, MAX_TARGET),
            target: effect.target.map(|target| clip(&target, MAX_TARGET)),
            provider: self.provider.unwrap_or("unknown").to_owned(),
            operation: clip(&effect.operation, MAX_OPERATION),
            ..effect
        };
        if self.effects.contains(&effect) {
            return;
        }
        if self.effects.len() < MAX_EFFECTS {
            self.effects.push(effect);
            return;
        }
        self.overflow = true;
        if let Some(mildest) = self.effects.iter_mut().min_by_key(|known| weight(known))
            && weight(mildest) < weight(&effect)
        {
            *mildest = effect;
        }
    }
}

/// The operations named by `X-Amz-Target` headers.
fn amz_targets(request: &Request) -> impl Iterator<Item = &str> {
    let targets = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("x-amz-target"));
    targets.map(|header| last_part(&header.value))
}

fn is_delete(method: &str) -> bool {
    method.trim().eq_ignore_ascii_case("DELETE")
}

#[cfg(test)]
#[path = "request_tests.rs"]
mod tests;
