//! The causal tree: from the root of the session to the readers of the credential and to the sender.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::sending::sending;
use super::{Node, NodeKind};
use crate::event::{Place, ProcessId};
use crate::policy::Finding;
use crate::session::{Image, Origin, Session};

/// Places shown. All of them stand in the finding; these are enough to see the way it went.
pub(super) const MAX_ORIGINS: usize = 8;

/// Processes shown of one line of descent; those in the middle of a longer one are counted.
const MAX_GENERATIONS: usize = 12;

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

pub(super) fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
