//! The sender's lines of the tree: where it went, what it carried, what that would do, and what became of it.

use super::tree::{MAX_ORIGINS, millis};
use super::{Node, NodeKind};
use crate::detect::{Confidence, Effect, Verb};
use crate::event::{BodyFacts, Field, GraphqlOperation, OperationType, Place, Request};
use crate::policy::{Finding, Provenance};
use crate::session::{Destination, Origin, Session};
use crate::ui::span;

/// Operations of one request shown.
const MAX_OPERATIONS: usize = 8;

/// Destination and request of the sender.
pub(super) fn sending(
    session: &Session,
    finding: &Finding,
    origin: Option<&Origin>,
    verdict: &str,
) -> Vec<Node> {
    let noted = session.flows().noted(finding.event);
    let mut nodes = Vec::new();
    if let Some(noted) = noted {
        nodes.push(destination(finding, &noted.destination));
    }
    let mut request = match noted.and_then(|noted| noted.request.as_ref()) {
        Some(request) => request_node(session, finding, request, origin),
        None => Node {
            kind: NodeKind::Request,
            text: "traffic that could not be read".to_owned(),
            ..Node::default()
        },
    };
    request.event = Some(finding.event);
    request.at_ms = Some(millis(session.offset(finding.time)));
    let mut ends = Vec::new();
    if let Some(effect) = &finding.effect {
        ends.push(Node { kind: NodeKind::Effect, text: told(effect), ..Node::default() });
    }
    ends.push(Node { kind: NodeKind::Verdict, text: verdict.to_owned(), ..Node::default() });
    // They belong to the operation if there is just one.
    let mut operations = request.children.iter_mut().filter(|node| node.kind == NodeKind::Operation);
    match (operations.next(), operations.next()) {
        (Some(only), None) => only.children = ends,
        _ => request.children.extend(ends),
    }
    nodes.push(request);
    nodes
}

fn destination(finding: &Finding, destination: &Destination) -> Node {
    let name =
        destination.names.first().or(finding.host.as_ref()).map_or("a server that was not named", |n| n);
    let peer = match destination.peers.as_slice() {
        [] => "address not seen".to_owned(),
        [peer] => peer.to_string(),
        [peer, more @ ..] => format!("{peer} or one of {} others", more.len()),
    };
    Node {
        kind: NodeKind::Destination,
        text: format!("TLS to {name} ({peer})"),
        note: destination.probe.clone(),
        ..Node::default()
    }
}

fn request_node(session: &Session, finding: &Finding, request: &Request, origin: Option<&Origin>) -> Node {
    let mut children = Vec::new();
    if let Some(credential) = &finding.credential {
        let later = origin
            .filter(|origin| matches!(origin.place, Place::File { .. }))
            .map(|origin| format!("← same secret as above, {} later", span(finding.time.since(origin.time))));
        let standing = match credential.provenance {
            Provenance::Granted => Some("given to this session".to_owned()),
            Provenance::Discovered => match credential.origins.len() {
                0..=MAX_ORIGINS => later,
                all => later.map(|later| format!("{later}; it stood in {all} places")),
            },
            Provenance::Unknown | Provenance::None => Some("never seen before this request".to_owned()),
        };
        children.push(Node {
            kind: NodeKind::Credential,
            text: position(&credential.position),
            secret: Some(credential.fingerprint),
            note: standing,
            ..Node::default()
        });
    }
    if let BodyFacts::Graphql(operations) = &request.body.facts {
        let shown = operations.iter().flat_map(spelled).take(MAX_OPERATIONS);
        children.extend(shown.map(|text| Node { kind: NodeKind::Operation, text, ..Node::default() }));
    }
    let host = request.host.as_deref().filter(|host| {
        session
            .flows()
            .noted(finding.event)
            .is_none_or(|noted| noted.destination.names.first().is_none_or(|n| n != host))
    });
    let at = host.map_or_else(String::new, |host| format!(" at {host}"));
    Node {
        kind: NodeKind::Request,
        text: format!("{} {}{at}", request.method, request.path),
        children,
        ..Node::default()
    }
}

/// `mutation volumeDelete(volumeId: "3d2c…")`, one for each field at the root.
fn spelled(operation: &GraphqlOperation) -> impl Iterator<Item = String> {
    let kind = match operation.kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    };
    operation.fields.iter().map(move |field| {
        let argument = |argument: &Field| format!("{}: \"{}\"", argument.name, argument.value);
        let arguments: Vec<String> = field.arguments.iter().map(argument).collect();
        format!("{kind} {}({})", field.name, arguments.join(", ")).replace("()", "")
    })
}

fn told(effect: &Effect) -> String {
    let verb = match effect.verb {
        Verb::Destroys => "destroys",
        Verb::ChangesAccess => "changes access to",
        Verb::Configures => "changes the settings of",
        Verb::RemovesGuard => "removes a protection of",
    };
    let recovery = effect.recovery.as_ref().map_or_else(String::new, |recovery| format!("; {recovery}"));
    let confidence = match effect.confidence {
        Confidence::Sure => "",
        Confidence::Likely => "; recognised by its name",
        Confidence::Generic => "; guessed from method and name",
    };
    format!("{verb} {}; {}{recovery}{confidence}", effect.object, effect.reversibility)
}

/// `Authorization` of `header:authorization`; `query key` of `query:key`.
fn position(position: &str) -> String {
    let Some(header) = position.strip_prefix("header:") else { return position.replacen(':', " ", 1) };
    let capital = |part: &str| {
        let mut chars = part.chars();
        chars.next().map_or_else(String::new, |first| first.to_ascii_uppercase().to_string() + chars.as_str())
    };
    header.split('-').map(capital).collect::<Vec<_>>().join("-")
}
