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
    /// There is nothing on this host to attach to.
    Absent,
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
                        Outcome::In(files) if attached.hook.family == Family::Tls && files.is_empty() => {
                            (State::Absent, "no libssl found".to_owned())
                        }
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
            report.problem = Some([told(&error), next_step(&error)]);
            let rows = HOOKS.iter().map(|hook| match &error {
                LoadError::Hook { program, why, .. } if *program == hook.program => {
                    row(hook, State::Refused, why.clone())
                }
                _ => row(hook, State::Untried, String::new()),
            });
            report.hooks = rows.collect();
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

/// What to do about it; where others are sent to `doctor`, it has to know itself.
fn next_step(error: &LoadError) -> String {
    let kept_out =
        "look for what keeps BPF programs out: kernel lockdown, a container without CAP_BPF, or a policy";
    match error {
        LoadError::Hook { program, .. } => {
            let since = HOOKS.iter().find(|hook| hook.program == *program).map_or("5.10", |hook| hook.since);
            format!("a kernel from {since} on has this hook; on such a kernel {kept_out}")
        }
        LoadError::Object { .. } => kept_out.to_owned(),
        other => other.next_step().to_owned(),
    }
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
    let (files, others): (Vec<&Row>, Vec<&Row>) =
        report.hooks.iter().partition(|row| family_of(row.program) == Some(Family::File));
    let before = others.iter().position(|row| family_of(row.program) != Some(Family::Process));
    let (processes, rest) = others.split_at(before.unwrap_or(others.len()));
    lines.extend(processes.iter().flat_map(|row| hook_lines(row)));
    lines.extend(file_lines(&files));
    lines.extend(rest.iter().flat_map(|row| hook_lines(row)));
    if let Some(canary) = &report.canary {
        let style = style::GOOD;
        lines.push(line(style, "ok", "gate", "canary on the loopback", canary));
    }
    for sentence in &report.not_seen {
        lines.push(format!("{}    note{:#}  not seen: {sentence}", style::WARN, style::WARN));
    }
    if let Some([problem, next]) = &report.problem {
        lines.push(format!("{}    fail{:#}  {}", style::BAD, style::BAD, safe(problem)));
        lines.push(below(&format!("fix: {next}")));
    }
    let modes: Vec<String> = report.usable.iter().map(ToString::to_string).collect();
    lines.push(match modes.as_slice() {
        [] => "Usable: nothing.".to_owned(),
        modes => format!("Usable: {}.", modes.join(", ")),
    });
    lines.join("\n") + "\n"
}

fn line(style: anstyle::Style, word: &str, name: &str, place: &str, detail: &str) -> String {
    format!("{style}{word:>8}{style:#}  {name:<20}{place:<34}{}", safe(detail)).trim_end().to_owned()
}

fn below(text: &str) -> String {
    format!("{:10}{text}", "")
}

/// One hook: how it fared, and if not well, what that costs and what helps.
fn hook_lines(row: &Row) -> Vec<String> {
    let (style, word) = match (row.state, row.required) {
        (State::Ok, _) => (style::GOOD, "ok"),
        (State::NotNeeded, _) => (style::FAINT, "spare"),
        (State::Untried, _) => (style::FAINT, "untried"),
        (State::Refused, true) => (style::BAD, "fail"),
        (State::Refused, false) | (State::Absent, _) => (style::WARN, "warn"),
    };
    let mut lines = vec![line(style, word, row.program, &row.place, &row.detail)];
    if matches!(row.state, State::Refused | State::Absent) {
        lines.push(below(&format!("without it: {}", row.without)));
    }
    if row.state == State::Absent {
        lines.push(below(
            "fix: install OpenSSL's libssl if the command uses it; other TLS libraries are not read",
        ));
    }
    lines
}

