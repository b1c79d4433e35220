//! The incident and its variations, event by event.

use std::sync::Arc;

use proptest::prelude::*;

use super::{Pipeline, Step, Verdict};
use crate::detect::Catalog;
use crate::event::story::{
    AGENT, CURL, HOST, Story, TOKEN, bearer, fingerprint, graphql, head_of, process, volume_delete,
};
use crate::event::{
    Body, BodyFacts, CredentialUse, Decision, Event, Fact, GraphqlField, GraphqlOperation, Lost, Mode,
    OperationType, Request, Rung, ScanOutcome, ServerNamed, Unread, Waited,
};
use crate::policy::{Finding, Policy};
use crate::session::Provenance;

fn pipeline() -> Pipeline {
    Pipeline::new(Arc::new(Policy::builtin().unwrap()), Arc::new(Catalog::builtin().unwrap()))
}

fn steps(story: &Story) -> Vec<Step> {
    let mut pipeline = pipeline();
    story.events.iter().map(|event| pipeline.step(event)).collect()
}

fn findings(story: &Story) -> Vec<Finding> {
    steps(story).into_iter().flat_map(|step| step.findings).collect()
}

/// For each event that asks for a verdict: `verdict`, or `verdict: rule severity [hold]` if it made a finding.
fn told(story: &Story) -> Vec<String> {
    let mut told = Vec::new();
    for Step { findings, verdict } in steps(story) {
        let Some(verdict) = verdict else { continue };
        let mut line = format!("{verdict:?}");
        for finding in findings {
            line = format!("{line}: {} {}", finding.rule, finding.severity);
            if let Some(hold) = finding.hold {
                line = format!("{line} {hold}");
            }
        }
        told.push(line);
    }
    told
}

fn check(what: &str, story: &Story, expected: &[&str]) {
    assert_eq!(told(story), expected, "{what}");
}

/// A session that ran the agent, without the search.
fn without_search(mode: Mode) -> Story {
    let mut story = Story::new(mode);
    story.agent_starts();
    story
}

fn query() -> Request {
    graphql(OperationType::Query, "volume", &[("id", "3d2c42fb-7c04-4c66-9a8e-2f1d1f5a6b0c")])
}

fn on_stream(stream: u64, index: u64, request: Request) -> Request {
    Request { stream, index, ..request }
}

fn unfinished(request: Request) -> Request {
    Request { complete: false, ..request }
}

const FOUND: &str = "destroy.irreversible critical";

#[test]
fn modes() {
    for (mode, verdict, asked) in [
        (Mode::Observe, "Release: destroy.irreversible critical", "alert"),
        (Mode::Hold, "Hold: destroy.irreversible critical H-1", "hold"),
        (Mode::Enforce, "Deny: destroy.irreversible critical", "deny"),
    ] {
        let story = Story::pocketos(mode);
        check(&mode.to_string(), &story, &[verdict]);
        let finding = &findings(&story)[0];
        assert_eq!(
            (finding.asked.to_string(), finding.action.to_string()),
            ("hold".to_owned(), asked.to_owned())
        );
    }
}

#[test]
fn what_the_gate_cannot_do_is_not_ordered() {
    for (rung, mode, verdict) in [
        (Rung::Kill, Mode::Hold, "Kill: destroy.irreversible critical"),
        (Rung::Kill, Mode::Enforce, "Kill: destroy.irreversible critical"),
        (Rung::Kill, Mode::Observe, "Release: destroy.irreversible critical"),
        (Rung::Alert, Mode::Enforce, "Release: destroy.irreversible critical"),
    ] {
        let mut story = Story::pocketos(mode);
        let Fact::SessionStarted(started) = &mut story.events[0].fact else { panic!("the start") };
        started.rung = rung;
        check(&format!("{rung} {mode}"), &story, &[verdict]);
        let told_why =
            findings(&story)[0].reasons.iter().any(|reason| reason.starts_with("This host cannot "));
        assert_eq!(told_why, mode != Mode::Observe, "{rung} {mode}");
    }
}

