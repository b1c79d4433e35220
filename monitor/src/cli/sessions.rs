//! `holdfire sessions`: what was recorded.

use std::path::Path;
use std::time::Duration;

use super::{Context, Exit, Failure, SessionsCommand};
use crate::policy::Severity;
use crate::settings::user_name;
use crate::store::capture::{Reader, State, verify};
use crate::store::{Ending, Overview, Summary};
use crate::ui::{self, Align, Cell, Printer, Table, style};

pub(super) fn run(command: SessionsCommand, context: &Context) -> anyhow::Result<Exit> {
    let find = |session: &str| context.sessions().find(session).map_err(Failure::from);
    match command {
        SessionsCommand::List { json } => list(context, json),
        SessionsCommand::Show { session, json } => show(&find(&session)?, json, &context.printer),
        SessionsCommand::Verify { session, json } => check(&find(&session)?, json, &context.printer),
    }
}

fn list(context: &Context, json: bool) -> anyhow::Result<Exit> {
    let printer = &context.printer;
    let sessions = context.sessions().list().map_err(Failure::from)?;
    if json {
        sessions.iter().try_for_each(|session| printer.json(session))?;
        return Ok(Exit::Fine);
    }
    if sessions.is_empty() {
        let folder = context.settings.state_dir.display().to_string();
        printer.note(format_args!(
            "No session was recorded in {} yet. holdfire run -- COMMAND records one.",
            ui::safe(&folder)
        ));
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(&[
        ("SESSION", Align::Left, 10),
        ("STARTED", Align::Left, 23),
        ("LENGTH", Align::Right, 8),
        ("NAME", Align::Left, 24),
        ("MODE", Align::Left, 8),
        ("EVENTS", Align::Right, 12),
        ("FINDINGS", Align::Right, 8),
        ("WORST", Align::Left, 8),
        ("EXIT", Align::Right, 4),
        ("", Align::Left, 100),
    ]);
    for session in &sessions {
        table.row(summary(session));
    }
    printer.text(table)?;
    Ok(Exit::Fine)
}

fn summary(session: &Summary) -> [Cell; 10] {
    let known = |number: Option<u64>| Cell::from(number.map(ui::count).unwrap_or_default());
    let length = session.length.map(|length| ui::span(Duration::from_nanos(length)));
    let ending = match &session.ending {
        Ending::Ended => String::new(),
        Ending::Unfinished => "running, or the monitor died".to_owned(),
        Ending::Torn => "torn".to_owned(),
        Ending::Unreadable { why } => why.clone(),
    };
    let started = if session.started == 0 { String::new() } else { ui::wall_clock(session.started) };
    [
        Cell::styled(&session.session, style::STRONG),
        started.into(),
        length.unwrap_or_default().into(),
        session.name.as_deref().unwrap_or_default().into(),
        session.mode.map(|mode| mode.to_string()).unwrap_or_default().into(),
        known(session.events),
        known(session.findings),
        session.worst.map_or_else(|| "".into(), severity),
        session.exit_code.map(|code| code.to_string()).unwrap_or_default().into(),
        Cell::styled(ending, style::WARN),
    ]
}

fn severity(severity: Severity) -> Cell {
    let style = match severity {
        Severity::Critical | Severity::High => style::BAD,
        Severity::Medium => style::WARN,
        Severity::Info | Severity::Low => style::PLAIN,
    };
    Cell::styled(severity.to_string(), style)
}

fn show(path: &Path, json: bool, printer: &Printer) -> anyhow::Result<Exit> {
    let failed = |error| Failure::capture(path, error);
    let mut reader = Reader::open(path).map_err(failed)?;
    let mut overview = Overview::default();
    let mut broken = None;
    for line in &mut reader {
        match line {
            Ok(line) => overview.add(line),
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    overview.finish();
    if json {
        printer.json(&overview)?;
    } else {
        print(&overview, reader.header().session.as_str(), printer)?;
    }
    match (broken, reader.state()) {
        (Some(error), _) => Err(failed(error).into()),
        (None, Some(State::Torn { at, why })) => {
            printer.note(format_args!(
                "The capture is torn: {why}, from byte {at} on. Everything before is shown."
            ));
            Ok(Exit::No)
        }
        (None, Some(State::Unfinished)) => {
            printer.note(
                "The capture has no end: the session is still running, the monitor died, or the file was cut.",
            );
            Ok(Exit::Fine)
        }
        (None, _) => Ok(Exit::Fine),
    }
}

fn print(overview: &Overview, session: &str, printer: &Printer) -> anyhow::Result<()> {
    let mut facts = Table::new(&[("", Align::Left, 10), ("", Align::Left, 400)]);
    let mut fact = |name: &str, value: String| facts.row([Cell::styled(name, style::FAINT), value.into()]);
    if let Some(started) = &overview.started {
        fact("session", format!("{session} {}", started.name));
        fact("command", started.argv.join(" "));
        fact("folder", started.cwd.clone());
        fact("user", user_name(started.uid));
        fact("started", ui::wall_clock(started.wall_clock));
        let policy = &started.policy;
        fact("judged by", format!("policy {}@{}, mode {}", policy.name, policy.hash, started.mode));
        fact("gate", started.rung.to_string());
        fact(
            "host",
            format!(
                "kernel {}, holdfire {}, files by {}",
                started.kernel, started.version, started.file_sensor
            ),
        );
    } else {
        fact("session", format!("{session}, whose beginning is missing"));
    }
    if let (Some(first), Some(last)) = (overview.first, overview.last) {
        fact("length", ui::span(last.since(first)));
    }
    let exit = overview.exit_code.map_or_else(|| "not seen".to_owned(), |code| code.to_string());
    fact("exit", exit);
    let total = overview.events.values().sum();
    let kinds: Vec<String> =
        overview.events.iter().map(|(kind, count)| format!("{} {kind}", ui::count(*count))).collect();
    fact("events", format!("{}: {}", ui::count(total), kinds.join(", ")));
    let lost: Vec<String> =
        overview.lost.iter().map(|(kind, count)| format!("{} {kind}", ui::count(*count))).collect();
    fact("lost", if lost.is_empty() { "nothing".to_owned() } else { lost.join(", ") });
    if let Some(end) = overview.end.as_ref().filter(|end| end.not_written > 0) {
        fact("missing", format!("{} that the disk refused", ui::counted(end.not_written, "line")));
    }
    printer.text(facts.without_headings())?;
    print_findings(overview, printer)?;
    print_blind_spots(overview, printer)?;
    if let Some(finding) = overview.findings.first() {
        let id = ui::safe(&finding.id);
        let session = ui::safe(session);
        printer.note(format_args!(
            "next: holdfire explain {id} --session {session} · holdfire replay {session} --from @{id}"
        ));
    }
    Ok(())
}

fn print_findings(overview: &Overview, printer: &Printer) -> anyhow::Result<()> {
    if overview.findings.is_empty() {
        return Ok(());
    }
    let mut table = Table::new(&[
        ("FINDING", Align::Left, 12),
        ("AT", Align::Right, 12),
        ("SEVERITY", Align::Left, 8),
        ("ACTION", Align::Left, 6),
        ("RULE", Align::Left, 32),
        ("WHAT", Align::Left, 200),
    ]);
    for finding in &overview.findings {
        let at = finding.time.since(overview.first.unwrap_or_default());
        table.row([
            Cell::styled(&finding.id, style::STRONG),
            crate::time::Offset(at).to_string().into(),
            severity(finding.severity),
            finding.action.to_string().into(),
            finding.rule.as_str().into(),
            finding.title.as_str().into(),
        ]);
    }
    printer.line("")?;
    printer.text(table)?;
    if overview.more_findings > 0 {
        printer.line(format_args!("… and {}", ui::counted(overview.more_findings, "more finding")))?;
    }
    Ok(())
}

/// Programs with TLS traffic, and what was not seen.
fn print_blind_spots(overview: &Overview, printer: &Printer) -> anyhow::Result<()> {
    if !overview.tls.is_empty() {
        let mut table = Table::new(&[
            ("TLS", Align::Left, 24),
            ("SEEN", Align::Right, 8),
            ("BY", Align::Left, 40),
            ("BLIND", Align::Right, 8),
            ("TO", Align::Left, 100),
        ]);
        for (program, coverage) in &overview.tls {
            let list = |names: &std::collections::BTreeSet<String>| {
                names.iter().map(String::as_str).collect::<Vec<_>>().join(" ")
            };
            let blind = if coverage.blind > 0 { style::WARN } else { style::PLAIN };
            table.row([
                program.as_str().into(),
                ui::count(coverage.seen).into(),
                list(&coverage.probes).into(),
                Cell::styled(ui::count(coverage.blind), blind),
                list(&coverage.blind_hosts).into(),
            ]);
        }
        printer.line("")?;
        printer.text(table)?;
    }
    let not_seen = overview.started.iter().flat_map(|started| &started.not_seen);
    for (number, sentence) in not_seen.enumerate() {
        if number == 0 {
            printer.line("\nNot seen:")?;
        }
        printer.line(format_args!("  {}", ui::safe(sentence)))?;
    }
    Ok(())
}

fn check(path: &Path, json: bool, printer: &Printer) -> anyhow::Result<Exit> {
    let verified = verify(path).map_err(|error| Failure::capture(path, error))?;
    let exit = if verified.state == State::Whole { Exit::Fine } else { Exit::No };
    if json {
        printer.json(&verified)?;
        return Ok(exit);
    }
    let name = path.display().to_string();
    let good = format!(
        "{} in {} are as written",
        ui::counted(verified.lines, "line"),
        ui::counted(verified.frames, "frame")
    );
    let said = match &verified.state {
        State::Whole => format!("whole: {good}, hash {}", verified.hash),
        State::Unfinished => format!(
            "unfinished: {good}, but there is no end line: still running, or the monitor died, or the file was cut"
        ),
        State::Torn { at, why } => format!("torn: {why}, from byte {at} on; {good} and can be read"),
        State::Altered { frame, offset, why } => {
            format!("altered: frame {frame}, at byte {offset}: {why}; before it {good} and can be read")
        }
    };
    printer.line(format_args!("{} is {said}", ui::safe(&name)))?;
    Ok(exit)
}
