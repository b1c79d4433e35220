//! `holdfire explain`: one finding of a recorded session with its causes.

use std::path::PathBuf;

use super::{Context, Exit, ExplainArgs, Failure, judge};
use crate::event::Event;
use crate::explain::{self, Choice, ChoiceError, Subject};
use crate::policy::Finding;
use crate::replay::{self, Moment};
use crate::store::capture::{Line, Reader};
use crate::ui;

pub(super) fn run(args: ExplainArgs, context: &Context) -> anyhow::Result<Exit> {
    let subject: Subject = args.subject.parse().map_err(|error| {
        Failure::new(Exit::Usage, "It is not clear what to explain")
            .because(error)
            .next("holdfire explain @last, or an id that holdfire sessions show names")
    })?;
    let path = capture_with(&subject, &args, context)?;
    let open = || Reader::open(&path).map_err(|error| Failure::capture(&path, error));
    let mut reader = open()?;
    let mut pipeline = judge::pipeline(judge::policy(&reader.header().policies)?)?;
    let mut choice = Choice::new(subject);
    for moment in replay::run(&mut reader, |event| pipeline.step(event)) {
        let moment = moment.map_err(|error| Failure::capture(&path, error))?;
        if let Moment::Event(_, step) = moment {
            step.findings.iter().for_each(|finding| choice.add(finding));
        }
    }
    let finding = choice.finish().map_err(|error| nothing(error, &args))?;
    let explanation = explain::explain(pipeline.session(), &finding);
    let evidence = if args.evidence { evidence(open()?, &finding) } else { Vec::new() };
    let printer = &context.printer;
    if args.json {
        let mut json = serde_json::to_value(&explanation)?;
        if args.evidence
            && let Some(object) = json.as_object_mut()
        {
            object.insert("events".to_owned(), serde_json::to_value(&evidence)?);
        }
        printer.json(&json)?;
    } else {
        printer.text(explain::text(&explanation))?;
        for event in &evidence {
            printer.line(format_args!("e{}  {}", event.seq, ui::safe(&serde_json::to_string(event)?)))?;
        }
    }
    Ok(Exit::Fine)
}

/// The capture to look in. An alert's id names it among all sessions, so if the newest has no such alert, the others
/// are searched, newest first; what cannot be read is passed over, as it may be another's.
fn capture_with(subject: &Subject, args: &ExplainArgs, context: &Context) -> Result<PathBuf, Failure> {
    let sessions = context.sessions();
    let path = sessions.find(&args.session)?;
    let Subject::Finding(start) = subject else { return Ok(path) };
    let holds = |path: &PathBuf| {
        Reader::open(path).is_ok_and(|mut reader| {
            reader.any(|line| matches!(line, Ok(Line::Finding(finding)) if finding.id.starts_with(start)))
        })
    };
    if args.session != "@last" || holds(&path) {
        return Ok(path);
    }
    let others = sessions.list()?.into_iter().rev().map(|session| session.path);
    Ok(others.into_iter().find(holds).unwrap_or(path))
}

fn nothing(error: ChoiceError, args: &ExplainArgs) -> Failure {
    let sentence = match error {
        ChoiceError::Nothing => format!("There is nothing to explain under {}", ui::safe(&args.subject)),
        ChoiceError::Ambiguous => format!("Several alerts begin with {}", ui::safe(&args.subject)),
    };
    Failure::new(Exit::No, sentence)
        .because(error)
        .next(format!("holdfire sessions show {}", ui::safe(&args.session)))
}

/// The events a finding rests on; as far as the capture can be read.
fn evidence(reader: Reader, finding: &Finding) -> Vec<Event> {
    reader
        .map_while(Result::ok)
        .filter_map(|line| match line {
            Line::Event(event) if finding.evidence.contains(&event.seq) => Some(*event),
            _ => None,
        })
        .collect()
}
