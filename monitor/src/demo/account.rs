//! The account behind the demo's server: one volume, its backups inside it, as in the incident. Pure.

use serde_json::{Value, json};

use super::http::Request;

/// A volume and the backups that go with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// A UUID.
    pub id: String,
    pub name: String,
    /// Names of its backups. They live in the volume and are gone with it.
    pub backups: Vec<String>,
}

/// What the API knows.
#[derive(Clone, Debug)]
pub(super) struct Account {
    token: String,
    volumes: Vec<Volume>,
}

/// Status and body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Response {
    pub(super) status: &'static str,
    pub(super) body: String,
}

impl Account {
    pub(super) fn new(token: &str, volume: Volume) -> Self {
        Self { token: token.to_owned(), volumes: vec![volume] }
    }

    pub(super) fn volumes(&self) -> &[Volume] {
        &self.volumes
    }

    /// Answers one request, and does what it says.
    pub(super) fn answer(&mut self, request: &Request) -> Response {
        let path = request.target.split('?').next().unwrap_or_default();
        let authorised = request.token.as_deref() == Some(self.token.as_str());
        match (request.method.as_str(), path) {
            // Railway answers an unauthorised query with 200 and an error in the body.
            ("POST", "/graphql/v2") if !authorised => errors("Not Authorized"),
            ("POST", "/graphql/v2") => self.graphql(&request.body),
            (_, path) if path.starts_with("/v1/") && !authorised => {
                Response { status: "401 Unauthorized", body: json!({"error": "Not Authorized"}).to_string() }
            }
            ("GET", "/v1/volumes") => ok(&json!(self.volumes.iter().map(view).collect::<Vec<_>>())),
            ("DELETE", path) if path.starts_with("/v1/volumes/") => {
                match self.delete(&path["/v1/volumes/".len()..]) {
                    true => ok(&json!({"deleted": true})),
                    false => not_found(),
                }
            }
            // Takes anything and keeps nothing: where uploads and the benchmark go.
            ("POST", "/v1/uploads") => ok(&json!({"bytes": request.body.len()})),
            _ => not_found(),
        }
    }

    fn graphql(&mut self, body: &[u8]) -> Response {
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return errors("Problem processing request");
        };
        let document = body["query"].as_str().unwrap_or_default();
        let id = argument(document, &body["variables"]);
        if document.trim_start().starts_with("mutation") && document.contains("volumeDelete") {
            return match self.delete(&id) {
                true => ok(&json!({"data": {"volumeDelete": true}})),
                false => errors("Volume not found"),
            };
        }
        match self.volumes.iter().find(|volume| volume.id == id) {
            Some(volume) => ok(&json!({"data": {"volume": view(volume)}})),
            None => errors("Volume not found"),
        }
    }

    /// The volume goes, and its backups with it.
    fn delete(&mut self, id: &str) -> bool {
        let before = self.volumes.len();
        self.volumes.retain(|volume| volume.id != id);
        self.volumes.len() < before
    }
}

/// The argument of the field that names a volume, its variable filled in.
fn argument(document: &str, variables: &Value) -> String {
    let field = ["volumeDelete(", "volume("].iter().find_map(|name| document.split_once(name));
    let value = field
        .and_then(|(_, arguments)| arguments.split_once(':'))
        .map_or("", |(_, value)| value.trim_start());
    if let Some(variable) = value.strip_prefix('$') {
        let end = variable.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(variable.len());
        return variables[&variable[..end]].as_str().unwrap_or_default().to_owned();
    }
    value
        .strip_prefix('"')
        .and_then(|value| value.split_once('"'))
        .map_or(String::new(), |(id, _)| id.to_owned())
}

fn view(volume: &Volume) -> Value {
    json!({"id": volume.id, "name": volume.name, "backups": volume.backups})
}

fn ok(body: &Value) -> Response {
    Response { status: "200 OK", body: body.to_string() }
}

fn errors(message: &str) -> Response {
    ok(&json!({"errors": [{"message": message}], "data": null}))
}

fn not_found() -> Response {
    Response { status: "404 Not Found", body: json!({"error": "not found"}).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Account {
        let backups = vec!["monday".to_owned()];
        Account::new("good", Volume { id: "v-1".to_owned(), name: "data".to_owned(), backups })
    }

    fn request(method: &str, target: &str, token: &str, body: &str) -> Request {
        Request {
            method: method.to_owned(),
            target: target.to_owned(),
            token: Some(token.to_owned()),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The status and whether the volume is still there.
    #[track_caller]
    fn check(method: &str, target: &str, token: &str, body: &str, expect: (&str, bool)) {
        let mut account = account();
        let answer = account.answer(&request(method, target, token, body));
        assert_eq!((answer.status, !account.volumes().is_empty()), expect, "{}", answer.body);
    }

    #[test]
    fn only_a_delete_with_the_right_token_deletes() {
        let delete = r#"{"query":"mutation { volumeDelete(volumeId: \"v-1\") }"}"#;
        let other = r#"{"query":"mutation { volumeDelete(volumeId: \"v-2\") }"}"#;
        let query = r#"{"query":"query { volume(id: \"v-1\") { name } }"}"#;
        let variables = r#"{"query":"mutation M($id: String!) { volumeDelete(volumeId: $id) }","variables":{"id":"v-1"}}"#;
        check("POST", "/graphql/v2", "good", delete, ("200 OK", false));
        check("POST", "/graphql/v2", "good", variables, ("200 OK", false));
        let fragment =
            r#"{"query":"mutation { ...f } fragment f on Mutation { x: volumeDelete(volumeId: \"v-1\") }"}"#;
        check("POST", "/graphql/v2", "good", fragment, ("200 OK", false));
        check("POST", "/graphql/v2", "good", other, ("200 OK", true));
        check("POST", "/graphql/v2", "good", query, ("200 OK", true));
        check("POST", "/graphql/v2", "bad", delete, ("200 OK", true));
        check("POST", "/graphql/v2", "good", "{", ("200 OK", true));
        check("DELETE", "/v1/volumes/v-1", "good", "", ("200 OK", false));
        check("DELETE", "/v1/volumes/v-1", "bad", "", ("401 Unauthorized", true));
        check("DELETE", "/v1/volumes/v-2", "good", "", ("404 Not Found", true));
        check("GET", "/v1/volumes", "good", "", ("200 OK", true));
    }

    #[test]
    fn a_query_shows_the_backups() {
        let body = r#"{"query":"query { volume(id: \"v-1\") { name backups } }"}"#;
        let answer = account().answer(&request("POST", "/graphql/v2", "good", body));
        assert_eq!(answer.body, r#"{"data":{"volume":{"backups":["monday"],"id":"v-1","name":"data"}}}"#);
    }
}
