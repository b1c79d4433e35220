//! What a process pays that holdfire does not watch, as ratios with the monitor on and off in one run.
//!
//! The load and the idle monitored session run side by side: the load is in no session, so all it can feel are the
//! probes themselves. Rounds alternate off and on, so that a machine growing slower or faster falls on both.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail};

use crate::exec;
use crate::{compile, setup};

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Rounds of each kind
    #[arg(long, default_value_t = 9)]
    rounds: usize,
}

/// Nanoseconds per call, by the name of the call.
type Costs = BTreeMap<String, f64>;

pub(crate) fn run(root: &Path, options: &Options) -> anyhow::Result<bool> {
    if !setup::is_root() {
        bail!("switching the monitor on needs root; run `cargo xtask bench` as root");
    }
    setup::run(setup::Wish::InstallQuietly)?;
    exec::quiet(&mut compile::cargo(root, &["build", "--quiet", "--release", "--package", "monitor"]))?;
    let load = ["build", "--quiet", "--release", "--package", "holdfire-tests", "--bin", "bench_load"];
    exec::quiet(&mut compile::cargo(root, &load))?;
    let (mut off, mut on) = (Vec::new(), Vec::new());
    for round in 1..=options.rounds {
        println!("round {round} of {}", options.rounds);
        off.push(measure(root)?);
        let monitor = Monitor::start(root)?;
        let costs = measure(root);
        monitor.stop()?;
        on.push(costs?);
    }
    println!("\n{:<10} {:>12} {:>12} {:>8} {:>17}", "call", "off", "on", "ratio", "range of ratios");
    for name in off[0].keys() {
        let column = |rounds: &[Costs]| rounds.iter().map(|costs| costs[name]).collect::<Vec<_>>();
        let (off, on) = (column(&off), column(&on));
        let ratios = sorted(off.iter().zip(&on).map(|(off, on)| on / off).collect());
        let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
        let (off, on, ratio) = (median(off), median(on), median(ratios));
        println!("{name:<10} {off:>9.0} ns {on:>9.0} ns {ratio:>8.3} {least:>8.3}–{most:.3}");
    }
    Ok(true)
}

/// Runs the load once. It prints one line `name nanoseconds` per kind of call.
fn measure(root: &Path) -> anyhow::Result<Costs> {
    let output = exec::quiet(&mut Command::new(root.join("target/release/bench_load")))?;
    output.lines().map(cost).collect()
}

fn cost(line: &str) -> anyhow::Result<(String, f64)> {
    let (name, number) = line.split_once(' ').with_context(|| format!("bench_load said `{line}`"))?;
    Ok((name.to_owned(), number.parse().with_context(|| format!("bench_load said `{line}`"))?))
}

/// A monitored session that does nothing.
struct Monitor(Child);

impl Monitor {
    fn start(root: &Path) -> anyhow::Result<Self> {
        let state = root.join("target/bench-state");
        let child = Command::new(root.join("target/release/holdfire"))
            .arg("--state-dir")
            .arg(&state)
            .args(["run", "--mode", "enforce", "--", "sleep", "600"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start holdfire")?;
        let mut monitor = Self(child);
        // Probes are attached once the command is there: its own child, `sleep`.
        for _ in 0..300 {
            thread::sleep(Duration::from_millis(100));
            if let Some(status) = monitor.0.try_wait()? {
                bail!("holdfire ended at once ({status}); `target/release/holdfire doctor` says why");
            }
            if monitor.has_child() {
                return Ok(monitor);
            }
        }
        bail!("holdfire did not start its command within 30 s")
    }

    fn has_child(&self) -> bool {
        let pid = self.0.id();
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        threads
            .map(|thread| thread.path().join("children"))
            .any(|file| std::fs::read_to_string(file).is_ok_and(|children| !children.trim().is_empty()))
    }

    fn stop(mut self) -> anyhow::Result<()> {
        exec::quiet(Command::new("kill").arg(self.0.id().to_string()))?;
        self.0.wait()?;
        Ok(())
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: Vec<f64>) -> f64 {
    let values = sorted(values);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 { values[middle] } else { f64::midpoint(values[middle - 1], values[middle]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }

    #[test]
    fn lines_of_the_load_are_read() {
        assert_eq!(cost("open 812.5").unwrap(), ("open".to_owned(), 812.5));
        assert!(cost("open").is_err() && cost("open fast").is_err());
    }
}
