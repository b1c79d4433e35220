//! Plays a capture: the same events through a fresh pipeline, and a screen that shows them.
//!
//! Nothing here asks a clock or the kernel. What a session's files and traffic held was reduced to facts before it was
//! kept, so judging again needs only the capture, and the same policy finds the same, byte for byte ([`Check`]).

mod check;
mod filter;
mod names;
mod pace;
mod place;
mod row;
mod scout;
mod screen;

pub use self::check::Check;
pub use self::filter::Filter;
pub use self::pace::{Pace, Speed};
pub use self::place::Place;
pub use self::scout::Scout;
pub use self::screen::Screen;
use crate::event::Event;
use crate::pipeline::Step;
use crate::policy::Finding;
use crate::store::capture::{Line, ReadError};

/// One thing met on the way through a capture.
#[derive(Clone, Debug, PartialEq)]
pub enum Moment {
    /// An event, and what it leads to now.
    Event(Box<Event>, Step),
    /// What was found when the capture was written.
    Stored(Box<Finding>),
}

/// Plays `lines`; `judge` is a fresh pipeline's step, under whichever policy the caller wants to try. Ends at the first
/// line that cannot be read: judging on after a gap would find other things than there were.
pub fn run<L, J>(lines: L, mut judge: J) -> impl Iterator<Item = Result<Moment, ReadError>>
where
    L: Iterator<Item = Result<Line, ReadError>>,
    J: FnMut(&Event) -> Step,
{
    let mut ended = false;
    lines.filter_map(move |line| match line {
        _ if ended => None,
        Ok(Line::Event(event)) => {
            let step = judge(&event);
            Some(Ok(Moment::Event(event, step)))
        }
        Ok(Line::Finding(finding)) => Some(Ok(Moment::Stored(finding))),
        Ok(Line::Header(_) | Line::End(_)) => None,
        Err(error) => {
            ended = true;
            Some(Err(error))
        }
    })
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::store::testing;

    /// A judge who finds what the story says was found.
    pub(crate) fn judge(event: &Event) -> Step {
        let findings =
            if event.seq == testing::finding().event { vec![testing::finding()] } else { Vec::new() };
        Step { findings, verdict: None }
    }

    /// The story, played.
    pub(crate) fn moments() -> Vec<Moment> {
        let events = testing::story().into_iter().map(|event| Ok(Line::Event(Box::new(event))));
        run(events, judge).map(Result::unwrap).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::capture::Reader;
    use crate::store::testing as story;

    #[test]
    fn every_event_is_judged_and_what_was_stored_comes_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("story.hfc");
        story::write_story(&path);
        let moments: Vec<Moment> =
            run(Reader::open(&path).unwrap(), testing::judge).map(Result::unwrap).collect();
        assert_eq!(moments.len(), 28);
        let at =
            moments.iter().position(|moment| *moment == Moment::Stored(Box::new(story::finding()))).unwrap();
        assert!(matches!(&moments[at - 1], Moment::Event(_, step) if step.findings == [story::finding()]));
    }

    #[test]
    fn nothing_is_judged_after_a_gap() {
        let event = || Ok(Line::Event(Box::new(story::story().remove(0))));
        let played = run([event(), Err(ReadError::Empty), event()].into_iter(), testing::judge);
        assert_eq!(played.map(|moment| moment.is_ok()).collect::<Vec<_>>(), [true, false]);
    }
}
