//! JSON with bounds, tolerant of the two things requests do to it: being cut off, and following one another.
//!
//! serde_json parses; this keeps what it would drop (a repeated key: servers disagree which one counts, so both do),
//! counts values, and closes a text that was cut off so that one parser serves for whole and partial bodies.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// Values in one body. Requests that change things have dozens; at 32 bytes each this bounds memory to a few MiB.
const MAX_VALUES: usize = 65_536;
/// Texts one after the other (NDJSON) in one body that are read.
const MAX_TEXTS: usize = 1_024;

/// A JSON value. Objects keep order and repeated keys.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Json {
    /// null, a truth value or a number, as written in JSON.
    Plain(String),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(String, Json)>),
}

/// What a body holds.
#[derive(Debug, PartialEq)]
pub(super) struct Parsed {
    /// One value, or several that follow one another.
    pub(super) values: Vec<Json>,
    /// What was not understood, in one clause.
    pub(super) trouble: Option<&'static str>,
}

impl Json {
    /// The members called `key`, of an object.
    pub(super) fn members<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Json> {
        self.entries().iter().filter(move |(own, _)| own == key).map(|(_, value)| value)
    }

    /// All members, of an object.
    pub(super) fn entries(&self) -> &[(String, Json)] {
        if let Self::Object(members) = self { members } else { &[] }
    }

    /// Whether it is anything but an object of these keys.
    pub(super) fn has_other_than(&self, keys: &[&str]) -> bool {
        let Self::Object(members) = self else { return true };
        members.iter().any(|(key, _)| !keys.contains(&key.as_str()))
    }

