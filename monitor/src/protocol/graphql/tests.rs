use proptest::prelude::*;

use super::*;
use crate::protocol::form;
use crate::secret::Fingerprinter;

fn redactor() -> Redactor {
    Redactor::new(Fingerprinter::new(&[7; 32]))
}

/// `mutation Name { field(path: value) }` for each operation.
fn shown(found: Option<Found>) -> Vec<String> {
    let found = found.unwrap_or_default();
    let trouble = found.trouble.map(|why| format!("! {why}"));
    let lines = found.operations.iter().map(|operation| {
        let fields: Vec<String> = operation
            .fields
            .iter()
            .map(|field| {
                let arguments: Vec<_> =
                    field.arguments.iter().map(|one| format!("{}: {}", one.name, one.value)).collect();
                if arguments.is_empty() {
                    field.name.clone()
                } else {
                    format!("{}({})", field.name, arguments.join(", "))
                }
            })
            .collect();
        let kind = format!("{:?}", operation.kind).to_lowercase();
        let name = operation.name.iter().map(|name| format!(" {name}")).collect::<String>();
        format!("{kind}{name} {{ {} }}", fields.join(" "))
    });
    lines.chain(trouble).collect()
}

fn document(text: &str) -> Vec<String> {
    shown(in_document(text, &redactor()))
}

fn body(text: &str) -> Vec<String> {
    shown(json::parse(text, false).and_then(|parsed| in_json(&parsed.values, &redactor())))
}

#[test]
fn documents() {
    let check = |text, expect: &[&str]| assert_eq!(document(text), expect, "{text}");
    check("{ me { id } }", &["query { me }"]);
    check("mutation { volumeDelete(volumeId: \"3d\") }", &["mutation { volumeDelete(volumeId: 3d) }"]);
    check(
        "mutation Keep { get: volumeDelete(volumeId: 7) @skip(if: true) }",
        &["mutation Keep { volumeDelete(volumeId: 7) }"],
    );
    check(
        "mutation { ...A ... on Mutation @include(if: false) { b } ... { c } } fragment A on Mutation { a ...B } fragment B on Mutation { d ...A }",
        &["mutation { a d b c }"],
    );
    check(
        "query A { a } mutation B { b } subscription { c }",
        &["query A { a }", "mutation B { b }", "subscription { c }"],
    );
    check(
        "mutation($v: ID = \"dflt\", $w: ID) { a(input: {id: $v, list: [1, ENUM, null], deep: {x: true}}, other: $w) }",
        &[
            "mutation { a(input.id: dflt, input.list.0: 1, input.list.1: ENUM, input.list.2: null, input.deep.x: true, other: $w) }",
        ],
    );
    check("{ a(s: \"x\\\"\\u0041\", b: \"\"\"bl\"ock\"\"\") }", &["query { a(s: x\"A, b: bl\"ock) }"]);
    check("mutation { a a a(x: 1) a(x: 2) }", &["mutation { a a(x: 1) a(x: 2) }"]);
    check("# comment\nmutation\n{\n  a # }\n}", &["mutation { a }"]);
    check("SELECT * FROM volumes", &[]);
    check("how to delete a volume", &[]);
    check("", &[]);
}

#[test]
fn documents_still_being_written() {
    let check = |text, expect: &[&str]| assert_eq!(document(text), expect, "{text}");
    check("mutation", &["mutation {  }"]);
    check("mutation { volumeDel", &["mutation { volumeDel }"]);
    check("mutation { volumeDelete(volumeId:", &["mutation { volumeDelete }"]);
    check("mutation { volumeDelete(volumeId: \"3d", &["mutation { volumeDelete }"]);
    check("mutation { a volumeDelete(volumeId: $v) { id", &["mutation { a volumeDelete(volumeId: $v) }"]);
}

