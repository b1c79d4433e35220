//! The scalar fields of a JSON or form body, by path, bounded and redacted.
//!
//! XML and multipart are not read yet. When there are more fields than are kept, that is said: what was not shown could
//! be the one that matters.

use super::form::Pair;
use super::json::Json;
use super::show;
use crate::credential::Redactor;
use crate::event::Field;

/// Fields that are kept. Requests that change things have fewer; those that upload data are not judged by field.
pub(super) const MAX_FIELDS: usize = 64;
/// Nesting that is followed.
pub(super) const MAX_DEPTH: usize = 6;

/// Fields, and whether those are all.
pub(super) struct Fields {
    pub(super) fields: Vec<Field>,
    pub(super) all: bool,
}

/// Those of JSON values that follow one another. Several are counted like the items of a list.
pub(super) fn of_json(values: &[Json], redactor: &Redactor) -> Fields {
    let mut walk = Walk { redactor, path: Vec::new(), found: Fields { fields: Vec::new(), all: true } };
    match values {
        [one] => walk.visit(one),
        several => walk.items(several),
    }
    walk.found
}

/// Those of a form or a URL's query.
pub(super) fn of_pairs(pairs: &[Pair<'_>], all: bool, redactor: &Redactor) -> Fields {
    let fields = pairs
        .iter()
        .take(MAX_FIELDS)
        .map(|pair| Field {
            name: show::name(redactor, &pair.name),
            value: show::parameter(redactor, &pair.name, &pair.value),
        })
        .collect();
    Fields { fields, all: all && pairs.len() <= MAX_FIELDS }
}

struct Walk<'a> {
    redactor: &'a Redactor,
    path: Vec<String>,
    found: Fields,
}

impl Walk<'_> {
    fn visit(&mut self, value: &Json) {
        match value {
            Json::Plain(text) | Json::Text(text) => {
                let name = self.path.join(".");
                let value = show::value(self.redactor, &name, text);
                self.found.fields.push(Field { name, value });
            }
            Json::List(items) => self.items(items),
            Json::Object(members) => {
                for (name, value) in members {
                    if !self.enter(show::name(self.redactor, name), value) {
                        break;
                    }
                }
            }
        }
    }

    fn items(&mut self, items: &[Json]) {
        for (at, item) in items.iter().enumerate() {
            if !self.enter(at.to_string(), item) {
                break;
            }
        }
    }

    /// Visits a member; false if nothing more is kept.
    fn enter(&mut self, name: String, value: &Json) -> bool {
        if self.found.fields.len() >= MAX_FIELDS {
            self.found.all = false;
            return false;
        }
        if self.path.len() >= MAX_DEPTH {
            self.found.all = false;
            return true;
        }
        self.path.push(name);
        self.visit(value);
        self.path.pop();
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{form, json};
    use crate::secret::Fingerprinter;

    fn shown(found: &Fields) -> Vec<String> {
        found.fields.iter().map(|field| format!("{}={}", field.name, field.value)).collect()
    }

    #[test]
    fn fields_are_named_by_path() {
        let redactor = Redactor::new(Fingerprinter::new(&[7; 32]));
        let check = |text, expect: &[&str], all| {
            let found = of_json(&json::parse(text, true).unwrap().values, &redactor);
            assert_eq!(
                (shown(&found), found.all),
                (expect.iter().map(|line| (*line).to_owned()).collect(), all)
            );
        };
        check(
            r#"{"isDeleted":true,"items":[{"type":"x"},7,null]}"#,
            &["isDeleted=true", "items.0.type=x", "items.1=7", "items.2=null"],
            true,
        );
        check("{\"delete\":{\"_id\":\"1\"}}\n{\"a\":2}", &["0.delete._id=1", "1.a=2"], true);
        check(r#"{"a":{"b":{"c":{"d":{"e":{"f":{"g":1}}}}}},"h":2}"#, &["h=2"], false);
        check("[]", &[], true);
        let many = format!("[{}0]", "0,".repeat(100));
        let found = of_json(&json::parse(&many, true).unwrap().values, &redactor);
        assert_eq!((found.fields.len(), found.all), (MAX_FIELDS, false));
        let (pairs, all) = form::pairs("Action=DeleteVolume&VolumeId=vol-1");
        assert_eq!(shown(&of_pairs(&pairs, all, &redactor)), ["Action=DeleteVolume", "VolumeId=vol-1"]);
    }
}
