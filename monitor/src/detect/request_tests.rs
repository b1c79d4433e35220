use proptest::prelude::*;

use super::*;
use crate::event::{Body, GraphqlOperation, Header};

/// A request to `host`, without body.
fn request(method: &str, host: &str, path: &str) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let query = pairs.map(|pair| field(pair.split_once('=').unwrap_or((pair, "")))).collect();
    Request {
        stream: 1,
        index: 0,
        method: method.to_owned(),
        host: Some(host.to_owned()),
        path: path.to_owned(),
        query,
        headers: Vec::new(),
        credentials: Vec::new(),
        body: Body::default(),
        complete: true,
    }
}

fn field((name, value): (&str, &str)) -> Field {
    Field { name: name.to_owned(), value: value.to_owned() }
}

/// The same with a GraphQL operation of `kind` whose root has `fields`.
fn graphql(host: &str, kind: OperationType, fields: &[(&str, &[(&str, &str)])]) -> Request {
    let fields = fields
        .iter()
        .map(|(name, arguments)| GraphqlField {
            name: (*name).to_owned(),
            arguments: arguments.iter().copied().map(field).collect(),
        })
        .collect();
    let mut request = request("POST", host, "/graphql/v2");
    request.body.bytes = 172;
    request.body.facts = BodyFacts::Graphql(vec![GraphqlOperation { kind, name: None, fields }]);
    request
}

fn with_fields(mut request: Request, fields: &[(&str, &str)]) -> Request {
    request.body.bytes = 100;
    request.body.facts = BodyFacts::Fields(fields.iter().copied().map(field).collect());
    request
}

fn with_header(mut request: Request, name: &str, value: &str) -> Request {
    request.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
    request
}

