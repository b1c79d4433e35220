//! The screen of an explanation: 120 columns at most, readable without colour.
//!
//! Every string of a session is hostile: it may hold terminal sequences, line breaks or characters that turn the
//! direction of text. None reaches the screen as such.

use std::fmt::Write as _;
use std::time::Duration;

use super::{Explanation, Node, NodeKind};
use crate::time::Offset;
use crate::ui::{cut, safe};

/// Columns of a screen.
const WIDTH: usize = 120;

/// Columns at the right for the time: `+86400.000s` and a gap.
const TIME_WIDTH: usize = 13;

/// The explanation as text, ending in a line break.
pub fn text(explanation: &Explanation) -> String {
    let mut out = String::new();
    line(&mut out, &format!("{}  {}", explanation.severity, explanation.title));
    let Explanation { finding, session, rule, policy, outcome, .. } = explanation;
    // Only the outcome is long at times, and it must not be cut.
    wrap(
        &mut out,
        "",
        &format!("{finding} · {session} · rule {rule} (policy {}@{}) · {outcome}", policy.name, policy.hash),
    );
    out.push('\n');
    for node in &explanation.tree {
        draw(&mut out, node, " ", " ");
    }
    out.push('\n');
    let unseen = explanation.not_seen.join(" ");
    wrap(&mut out, "Not seen: ", if unseen.is_empty() { "nothing is known to be missing." } else { &unseen });
    let evidence: Vec<String> = explanation.evidence.iter().map(|seq| format!("e{seq}")).collect();
    wrap(&mut out, "Evidence: ", &evidence.join(" "));
    line(&mut out, &explanation.next);
    out
}

/// Draws a node and what is below it. `first` stands before its own line, `rest` before the lines below.
fn draw(out: &mut String, node: &Node, first: &str, rest: &str) {
    let mut text = node.text.clone();
    let secret = node.secret.map(|secret| format!("◆ {secret}"));
    let mut tail = match (node.kind, &node.note, secret) {
        (NodeKind::Origin, Some(note), Some(secret)) => format!("   {secret} ({note})"),
        (NodeKind::Credential, note, Some(secret)) => {
            text.push_str(": ");
            let note = note.as_ref().map_or_else(String::new, |note| format!("   {note}"));
            format!("{secret}{note}")
        }
        (_, Some(note), _) => format!("   ({note})"),
        (_, None, Some(secret)) => format!("   {secret}"),
        (_, None, None) => String::new(),
    };
    (text, tail) = (safe(&text).into_owned(), safe(&tail).into_owned());
    let label = match node.kind {
        NodeKind::Effect => "effect   ",
        NodeKind::Verdict => "verdict  ",
        _ => "",
    };
    if label.is_empty() {
        // The command gives way to the secret mark, the note and the time.
        let room = WIDTH.saturating_sub(TIME_WIDTH + columns(first));
        tail = cut(&tail, room.saturating_sub(8)).into_owned();
        text = cut(&text, room.saturating_sub(columns(&tail))).into_owned();
        let mut drawn = format!("{first}{text}{tail}");
        if let Some(at) = node.at_ms {
            let time = Offset(Duration::from_millis(at)).to_string();
            let gap = WIDTH.saturating_sub(columns(&drawn) + columns(&time)).max(1);
            let _ = write!(drawn, "{:gap$}{time}", "");
        }
        out.push_str(drawn.trim_end());
        out.push('\n');
    } else {
        // Sentences that must be read to their end: they go on below.
        wrap(out, &format!("{first}{label}"), &text);
    }
    for (place, child) in node.children.iter().enumerate() {
        let (branch, below) =
            if place + 1 == node.children.len() { ("└─ ", "   ") } else { ("├─ ", "│  ") };
        draw(out, child, &format!("{rest}{branch}"), &format!("{rest}{below}"));
    }
}

/// One line, cut.
fn line(out: &mut String, text: &str) {
    out.push_str(&cut(&safe(text), WIDTH));
    out.push('\n');
}

/// A paragraph after `label`, its further lines indented below the first.
fn wrap(out: &mut String, label: &str, text: &str) {
    let indent: String = label.chars().map(|c| if matches!(c, '│' | '├') { '│' } else { ' ' }).collect();
    let hanging = if label.is_empty() { "  " } else { "" };
    let mut at = columns(label);
    out.push_str(label);
    let mut fresh = true;
    for word in safe(text).split(' ') {
        let word = cut(word, WIDTH - columns(&indent) - hanging.len());
        if !fresh && at + 1 + columns(&word) > WIDTH {
            let _ = write!(out, "\n{indent}{hanging}");
            at = columns(&indent) + hanging.len();
            fresh = true;
        }
        if !fresh {
            out.push(' ');
            at += 1;
        }
        out.push_str(&word);
        at += columns(&word);
        fresh = false;
    }
    out.push('\n');
}

fn columns(text: &str) -> usize {
    text.chars().count()
}
