//! The screens people read.

use std::sync::Arc;

use super::{Choice, ChoiceError, Subject, explain, text};
use crate::detect::Catalog;
use crate::event::story::{AGENT, CURL, HOST, Story, TOKEN, volume_delete};
use crate::event::{Action, Decision, Enforced, Mode, Request, Rung};
use crate::pipeline::Pipeline;
use crate::policy::{Finding, Policy};

/// Explains the first finding of a story, after `then` has added what became of it.
fn screen(mut story: Story, then: impl FnOnce(&mut Story, &Finding)) -> String {
    let mut pipeline =
        Pipeline::new(Arc::new(Policy::builtin().unwrap()), Arc::new(Catalog::builtin().unwrap()));
    let found: Vec<Finding> = story.events.iter().flat_map(|event| pipeline.step(event).findings).collect();
    let seen = story.events.len();
    then(&mut story, &found[0]);
    for event in &story.events[seen..] {
        pipeline.step(event);
    }
    let screen = text(&explain(pipeline.session(), &found[0]));
    // The policy may change without a change to what is tested here.
    screen.replace(&found[0].policy.hash, "5f1c22d0")
}

fn carried_out(finding: &Finding, action: Action, failed: Option<&str>) -> Enforced {
    let failed = failed.map(str::to_owned);
    Enforced { finding: finding.id.clone(), action, rung: Rung::StopAndEgress, failed }
}

#[test]
fn denied_by_a_person() {
    let screen = screen(Story::pocketos(Mode::Hold), |story, finding| {
        story.enforced(carried_out(finding, Action::Hold, None));
        story.at(50_810).decide("H-1", Decision::Denied, "dev");
        story.enforced(carried_out(finding, Action::Deny, None)).ends(1);
    });
    insta::assert_snapshot!(screen);
}

#[test]
fn outcomes() {
    type Then = for<'a> fn(&'a mut Story, &Finding) -> &'a mut Story;
    let cases: &[(Mode, Then, &str, &str)] = &[
        (
            Mode::Observe,
            |story, _| story,
            "alert only, request let go",
            "alert (policy asks: hold; mode observe)",
        ),
        (
            Mode::Enforce,
            |story, finding| story.enforced(carried_out(finding, Action::Deny, None)),
            "denied, request not sent",
            "denied at once (policy asks: hold; mode enforce)",
        ),
        (
            Mode::Enforce,
            |story, finding| story.enforced(carried_out(finding, Action::Deny, Some("EPERM"))),
            "denied, but the gate failed: EPERM; the request may have been sent",
            "denied at once (policy asks: hold; mode enforce)",
        ),
        (
            Mode::Enforce,
            |story, _| story,
            "denied, the gate has not reported whether the request was sent",
            "denied at once (policy asks: hold; mode enforce)",
        ),
        (
            Mode::Hold,
            |story, finding| story.enforced(carried_out(finding, Action::Hold, None)),
            "held, request not sent",
            "held → waiting for a decision",
        ),
        (
            Mode::Hold,
            |story, _| story.at(200_000).decide("H-1", Decision::Approved, "dev"),
            "approved by dev, request let go",
            "held → approved by dev after 3m10s",
        ),
        (
            Mode::Hold,
            |story, finding| {
                story.at(309_733).decide("H-1", Decision::Expired, "holdfire");
                story.enforced(carried_out(finding, Action::Deny, None))
            },
            "denied, since nobody decided in time, request not sent",
            "held → denied, since nobody decided in time after 5m00s",
        ),
    ];
    for (mode, then, headline, verdict) in cases {
        let screen = screen(Story::pocketos(*mode), |story, finding| {
            then(story, finding);
        });
        let head = screen.split("\n\n").next().unwrap().replace("\n  ", " ");
        assert!(head.ends_with(&format!(" · {headline}")), "{headline}\n{screen}");
        assert!(screen.contains(&format!("verdict  {verdict}\n")), "{verdict}\n{screen}");
    }
}

#[test]
fn one_process_reads_and_becomes_the_sender() {
    let mut story = Story::new(Mode::Enforce);
    story
        .agent_starts()
        .at(800)
        .fork(AGENT, CURL)
        .exec(CURL, &["/usr/bin/sh", "-c", ". ./.env.legacy; exec curl"]);
    story.at(833).read(CURL, ".env.legacy", "RAILWAY_TOKEN", "railway-token", TOKEN);
    story.read(CURL, "docs/deploy.md", "token", "railway-token", TOKEN);
    story.at(840).exec(CURL, &["/usr/bin/curl", "https://backboard.railway.app/graphql/v2"]);
    story.at(900).tls(CURL, HOST).at(901).request(CURL, volume_delete());
    insta::assert_snapshot!(screen(story, |_, _| {}));
}

#[test]
fn a_long_line_of_descent_and_hostile_words() {
    let mut story = Story::new(Mode::Enforce);
    story.agent_starts().search();
    let mut parent = AGENT;
    for pid in 5000..5040 {
        story.at(1000).fork(parent, pid);
        parent = pid;
    }
    story.exec(parent, &["/tmp/\u{1b}[31mcurl", "\u{202e}gnp.txt", &"long ".repeat(60), "two\nlines"]);
    story.tls(parent, HOST).at(2000).request(parent, volume_delete());
    insta::assert_snapshot!(screen(story, |_, _| {}));
}

#[test]
fn what_is_meant() {
    let mut pipeline =
        Pipeline::new(Arc::new(Policy::builtin().unwrap()), Arc::new(Catalog::builtin().unwrap()));
    let mut story = Story::pocketos(Mode::Hold);
    story.request(CURL, Request { index: 1, ..volume_delete() });
    let found: Vec<Finding> = story.events.iter().flat_map(|event| pipeline.step(event).findings).collect();
    let [first, second] = found.as_slice() else { panic!("two findings") };
    let check = |subject: &str, expected: Result<&Finding, ChoiceError>| {
        let mut choice = Choice::new(subject.parse().unwrap());
        found.iter().for_each(|finding| choice.add(finding));
        assert_eq!(
            choice.finish().as_ref().map(|finding| &finding.id),
            expected.as_ref().map(|it| &it.id),
            "{subject}"
        );
    };
    check("@last", Ok(second));
    check(&first.id, Ok(first));
    check(&first.id[..6], Ok(first));
    check("A-", Err(ChoiceError::Ambiguous));
    check("A-zz", Err(ChoiceError::Nothing));
    check("H-1", Ok(first));
    check("H-2", Ok(second));
    check("H-3", Err(ChoiceError::Nothing));
    check(&format!("e{}", second.event), Ok(second));
    check("e8", Ok(first));
    check("e99", Err(ChoiceError::Nothing));
    for nothing in ["", "e", "7f3c", "S-19", "e-1"] {
        assert!(nothing.parse::<Subject>().is_err(), "{nothing}");
    }
}
