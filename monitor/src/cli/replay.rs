//! `holdfire replay`: a recorded session on the screen, judged again.

use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use super::{Context, Exit, Failure, ReplayArgs, judge};
use crate::event::{Fact, PolicyRef};
use crate::pipeline::Pipeline;
use crate::policy::Policy;
use crate::replay::{self, Check, Moment, Pace, Place, Scout, Screen};
use crate::store::capture::{LineRef, PolicySource, Reader, State};
use crate::ui::{self, Printer};

pub(super) fn run(args: ReplayArgs, context: &Context) -> anyhow::Result<Exit> {
    let path = context.sessions().find(&args.session).map_err(Failure::from)?;
    let mut capture = Capture { path, policies: Vec::new() };
    capture.policies = match &args.policy {
        Some(name) => judge::policy_source(name)?.into_iter().collect(),
        None => capture.open()?.header().policies.clone(),
    };
    let printer = &context.printer;
    let mut check = args.check.then(Check::default);
    let state = if args.json {
        json(&capture, &mut check, printer)?
    } else {
        screen(&args, &capture, &mut check, printer)?
    };
    let ended = tell_ending(state.as_ref(), printer);
    let compared = check.map_or(Exit::Fine, |check| tell_check(check, printer));
    Ok(if compared == Exit::No { compared } else { ended })
}

/// What is played, and under which policies.
struct Capture {
    path: PathBuf,
    policies: Vec<PolicySource>,
}

impl Capture {
    fn open(&self) -> Result<Reader, Failure> {
        Reader::open(&self.path).map_err(|error| Failure::capture(&self.path, error))
    }

    fn policy(&self) -> Result<Policy, Failure> {
        judge::policy(&self.policies)
    }

    fn pipeline(&self) -> Result<Pipeline, Failure> {
        judge::pipeline(self.policy()?)
    }

    /// Plays everything, and hands each moment to `see`. How the file ended, if nothing else stopped it.
    fn play(&self, mut see: impl FnMut(&Moment) -> anyhow::Result<()>) -> anyhow::Result<Option<State>> {
        let mut reader = self.open()?;
        let mut pipeline = self.pipeline()?;
        for moment in replay::run(&mut reader, |event| pipeline.step(event)) {
            see(&moment.map_err(|error| Failure::capture(&self.path, error))?)?;
        }
        Ok(reader.state().cloned())
    }
}

fn json(capture: &Capture, check: &mut Option<Check>, printer: &Printer) -> anyhow::Result<Option<State>> {
    let policy = capture.policy()?.reference();
    capture.play(|moment| {
        if let Some(check) = check {
            check.add(moment);
        }
        if let Moment::Event(event, step) = moment {
            if let Fact::SessionStarted(started) = &event.fact {
                tell_policy(&started.policy, &policy, printer);
            }
            for finding in &step.findings {
                printer.json(&LineRef::Finding(finding))?;
            }
        }
        Ok(())
    })
}

fn screen(
    args: &ReplayArgs,
    capture: &Capture,
    check: &mut Option<Check>,
    printer: &Printer,
) -> anyhow::Result<Option<State>> {
    let mut scout = Scout::default();
    // What goes wrong will go wrong again on the second pass, after what can be shown.
    let first_pass = capture.play(|moment| {
        scout.add(moment);
        Ok(())
    });
    drop(first_pass);
    let from = place(args.from.as_ref(), &scout, args)?.unwrap_or(Duration::ZERO);
    let until = place(args.until.as_ref(), &scout, args)?.unwrap_or(Duration::MAX);
    let mut screen = Screen::new(&scout, args.filter.clone(), from..=until);
    let mut pace = Pace::new(args.speed, args.idle);
    let policy = capture.policy()?.reference();

    printer.line(&scout)?;
    let ended = capture.play(|moment| {
        if let Some(check) = check {
            check.add(moment);
        }
        let Moment::Event(event, step) = moment else {
            return Ok(());
        };
        if let Fact::SessionStarted(started) = &event.fact {
            tell_policy(&started.policy, &policy, printer);
        }
        let rows = screen.rows(event, step);
        if !rows.is_empty() {
            let wait = pace.wait(event.time);
            if !wait.is_zero() {
                printer.flush()?;
                thread::sleep(wait);
            }
        }
        for row in rows {
            printer.line(row)?;
        }
        Ok(())
    });
    if screen.hidden() > 0 {
        let faint = ui::style::FAINT;
        let hidden = ui::counted(screen.hidden(), "other event");
        printer.line(format_args!("  {faint}… {hidden} hidden; --filter all shows everything{faint:#}"))?;
    }
    ended
}

fn place(place: Option<&Place>, scout: &Scout, args: &ReplayArgs) -> Result<Option<Duration>, Failure> {
    let Some(place) = place else {
        return Ok(None);
    };
    match place.resolve(scout.alerts()) {
        Some(offset) => Ok(Some(offset)),
        None => Err(Failure::new(Exit::No, "There is no such alert in this session")
            .next(format!("holdfire replay {} --filter alert", args.session))),
    }
}

/// Says when the capture is judged by another policy than it was.
fn tell_policy(then: &PolicyRef, now: &PolicyRef, printer: &Printer) {
    if then != now {
        printer.note(format_args!(
            "This session was judged by policy {}@{}, this replay by {}@{}: findings may differ.",
            ui::safe(&then.name),
            ui::safe(&then.hash),
            ui::safe(&now.name),
            ui::safe(&now.hash),
        ));
    }
}

fn tell_ending(state: Option<&State>, printer: &Printer) -> Exit {
    match state {
        Some(State::Unfinished) => {
            printer.note(
                "The capture has no end: the session is still running, the monitor died, or the file was cut.",
            );
            Exit::Fine
        }
        Some(State::Torn { at, why }) => {
            printer.note(format_args!(
                "The capture is torn: {why}, from byte {at} on. Everything before was played."
            ));
            Exit::No
        }
        Some(State::Whole | State::Altered { .. }) | None => Exit::Fine,
    }
}

fn tell_check(check: Check, printer: &Printer) -> Exit {
    let (same, differences, more) = check.finish();
    if differences.is_empty() {
        printer.note(format_args!("{} found again, nothing else.", ui::counted(same, "stored finding")));
        return Exit::Fine;
    }
    for difference in &differences {
        printer.note(ui::safe(difference));
    }
    if more > 0 {
        printer.note(format_args!("… and {} more", ui::count(more)));
    }
    Exit::No
}
