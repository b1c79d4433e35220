//! What was checked and how it went: one line per stage while it runs, the counted sum at the end.

use std::fmt;
use std::io::{IsTerminal, Write};
use std::time::Instant;

/// Counts of one stage or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    /// What was skipped, with its reason.
    pub(crate) skipped: Vec<String>,
}

impl Counts {
    pub(crate) fn one_passed() -> Self {
        Self { passed: 1, ..Self::default() }
    }

    pub(crate) fn one_failed() -> Self {
        Self { failed: 1, ..Self::default() }
    }

    pub(crate) fn one_skipped(reason: impl Into<String>) -> Self {
        Self { skipped: vec![reason.into()], ..Self::default() }
    }

    /// Reads the `test result:` lines of libtest. Tests that skip themselves count as passed there: `skipped` names
    /// them, and they are taken off.
    pub(crate) fn of_libtest(output: &str, skipped: Vec<String>) -> Self {
        let mut counts = Self { skipped, ..Self::default() };
        for line in output.lines().filter_map(|line| line.trim().strip_prefix("test result: ")) {
            for part in line.split([';', '.']) {
                let mut words = part.split_whitespace();
                let (Some(number), Some(what)) =
                    (words.next().and_then(|word| word.parse().ok()), words.next())
                else {
                    continue;
                };
                match what {
                    "passed" => counts.passed += number,
                    "failed" => counts.failed += number,
                    "ignored" => {
                        counts.skipped.extend((0..number).map(|_| "a test marked #[ignore]".to_owned()))
                    }
                    _ => {}
                }
            }
        }
        counts.passed = counts.passed.saturating_sub(counts.skipped_by_themselves());
        counts
    }

    fn skipped_by_themselves(&self) -> usize {
        self.skipped.iter().filter(|reason| !reason.ends_with("#[ignore]")).count()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped.extend(other.skipped);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped.len())
    }
}

/// The sum of all stages.
#[derive(Default)]
pub(crate) struct Report {
    counts: Counts,
}

impl Report {
    /// Runs one stage. An error is one failure and is shown with all it carries.
    pub(crate) fn stage(&mut self, name: &str, run: impl FnOnce() -> anyhow::Result<Counts>) {
        let mut out = std::io::stdout();
        let live = out.is_terminal();
        if live {
            // Overwritten by the outcome; a log gets only the outcome.
            let _ = write!(out, "  {name:<34} …\r").and_then(|()| out.flush());
        }
        let started = Instant::now();
        let (counts, trouble) = match run() {
            Ok(counts) => (counts, None),
            Err(error) => (Counts::one_failed(), Some(error)),
        };
        let seconds = started.elapsed().as_secs_f64();
        println!("  {name:<34} {:<38} {seconds:>7.1} s", counts.to_string());
        if let Some(error) = trouble {
            println!("{error:#}\n");
        }
        self.counts.add(counts);
    }

    /// Says what was skipped and why, then the sum as the very last line; whether all is well.
    pub(crate) fn finish(self) -> bool {
        for reason in grouped(&self.counts.skipped) {
            println!("  skipped: {reason}");
        }
        println!("{}", self.counts);
        self.counts.failed == 0
    }
}

/// Equal reasons once, with their number.
fn grouped(reasons: &[String]) -> Vec<String> {
    let mut groups: Vec<(&str, usize)> = Vec::new();
    for reason in reasons {
        match groups.iter_mut().find(|(known, _)| known == reason) {
            Some((_, count)) => *count += 1,
            None => groups.push((reason, 1)),
        }
    }
    let show =
        |(reason, count)| if count == 1 { String::from(reason) } else { format!("{count} × {reason}") };
    groups.into_iter().map(show).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libtest_is_counted() {
        let output = "test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
                      test result: FAILED. 2 passed; 3 failed; 0 ignored; 0 measured; 7 filtered out; finished in 1.50s\n";
        let counts = Counts::of_libtest(output, vec!["gate::deny: no root".to_owned()]);
        assert_eq!(counts.to_string(), "6 passed, 3 failed, 2 skipped");
    }

    #[test]
    fn output_without_a_result_counts_nothing() {
        assert_eq!(Counts::of_libtest("error: could not compile", Vec::new()), Counts::default());
    }

    #[test]
    fn equal_reasons_are_told_once() {
        let reasons = ["no root", "no BTF", "no root"].map(str::to_owned);
        assert_eq!(grouped(&reasons), ["2 × no root", "no BTF"]);
    }
}
