//! How fast a replay runs. The waiting itself is the caller's.

use std::str::FromStr;
use std::time::Duration;

use super::place::duration;
use crate::time::Timestamp;

/// Slowest and fastest factor: beyond them one means `max`, or wants another tool.
const FACTORS: std::ops::RangeInclusive<f64> = 0.01..=1_000.0;

/// A multiple of the speed at which things happened; none is as fast as it goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Speed(Option<f64>);

/// Not a speed.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no speed; write real, max, or a factor from 0.01 to 1000")]
pub struct SpeedError {
    text: String,
}

impl FromStr for Speed {
    type Err = SpeedError;

    fn from_str(text: &str) -> Result<Self, SpeedError> {
        match text {
            "max" => return Ok(Self(None)),
            "real" => return Ok(Self(Some(1.0))),
            _ => {}
        }
        let factor = text.strip_suffix('x').unwrap_or(text).parse().ok().filter(|it| FACTORS.contains(it));
        factor.map(|factor| Self(Some(factor))).ok_or_else(|| SpeedError { text: text.to_owned() })
    }
}

/// Says how long to wait before each event.
#[derive(Debug)]
pub struct Pace {
    speed: Speed,
    /// Longest wait.
    idle: Duration,
    last: Option<Timestamp>,
}

impl Pace {
    pub fn new(speed: Speed, idle: Option<Duration>) -> Self {
        Self { speed, idle: idle.unwrap_or(Duration::MAX), last: None }
    }

    /// How long to wait before showing what happened at `time`.
    pub fn wait(&mut self, time: Timestamp) -> Duration {
        let (Some(factor), Some(last)) = (self.speed.0, self.last.replace(time)) else {
            return Duration::ZERO;
        };
        Duration::try_from_secs_f64(time.since(last).as_secs_f64() / factor)
            .unwrap_or(self.idle)
            .min(self.idle)
    }

    /// Reads `--idle`.
    pub fn parse_idle(text: &str) -> Result<Duration, String> {
        duration(text).ok_or_else(|| format!("{text:?} is no duration; write 2, 500ms or 1m"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_events_up_to_the_cap() {
        let waits = |speed: &str, idle: Option<u64>| {
            let mut pace = Pace::new(speed.parse().unwrap(), idle.map(Duration::from_millis));
            [1_000, 1_500, 9_500, 9_000].map(|time| pace.wait(Timestamp(time * 1_000_000)).as_millis())
        };
        assert_eq!(waits("max", None), [0; 4]);
        assert_eq!(waits("real", None), [0, 500, 8_000, 0]);
        assert_eq!(waits("2x", Some(1_000)), [0, 250, 1_000, 0]);
        for bad in ["", "fast", "0", "-1", "NaN", "inf", "1e9"] {
            assert!(bad.parse::<Speed>().is_err(), "{bad}");
        }
    }
}
