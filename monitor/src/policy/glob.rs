//! Patterns with `*`, for hosts and operations.
//!
//! By hand, since pattern libraries are made for file names: they give `/`, `?`, `[` and `{` a meaning, and all of them
//! stand in operations (`DELETE /v1/volumes/{}`).

/// A pattern in which `*` stands for any text, also none. Letters match in either case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Glob(Vec<String>);

impl Glob {
    pub(super) fn new(pattern: &str) -> Self {
        Self(pattern.split('*').map(str::to_lowercase).collect())
    }

    /// Whether `text` matches. Takes each part at its first occurrence, which is enough with `*` alone; so the time is
    /// bounded by the product of the lengths, without backtracking.
    pub(super) fn matches(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|whole| *whole == text);
        };
        let Some(mut rest) = text.strip_prefix(first.as_str()) else {
            return false;
        };
        for part in middle {
            match rest.find(part.as_str()) {
                Some(at) => rest = &rest[at + part.len()..],
                None => return false,
            }
        }
        rest.ends_with(last.as_str())
    }
}

/// Whether any of the patterns matches.
pub(super) fn any(globs: &[Glob], text: &str) -> bool {
    globs.iter().any(|glob| glob.matches(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_text() {
        for (pattern, text, expect) in [
            ("railway:volumeDelete", "railway:volumedelete", true),
            ("railway:*", "railway:volumeDelete", true),
            ("*:*Delete", "railway:volumeDelete", true),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", "api.example.com.evil", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "acb", false),
            ("ab*ba", "aba", false),
            ("a**c", "abc", true),
            ("*", "", true),
            ("", "", true),
            ("", "x", false),
            ("unknown:DELETE /v1/[x]/{}", "unknown:DELETE /v1/[x]/{}", true),
        ] {
            assert_eq!(Glob::new(pattern).matches(text), expect, "{pattern} {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn a_text_matches_itself_with_any_part_replaced(text in "[a-cé:/]{0,20}", cut in 0..20usize, len in 0..20usize) {
            let chars: Vec<char> = text.chars().collect();
            let from = cut.min(chars.len());
            let to = (from + len).min(chars.len());
            let pattern: String = chars[..from].iter().chain(&['*']).chain(&chars[to..]).collect();
            assert!(Glob::new(&pattern).matches(&text));
        }
    }
}
