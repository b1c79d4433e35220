//! Names taken apart: `deleteDBInstances` is `delete db instance`.
//!
//! By hand: case-changing libraries turn names into other names without a bound on their length, and inflection
//! libraries carry tables for prose where a lookup needs three endings.

/// Most characters of a name that are looked at: the longest operation name of the surveyed APIs has 96.
const MAX_NAME: usize = 160;
/// Most words of a name.
const MAX_WORDS: usize = 24;

/// The words of an identifier, lower case: split at everything that is neither letter nor digit, before a capital, and
/// between the capitals of an abbreviation and the word behind them.
pub(super) fn split(name: &str) -> Vec<String> {
    let chars: Vec<char> = name.chars().take(MAX_NAME).collect();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    for (at, &c) in chars.iter().enumerate() {
        if !c.is_alphanumeric() {
            words.extend((!word.is_empty()).then(|| std::mem::take(&mut word)));
            continue;
        }
        let before = at.checked_sub(1).and_then(|i| chars.get(i)).copied().unwrap_or(' ');
        let starts_word = c.is_uppercase()
            && (before.is_lowercase()
                || before.is_numeric()
                || (before.is_uppercase() && chars.get(at + 1).is_some_and(|next| next.is_lowercase())));
        if starts_word && !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
        word.extend(c.to_lowercase());
    }
    words.extend((!word.is_empty()).then_some(word));
    words.truncate(MAX_WORDS);
    words
}

/// The singular of an English noun, well enough to look it up: `policies` policy, `boxes` box, `keys` key.
pub(super) fn singular(word: &str) -> String {
    let cut = |n: usize| word[..word.len() - n].to_owned();
    if !word.is_ascii() || word.len() < 4 || ["ss", "us", "is"].iter().any(|end| word.ends_with(end)) {
        word.to_owned()
    } else if word.ends_with("ies") {
        cut(3) + "y"
    } else if ["sses", "xes", "ches", "shes"].iter().any(|end| word.ends_with(end)) {
        cut(2)
    } else if word.ends_with('s') {
        cut(1)
    } else {
        word.to_owned()
    }
}

/// Text of a session, fit for an effect: no control characters, at most `limit` characters.
pub(super) fn clip(text: &str, limit: usize) -> String {
    let clean = |c: char| if c.is_control() || is_format(c) { '\u{fffd}' } else { c };
    let mut out: String = text.chars().take(limit).map(clean).collect();
    if text.chars().nth(limit).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// Characters that turn or hide the text around them: a name must look like what it is.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fall_into_words() {
        for (name, words) in [
            ("volumeDelete", "volume delete"),
            ("deleteDBInstances", "delete db instances"),
            ("DynamoDB_20120810.DeleteTable", "dynamo db 20120810 delete table"),
            ("delete_users_by_pk", "delete users by pk"),
            ("s3Bucket-purge", "s3 bucket purge"),
            ("", ""),
            ("---", ""),
        ] {
            assert_eq!(split(name).join(" "), words, "{name}");
        }
    }

    #[test]
    fn nouns_have_a_singular() {
        for (many, one) in [
            ("volumes", "volume"),
            ("policies", "policy"),
            ("boxes", "box"),
            ("branches", "branch"),
            ("databases", "database"),
            ("status", "status"),
            ("access", "access"),
            ("dns", "dns"),
            ("über", "über"),
        ] {
            assert_eq!(singular(many), one);
        }
    }

    #[test]
    fn clipped_text_is_short_and_plain() {
        assert_eq!(clip("a\u{1b}[31m\u{202e}b", 64), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("abcd", 4), "abcd");
    }

    proptest::proptest! {
        #[test]
        fn any_name_is_survived(name in "\\PC{0,300}") {
            for word in split(&name) {
                singular(&word);
            }
            assert!(clip(&name, 64).chars().count() <= 64);
        }
    }
}