#[test]
fn a_policy_can_declare_what_is_given() {
    let policy = include_str!("../../../policies/default.yaml");
    assert!(policy.contains("\ngrants: []\n"));
    let grant =
        "\ngrants:\n  - {name: RAILWAY_TOKEN, file: /home/dev/pocketos/scripts/domains/.env.legacy}\n";
    let policy = Policy::from_yaml("test", &policy.replace("\ngrants: []\n", grant)).unwrap();
    for (what, also_elsewhere, rule) in [
        ("there alone", false, "destroy.irreversible.granted"),
        ("elsewhere too: it may have been copied there", true, "destroy.irreversible"),
    ] {
        let mut story = Story::new(Mode::Hold);
        story.agent_starts().search();
        if also_elsewhere {
            story.read(AGENT, "other", "RAILWAY_TOKEN", "railway-token", TOKEN);
        }
        story.connection().request(CURL, volume_delete());
        let mut pipeline = Pipeline::new(Arc::new(policy.clone()), Arc::new(Catalog::builtin().unwrap()));
        let found: Vec<Finding> =
            story.events.iter().flat_map(|event| pipeline.step(event).findings).collect();
        assert_eq!(found[0].rule, rule, "{what}");
    }
}

#[test]
fn whose_credential() {
    let found = "Hold: destroy.irreversible critical H-1";
    let granted = "Hold: destroy.irreversible.granted high H-1";
    let unproven = "Hold: destroy.irreversible.unproven high H-1";
    type Tell = fn(&mut Story) -> &mut Story;
    let cases: &[(&str, Tell, &str)] = &[
        ("found by a search", |story| story.agent_starts().search(), found),
        ("given", |story| story.given("RAILWAY_TOKEN", "railway-token", TOKEN).agent_starts(), granted),
        (
            "given, and found by a search",
            |story| story.given("RAILWAY_TOKEN", "railway-token", TOKEN).agent_starts().search(),
            granted,
        ),
        ("never seen", |story| story.agent_starts(), unproven),
        (
            "found in two files",
            |story| {
                story.agent_starts().search();
                story.at(5000).read(AGENT, "notes/deploy.md", "token", "railway-token", TOKEN)
            },
            found,
        ),
        (
            "read by the process itself before it became curl",
            |story| story.agent_starts().at(9000).read(CURL, ".env.legacy", "TOKEN", "railway-token", TOKEN),
            found,
        ),
        (
            "another secret found",
            |story| story.agent_starts().read(AGENT, "a", "K", "github-token", "x"),
            unproven,
        ),
    ];
    for (what, before, expected) in cases {
        let mut story = Story::new(Mode::Hold);
        before(&mut story);
        story.connection().at(9733).request(CURL, volume_delete());
        check(what, &story, &[expected]);
    }
}

#[test]
fn several_credentials_in_one_request() {
    let at = |position: &str, secret: &str, by_definition: bool| CredentialUse {
        fingerprint: fingerprint(secret),
        position: position.to_owned(),
        by_definition,
    };
    for (what, uses, expected) in [
        ("none", vec![], Provenance::None),
        ("given", vec![bearer("given")], Provenance::Granted),
        (
            "a cookie of the server",
            vec![bearer("given"), at("header:cookie", "new", true)],
            Provenance::Granted,
        ),
        (
            "found, in a cookie",
            vec![bearer("given"), at("header:cookie", "found", true)],
            Provenance::Discovered,
        ),
        ("found, in a header of its own", vec![at("header:x-team", "found", false)], Provenance::Discovered),
        (
            "given, put beside one unknown",
            vec![bearer("new"), at("header:cookie", "given", true)],
            Provenance::Unknown,
        ),
        ("forms of one position", vec![bearer("new"), bearer("given")], Provenance::Granted),
        (
            "an id read from a file",
            vec![bearer("given"), at("body:volumeId", "id", false)],
            Provenance::Granted,
        ),
        ("an id and nothing else", vec![at("query:id", "id", false)], Provenance::None),
        ("something nobody knows", vec![at("header:x-request-id", "new", false)], Provenance::None),
    ] {
        let mut story = Story::new(Mode::Hold);
        story.given("API_TOKEN", "named-secret", "given").agent_starts();
        story.read(AGENT, "x", "TOKEN", "named-secret", "found").read(AGENT, "ids", "volume", "opaque", "id");
        let request = Request { credentials: uses, ..volume_delete() };
        story.connection().request(CURL, request);
        let provenance =
            findings(&story)[0].credential.as_ref().map_or(Provenance::None, |used| used.provenance);
        assert_eq!(provenance, expected, "{what}");
    }
}

