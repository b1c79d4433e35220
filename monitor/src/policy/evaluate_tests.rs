use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::detect::{Confidence, Reversibility, Verb};
use crate::event::Mode;
use crate::policy::{CredentialFacts, Provenance};
use crate::secret::Fingerprinter;

use Action::{Alert, Allow, Deny, Hold as Wait};
use Confidence::{Generic, Likely, Sure};
use Provenance::{Discovered, Granted, None as NoCredential, Unknown};
use Reversibility::{G, S1, S2, S3, S4};
use Verb::{ChangesAccess, Configures, Destroys, RemovesGuard};

const FAR: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(66, 33, 22, 2))];
const HERE: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)];
const NEAR: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(10, 1, 2, 3))];

fn effect(verb: Verb, reversibility: Reversibility, confidence: Confidence) -> Effect {
    let known = confidence != Generic;
    Effect {
        verb,
        reversibility,
        object: "volume".to_owned(),
        target: Some("3d2c42fb".to_owned()),
        provider: if known { "railway" } else { "unknown" }.to_owned(),
        operation: "volumeDelete".to_owned(),
        recovery: known.then(|| "backups live in the same volume [schema.json]".to_owned()),
        confidence,
    }
}

/// A POST to a public host in mode hold, of a session that met nothing.
fn situation<'a>(effects: &'a [Effect], provenance: Provenance) -> Situation<'a> {
    let known = effects.first().is_some_and(|effect| effect.confidence != Generic);
    Situation {
        effects,
        blind: None,
        provider: known.then_some("railway"),
        credential: CredentialFacts {
            provenance,
            fingerprint: Some(Fingerprinter::new(&[7; 32]).fingerprint(b"token")),
            kind: Some("railway-token"),
            name: Some("RAILWAY_TOKEN"),
            position: Some("header:authorization"),
        },
        host: Some(if known { "backboard.railway.app" } else { "api.example.com" }),
        server_name: None,
        peers: &FAR,
        method: Some("POST"),
        tainted: false,
        mode: Mode::Hold,
    }
}