    pub(super) fn as_text(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// Parses a body that begins like JSON; none if it holds no value. `whole`: all of it is there, so that ending early is
/// an error.
pub(super) fn parse(text: &str, whole: bool) -> Option<Parsed> {
    let text = text.trim_start_matches('\u{feff}').trim();
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let (mut values, mut error) = read(text);
    if error.as_ref().is_some_and(serde_json::Error::is_eof) {
        (values, error) = read(&close(text));
        if error.is_none() && whole {
            return Some(Parsed { values, trouble: Some("the JSON ends early") });
        }
    }
    let trouble =
        error.map(|error| if error.is_data() { "more JSON than is read" } else { "not well-formed JSON" });
    (!values.is_empty()).then_some(Parsed { values, trouble })
}

fn read(text: &str) -> (Vec<Json>, Option<serde_json::Error>) {
    let left = Cell::new(MAX_VALUES);
    let mut values = Vec::new();
    let mut reader = serde_json::Deserializer::from_str(text);
    loop {
        match (Budget { left: &left }).deserialize(&mut reader) {
            Ok(value) => values.push(value),
            Err(error) => return (values, Some(error)),
        }
        match reader.end() {
            Ok(()) => return (values, None),
            Err(error) if values.len() >= MAX_TEXTS => return (values, Some(error)),
            Err(_) => {}
        }
    }
}

/// A text that was cut off, closed: an unfinished string ends, an unfinished anything else is dropped.
fn close(text: &str) -> String {
    let mut open = Vec::new();
    // Up to where the text needs nothing but closing brackets; kept up to date with `open`.
    let mut sound = 0;
    let mut key_next = false;
    let mut string: Option<(bool, Option<usize>)> = None;
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        if let Some((is_key, escape)) = &mut string {
            match byte {
                b'\\' => {
                    *escape = Some(at);
                    bytes.next();
                }
                b'"' => {
                    if !*is_key {
                        sound = at + 1;
                    }
                    string = None;
                }
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => string = Some((key_next, None)),
            b'{' | b'[' => {
                open.push(if byte == b'{' { '}' } else { ']' });
                key_next = byte == b'{';
                sound = at + 1;
            }
            b'}' | b']' => {
                open.pop();
                key_next = false;
                sound = at + 1;
            }
            b',' => {
                key_next = open.last() == Some(&'}');
                sound = at;
            }
            b':' => key_next = false,
            _ => {}
        }
    }
    let mut closed = match string {
        Some((false, escape)) => {
            let unfinished = escape.filter(|at| {
                let tail = &text.as_bytes()[*at..];
                tail.len() < 2 || tail[1] == b'u' && tail.len() < 6
            });
            format!("{}\"", &text[..unfinished.unwrap_or(text.len())])
        }
        Some((true, _)) | None => text[..sound].to_owned(),
    };
    closed.extend(open.iter().rev());
    closed
}

/// The strings that follow `"key":` anywhere in a text that is no JSON, up to their end or that of the text.
pub(super) fn strings_after(text: &str, key: &str, most: usize) -> Vec<String> {
    let quoted = format!("\"{key}\"");
    text.match_indices(&quoted)
        .filter_map(|(at, _)| {
            let value = text[at + quoted.len()..].trim_start().strip_prefix(':')?.trim_start();
            Some(unescape(value.strip_prefix('"')?))
        })
        .take(most)
        .collect()
}

/// The text of a string literal, from behind its opening quote to its closing one or the end of the input. Escapes are
/// those of JSON and GraphQL, which agree; a broken one stands for itself.
pub(super) fn unescape(literal: &str) -> String {
    let mut text = String::new();
    let mut chars = literal.chars();
    while let Some(char) = chars.next() {
        match char {
            '"' => break,
            '\\' => match chars.next() {
                Some('n') => text.push('\n'),
                Some('t') => text.push('\t'),
                Some('r') => text.push('\r'),
                Some('b') => text.push('\u{8}'),
                Some('f') => text.push('\u{c}'),
                Some('u') => {
                    let hex: String = chars.as_str().chars().take(4).collect();
                    let code = u32::from_str_radix(&hex, 16).ok().filter(|_| hex.len() == 4);
                    if code.is_some() {
                        chars.nth(3);
                    }
                    text.push(code.and_then(char::from_u32).unwrap_or(char::REPLACEMENT_CHARACTER));
                }
                Some(other) => text.push(other),
                None => {}
            },
            char => text.push(char),
        }
    }
    text
}

/// Makes a [`Json`], counting values down.
#[derive(Clone, Copy)]
struct Budget<'a> {
    left: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Budget<'_> {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        let Some(left) = self.left.get().checked_sub(1) else {
            return Err(de::Error::custom("too many values"));
        };
        self.left.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Budget<'_> {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Plain("null".to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Plain(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
        let mut object = Vec::new();
        while let Some(key) = members.next_key::<String>()? {
            object.push((key, members.next_value_seed(self)?));
        }
        Ok(Json::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cut_texts_are_closed() {
        let check = |text, expect| assert_eq!(close(text), expect);
        check(r#"{"a": "hel"#, r#"{"a": "hel"}"#);
        check(r#"{"a": "hel\"#, r#"{"a": "hel"}"#);
        check(r#"{"a": "hel\\"#, r#"{"a": "hel\\"}"#);
        check(r#"{"a": "hel\u00e"#, r#"{"a": "hel"}"#);
        check(r#"{"a": "hello", "b"#, r#"{"a": "hello"}"#);
        check(r#"{"a": "hello", "b": tr"#, r#"{"a": "hello"}"#);
        check(r#"{"a": 12, "b": 1"#, r#"{"a": 12}"#);
        check(r#"[{"a": [1, {"b": "#, r#"[{"a": [1, {}]}]"#);
        check(r#"{"a":"x"}"#, r#"{"a":"x"}"#);
    }

    #[test]
    fn what_is_not_plain_json_is_still_read() {
        let check = |text, whole, count, trouble| {
            let parsed = parse(text, whole).unwrap();
            assert_eq!((parsed.values.len(), parsed.trouble), (count, trouble), "{text}");
        };
        check("{\"a\":1}\n{\"b\":2}\n", true, 2, None);
        check("\u{feff} {\"a\":1}", true, 1, None);
        check("{\"a\":1} trailing", true, 1, Some("not well-formed JSON"));
        check("{\"a\":\"b", true, 1, Some("the JSON ends early"));
        check("{\"a\":\"b", false, 1, None);
        assert_eq!(parse("query", true), None);
        assert_eq!(parse(&"[".repeat(100_000), true), None);
        assert_eq!(parse(&format!("[{}1]", "1,".repeat(70_000)), true), None);
        let twice = parse(r#"{"query":"a","query":"b"}"#, true).unwrap();
        assert_eq!(twice.values[0].members("query").count(), 2);
    }

    #[test]
    fn strings_are_found_in_what_is_no_json() {
        let found = strings_after(r#"1e;{"query" : "a\"\u0062\n" x "query":"c"#, "query", 8);
        assert_eq!(found, ["a\"b\n", "c"]);
    }

    proptest! {
        #[test]
        fn never_panics(text in ".{0,200}", noise in r#"[\[\]{}",:\\u0-9a-f ]{0,200}"#) {
            for text in [&text, &noise] {
                parse(text, true);
                parse(&format!("{{{text}"), false);
                close(text);
                unescape(text);
                strings_after(text, "a", 8);
            }
        }

        #[test]
        fn any_cut_of_an_object_of_strings_is_read(keys in proptest::collection::vec("[a-z\"\\\\é]{1,8}", 1..6), at in 0.0..1.0) {
            let text = serde_json::to_string(&keys.iter().map(|key| (key, key)).collect::<std::collections::BTreeMap<_, _>>()).unwrap();
            let cut = 1 + ((text.len() - 1) as f64 * at) as usize;
            let lossy = String::from_utf8_lossy(&text.as_bytes()[..cut]).into_owned();
            prop_assert_eq!(parse(&lossy, false).unwrap().trouble, None);
        }
    }
}