#[test]
fn a_request_reported_in_parts_is_one_finding() {
    let mut story = Story::up_to_connection(Mode::Hold);
    story.request(CURL, head_of(&volume_delete()));
    story.request(CURL, unfinished(volume_delete())).request(CURL, volume_delete());
    check("hold", &story, &["AwaitRest", &format!("Hold: {FOUND} H-1"), "Hold"]);

    let mut story = Story::up_to_connection(Mode::Observe);
    story
        .request(CURL, head_of(&volume_delete()))
        .request(CURL, volume_delete())
        .request(CURL, volume_delete());
    check("observe never waits", &story, &["Release", &format!("Release: {FOUND}"), "Release"]);

    let mut story = Story::up_to_connection(Mode::Hold);
    story.request(CURL, head_of(&query())).request(CURL, query());
    check("harmless in the end", &story, &["AwaitRest", "Release"]);

    let mut story = Story::new(Mode::Hold);
    story.given("RAILWAY_TOKEN", "railway-token", TOKEN).agent_starts().connection();
    story.request(CURL, head_of(&query())).request(CURL, query());
    check("a credential it was given does not wait", &story, &["Release", "Release"]);

    let long = Body { bytes: 20_000, ..Body::default() };
    let mut story = Story::up_to_connection(Mode::Hold);
    story.request(CURL, Request { body: long, ..head_of(&query()) });
    check("more than a socket takes would never end", &story, &["Release"]);
}

#[test]
fn a_request_that_gets_worse_is_told_again() {
    let mut worse = volume_delete();
    let BodyFacts::Graphql(operations) = &mut worse.body.facts else { panic!("a GraphQL body") };
    operations[0]
        .fields
        .insert(0, GraphqlField { name: "deploymentRemove".to_owned(), arguments: Vec::new() });
    let mild = unfinished(graphql(OperationType::Mutation, "deploymentRemove", &[]));

    let mut story = Story::new(Mode::Hold);
    story.given("RAILWAY_TOKEN", "railway-token", TOKEN).agent_starts().connection();
    story.request(CURL, mild.clone()).request(CURL, worse.clone());
    let told = told(&story);
    assert!(told[0].starts_with("Release: "), "{told:?}");
    assert_eq!(told[1], "Hold: destroy.irreversible.granted high H-1");

    let mut story = Story::up_to_connection(Mode::Hold);
    story.request(CURL, mild).request(CURL, worse.clone()).request(CURL, worse);
    let holds: Vec<_> = findings(&story).into_iter().map(|finding| finding.hold).collect();
    assert_eq!(holds, [Some("H-1".to_owned()), Some("H-1".to_owned())], "one request is one decision");
}

#[test]
fn decisions() {
    let held = format!("Hold: {FOUND} H-1");
    let again = format!("Hold: {FOUND} H-2");
    let mut story = Story::up_to_connection(Mode::Hold);
    story.request(CURL, unfinished(volume_delete())).decide("H-1", Decision::Approved, "dev");
    story.request(CURL, volume_delete()).request(CURL, volume_delete());
    check("approved: its rest goes, once", &story, &[&held, "Release", &again]);

    let mut story = Story::pocketos(Mode::Hold);
    story.decide("H-1", Decision::Approved, "dev").request(CURL, on_stream(1, 1, volume_delete()));
    check("approved: the next one is another", &story, &[&held, &again]);

    let mut story = Story::up_to_connection(Mode::Hold);
    let other = graphql(OperationType::Mutation, "volumeDelete", &[("volumeId", "another")]);
    story.request(CURL, unfinished(volume_delete())).decide("H-1", Decision::Approved, "dev");
    story.request(CURL, other);
    check("approved: not what it became later", &story, &[&held, &again]);

    for decision in [Decision::Denied, Decision::Expired, Decision::Gone] {
        let mut story = Story::pocketos(Mode::Hold);
        story.decide("H-1", decision, "dev").request(CURL, volume_delete());
        story.request(CURL, on_stream(1, 1, query())).request(CURL, on_stream(2, 0, query()));
        check("denied: the connection is dead", &story, &[&held, "Deny", "Deny", "Release"]);
    }

    let mut story = Story::pocketos(Mode::Hold);
    story.decide("H-1", Decision::Denied, "dev").decide("H-1", Decision::Approved, "dev");
    story.decide("H-7", Decision::Approved, "dev").request(CURL, volume_delete());
    check("the first decision counts", &story, &[&held, "Deny"]);

    let mut story = Story::pocketos(Mode::Hold);
    story.decide("H-1", Decision::Killed, "dev").request(CURL, on_stream(2, 0, query()));
    check("killed", &story, &[&held, "Kill"]);
}

