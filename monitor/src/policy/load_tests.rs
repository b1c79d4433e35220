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
    insta::assert_snapshot!(all.map(told).join("\n---\n"), @r#"
    p.yaml:1:1: the file ends before it says anything
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:1:1: there should be fields here (name: value)
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:2:1: unknown field "rulez"; did you mean "rules"?
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:6:15: unknown value "hi"; did you mean "high"?
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:7:13: unknown value "stop"; it is one of allow, alert, hold, deny, kill
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:5:12: unknown field "efect"; did you mean "effect"?
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:5:38: unknown value "explodes"; it is one of destroys, changes_access, configures, removes_guard
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:4:19: invalid boolean (strict mode expects true/false)
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:2:1: the field "name" stands here twice
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:2:20: unknown value "allow"; it can only be "deny"
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:1:7: expected string scalar
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    ---
    p.yaml:1:7: while scanning a plain scalar, found a tab
    The policy is not in force. Mend it, or leave the policy out to go by the built-in one.
    "#);
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
  - {id: f, title: t, when: {unread: []}, severity: high, action: hold}
operations: {free: [volumeDelete]}
grants:
  - {fingerprint: "fp:12"}
  - {name: TOKEN, file: .env}
  - {name: TOKEN}
hold: {timeout: never}
"#;
    insta::assert_snapshot!(told(text), @r#"
    p.yaml:2:7: a policy's name must be 1 to 200 letters, digits, dots, dashes or underscores
    p.yaml:4:20: unknown placeholder {objekt}; did you mean "object"?
    p.yaml:5:10: the rule "a" stands already on line 4; give each its own id
    p.yaml:5:10: rule "a" has no condition and would apply to everything
    p.yaml:6:10: rule "b": "effect" holds no condition; leave it out or give it one
    p.yaml:6:20: a title is one line of 1 to 200 characters
    p.yaml:7:10: rule "c": the list "verb" is empty, so the rule would never apply
    p.yaml:7:10: the operation "volumeDelete" names no provider; write "railway:volumeDelete", or "*:volumeDelete" for any
    p.yaml:8:10: a rule's id must be 1 to 200 letters, digits, dots, dashes or underscores
    p.yaml:8:10: rule "d e": a value of "host" must have 1 to 200 bytes
    p.yaml:9:10: rule "f": the list "unread" is empty, so the rule would never apply
    p.yaml:10:21: the operation "volumeDelete" names no provider; write "railway:volumeDelete", or "*:volumeDelete" for any
    p.yaml:12:19: "fp:12" is no fingerprint; write it as holdfire shows it: fp:9c1e8a04
    p.yaml:13:25: ".env" is no full path; it must begin with /
    p.yaml:14:12: a grant is either {fingerprint} or {name, file}
    p.yaml:15:17: "never" is no time from 1s to 24h; write it like 5m
    The policy is not in force. Mend them, or leave the policy out to go by the built-in one.
    "#);
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
