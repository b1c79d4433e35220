//! Session ids: `S-` and eight characters of Crockford's base 32, the first five from the clock, the last three random.
//!
//! Time comes first, so that a folder listing is in order. Two sessions of the same minute share an id once in 32,768;
//! the capture file is created exclusively, so the caller sees the clash and takes another.

/// Crockford's alphabet: no I, L, O or U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// 2020-01-01, in minutes since 1970: 25 bits of minutes from here last until 2083.
const FIRST_MINUTE: u64 = 26_297_280;

const NANOSECONDS_PER_MINUTE: u64 = 60_000_000_000;

/// A new session id from eight random bytes and the wall clock in nanoseconds since 1970.
pub fn new_session_id(random: [u8; 8], wall: u64) -> String {
    let minutes = (wall / NANOSECONDS_PER_MINUTE).saturating_sub(FIRST_MINUTE) & 0x1ff_ffff;
    let bits = minutes << 15 | u64::from_le_bytes(random) & 0x7fff;
    let digits = (0..8).rev().map(|place| char::from(ALPHABET[(bits >> (5 * place) & 31) as usize]));
    "S-".chars().chain(digits).collect()
}

/// `text` as the beginning of an id, read as people copy ids: any case, `S-` optional, O for 0, I and L for 1.
/// None if no id can begin so.
pub(super) fn prefix(text: &str) -> Option<String> {
    let digits = text.strip_prefix("S-").or_else(|| text.strip_prefix("s-")).unwrap_or(text);
    if digits.is_empty() || digits.len() > 8 {
        return None;
    }
    let digits: Option<String> = digits
        .chars()
        .map(|digit| match digit.to_ascii_uppercase() {
            'O' => Some('0'),
            'I' | 'L' => Some('1'),
            digit => (digit.is_ascii() && ALPHABET.contains(&(digit as u8))).then_some(digit),
        })
        .collect();
    Some(format!("S-{}", digits?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const APRIL: u64 = 1_777_125_742_000_000_000;

    #[test]
    fn ids_are_in_order_of_time_and_differ_by_chance() {
        let first = new_session_id([0xff; 8], APRIL);
        let next = new_session_id([0; 8], APRIL + NANOSECONDS_PER_MINUTE);
        assert_eq!(first, "S-35BMAZZZ");
        assert!(first < next, "{first} {next}");
        assert_ne!(new_session_id([1; 8], APRIL), new_session_id([2; 8], APRIL));
        assert_eq!(new_session_id([0; 8], 0), "S-00000000");
        assert_eq!(new_session_id([0; 8], u64::MAX).len(), 10);
    }

    #[test]
    fn prefixes_are_read_as_people_write_them() {
        fn check(text: &str, expect: Option<&str>) {
            assert_eq!(prefix(text).as_deref(), expect, "{text}");
        }
        check("S-35BM", Some("S-35BM"));
        check("s-35bm", Some("S-35BM"));
        check("35bm", Some("S-35BM"));
        check("S-OIL", Some("S-011"));
        check("S-", None);
        check("", None);
        check("S-U", None);
        check("S-123456789", None);
        check("../../etc", None);
        check("é", None);
    }
}
