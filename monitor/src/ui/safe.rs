//! Makes text from a monitored process harmless to look at.
//!
//! When in doubt a character is escaped: whatever could move the cursor, change colours, reorder or hide text would let
//! a session paint its own verdicts onto the operator's terminal.

use std::borrow::Cow;
use std::fmt::Write;

/// `text` with everything that is not plainly visible replaced by an escape: `\n`, `\x1b`, `\u{202e}`.
pub fn safe(text: &str) -> Cow<'_, str> {
    if !text.contains(hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\t' => escaped.push_str("\\t"),
            _ if !hidden(character) => escaped.push(character),
            _ => {
                let code = u32::from(character);
                // Writing to a String cannot fail.
                let _ = if code < 0x100 {
                    write!(escaped, "\\x{code:02x}")
                } else {
                    write!(escaped, "\\u{{{code:x}}}")
                };
            }
        }
    }
    Cow::Owned(escaped)
}

/// Control characters, invisible characters, and those that change the order in which others are shown.
fn hidden(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

/// The first `limit` characters, the last of them `…` if more follow.
pub fn cut(text: &str, limit: usize) -> Cow<'_, str> {
    match text.char_indices().nth(limit) {
        None => Cow::Borrowed(text),
        Some(_) => Cow::Owned(text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()),
    }
}

/// The last `limit` characters, the first of them `…` if more stand before: for paths, whose end says most.
pub fn cut_front(text: &str, limit: usize) -> Cow<'_, str> {
    let length = text.chars().count();
    if length <= limit {
        return Cow::Borrowed(text);
    }
    Cow::Owned(['…'].into_iter().chain(text.chars().skip(length + 1 - limit.max(1))).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_hides_is_shown() {
        fn check(text: &str, expect: &str) {
            assert_eq!(safe(text), expect);
        }
        check("scripts/domains/.env.legacy", "scripts/domains/.env.legacy");
        check("Grüße, 世界 ‹fp:9c1e› …", "Grüße, 世界 ‹fp:9c1e› …");
        check("\x1b[2Jallowed", "\\x1b[2Jallowed");
        check("a\nb\r\tc\0\x7f", "a\\nb\\r\\tc\\x00\\x7f");
        check("\u{9b}31m", "\\x9b31m");
        check("txt.\u{202e}gpj", "txt.\\u{202e}gpj");
        check("a\u{2066}b\u{200b}\u{feff}", "a\\u{2066}b\\u{200b}\\u{feff}");
        check("\u{e0041}", "\\u{e0041}");
    }

    #[test]
    fn cuts_say_that_they_cut() {
        assert_eq!(cut("abcdef", 6), "abcdef");
        assert_eq!(cut("abcdef", 4), "abc…");
        assert_eq!(cut_front("abcdef", 6), "abcdef");
        assert_eq!(cut_front("äbcdef", 4), "…def");
        assert_eq!((cut("ab", 0), cut_front("ab", 0)), ("…".into(), "…".into()));
    }

    proptest! {
        #[test]
        fn nothing_hidden_comes_through(text in any::<String>(), limit in 1usize..40) {
            let shown = safe(&text);
            prop_assert!(!shown.contains(hidden));
            prop_assert_eq!(safe(&shown), shown.as_ref());
            prop_assert!(cut(&text, limit).chars().count() <= limit);
            prop_assert!(cut_front(&text, limit).chars().count() <= limit);
        }
    }
}
