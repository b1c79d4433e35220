//! The causal tree: from the root of the session to the readers of the credential and to the sender.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::{Node, NodeKind};
use crate::detect::{Confidence, Effect, Verb};
use crate::event::{BodyFacts, Field, GraphqlOperation, OperationType, Place, ProcessId, Request};
use crate::policy::{Finding, Provenance};
use crate::session::{Destination, Image, Origin, Session};
use crate::ui::span;

/// Places shown. All of them stand in the finding; these are enough to see the way it went.
const MAX_ORIGINS: usize = 8;

/// Processes shown of one line of descent; those in the middle of a longer one are counted.
const MAX_GENERATIONS: usize = 12;

/// Operations of one request shown.
const MAX_OPERATIONS: usize = 8;

/// A process while it ran one program: the same process may read as one program and send as another.
type Step = (ProcessId, u64);

/// The lines in the making.
struct Builder<'a> {
    session: &'a Session,
    lines: BTreeMap<Step, Node>,
    /// Things below a process, by the seq at which they began.
    below: BTreeMap<Step, Vec<(u64, Item)>>,
    tops: BTreeSet<Step>,
    linked: BTreeSet<Step>,
}

enum Item {
    Step(Step),
    Node(Node),
}

/// Builds the tree of a finding. `verdict` is the line about what became of it.
pub(super) fn build(session: &Session, finding: &Finding, verdict: &str) -> Vec<Node> {
    let mut builder = Builder {
        session,
        lines: BTreeMap::new(),
        below: BTreeMap::new(),
        tops: BTreeSet::new(),
        linked: BTreeSet::new(),
    };
    if let Some(root) = session.tree().root() {
        builder.descent(
            root,
            session.tree().get(root).and_then(|root| root.images.first()).map_or(0, |i| i.at.seq),
        );
    }
    let shown = shown_origins(session, finding);
    for origin in &shown {
        if matches!(origin.place, Place::File { .. }) {
            let step = builder.descent(origin.process, origin.event);
            builder.add(step, origin.event, Item::Node(builder.origin(finding, origin)));
        }
    }
    let sender = builder.descent(finding.process, finding.event);
    for node in sending(session, finding, shown.first().copied(), verdict) {
        builder.add(sender, finding.event, Item::Node(node));
    }
    builder.finish()
}

/// The most telling places, in the order in which they were met.
fn shown_origins<'a>(session: &'a Session, finding: &'a Finding) -> Vec<&'a Origin> {
    let Some(credential) = &finding.credential else { return Vec::new() };
    // Later events may have added places; only those the finding names count.
    let named: BTreeSet<u64> = credential.origins.iter().map(|origin| origin.event).collect();
    let met = session.secrets().get(credential.fingerprint);
    let mut origins: Vec<&Origin> = met.map_or_else(Vec::new, |met| met.origins);
    origins.retain(|origin| named.contains(&origin.event));
    origins.truncate(MAX_ORIGINS);
    origins
}