#[test]
fn a_process_with_a_held_request_sends_nothing() {
    let mut story = Story::pocketos(Mode::Hold);
    story.request(CURL, on_stream(2, 0, query())).request(CURL, on_stream(3, 0, volume_delete()));
    let held = format!("Hold: {FOUND} H-1");
    check("while held", &story, &[&held, "Hold", &format!("Hold: {FOUND} H-2")]);

    let mut pipeline = pipeline();
    story.events.iter().for_each(|event| drop(pipeline.step(event)));
    assert_eq!(pipeline.standing(process(CURL)), Verdict::Hold);
    assert_eq!(pipeline.standing(process(AGENT)), Verdict::Release);
    for (hold, left) in [("H-1", Verdict::Hold), ("H-2", Verdict::Release)] {
        story.decide(hold, Decision::Approved, "dev");
        pipeline.step(story.events.last().unwrap());
        assert_eq!(pipeline.standing(process(CURL)), left);
    }
}

#[test]
fn a_connection_number_used_again_is_another_connection() {
    let mut story = Story::pocketos(Mode::Hold);
    story.decide("H-1", Decision::Approved, "dev").exec(CURL, &["/usr/bin/curl", "again"]);
    story.request(CURL, volume_delete());
    check("after exec", &story, &[&format!("Hold: {FOUND} H-1"), &format!("Hold: {FOUND} H-2")]);
}

#[test]
fn traffic_that_cannot_be_read() {
    let unread = || Fact::Unread(Unread { stream: 1, why: "http2".to_owned(), bytes: 900 });
    let mut tainted = Story::up_to_connection(Mode::Hold);
    tainted.push(CURL, unread());
    tainted.push(CURL, unread());
    check("tainted, a control plane", &tainted, &["Hold: blind.tainted high H-1", "Hold"]);
    assert!(findings(&tainted)[0].not_seen[0].contains("http2"));
    tainted.decide("H-1", Decision::Approved, "dev").push(CURL, unread());
    check("approved", &tainted, &["Hold: blind.tainted high H-1", "Hold", "Release"]);

    let mut clean = without_search(Mode::Hold);
    clean.connection().push(CURL, unread());
    check("clean, a control plane", &clean, &["Release: blind.provider low"]);

    let mut elsewhere = Story::new(Mode::Hold);
    elsewhere.agent_starts().search().tls(AGENT, "registry.example").push(AGENT, unread());
    check("tainted, somewhere else", &elsewhere, &["Release"]);
}

#[test]
fn a_credential_that_may_have_stood_where_nobody_searched() {
    let failed = ScanOutcome::Failed { why: "it had gone".to_owned() };
    let partly = ScanOutcome::Partly { bytes: 8 << 20 };
    for (what, file, secret, host, expected) in [
        ("all was searched", None, "new", "api.test", "Release: generic.local info"),
        ("a file was not", Some(("log", &failed)), "new", "api.test", "Hold: generic.foreign high H-1"),
        ("in part", Some(("log", &partly)), "new", "api.test", "Hold: generic.foreign high H-1"),
        (
            "a credential that was given",
            Some(("log", &failed)),
            "given",
            "api.test",
            "Release: generic.local info",
        ),
        (
            "held anyway: no worse",
            Some(("log", &failed)),
            "new",
            HOST,
            "Hold: destroy.irreversible.unproven high H-1",
        ),
    ] {
        let mut story = Story::new(Mode::Hold);
        story.given("API_TOKEN", "named-secret", "given").agent_starts();
        if let Some((path, scan)) = file {
            story.read_unsearched(AGENT, path, scan.clone());
        }
        story.tls(CURL, host);
        for event in &mut story.events {
            if let Fact::Connected(connected) = &mut event.fact {
                connected.peer = "10.1.2.3:443".parse().unwrap();
            }
        }
        let request =
            Request { host: Some(host.to_owned()), credentials: vec![bearer(secret)], ..volume_delete() };
        story.request(CURL, request);
        check(what, &story, &[expected]);
        let told = findings(&story)[0].reasons.iter().any(|reason| reason.contains("could not be searched"));
        assert_eq!(told, expected.starts_with("Hold: generic"), "{what}");
    }
    let mut story = Story::new(Mode::Hold);
    story.agent_starts().read_unsearched(AGENT, ".env", failed).connection();
    story.push(CURL, Fact::Unread(Unread { stream: 1, why: "http2".to_owned(), bytes: 900 }));
    check("tainted", &story, &["Hold: blind.tainted high H-1"]);
}

