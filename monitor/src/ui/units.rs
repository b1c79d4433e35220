//! Numbers as people read them.

use std::time::Duration;

/// `212ms`, `8.9s`, `41s`, `3m12s`, `2h05m`, `3d04h`: two figures that matter.
pub fn span(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..10 => format!("{}.{}s", seconds, duration.subsec_millis() / 100),
        10..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// `172 B`, `4.2 KiB`, `29 MiB`.
pub fn bytes(count: u64) -> String {
    let mut scaled = count as f64;
    let mut unit = "B";
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if scaled < 1024.0 {
            break;
        }
        (scaled, unit) = (scaled / 1024.0, next);
    }
    if unit == "B" || scaled >= 10.0 { format!("{scaled:.0} {unit}") } else { format!("{scaled:.1} {unit}") }
}

/// `4,182`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 event`, `4,182 events`.
pub fn counted(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// Nanoseconds since 1970 as `2026-04-25 14:02:22 UTC`.
pub fn wall_clock(nanoseconds: u64) -> String {
    match jiff::Timestamp::from_nanosecond(nanoseconds.into()) {
        Ok(time) => time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
        // u64 nanoseconds end in 2554, jiff's time in 9999: unreachable, but a wrong clock must not end a listing.
        Err(_) => format!("{nanoseconds} ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_at_a_glance() {
        let spans: Vec<String> = [0, 212, 8_999, 41_000, 192_000, 7_500_000, 273_600_000, 59_999]
            .map(|milliseconds| span(Duration::from_millis(milliseconds)))
            .into();
        assert_eq!(spans, ["0ms", "212ms", "8.9s", "41s", "3m12s", "2h05m", "3d04h", "59s"]);
        let sizes: Vec<String> = [0, 172, 1023, 4_300, 30_408_704, u64::MAX].map(bytes).into();
        assert_eq!(sizes, ["0 B", "172 B", "1023 B", "4.2 KiB", "29 MiB", "16777216 TiB"]);
        let counts: Vec<String> = [0, 999, 1_000, 4_182, 1_234_567].map(count).into();
        assert_eq!(counts, ["0", "999", "1,000", "4,182", "1,234,567"]);
        assert_eq!((counted(1, "event"), counted(0, "event")), ("1 event".into(), "0 events".into()));
        assert_eq!(wall_clock(1_777_125_742_000_000_000), "2026-04-25 14:02:22 UTC");
        assert_eq!(wall_clock(u64::MAX), "2554-07-21 23:34:33 UTC");
    }
}
