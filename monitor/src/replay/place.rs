//! Places in a session, as `--from` and `--until` name them.

use std::str::FromStr;
use std::time::Duration;

/// How long before an alert `@alert` begins: what led to it is usually just before.
const LEAD: Duration = Duration::from_secs(10);

/// A place in a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This long after the start: `9.7`, `+9.731s`, `1m30s`, `250ms`.
    Offset(Duration),
    /// Ten seconds before the first alert (`@alert`), or before this one (`@A-7f3c`).
    Alert(Option<String>),
}

/// Not a place.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is no place in a session; write a time such as 9.7, 1m30s or 250ms, or @alert, or @A-7f3c")]
pub struct PlaceError {
    text: String,
}

impl Place {
    /// When that is, after the start, for alerts of these ids and times; none if there is no such alert.
    pub fn resolve<'a>(&self, mut alerts: impl Iterator<Item = (&'a str, Duration)>) -> Option<Duration> {
        match self {
            Self::Offset(offset) => Some(*offset),
            Self::Alert(wanted) => {
                let wanted = wanted.as_deref().unwrap_or_default();
                alerts.find(|(id, _)| id.starts_with(wanted)).map(|(_, time)| time.saturating_sub(LEAD))
            }
        }
    }
}

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, PlaceError> {
        if text == "@alert" {
            return Ok(Self::Alert(None));
        }
        if let Some(id) = text.strip_prefix('@').filter(|id| id.starts_with("A-")) {
            return Ok(Self::Alert(Some(id.to_owned())));
        }
        duration(text.strip_prefix('+').unwrap_or(text))
            .map(Self::Offset)
            .ok_or_else(|| PlaceError { text: text.to_owned() })
    }
}

/// `9.7`, `9.731s`, `1m30s`, `2h`, `250ms`: numbers with falling units, the last of which may be left out and then is
/// seconds.
pub(super) fn duration(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut largest = f64::INFINITY;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let scale = match unit {
            "h" => 3600.0,
            "m" => 60.0,
            "s" => 1.0,
            "" if tail.is_empty() => 1.0,
            "ms" => 0.001,
            _ => return None,
        };
        if scale >= largest {
            return None;
        }
        largest = scale;
        let part = Duration::try_from_secs_f64(number.parse::<f64>().ok()? * scale).ok()?;
        total = total.checked_add(part)?;
        rest = tail;
    }
    (largest < f64::INFINITY).then_some(total)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn places_are_times_or_alerts() {
        fn check(text: &str, expect: Option<Place>) {
            assert_eq!(text.parse::<Place>().ok(), expect, "{text}");
        }
        let offset = |milliseconds| Some(Place::Offset(Duration::from_millis(milliseconds)));
        check("9.7", offset(9_700));
        check("+9.731s", offset(9_731));
        check("1m30s", offset(90_000));
        check("1m30", offset(90_000));
        check("1h", offset(3_600_000));
        check("250ms", offset(250));
        check("0", offset(0));
        check("@alert", Some(Place::Alert(None)));
        check("@A-7f", Some(Place::Alert(Some("A-7f".to_owned()))));
        for bad in
            ["", "+", "s", "1s1m", "1x", "-1", "1..2", "@S-1", "@", "1e9", "1 s", "99999999999999999999h"]
        {
            check(bad, None);
        }
    }

    #[test]
    fn an_alert_is_shown_with_what_led_to_it() {
        let alerts = || [("A-1f", Duration::from_secs(4)), ("A-2f", Duration::from_secs(60))].into_iter();
        let resolve = |text: &str| text.parse::<Place>().unwrap().resolve(alerts());
        assert_eq!(resolve("@alert"), Some(Duration::ZERO));
        assert_eq!(resolve("@A-2"), Some(Duration::from_secs(50)));
        assert_eq!(resolve("@A-3"), None);
        assert_eq!(resolve("7"), Some(Duration::from_secs(7)));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[0-9.hms+@A-]{0,12}|.*") {
            let _ = text.parse::<Place>();
        }
    }
}