/// `S4 destroys volume 3d2c · railway:volumeDelete (sure)`, one line per effect.
fn told(request: &Request) -> String {
    let assessment = Catalog::builtin().unwrap().assess(request, None);
    let line = |effect: &Effect| {
        let verb = serde_json::to_value(effect.verb).unwrap();
        let confidence = serde_json::to_value(effect.confidence).unwrap();
        format!(
            "{:?} {} {} {} · {}:{} ({})",
            effect.reversibility,
            verb.as_str().unwrap(),
            effect.object,
            effect.target.as_deref().unwrap_or("-"),
            effect.provider,
            effect.operation,
            confidence.as_str().unwrap(),
        )
    };
    assessment.effects.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[track_caller]
fn check(request: &Request, expect: &str) {
    assert_eq!(told(request), expect, "{request:#?}");
}

const RAILWAY: &str = "backboard.railway.app";
const OTHER: &str = "api.example.com";

#[test]
fn railway_operations_are_known() {
    use OperationType::{Mutation, Query};
    let id = [("volumeId", "3d2c")];
    let delete = "S4 destroys volume 3d2c · railway:volumeDelete (sure)";
    check(&graphql(RAILWAY, Mutation, &[("volumeDelete", &id)]), delete);
    check(&graphql("backboard.railway.com:8443", Mutation, &[("volumeDelete", &id)]), delete);
    check(&graphql(RAILWAY, Query, &[("volumeDelete", &id)]), "");
    check(&graphql(RAILWAY, Mutation, &[("volumeCreate", &[])]), "");
    check(
        &graphql(RAILWAY, Mutation, &[("variableUpsert", &[("input.name", "A")]), ("volumeDelete", &id)]),
        "S4 destroys volume 3d2c · railway:volumeDelete (sure)\n\
         S1 configures variable A · railway:variableUpsert (sure)",
    );
    check(
        &graphql(RAILWAY, Mutation, &[("projectScheduleDelete", &[("id", "p1")])]),
        "S2 destroys project p1 · railway:projectScheduleDelete (sure)",
    );
    check(&graphql(RAILWAY, Mutation, &[("projectScheduleDeleteCancel", &[("id", "p1")])]), "");
    check(
        &graphql(
            RAILWAY,
            Mutation,
            &[("environmentPatchCommit", &[("environmentId", "e1"), ("patch.volumes.v1.isDeleted", "true")])],
        ),
        "S4 destroys part of an environment e1 · railway:environmentPatchCommit (sure)",
    );
    check(
        &graphql(
            RAILWAY,
            Mutation,
            &[(
                "environmentPatchCommit",
                &[("environmentId", "e1"), ("patch.volumes.v1.isDeleted", "false")],
            )],
        ),
        "S1 configures environment e1 · railway:environmentPatchCommit (sure)",
    );
    check(
        &graphql(RAILWAY, Mutation, &[("integrationDelete", &[("id", "i1")])]),
        "S4 destroys integration i1 · railway:integrationDelete (likely)",
    );
}

#[test]
fn the_server_name_counts_as_well_as_the_host() {
    let catalog = Catalog::builtin().unwrap();
    let request = graphql(OTHER, OperationType::Mutation, &[("volumeDelete", &[("volumeId", "3d2c")])]);
    let assess = |name| {
        let assessment = catalog.assess(&request, name);
        (assessment.provider.clone(), assessment.worst().unwrap().confidence)
    };
    assert_eq!(assess(None), (None, Confidence::Generic));
    assert_eq!(assess(Some(RAILWAY)), (Some("railway".to_owned()), Confidence::Sure));
}

#[test]
fn unknown_hosts_get_the_generic_rule() {
    use OperationType::Mutation;
    check(
        &graphql(OTHER, Mutation, &[("volumeDelete", &[("volumeId", "3d2c")])]),
        "S4 destroys volume 3d2c · unknown:volumeDelete (generic)",
    );
    check(
        &graphql(OTHER, Mutation, &[("delete_users_by_pk", &[("id", "7")])]),
        "S4 destroys user 7 · unknown:delete_users_by_pk (generic)",
    );
    check(&graphql(OTHER, Mutation, &[("unstarRepository", &[]), ("removeLabel", &[])]), "");
    for (method, path, expect) in [
        ("DELETE", "/v1/volumes/17", "S4 destroys volume 17 · unknown:DELETE /v1/volumes/{} (generic)"),
        ("delete", "/v1/volumes/17", "S4 destroys volume 17 · unknown:DELETE /v1/volumes/{} (generic)"),
        ("DELETE", "/", "S4 destroys resource - · unknown:DELETE / (generic)"),
        ("DELETE", "/i/1/labels/bug", "S1 destroys label bug · unknown:DELETE /i/{}/labels/{} (generic)"),
        (
            "DELETE",
            "/v1/public/../volumes/17",
            "S4 destroys volume 17 · unknown:DELETE /v1/volumes/{} (generic)",
        ),
        ("POST", "/api/chat.delete", "S4 destroys chat - · unknown:POST /api/chat.delete (generic)"),
        (
            "POST",
            "/users/me/messages/batchDelete",
            "S4 destroys message - · unknown:POST /users/me/messages/batchDelete (generic)",
        ),
        ("POST", "/v1/things:purge", "S4 destroys thing - · unknown:POST /v1/things:purge (generic)"),
        ("POST", "/delete/123", "S4 destroys resource 123 · unknown:POST /delete/{} (generic)"),
        ("POST", "/b?delete", "S4 destroys resource - · unknown:delete (generic)"),
        (
            "GET",
            "/?Action=TerminateInstances&InstanceId.1=i-1",
            "S4 destroys instance - · unknown:TerminateInstances (generic)",
        ),
        ("GET", "/v1/volumes/17", ""),
        ("GET", "/delete/17", ""),
        ("HEAD", "/v1/volumes/17", ""),
        ("POST", "/v1/volumes", ""),
        ("PUT", "/bucket/delete-me", ""),
        ("POST", "/v1/volumes/17/cancel", ""),
    ] {
        check(&request(method, OTHER, path), expect);
    }
}

#[test]
fn operations_are_found_wherever_they_are_named() {
    let post = |path| request("POST", OTHER, path);
    let form = [("Action", "DeleteDBInstance"), ("DBInstanceIdentifier", "main")];
    check(&with_fields(post("/"), &form), "S4 destroys db instance - · unknown:DeleteDBInstance (generic)");
    check(
        &with_header(post("/"), "x-amz-target", "DynamoDB_20120810.DeleteTable"),
        "S4 destroys table - · unknown:DeleteTable (generic)",
    );
    check(
        &with_header(post("/v1/volumes/17"), "x-http-method-override", "DELETE"),
        "S4 destroys volume 17 · unknown:DELETE /v1/volumes/{} (generic)",
    );
    check(
        &with_fields(post("/v1/volumes/17"), &[("_method", "delete")]),
        "S4 destroys volume 17 · unknown:DELETE /v1/volumes/{} (generic)",
    );
    check(
        &with_fields(post("/$batch"), &[("requests.0.method", "DELETE"), ("requests.0.url", "/users/1")]),
        "S4 destroys $batch - · unknown:DELETE /$batch (generic)",
    );
    check(
        &with_fields(post("/rpc"), &[("method", "deleteUser")]),
        "S4 destroys user - · unknown:deleteUser (generic)",
    );
    check(
        &with_fields(
            request("PATCH", OTHER, "/v1/databases/main"),
            &[("settings.deletionProtection", "false")],
        ),
        "G removes_guard deletionProtection main · unknown:deletionProtection=false (generic)",
    );
    let off = [("Action", "ModifyDBInstance"), ("DeletionProtection", "false")];
    check(
        &with_fields(post("/"), &off),
        "G removes_guard DeletionProtection - · unknown:DeletionProtection=false (generic)",
    );
    check(&with_fields(post("/"), &[("Action", "CreateDBInstance"), off[1]]), "");
    check(&with_fields(post("/v1/databases"), &[off[1]]), "");
    check(
        &post("/service/ACMPrivateCA/operation/DeleteCertificateAuthority"),
        "S4 destroys certificate authority - · \
         unknown:POST /service/ACMPrivateCA/operation/DeleteCertificateAuthority (generic)",
    );
    for harmless in [
        ("title", "delete"),
        ("purge", ""),
        ("events.0.action", "deleteFile"),
        ("input.method", "DELETE"),
        ("requests.0.0.method", "DELETE"),
        ("command", "rm -rf build"),
    ] {
        check(&with_fields(post("/v1/events"), &[harmless]), "");
    }
    for named in ["method", "0.method", "Requests.17.method"] {
        check(
            &with_fields(post("/v1/volumes/17"), &[(named, "DELETE")]),
            "S4 destroys volume 17 · unknown:DELETE /v1/volumes/{} (generic)",
        );
    }
}

#[test]
fn an_unreadable_body_is_said_to_be_unreadable() {
    let blind = |request: &Request| Catalog::builtin().unwrap().assess(request, None).blind;
    let mut sent = request("POST", RAILWAY, "/graphql/v2");
    assert_eq!(blind(&sent), None);
    sent.body.bytes = 70_000;
    assert_eq!(blind(&sent).unwrap(), "has a body of 70000 bytes in a form holdfire does not read");
    sent.host = Some(OTHER.to_owned());
    assert_eq!(blind(&sent), None);
    sent.body.truncated = true;
    assert_eq!(blind(&sent).unwrap(), "has a body of 70000 bytes of which only the first part was read");
    sent.body.undecodable = Some("zstd".to_owned());
    assert_eq!(blind(&sent).unwrap(), "has a body that could not be read (zstd)");
    sent.method = "GET".to_owned();
    assert_eq!(blind(&sent), None);
}

#[test]
fn a_batch_over_the_limit_is_no_hiding_place() {
    let names: Vec<String> = (0..100).map(|i| format!("deleteThing{i}x")).collect();
    let mut fields: Vec<(&str, &[(&str, &str)])> =
        names.iter().map(|name| (name.as_str(), &[][..])).collect();
    fields.truncate(MAX_EFFECTS);
    let catalog = Catalog::builtin().unwrap();
    let fits = catalog.assess(&graphql(RAILWAY, OperationType::Mutation, &fields), None);
    assert_eq!((fits.effects.len(), fits.blind), (MAX_EFFECTS, None));
    fields.push(("volumeDelete", &[]));
    let over = catalog.assess(&graphql(RAILWAY, OperationType::Mutation, &fields), None);
    assert_eq!(over.effects.len(), MAX_EFFECTS);
    assert_eq!(over.worst().unwrap().operation, "volumeDelete");
    assert!(over.blind.unwrap().starts_with("holds more than 32"));
}

#[test]
fn only_an_incomplete_write_can_become_worse() {
    let could = |method: &str, complete: bool, truncated: bool| {
        let mut request = request(method, OTHER, "/");
        request.complete = complete;
        request.body.truncated = truncated;
        Catalog::builtin().unwrap().could_become(&request)
    };
    assert!(could("POST", false, false) && could("PATCH", false, false) && could("BREW", false, false));
    assert!(!could("POST", true, false) && !could("GET", false, false) && !could("POST", false, true));
}

proptest! {
    #[test]
    fn any_request_is_survived_and_its_effects_are_bounded(
        method in "[A-Za-z]{0,10}",
        path in "\\PC{0,120}",
        names in proptest::collection::vec("[a-zA-Z_.]{0,40}", 0..50),
        value in "\\PC{0,80}",
    ) {
        let fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        let request = with_fields(request(&method, OTHER, &path), &fields);
        let assessment = Catalog::builtin().unwrap().assess(&request, Some(&value));
        prop_assert!(assessment.effects.len() <= MAX_EFFECTS);
        for effect in &assessment.effects {
            prop_assert!(effect.operation.chars().count() <= MAX_OPERATION);
            prop_assert!(effect.object.chars().count() <= MAX_TARGET);
            prop_assert!(!effect.operation.contains(char::is_control));
        }
    }

    /// More of a request never makes its worst effect milder: a verdict on the first part stays right.
    #[test]
    fn a_request_only_gets_worse(count in 0..8usize) {
        let all: [(&str, &[(&str, &str)]); 8] = [
            ("variableUpsert", &[]), ("apiTokenDelete", &[]), ("deploymentRemove", &[]), ("volumeCreate", &[]),
            ("projectScheduleDelete", &[]), ("volumeDelete", &[]), ("unstar", &[]), ("userDelete", &[]),
        ];
        let catalog = Catalog::builtin().unwrap();
        let worst = |n: usize| {
            let request = graphql(RAILWAY, OperationType::Mutation, &all[..n]);
            catalog.effect(&request).map(|effect| effect.reversibility)
        };
        prop_assert!(worst(count) <= worst(count + 1));
    }
}