#[test]
fn bodies() {
    let check = |text, expect: &[&str]| assert_eq!(body(text), expect, "{text}");
    check(
        r#"{"query":"mutation D($id: String!, $in: I!) { volumeDelete(volumeId: $id) b(input: $in) }","variables":{"id":"3d2c","in":{"force":true,"ids":[1]}}}"#,
        &["mutation D { volumeDelete(volumeId: 3d2c) b(input.force: true, input.ids.0: 1) }"],
    );
    check(r#"[{"query":"{a}"},{"query":"mutation{b}"},{"id":1}]"#, &["query { a }", "mutation { b }"]);
    check(r#"{"query":"query A{a} mutation B{b}","operationName":"A"}"#, &["query A { a }"]);
    check(
        r#"{"query":"query A{a} mutation B{b}","operationName":"C"}"#,
        &["query A { a }", "mutation B { b }"],
    );
    check(
        r#"{"query":"query A{a} mutation B{b}","operationName":null}"#,
        &["query A { a }", "mutation B { b }"],
    );
    check(r#"{"query":"{a}","query":"mutation{b}"}"#, &["query { a }", "mutation { b }"]);
    check(
        r#"[{"query":"query A{a}"},{"query":"query A{a} mutation B{b}","operationName":"B"}]"#,
        &["query A { a }", "mutation B { b }"],
    );
    check(
        r#"{"operationName":"VolumeDelete","extensions":{"persistedQuery":{"version":1,"sha256Hash":"ab"}}}"#,
        &["mutation persisted query, document not seen: VolumeDelete {  }"],
    );
    check(r#"{"query":"mutation { volumeDelete(volumeId: \"3d"#, &["mutation { volumeDelete }"]);
    check(r#"{"query":{"match_all":{}}}"#, &[]);
    check(r#"{"query":"cats and dogs"}"#, &[]);
    check("[1,2]", &[]);
}

#[test]
fn queries_in_urls_and_broken_bodies() {
    let pairs = |text| shown(in_pairs(&form::pairs(text).0, &redactor()));
    assert_eq!(
        pairs("query=mutation(%24v:ID){a(id:$v)}&variables=%7B%22v%22:4%7D"),
        ["mutation { a(id: 4) }"]
    );
    assert_eq!(pairs("operations={\"query\":\"mutation{a}\"}"), ["mutation { a }"]);
    assert_eq!(pairs("extensions={\"persistedQuery\":{}}&operationName=X").len(), 1);
    assert_eq!(pairs("query=shoes&page=2").len(), 0);
    let broken = "25\r\n{\"query\":\"mutation { a(s: \\\"x\\\") }\"}\r\n";
    assert_eq!(shown(in_broken_json(broken, &redactor())), ["mutation { a(s: x) }"]);
}

#[test]
fn limits_are_said() {
    let trouble = |text: &str| in_document(text, &redactor()).unwrap().trouble;
    let fields: String = (0..600).map(|at| format!(" f{at}")).collect();
    assert_eq!(trouble(&format!("{{{fields}}}")), Some("more than 512 GraphQL fields"));
    let nested = format!("mutation {{ first {} }}", "{ a ".repeat(5_000));
    assert_eq!(trouble(&nested), Some("a GraphQL document too large to be read"));
    let long = format!("mutation {{ first {} }}", "a ".repeat(30_000));
    assert_eq!(trouble(&long), Some("a GraphQL document too large to be read"));
    let value = format!("mutation {{ first(a: {} }}", "[".repeat(5_000));
    assert_eq!(trouble(&value), Some("a GraphQL document too large to be read"));
    let deep = format!("mutation {{ a(x: {}1{}) }}", "{y: ".repeat(9), "}".repeat(9));
    assert_eq!(trouble(&deep), Some("GraphQL arguments too many or too deep to be read"));
    let wide = format!("mutation {{ a(x: [{}]) }}", "1 ".repeat(65));
    assert_eq!(trouble(&wide), Some("GraphQL arguments too many or too deep to be read"));
    let batch = format!("[{}{{}}]", "{\"query\":\"{a}\"},".repeat(300));
    let parsed = json::parse(&batch, true).unwrap();
    assert_eq!(
        in_json(&parsed.values, &redactor()).unwrap().trouble,
        Some("a GraphQL batch of more than 256 requests")
    );
}

proptest! {
    #[test]
    fn never_panics(text in ".{0,200}", noise in r#"(mutation|query|fragment|on|\.\.\.|[{}()\[\]:$@!="\\#&|, ]|[a-z]{1,3}|\\u[0-9a-fD]{0,4}|""")[ \n]?{0,60}"#, cut in 0usize..300) {
        document(&text);
        document(&noise);
        document(&format!("mutation($v:I=\"\"){{{noise}"));
        body(&format!("{{\"query\":{}", serde_json::to_string(&noise).unwrap()));
        let real = "mutation D($id: S! = \"é\\u00e9\", $in: I!) { x: volumeDelete(volumeId: $id, b: [{c: \"\"\"d\"\"\"}]) @skip(if: true) ...F } fragment F on M { b }";
        document(&real.chars().take(cut).collect::<String>());
    }
}
