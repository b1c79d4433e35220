//! Compares what is found now with what was found when the capture was written.

use std::collections::VecDeque;

use super::Moment;
use crate::policy::Finding;

/// Findings of now that wait for their stored counterpart. A finding is stored right behind its event, so more than a
/// few waiting means that they are missing.
const WAITING_LIMIT: usize = 64;

/// Differences kept for printing; further ones are counted.
const KEPT: usize = 20;

/// The comparison, fed in order.
#[derive(Debug, Default)]
pub struct Check {
    waiting: VecDeque<Finding>,
    differences: Vec<String>,
    more: u64,
    same: u64,
}

impl Check {
    /// Takes what happened next.
    pub fn add(&mut self, moment: &Moment) {
        match moment {
            Moment::Event(_, step) => {
                self.waiting.extend(step.findings.iter().cloned());
                while self.waiting.len() > WAITING_LIMIT {
                    self.only_now();
                }
            }
            Moment::Stored(stored) => {
                // What was found at earlier events and is not stored yet never will be.
                while self.waiting.front().is_some_and(|now| now.event < stored.event) {
                    self.only_now();
                }
                match self.waiting.front() {
                    Some(now) if now.event == stored.event => {
                        let same = serde_json::to_vec(now).ok() == serde_json::to_vec(stored).ok();
                        let (id, rule, event) = (&now.id, &now.rule, now.event);
                        let difference =
                            format!("{id} ({rule}, e{event}) differs from the stored {}", stored.id);
                        self.waiting.pop_front();
                        if same { self.same += 1 } else { self.differ(difference) }
                    }
                    _ => self.differ(format!(
                        "{} ({}, e{}) was found then and is not found now",
                        stored.id, stored.rule, stored.event
                    )),
                }
            }
        }
    }

    /// How many findings are the same, the differences in words, and how many more there are than those.
    pub fn finish(mut self) -> (u64, Vec<String>, u64) {
        while !self.waiting.is_empty() {
            self.only_now();
        }
        (self.same, self.differences, self.more)
    }

    fn only_now(&mut self) {
        if let Some(now) = self.waiting.pop_front() {
            self.differ(format!(
                "{} ({}, e{}) is found now and was not found then",
                now.id, now.rule, now.event
            ));
        }
    }

    fn differ(&mut self, difference: String) {
        if self.differences.len() < KEPT { self.differences.push(difference) } else { self.more += 1 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::Step;
    use crate::store::testing;

    fn finding(event: u64, id: &str) -> Finding {
        Finding { event, id: id.to_owned(), ..testing::finding() }
    }

    fn now(findings: Vec<Finding>) -> Moment {
        Moment::Event(Box::new(testing::story().remove(0)), Step { findings, verdict: None })
    }

    #[test]
    fn every_difference_is_told_once() {
        fn check(moments: &[Moment], expect: (u64, &[&str])) {
            let mut check = Check::default();
            moments.iter().for_each(|moment| check.add(moment));
            let (same, differences, more) = check.finish();
            assert_eq!(
                (same, differences.iter().map(String::as_str).collect::<Vec<_>>()),
                (expect.0, expect.1.to_vec())
            );
            assert_eq!(more, 0);
        }
        let then = |event, id| Moment::Stored(Box::new(finding(event, id)));
        let (one, two) = (finding(5, "A-1"), finding(7, "A-2"));
        check(&[], (0, &[]));
        check(&[now(vec![one.clone()]), then(5, "A-1"), now(vec![two.clone()]), then(7, "A-2")], (2, &[]));
        check(
            &[now(vec![one.clone()]), now(vec![two.clone()]), then(7, "A-2")],
            (1, &["A-1 (destroy.irreversible, e5) is found now and was not found then"]),
        );
        check(
            &[then(5, "A-1"), now(vec![two]), then(7, "A-2")],
            (1, &["A-1 (destroy.irreversible, e5) was found then and is not found now"]),
        );
        check(
            &[now(vec![one]), then(5, "A-9")],
            (0, &["A-1 (destroy.irreversible, e5) differs from the stored A-9"]),
        );
    }

    #[test]
    fn endless_differences_are_counted_not_kept() {
        let mut check = Check::default();
        for event in 0..1_000 {
            check.add(&now(vec![finding(event, "A-1")]));
            assert!(check.waiting.len() <= WAITING_LIMIT);
        }
        let (same, differences, more) = check.finish();
        assert_eq!((same, differences.len() as u64 + more), (0, 1_000));
    }
}