impl Builder<'_> {
    /// Makes the lines from the root down to what `process` ran when event `seq` happened.
    fn descent(&mut self, process: ProcessId, seq: u64) -> Step {
        let tree = self.session.tree();
        let chain = tree.chain(process);
        let mut steps = Vec::new();
        let mut until = seq;
        for &process in chain.iter().rev() {
            let image = tree.image_at(process, until);
            steps.push((process, image.map_or(0, |image| image.at.seq)));
            until = tree.get(process).and_then(|process| process.forked).map_or(until, |forked| forked.seq);
        }
        steps.reverse();
        let left_out = steps.len().saturating_sub(MAX_GENERATIONS);
        if left_out > 0 {
            steps.drain(2..2 + left_out);
        }
        for (place, &step) in steps.iter().enumerate() {
            let mut line = self.process(step);
            if left_out > 0 && place == 2 {
                line.note = Some(format!("{left_out} processes between them are not shown"));
            }
            self.lines.entry(step).or_insert(line);
        }
        if let Some(&top) = steps.first() {
            self.link_top(top);
        }
        for pair in steps.windows(2) {
            let forked =
                tree.get(pair[1].0).and_then(|process| process.forked).map_or(0, |forked| forked.seq);
            self.link(pair[0], forked, pair[1]);
        }
        steps.last().copied().unwrap_or((process, 0))
    }

    /// A process without a known parent belongs below the root, unless it is the root.
    fn link_top(&mut self, top: Step) {
        let first = self.tops.iter().next().copied();
        match first {
            Some(first) if first != top && !self.linked.contains(&top) => {
                let same = first.0 == top.0;
                if let Some(line) = self.lines.get_mut(&top).filter(|_| !same) {
                    line.note = Some("its start was not seen".to_owned());
                }
                self.link(first, top.1, top);
            }
            Some(_) => {}
            None => {
                self.tops.insert(top);
                self.linked.insert(top);
            }
        }
    }

    fn link(&mut self, parent: Step, seq: u64, child: Step) {
        if self.linked.insert(child) {
            // What the same process ran before comes between it and its parent.
            let before = self.lines.range((child.0, 0)..child).next_back().map(|(step, _)| *step);
            let (parent, seq) =
                before.filter(|step| self.linked.contains(step)).map_or((parent, seq), |b| (b, child.1));
            self.add(parent, seq, Item::Step(child));
        }
    }

    fn add(&mut self, step: Step, seq: u64, item: Item) {
        self.below.entry(step).or_default().push((seq, item));
    }

    fn process(&self, (process, image): Step) -> Node {
        let tree = self.session.tree();
        let known = tree.get(process);
        let pid = known.map_or(0, |known| known.pid);
        let own = known.and_then(|known| known.images.iter().find(|candidate| candidate.at.seq == image));
        let mut node = Node {
            text: format!("{}({pid})", tree.name_at(process, image.max(1))),
            event: (image > 0).then_some(image),
            ..Node::default()
        };
        if let Some(own) = own {
            node.text = format!("{}({pid}) \"{}\"", tree.name_at(process, image), command(own));
            node.at_ms = Some(millis(self.session.offset(own.at.time)));
        } else {
            // It runs what its parent ran.
            let seq = known.and_then(|known| known.forked).map_or(u64::MAX, |forked| forked.seq);
            node.text = format!("{}({pid})", tree.name_at(process, seq));
        }
        if tree.root() == Some(process) {
            node.note = Some(match self.session.secrets().given() {
                0 => "given: no credential".to_owned(),
                1 => "given: 1 credential".to_owned(),
                given => format!("given: {given} credentials"),
            });
        }
        node
    }

    fn origin(&self, finding: &Finding, origin: &Origin) -> Node {
        let path = match &origin.place {
            Place::File { path, .. } | Place::Inherited { path } => self.session.relative(path),
            Place::Environment | Place::Arguments => "",
        };
        let credential = finding.credential.as_ref();
        Node {
            kind: NodeKind::Origin,
            text: format!("read {path}"),
            secret: credential.map(|credential| credential.fingerprint),
            note: credential.and_then(|credential| credential.kind.clone()),
            event: Some(origin.event),
            at_ms: Some(millis(self.session.offset(origin.time))),
            children: Vec::new(),
        }
    }

    fn finish(mut self) -> Vec<Node> {
        let tops: Vec<Step> = self.tops.iter().copied().collect();
        tops.into_iter().filter_map(|top| self.assemble(top)).collect()
    }

    /// Takes a line with all below it; as deep as the lines are, which is bounded.
    fn assemble(&mut self, step: Step) -> Option<Node> {
        let mut node = self.lines.remove(&step)?;
        let mut items = self.below.remove(&step).unwrap_or_default();
        items.sort_by_key(|(seq, _)| *seq);
        for (_, item) in items {
            match item {
                Item::Step(step) => node.children.extend(self.assemble(step)),
                Item::Node(child) => node.children.push(child),
            }
        }
        Some(node)
    }
}

/// What a program was asked to do: the script of a shell, the arguments of anything else.
fn command(image: &Image) -> String {
    let mut words = image.argv.iter();
    let shell = words.next().is_some_and(|name| name.trim_start_matches('-').ends_with("sh"));
    let command = match image.argv.as_slice() {
        [_, flag, script, ..] if shell && flag.starts_with('-') && flag.ends_with('c') => script.clone(),
        argv => argv.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" "),
    };
    if image.argv_cut { format!("{command}…") } else { command }
}

/// A word as one would type it, so that its bounds are seen.
fn quoted(word: &str) -> Cow<'_, str> {
    if word.is_empty() || word.contains([' ', '\'', '"', '$', '\\', ';', '&', '|']) {
        Cow::Owned(format!("'{word}'"))
    } else {
        Cow::Borrowed(word)
    }
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

/// Destination and request of the sender.
fn sending(session: &Session, finding: &Finding, origin: Option<&Origin>, verdict: &str) -> Vec<Node> {
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

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
