//! `a=b&c=d`, in URLs and in bodies.
//!
//! Split by hand: the crates for it decode at once, and a credential may be known in its raw form only.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// Pairs that are read. Enough for every API; more would cost time without a limit.
const MAX_PAIRS: usize = 1_024;

/// One pair, decoded and raw.
#[derive(Debug, PartialEq)]
pub(super) struct Pair<'a> {
    pub(super) name: String,
    pub(super) value: String,
    pub(super) raw: &'a str,
}

/// The pairs in order, and whether that is all of them.
pub(super) fn pairs(text: &str) -> (Vec<Pair<'_>>, bool) {
    let mut parts = text.split('&').filter(|part| !part.is_empty());
    let pairs = parts
        .by_ref()
        .take(MAX_PAIRS)
        .map(|part| {
            let (name, raw) = part.split_once('=').unwrap_or((part, ""));
            Pair { name: decode(name), value: decode(raw), raw }
        })
        .collect();
    (pairs, parts.next().is_none())
}

fn decode(text: &str) -> String {
    let spaced = if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

impl Pair<'_> {
    /// Whether its name is one that a server could be waiting for. Text that is no form falls apart into pairs too.
    pub(super) fn has_plain_name(&self) -> bool {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.[]".contains(&byte);
        !self.name.is_empty() && !self.raw.is_empty() && self.name.bytes().all(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_split_and_decoded() {
        let check = |text, expect: &[(&str, &str)]| {
            let (pairs, all) = pairs(text);
            let pairs: Vec<_> = pairs.iter().map(|pair| (pair.name.as_str(), pair.value.as_str())).collect();
            assert_eq!((pairs.as_slice(), all), (expect, true), "{text}");
        };
        check("Action=DeleteVolume&Version=1", &[("Action", "DeleteVolume"), ("Version", "1")]);
        check("a=b%20c+d%2B&&delete", &[("a", "b c d+"), ("delete", "")]);
        check("a=b=c&%zz=%", &[("a", "b=c"), ("%zz", "%")]);
        assert!(!pairs(&"a=b&".repeat(2_000)).1);
    }

    #[test]
    fn names_are_told_from_other_text() {
        let check = |text, expect: &[bool]| {
            let plain: Vec<_> = pairs(text).0.iter().map(Pair::has_plain_name).collect();
            assert_eq!(plain, expect, "{text}");
        };
        check("Action=DeleteVolume&x&filter[0]=a", &[true, false, true]);
        check("{\"a\":\"&Action=DeleteVolume&\"}", &[false, true, false]);
        check("<a b=\"c\">", &[false]);
    }
}