#[test]
fn the_server_name_counts_when_the_host_says_otherwise() {
    let mut story = Story::up_to_connection(Mode::Hold);
    story.request(CURL, Request { host: Some("localhost".to_owned()), ..volume_delete() });
    check("fronted", &story, &[&format!("Hold: {FOUND} H-1")]);
}

#[test]
fn what_was_not_seen_is_said() {
    let mut story = Story::up_to_connection(Mode::Hold);
    for count in [2, 3] {
        story.push(0, Fact::Lost(Lost { record: "file".to_owned(), count }));
    }
    story.request(CURL, unfinished(volume_delete()));
    assert_eq!(
        findings(&story)[0].not_seen,
        [
            "The request had not been written to its end when it was judged.",
            "HTTP/3 is not decoded.",
            "5 file records were lost.",
        ]
    );
}

#[test]
fn the_finding_of_the_incident() {
    let found = findings(&Story::pocketos(Mode::Enforce)).remove(0);
    let json = serde_json::to_string_pretty(&found).unwrap();
    // The policy may change without a change to what is tested here.
    insta::assert_snapshot!(json.replace(&found.policy.hash, "5f1c22d0"));
}

/// All kinds of facts, honest and hostile.
fn facts() -> Vec<Fact> {
    let mut story = Story::pocketos(Mode::Hold);
    story.given("RAILWAY_TOKEN", "railway-token", "other");
    story.request(CURL, head_of(&volume_delete())).request(CURL, on_stream(2, 3, query()));
    story.request(
        CURL,
        Request {
            path: "/\u{1b}[2J\u{202e}\n".repeat(40),
            credentials: vec![bearer("\u{0}")],
            body: Body {
                facts: BodyFacts::Graphql(vec![
                    GraphqlOperation {
                        kind: OperationType::Mutation,
                        name: None,
                        fields: vec![GraphqlField {
                            name: "volumeDelete\u{7}".repeat(30),
                            arguments: Vec::new(),
                        }],
                    };
                    20
                ]),
                ..Body::default()
            },
            method: "DELETE".to_owned(),
            ..volume_delete()
        },
    );
    for decision in [Decision::Approved, Decision::Denied, Decision::Killed, Decision::Gone] {
        story.decide("H-1", decision, "\u{9b}31mroot").decide("H-2", decision, "dev");
    }
    story.exec(CURL, &["/bin/\u{1b}]0;owned\u{7}", &"x\t".repeat(5000)]);
    story.read(CURL, "\u{202e}vne.", "\u{200b}", "opaque", TOKEN).ends(0);
    let mut facts: Vec<Fact> = story.events.into_iter().map(|event| event.fact).collect();
    facts.push(Fact::Unread(Unread { stream: 1, why: "http2".to_owned(), bytes: u64::MAX }));
    facts.push(Fact::Waited(Waited { millis: u64::MAX }));
    facts.push(Fact::Lost(Lost { record: "tls".to_owned(), count: u64::MAX }));
    facts.push(Fact::ServerNamed(ServerNamed { socket: 1, name: Some(HOST.to_owned()), alpn: Vec::new() }));
    facts
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_order_of_events_is_judged_alike_twice(
        picks in prop::collection::vec((0..1000_usize, 0..7_usize, 0..50_u64), 0..60)
    ) {
        let facts = facts();
        let pids = [0, AGENT, 4129, 4131, 4190, CURL, 9];
        let mut story = Story::default();
        for (fact, pid, millis) in picks {
            // Time need not go forward.
            story.at(millis).push(pids[pid], facts[fact % facts.len()].clone());
        }
        prop_assert_eq!(steps(&story), steps(&story));
        let mut pipeline = pipeline();
        let found: Vec<Finding> =
            story.events.iter().flat_map(|event: &Event| pipeline.step(event).findings).collect();
        for finding in &found {
            let text = crate::explain::text(&crate::explain::explain(pipeline.session(), finding));
            for line in text.lines() {
                prop_assert!(line.chars().count() <= 120, "{}", line);
                prop_assert!(!line.chars().any(|c| c.is_control() || c == '\u{202e}'), "{:?}", line);
            }
        }
        let ids: std::collections::BTreeSet<_> = found.iter().map(|finding| &finding.id).collect();
        prop_assert_eq!(ids.len(), found.len());
    }
}
