use super::*;
use crate::event::PolicyRef;

#[test]
fn the_builtin_policy_reads() {
    let policy = Policy::builtin().unwrap();
    let PolicyRef { name, hash } = policy.reference();
    assert_eq!(name, "default");
    assert_eq!(hash, blake3::hash(DEFAULT.as_bytes()).to_hex()[..8]);
    assert_eq!(policy.hold().timeout.as_secs(), 300);
}

#[test]
fn the_smallest_policy_reads() {
    Policy::from_yaml("p.yaml", "name: nothing\n").unwrap();
}

/// What a person reads who got it wrong.
fn told(text: &str) -> String {
    Policy::from_yaml("p.yaml", text).unwrap_err().to_string()
}

#[test]
fn mistakes_of_form_are_told() {
    let all = [
        "",
        "just text\n",
        "name: p\nrulez: []\n",
        "name: p\nrules:\n  - id: a\n    title: t\n    when: {blind: true}\n    severity: hi\n    action: hold\n",
        "name: p\nrules:\n  - id: a\n    title: t\n    when: {blind: true}\n    severity: high\n    action: stop\n",
        "name: p\nrules:\n  - id: a\n    title: t\n    when: {efect: {verb: destroys}}\n    severity: high\n    action: hold\n",
        "name: p\nrules:\n  - id: a\n    title: t\n    when: {effect: {verb: [destroys, explodes]}}\n    severity: high\n    action: hold\n",
        "name: p\nrules:\n  - id: a\n    when: {blind: yes}\n",
        "name: p\nname: q\n",
        "name: p\nhold: {on_timeout: allow}\n",
        "name: [\n",
        "name: p\n\trules: []\n",
    ];
    insta::assert_snapshot!(all.map(told).join("\n---\n"), @"");
}

#[test]
fn mistakes_of_meaning_are_told_all_at_once() {
    let text = r#"
name: "p p"
rules:
  - {id: a, title: "{objekt} gone", when: {blind: true}, severity: high, action: hold}
  - {id: a, title: t, when: {}, severity: high, action: hold}
  - {id: b, title: "", when: {effect: {}, blind: true}, severity: high, action: hold}
  - {id: c, title: t, when: {effect: {verb: [], operation: volumeDelete}}, severity: high, action: hold}
  - {id: "d e", title: t, when: {request: {host: ""}}, severity: high, action: hold}
operations: {free: [volumeDelete]}
grants:
  - {fingerprint: "fp:12"}
  - {name: TOKEN, file: .env}
  - {name: TOKEN}
hold: {timeout: never}
"#;
    insta::assert_snapshot!(told(text), @"");
}

#[test]
fn the_schema_describes_the_format() {
    let schema = schema();
    let text = schema.to_string();
    assert_eq!(schema["title"], "holdfire policy");
    for word in ["propose_only", "S4", "discovered", "on_monitor_exit", "loopback", "enforce"] {
        assert_eq!(text.contains(&format!("\"{word}\"")), word != "enforce", "{word}");
    }
    assert_eq!(schema["additionalProperties"], false);
}

proptest::proptest! {
    #[test]
    fn any_text_is_survived(text in "\\PC{0,200}") {
        let _ = Policy::from_yaml("p.yaml", &text).map_err(|error| error.to_string());
    }

    #[test]
    fn any_yaml_like_text_is_survived(
        lines in proptest::collection::vec("( ){0,6}(- )?(name|rules|id|when|effect|verb|grants|hold|&a|\\*a|<<)?(: )?[\\[{}\\]a-z'\"|>,!&*#]{0,12}", 0..30)
    ) {
        let _ = Policy::from_yaml("p.yaml", &lines.join("\n")).map_err(|error| error.to_string());
    }

    /// Whatever is cut out of a good policy, reading it ends in a policy or in a mistake with a place in the file.
    #[test]
    fn a_damaged_policy_is_survived(from in 0..DEFAULT.len(), len in 1..400usize) {
        let bytes = DEFAULT.as_bytes();
        let damaged = [&bytes[..from], &bytes[(from + len).min(bytes.len())..]].concat();
        if let Ok(text) = String::from_utf8(damaged)
            && let Err(error) = Policy::from_yaml("p.yaml", &text)
        {
            proptest::prop_assert!(!error.mistakes.is_empty());
        }
    }
}
