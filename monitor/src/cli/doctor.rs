//! `holdfire doctor`: what this host can see and stop, from the same table that the loader uses.

use std::fs;
use std::time::Duration;

use serde::Serialize;

use super::{Context, DoctorArgs, Exit};
use crate::daemon::{boot_now, prove};
use crate::event::Mode;
use crate::sensor::hooks::{Family, HOOKS, Hook, place};
use crate::sensor::{LoadError, Loaded, Outcome, Sensor, cgroup2_root, load};
use crate::ui::{safe, span, style};

/// How one hook fares here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Ok,
    NotNeeded,
    Refused,
    Untried,
}

#[derive(Debug, Serialize)]
struct Row {
    program: &'static str,
    place: String,
    required: bool,
    state: State,
    /// Where, or why not.
    detail: String,
    without: &'static str,
}

#[derive(Debug, Serialize)]
struct Report {
    kernel: String,
    btf: bool,
    cgroup2: Option<String>,
    lsm: String,
    root: bool,
    hooks: Vec<Row>,
    not_seen: Vec<String>,
    /// How the gate showed that it holds.
    canary: Option<String>,
    /// Why nothing can be used, if so, and what to do.
    problem: Option<[String; 2]>,
    usable: Vec<Mode>,
}

/// Tries everything, takes it out again, and says what came of it.
///
/// # Errors
/// Standard output is closed.
pub(super) fn run(args: &DoctorArgs, context: &Context) -> anyhow::Result<Exit> {
    let (report, missing) = examine();
    if args.json {
        context.printer.json(&report)?;
    } else {
        context.printer.text(text(&report))?;
    }
    let usable = args.require.is_none_or(|mode| report.usable.contains(&mode));
    Ok(match missing {
        _ if !usable => Exit::No,
        Some(LoadError::NotRoot) => Exit::Privilege,
        _ => Exit::Fine,
    })
}

fn examine() -> (Report, Option<LoadError>) {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let mut report = Report {
        kernel: read("/proc/sys/kernel/osrelease"),
        btf: fs::metadata(crate::sensor::btf::VMLINUX).is_ok(),
        cgroup2: cgroup2_root().map(|path| path.display().to_string()),
        lsm: read("/sys/kernel/security/lsm"),
        root: nix::unistd::geteuid().is_root(),
        hooks: Vec::new(),
        not_seen: Vec::new(),
        canary: None,
        problem: None,
        usable: Vec::new(),
    };
    let row = |hook: &Hook, state, detail| Row {
        program: hook.program,
        place: place(hook.attach),
        required: hook.required,
        state,
        detail,
        without: hook.without,
    };
    match load() {
        Ok(loaded) => {
            report.not_seen = loaded.not_seen();
            report.hooks = loaded
                .attached
                .iter()
                .map(|attached| {
                    let (state, detail) = match &attached.outcome {
                        Outcome::In(files) => {
                            let files: Vec<String> =
                                files.iter().map(|path| path.display().to_string()).collect();
                            (State::Ok, files.join(" "))
                        }
                        Outcome::NotNeeded => (State::NotNeeded, String::new()),
                        Outcome::Refused(why) => (State::Refused, why.clone()),
                    };
                    row(attached.hook, state, detail)
                })
                .collect();
            report.usable = vec![Mode::Observe];
            match canary(loaded) {
                Ok(took) => {
                    report.canary = Some(format!("proved in {}", span(took)));
                    report.usable.extend([Mode::Hold, Mode::Enforce]);
                }
                Err(error) => {
                    report.problem = Some([
                        error.to_string(),
                        "holdfire run --mode observe watches without a gate".to_owned(),
                    ])
                }
            }
            (report, None)
        }
        Err(error) => {
            report.problem = Some([told(&error), error.next_step().to_owned()]);
            report.hooks = HOOKS.iter().map(|hook| row(hook, State::Untried, String::new())).collect();
            (report, Some(error))
        }
    }
}

/// Tries the gate on a connection of its own; how long that took.
fn canary(loaded: Loaded) -> anyhow::Result<Duration> {
    let (mut sensor, _rings) = Sensor::new(loaded)?;
    let before = boot_now();
    prove(&mut sensor)?;
    Ok(boot_now().since(before))
}

/// An error with its causes, in one line.
fn told(error: &LoadError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text += ": ";
        text += inner.to_string().lines().next().unwrap_or_default();
        cause = inner.source();
    }
    text
}

fn text(report: &Report) -> String {
    let known = |flag| if flag { "yes" } else { "no" };
    let mut lines = vec![format!(
        "kernel {} · BTF {} · cgroup v2 {} · LSMs {} · running as root {}",
        safe(&report.kernel),
        known(report.btf),
        report.cgroup2.as_deref().unwrap_or("not mounted"),
        if report.lsm.is_empty() { "unknown (securityfs is not mounted)" } else { &report.lsm },
        known(report.root),
    )];
    for row in &report.hooks {
        let (style, word) = match (row.state, row.required) {
            (State::Ok, _) => (style::GOOD, "ok"),
            (State::NotNeeded, _) => (style::FAINT, "spare"),
            (State::Untried, _) => (style::FAINT, "untried"),
            (State::Refused, true) => (style::BAD, "fail"),
            (State::Refused, false) => (style::WARN, "warn"),
        };
        lines.push(format!(
            "{style}{word:>8}{style:#}  {:<20}{:<34}{}",
            row.program,
            row.place,
            safe(&row.detail)
        ));
        if row.state == State::Refused && family_of(row.program) != Some(Family::File) {
            lines.push(format!("{:10}without it: {}", "", row.without));
        }
    }
    if let Some(canary) = &report.canary {
        let style = style::GOOD;
        lines.push(format!(
            "{style}      ok{style:#}  {:<20}{:<34}{canary}",
            "gate", "canary on the loopback"
        ));
    }
    for sentence in &report.not_seen {
        lines.push(format!("{}    note{:#}  not seen: {sentence}", style::WARN, style::WARN));
    }
    if let Some([problem, next]) = &report.problem {
        lines.push(format!("{}    fail{:#}  {}", style::BAD, style::BAD, safe(problem)));
        lines.push(format!("{:10}fix: {next}", ""));
    }
    let modes: Vec<String> = report.usable.iter().map(ToString::to_string).collect();
    lines.push(match modes.as_slice() {
        [] => "Usable: nothing.".to_owned(),
        modes => format!("Usable: {}.", modes.join(", ")),
    });
    lines.join("\n") + "\n"
}

fn family_of(program: &str) -> Option<Family> {
    HOOKS.iter().find(|hook| hook.program == program).map(|hook| hook.family)
}