fn policy(text: &str) -> Policy {
    Policy::from_yaml("test.yaml", text).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_default_policy_follows_its_table() {
    let policy = Policy::builtin().unwrap();
    let provenances = [Granted, Discovered, Unknown, NoCredential];
    use Severity::{Critical, High, Info, Low, Medium};
    for (verb, reversibility, confidence, expect) in [
        (Destroys, S4, Sure, [(Wait, High), (Wait, Critical), (Wait, High), (Wait, High)]),
        (Destroys, S4, Likely, [(Wait, High), (Wait, Critical), (Wait, High), (Wait, High)]),
        (Destroys, S3, Sure, [(Wait, High), (Wait, Critical), (Wait, High), (Wait, High)]),
        (Destroys, S2, Sure, [(Alert, Low), (Wait, High), (Wait, High), (Alert, Low)]),
        (Destroys, S1, Sure, [(Alert, Low), (Wait, High), (Wait, High), (Alert, Low)]),
        (ChangesAccess, S1, Sure, [(Alert, Low), (Wait, High), (Wait, High), (Alert, Low)]),
        (RemovesGuard, G, Likely, [(Alert, Low), (Wait, High), (Wait, High), (Alert, Low)]),
        (Configures, S1, Sure, [(Allow, Info), (Alert, Medium), (Alert, Medium), (Allow, Info)]),
        (Destroys, S4, Generic, [(Alert, Low), (Wait, High), (Wait, Medium), (Alert, Low)]),
        (Destroys, S1, Generic, [(Alert, Low), (Wait, High), (Wait, Medium), (Alert, Low)]),
        (RemovesGuard, G, Generic, [(Alert, Low), (Wait, High), (Wait, Medium), (Alert, Low)]),
        (Configures, S1, Generic, [(Allow, Info), (Alert, Medium), (Alert, Medium), (Allow, Info)]),
    ] {
        let effects = [effect(verb, reversibility, confidence)];
        let got = provenances.map(|provenance| {
            let judgement = policy.judge(&situation(&effects, provenance));
            (judgement.asked, judgement.severity)
        });
        assert_eq!(got, expect, "{verb:?} {reversibility:?} {confidence:?}");
    }
}

#[test]
fn modes_decide_what_becomes_of_a_hold() {
    let policy = Policy::builtin().unwrap();
    let effects = [effect(Destroys, S4, Sure)];
    for (mode, action) in [(Mode::Observe, Alert), (Mode::Hold, Wait), (Mode::Enforce, Deny)] {
        let judgement = policy.judge(&Situation { mode, ..situation(&effects, Discovered) });
        assert_eq!((judgement.asked, judgement.action), (Wait, action), "{mode}");
        assert_eq!(judgement.rule.as_deref(), Some("destroy.irreversible"));
    }
}

#[test]
fn ones_own_test_server_is_never_held() {
    let policy = Policy::builtin().unwrap();
    let effects = [effect(Destroys, S4, Generic)];
    let local = |host, peers, provenance| {
        let near =
            Situation { host: Some(host), peers, method: Some("DELETE"), ..situation(&effects, provenance) };
        policy.judge(&near).asked
    };
    for (host, peers, expect) in [
        // granted, discovered, unknown, none
        ("localhost:3000", &HERE, [Alert, Alert, Alert, Alert]),
        ("10.1.2.3:3000", &NEAR, [Alert, Wait, Alert, Alert]),
        ("api.example.com", &HERE, [Alert, Wait, Wait, Alert]),
        ("localhost:3000", &FAR, [Alert, Wait, Wait, Alert]),
    ] {
        let got = [Granted, Discovered, Unknown, NoCredential].map(|given| local(host, peers, given));
        assert_eq!(got, expect, "{host}");
    }
    let sure = [effect(Destroys, S4, Sure)];
    let disguised = Situation { peers: &HERE, ..situation(&sure, Discovered) };
    assert_eq!(policy.judge(&disguised).asked, Wait);
}

#[test]
fn what_cannot_be_read_counts_where_it_matters() {
    let policy = Policy::builtin().unwrap();
    let blind = |provider, tainted, provenance| {
        let unread = Situation {
            blind: Some("http2"),
            provider,
            tainted,
            method: None,
            credential: CredentialFacts { provenance, ..CredentialFacts::NONE },
            ..situation(&[], NoCredential)
        };
        let judgement = policy.judge(&unread);
        (judgement.asked, judgement.rule.unwrap_or_default())
    };
    for (provider, tainted, provenance, action, rule) in [
        (Some("railway"), true, NoCredential, Wait, "blind.tainted"),
        (Some("railway"), true, Granted, Wait, "blind.tainted"),
        (Some("railway"), false, Granted, Alert, "blind.provider"),
        (None, true, Discovered, Alert, "blind.foreign"),
        (None, true, NoCredential, Allow, ""),
        (None, false, Unknown, Allow, ""),
    ] {
        assert_eq!(blind(provider, tainted, provenance), (action, rule.to_owned()), "{provider:?} {tainted}");
    }
}

#[test]
fn what_was_lost_by_the_sessions_own_doing_is_held_when_it_is_tainted() {
    let policy = Policy::builtin().unwrap();
    for (why, tainted, peers, method, expect) in [
        ("unreadable-memory", true, &FAR, None, Wait),
        ("lost-bytes", true, &FAR, None, Wait),
        ("cut", true, &FAR, None, Wait),
        ("cut", false, &FAR, None, Allow),
        ("cut", true, &NEAR, None, Allow),
        ("http2", true, &FAR, None, Allow),
        // Of a request it is said in other words, which may hold anything.
        ("cut", true, &FAR, Some("POST"), Allow),
    ] {
        let host = if peers == &FAR { "api.example.com" } else { "10.1.2.3" };
        let lost = Situation {
            blind: Some(why),
            tainted,
            peers,
            method,
            host: None,
            server_name: Some(host),
            ..situation(&[], NoCredential)
        };
        let judgement = policy.judge(&Situation { provider: None, ..lost });
        assert_eq!(judgement.asked, expect, "{why} {tainted} {host}");
        assert_eq!(judgement.rule.is_some_and(|rule| rule == "blind.evaded"), expect == Wait, "{why}");
    }
}

#[test]
fn nothing_to_say_is_said_with_nothing() {
    let judgement = Policy::builtin().unwrap().judge(&situation(&[], Discovered));
    assert_eq!((judgement.asked, judgement.rule, judgement.reasons.len()), (Allow, None, 0));
}

#[test]
fn a_judgement_reads_well() {
    let other = Effect { operation: "variableUpsert".to_owned(), ..effect(Configures, S1, Sure) };
    let effects = [effect(Destroys, S4, Sure), other];
    let policy = Policy::builtin().unwrap();
    let told = |situation: &Situation<'_>| {
        let judgement = policy.judge(situation);
        format!("{} {}\n{}", judgement.severity, judgement.title, judgement.reasons.join("\n"))
    };
    let enforced = Situation { mode: Mode::Enforce, ..situation(&effects, Discovered) };
    insta::assert_snapshot!(told(&enforced), @r#"
    critical A volume would be destroyed for good, with a credential this session was never given
    Destroys a volume; cannot be undone (backups live in the same volume [schema.json]).
    The same request also does variableUpsert.
    Rule destroy.irreversible asks for hold, which mode enforce turns into deny.
    "#);
    let generic = [effect(Destroys, S4, Generic)];
    insta::assert_snapshot!(told(&situation(&generic, Unknown)), @r#"
    medium A volume would probably be destroyed on api.example.com, with a credential of unknown origin
    Destroys a volume; cannot be undone.
    Credential fp:9aaa0acf was never seen before this request.
    It is recognised by its name alone: the catalogue does not know this host.
    Rule generic.unproven asks for hold.
    "#);
    let unread = Situation {
        blind: Some("http2"),
        provider: Some("railway"),
        method: None,
        ..situation(&[], NoCredential)
    };
    insta::assert_snapshot!(told(&unread), @r#"
    low A request to railway cannot be read
    The traffic of this connection cannot be read (http2).
    Rule blind.provider asks for alert.
    "#);
}

#[test]
fn operators_name_operations() {
    let policy = policy(
        "name: p\n\
         rules: [{id: r, title: t, when: {effect: {verb: destroys}}, severity: high, action: hold}]\n\
         operations:\n  \
           propose_only: ['railway:projectDelete']\n  \
           needs_approval: ['*:deployment*']\n  \
           free: ['railway:volumeDelete', '*:deploymentStop']\n",
    );
    let named = |operation: &str| Effect { operation: operation.to_owned(), ..effect(Destroys, S4, Sure) };
    for (operations, expect) in [
        (&["projectDelete"][..], (Deny, Some("operations.propose_only"))),
        (&["deploymentRemove"], (Wait, Some("operations.needs_approval"))),
        (&["volumeDelete"], (Allow, None)),
        // The stricter list counts.
        (&["deploymentStop"], (Wait, Some("operations.needs_approval"))),
        // A free operation does not carry another through.
        (&["volumeDelete", "serviceDelete"], (Wait, Some("r"))),
        (&["volumeDelete", "projectDelete"], (Deny, Some("operations.propose_only"))),
    ] {
        let effects: Vec<Effect> = operations.iter().map(|name| named(name)).collect();
        let judgement = policy.judge(&situation(&effects, Granted));
        assert_eq!((judgement.asked, judgement.rule.as_deref()), expect, "{operations:?}");
    }
}

#[test]
fn every_condition_counts() {
    let matching = "effect: {verb: destroys, reversibility: S4, confidence: sure, provider: rail*, \
                    operation: 'railway:volume*', object: [disk, volume]}, \
                    credential: {provenance: [discovered], kind: railway-*, name: '*_TOKEN'}, \
                    request: {host: '*.railway.app', method: post, destination: public, known_provider: true}, \
                    session: {tainted: true}, blind: false";
    let asked = |conditions: &str| {
        let rule = format!("{{id: r, title: t, when: {{{conditions}}}, severity: low, action: deny}}");
        let effects = [effect(Destroys, S4, Sure)];
        let tainted = Situation { tainted: true, ..situation(&effects, Discovered) };
        policy(&format!("name: p\nrules: [{rule}]\n")).judge(&tainted).asked
    };
    assert_eq!(asked(matching), Deny);
    for (from, to) in [
        ("verb: destroys", "verb: configures"),
        ("reversibility: S4", "reversibility: [S1, S2, S3, G]"),
        ("confidence: sure", "confidence: likely"),
        ("provider: rail*", "provider: aws"),
        ("'railway:volume*'", "'aws:*'"),
        ("[disk, volume]", "disk"),
        ("[discovered]", "[granted, unknown, none]"),
        ("kind: railway-*", "kind: github-*"),
        ("'*_TOKEN'", "'*_KEY'"),
        ("'*.railway.app'", "'*.railway.com'"),
        ("method: post", "method: [get, put]"),
        ("destination: public", "destination: [loopback, private]"),
        ("known_provider: true", "known_provider: false"),
        ("tainted: true", "tainted: false"),
        ("blind: false", "blind: true"),
    ] {
        let changed = matching.replace(from, to);
        assert_ne!(changed, matching);
        assert_eq!(asked(&changed), Allow, "{to}");
    }
}

#[test]
fn grants_are_known_by_value_or_place() {
    let fingerprint = Fingerprinter::new(&[7; 32]).fingerprint(b"token");
    let other = Fingerprinter::new(&[7; 32]).fingerprint(b"other");
    let policy = policy(&format!(
        "name: p\ngrants: [{{fingerprint: '{fingerprint}'}}, {{name: TOKEN, file: /etc/t}}]\n"
    ));
    assert!(policy.grants_value(fingerprint) && !policy.grants_value(other));
    assert!(policy.grants_place(Some("TOKEN"), "/etc/t"));
    assert!(!policy.grants_place(Some("TOKEN"), "/tmp/etc/t") && !policy.grants_place(None, "/etc/t"));
}

#[test]
fn a_project_can_only_tighten() {
    let project = policy(
        "name: shop\n\
         rules: [{id: no-delete, title: '{operation} is not done here', when: {effect: {verb: destroys}}, severity: low, action: deny}]\n\
         operations: {free: ['*:*']}\n\
         grants: [{name: TOKEN, file: /home/a/shop/.env}]\n\
         hold: {timeout: 24h, on_monitor_exit: released}\n",
    );
    let base = Policy::builtin().unwrap();
    let tightened = base.clone().tightened_by(&project);
    let effects = [effect(Destroys, S4, Sure)];
    let judgement = tightened.judge(&situation(&effects, Discovered));
    assert_eq!(judgement.rule.as_deref(), Some("shop:no-delete"));
    assert_eq!((judgement.asked, judgement.severity), (Deny, Severity::Critical));
    assert!(!tightened.grants_place(Some("TOKEN"), "/home/a/shop/.env"));
    assert_eq!(tightened.hold(), base.hold());
    assert_eq!(tightened.reference().name, "default+shop");
    assert_ne!(tightened.reference().hash, base.reference().hash);
}

#[test]
fn a_project_shortens_the_wait_only_by_saying_so() {
    let check = |operator: &str, project: &str, timeout: u64, exit: OnMonitorExit| {
        let read = |hold: &str| policy(&format!("name: p\nhold: {{{hold}}}\n"));
        let hold = read(operator).tightened_by(&read(project)).hold();
        assert_eq!((hold.timeout.as_secs(), hold.on_monitor_exit), (timeout, exit), "{operator} | {project}");
    };
    use OnMonitorExit::{Held, Released};
    check("timeout: 1h", "", 3600, Held);
    check("timeout: 1h", "timeout: 10m", 600, Held);
    check("timeout: 10s", "timeout: 10m", 10, Held);
    check("", "timeout: 1h", 300, Held);
    check("on_monitor_exit: released", "", 300, Released);
    check("on_monitor_exit: released", "on_monitor_exit: held", 300, Held);
    check("on_monitor_exit: held", "on_monitor_exit: released", 300, Held);
}

/// Any situation.
fn situations() -> impl Strategy<Value = (Vec<Effect>, Provenance, bool, bool, Mode, usize)> {
    let verb = prop::sample::select(vec![Destroys, ChangesAccess, Configures, RemovesGuard]);
    let reversibility = prop::sample::select(vec![G, S1, S2, S3, S4]);
    let confidence = prop::sample::select(vec![Generic, Likely, Sure]);
    let operation = prop::sample::select(vec!["volumeDelete", "projectDelete", "deploymentStop"]);
    let effect =
        (verb, reversibility, confidence, operation).prop_map(|(verb, reversibility, confidence, name)| {
            Effect { operation: name.to_owned(), ..effect(verb, reversibility, confidence) }
        });
    let provenance = prop::sample::select(vec![Granted, Discovered, Unknown, NoCredential]);
    let mode = prop::sample::select(vec![Mode::Observe, Mode::Hold, Mode::Enforce]);
    (prop::collection::vec(effect, 0..4), provenance, any::<bool>(), any::<bool>(), mode, 0..3usize)
}

/// The text of any policy.
fn policies() -> impl Strategy<Value = String> {
    let pick = |from: &[&'static str]| prop::sample::select(from.to_vec());
    let condition = pick(&[
        "effect: {verb: destroys}",
        "effect: {reversibility: [S4, G]}",
        "effect: {confidence: generic}",
        "effect: {operation: '*:*Delete'}",
        "credential: {provenance: [granted, none]}",
        "request: {destination: loopback}",
        "session: {tainted: true}",
        "blind: true",
    ]);
    let rule =
        (condition, pick(&["info", "medium", "critical"]), pick(&["allow", "alert", "hold", "deny", "kill"]));
    let operations = pick(&["'*:*'", "'railway:volumeDelete'", "'*:deployment*'", ""]);
    let lists = (operations.clone(), operations.clone(), operations);
    (prop::collection::vec(rule, 0..5), lists, pick(&["held", "released"])).prop_map(|(rules, lists, exit)| {
        let rules: Vec<String> = rules
            .iter()
            .enumerate()
            .map(|(i, (when, severity, action))| {
                format!("{{id: r{i}, title: t, when: {{{when}}}, severity: {severity}, action: {action}}}")
            })
            .collect();
        let (propose, approve, free) = lists;
        format!(
            "name: p\nrules: [{}]\noperations: {{propose_only: [{propose}], needs_approval: [{approve}], free: [{free}]}}\n\
             hold: {{on_monitor_exit: {exit}}}\n",
            rules.join(", ")
        )
    })
}

proptest! {
    #[test]
    fn tightening_never_makes_milder(
        (effects, provenance, tainted, unread, mode, near) in situations(),
        base in policies(),
        project in policies(),
    ) {
        let (base, project) = (policy(&base), policy(&project));
        let peers: &[IpAddr] = [&FAR[..], &HERE, &NEAR][near];
        let blind = unread.then_some("has a body that could not be read");
        let asked = Situation { tainted, blind, mode, peers, host: None, ..situation(&effects, provenance) };
        let (before, after) = (base.judge(&asked), base.clone().tightened_by(&project).judge(&asked));
        prop_assert!(before.asked <= after.asked && before.action <= after.action);
        prop_assert!(before.severity <= after.severity);
        let alone = project.judge(&asked);
        prop_assert!(alone.asked <= after.asked);
    }

    #[test]
    fn an_added_effect_never_makes_milder(
        (effects, provenance, tainted, _, mode, _) in situations(),
        text in policies(),
    ) {
        let policy = policy(&text);
        let asked = |effects| policy.judge(&Situation { tainted, mode, ..situation(effects, provenance) }).asked;
        for count in 1..effects.len() {
            prop_assert!(asked(&effects[..count]) <= asked(&effects[..=count]));
        }
    }
}