/// The file hooks replace one another, so they fare as one: by the best that is in place.
fn file_lines(rows: &[&Row]) -> Vec<String> {
    const NAME: &str = "file opens";
    let places = |rows: &[&Row]| rows.iter().map(|row| row.place.as_str()).collect::<Vec<_>>().join(", ");
    let Some(at) = rows.iter().position(|row| row.state == State::Ok) else {
        let Some(last) = rows.iter().rfind(|row| row.state == State::Refused) else {
            return vec![line(style::FAINT, "untried", NAME, "the best that loads", &places(rows))];
        };
        return vec![
            line(style::BAD, "fail", NAME, "none loads", &last.detail),
            below(&format!("without it: {}", last.without)),
        ];
    };
    let (worse, used) = (&rows[..at], rows[at]);
    let Some(first) = worse.first() else { return vec![line(style::GOOD, "ok", NAME, &used.place, "")] };
    let detail = format!("{}: {}", places(worse), first.detail);
    // The first two see the same.
    if at < 2 {
        return vec![line(style::GOOD, "ok", NAME, &used.place, &detail)];
    }
    let lost = if at == 2 { "files opened through io_uring are seen late" } else { rows[at - 1].without };
    vec![
        line(style::WARN, "warn", NAME, &used.place, &detail),
        below(&format!("without a better one: {lost}")),
        below("fix: run a kernel with BPF trampolines (CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS)"),
    ]
}

fn family_of(program: &str) -> Option<Family> {
    HOOKS.iter().find(|hook| hook.program == program).map(|hook| hook.family)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A report in which the hooks fared as `fared` says.
    fn report(fared: impl Fn(&Hook) -> (State, &'static str)) -> Report {
        let rows = HOOKS.iter().map(|hook| {
            let (state, detail) = fared(hook);
            let (program, required, without) = (hook.program, hook.required, hook.without);
            Row { program, place: place(hook.attach), required, state, detail: detail.to_owned(), without }
        });
        Report {
            kernel: "6.18.44".to_owned(),
            btf: true,
            cgroup2: Some("/sys/fs/cgroup".to_owned()),
            lsm: "capability,bpf".to_owned(),
            root: true,
            hooks: rows.collect(),
            not_seen: Vec::new(),
            canary: Some("proved in 21ms".to_owned()),
            problem: None,
            usable: vec![Mode::Observe, Mode::Hold, Mode::Enforce],
        }
    }

    fn shown(report: &Report) -> String {
        let (printer, out, _) = crate::ui::Printer::to_screens();
        printer.text(text(report)).unwrap();
        out.text()
    }

    #[test]
    fn the_best_file_hook_is_one_line() {
        let all_well = report(|hook| match (hook.family, hook.program) {
            (Family::Tls, _) => (State::Ok, "/usr/lib/libssl.so.3"),
            (Family::File, "file_open_lsm") | (Family::Process | Family::Socket | Family::Gate, _) => {
                (State::Ok, "")
            }
            (Family::File, _) => (State::NotNeeded, ""),
        });
        insta::assert_snapshot!("all_well", shown(&all_well));
    }

    #[test]
    fn what_is_lost_stands_with_its_remedy() {
        let poor = report(|hook| match (hook.family, hook.program) {
            (Family::Tls, _) => (State::Absent, "no libssl found"),
            (Family::File, "file_open_sys_exit") => (State::Ok, ""),
            (Family::File, _) => (State::Refused, "Unknown error 524"),
            _ => (State::Ok, ""),
        });
        insta::assert_snapshot!("poor", shown(&poor));
    }

    #[test]
    fn a_hook_that_is_required_fails() {
        let error = LoadError::Hook {
            program: "egress",
            place: "cgroup egress".to_owned(),
            without: "nothing could be held",
            why: "Operation not permitted".to_owned(),
        };
        let mut failed = report(|hook| match hook.program {
            "egress" => (State::Refused, "Operation not permitted"),
            _ => (State::Untried, ""),
        });
        (failed.canary, failed.usable) = (None, Vec::new());
        failed.problem = Some([told(&error), next_step(&error)]);
        insta::assert_snapshot!("failed", shown(&failed));
    }
}
