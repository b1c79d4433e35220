//! The core: one event in, findings and a verdict out. No clock, no I/O, no async.
//!
//! Live monitoring, replay, back-tests and unit tests all call [`Pipeline::step`], and the same events give the same
//! bytes. Bias: a request that may yet turn out destructive waits; what was ruled about a request stays ruled, however
//! often it is reported, until it gets worse or somebody decides.

mod case;
mod compose;
mod matching;
mod ruling;
#[cfg(test)]
mod tests;
mod waiting;
#[cfg(test)]
mod write_tests;

use std::sync::Arc;

use self::case::{Case, Ruled};
use self::matching::{Carried, carried};
use self::ruling::Rulings;
use crate::detect::{Assessment, Catalog};
use crate::event::{Action, Event, Fact, Header, Mode, ProcessId, Provenance, Request, Rung, Unread};
use crate::policy::{CredentialFacts, Finding, Judgement, Policy, Situation};
use crate::secret::Fingerprint;
use crate::session::{Destination, Grants, RequestKey, Session};

/// Body bytes up to which an unfinished request is made to wait for its rest. What waits fills the socket's send
/// buffer, 16 KiB on a fresh connection by default; a body that fits no more could never be finished, and its last part
/// is judged again before it leaves anyway.
const AWAIT_BODY_BYTES: u64 = 16 * 1024;

/// Why a request is judged without its rest, as [`Assessment::blind`] words it.
const REST_DID_NOT_COME: &str = "did not come to its end while its first part was held back";

/// Server names a request is assessed for, when its process asked for several.
const MAX_ASSESSED_NAMES: usize = 4;

/// What one event led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Step {
    /// Findings this event completed.
    pub findings: Vec<Finding>,
    /// What to do with the action the event reports. None: the event asks for no verdict.
    pub verdict: Option<Verdict>,
}

/// What to do with a gated write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Let it go, and the process with it.
    Release,
    /// The request is not complete and may yet turn out to be destructive: let the process run so that it can write
    /// the rest, but let nothing leave.
    AwaitRest,
    /// Let the process run, let nothing leave, wait for a human.
    Hold,
    /// Let the process run; its connections are dead.
    Deny,
    /// End the process; its connections are dead.
    Kill,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Self {
        match action {
            Action::Allow | Action::Alert => Self::Release,
            Action::Hold => Self::Hold,
            Action::Deny => Self::Deny,
            Action::Kill => Self::Kill,
        }
    }
}

/// Judges the events of one session, in order.
#[derive(Debug)]
pub struct Pipeline {
    policy: Arc<Policy>,
    catalog: Arc<Catalog>,
    session: Session,
    rulings: Rulings,
}

/// The policy's declarations, as the session asks for them.
struct Declared<'a>(&'a Policy);

impl Grants for Declared<'_> {
    fn value(&self, fingerprint: Fingerprint) -> bool {
        self.0.grants_value(fingerprint)
    }

    fn place(&self, name: Option<&str>, path: &str) -> bool {
        self.0.grants_place(name, path)
    }
}

impl Pipeline {
    /// A pipeline for one session. Mode and rung come with its first event.
    pub fn new(policy: Arc<Policy>, catalog: Arc<Catalog>) -> Self {
        Self { policy, catalog, session: Session::default(), rulings: Rulings::default() }
    }

    /// What is known of the session.
    pub fn session(&self) -> &Session {
        &self.session
    }

    /// What must stay in force for a process as a whole, whatever one of its requests was allowed: the gate holds
    /// sockets, not requests, so approving one of two held requests must not let both go. `AwaitRest`: one of its
    /// requests waits for its rest; if the rest does not come, a [`Fact::Waited`] ends that.
    pub fn standing(&self, process: ProcessId) -> Verdict {
        self.rulings.standing(process, None)
    }

    /// Takes the next event.
    pub fn step(&mut self, event: &Event) -> Step {
        self.session.apply(event, &Declared(&self.policy));
        match &event.fact {
            Fact::Requested(request) => {
                let key = self.session.flows().key(event.process, request.stream, Some(request.index));
                self.requested(event, key, request, None)
            }
            Fact::Waited(_) => self.waited(event),
            Fact::Executed(_) | Fact::Exited(_) => {
                self.rulings.waiting().gone(event.process);
                Step::default()
            }
            Fact::Unread(unread) => self.unread(event, unread),
            Fact::Decided(decided) => {
                self.rulings.decided(decided);
                Step::default()
            }
            _ => Step::default(),
        }
    }

    /// Judges a request as reported by `event`. `waited`: the later event that ends its waiting.
    fn requested(
        &mut self,
        event: &Event,
        key: RequestKey,
        request: &Request,
        waited: Option<&Event>,
    ) -> Step {
        let Self { policy, catalog, session, rulings } = self;
        let host = request.host.as_deref();
        let destination = session.flows().destination(session.tree(), event.process, request.stream, host);
        let (mut assessment, server_name) = assess(catalog, request, &destination);
        let carried = carried(session.secrets(), &request.credentials);
        let could_wait = session.mode() != Mode::Observe
            && session.rung() != Rung::Alert
            && !request.complete
            && carried.provenance() != Provenance::Granted
            && request.body.bytes <= AWAIT_BODY_BYTES
            && !waits_for_answer(request)
            && catalog.could_become(request);
        let may_wait = waited.is_none() && rulings.waiting().may(key);
        if could_wait && !may_wait {
            assessment.blind.get_or_insert_with(|| REST_DID_NOT_COME.to_owned());
        }
        let situation = Situation {
            effects: &assessment.effects,
            blind: assessment.blind.as_deref(),
            provider: assessment.provider.as_deref(),
            credential: carried.facts(),
            host,
            server_name,
            peers: &destination.addresses(),
            method: Some(&request.method),
            tainted: session.secrets().tainted(),
            mode: session.mode(),
        };
        let judgement = judge(policy, &situation, session.secrets().unsearched());
        let mut unseen = Vec::new();
        if let Some(blind) = &assessment.blind {
            unseen.push(format!("The request {blind}."));
        }
        if !request.complete {
            unseen.push("The request had not been written to its end when it was judged.".to_owned());
        }
        let ruled = Case {
            event,
            waited,
            key,
            request: Some(request),
            judgement,
            effects: assessment.effects.len(),
            carried: &carried,
            destination: &destination,
            host: host.or(server_name).map(str::to_owned),
            unseen,
        }
        .rule(policy, session, rulings);
        if could_wait && may_wait && !ruled.approved && ruled.verdict == Verdict::Release {
            rulings.waiting().wait(key, event);
        } else if request.complete || !rulings.waiting().is_over(key) {
            rulings.waiting().forget(key);
        }
        self.take(event, key, ruled, destination)
    }

    /// The rest of what a process began to send did not come in time: each of its waiting requests is judged by what
    /// there is of it, and does not wait again.
    fn waited(&mut self, event: &Event) -> Step {
        let waiting = self.rulings.waiting().over(event.process);
        let mut all = Step { findings: Vec::new(), verdict: Some(self.standing(event.process)) };
        for (key, begun) in waiting {
            if let Fact::Requested(request) = &begun.fact {
                let Step { mut findings, verdict } = self.requested(&begun, key, request, Some(event));
                all.findings.append(&mut findings);
                all.verdict = all.verdict.max(verdict);
            }
        }
        all
    }

    /// Traffic that cannot be read is judged by where it goes.
    fn unread(&mut self, event: &Event, unread: &Unread) -> Step {
        let Self { policy, catalog, session, rulings } = self;
        let destination = session.flows().destination(session.tree(), event.process, unread.stream, None);
        // Any control plane among the servers the process asked for may be the one.
        let known = destination.names.iter().find_map(|name| Some((name, catalog.provider_of(name)?)));
        let server_name = known.map(|(name, _)| name).or(destination.names.first()).map(String::as_str);
        let carried = Carried::default();
        let judgement = policy.judge(&Situation {
            effects: &[],
            blind: Some(&unread.why),
            provider: known.map(|(_, provider)| provider),
            credential: CredentialFacts::NONE,
            host: None,
            server_name,
            peers: &destination.addresses(),
            method: None,
            tainted: session.secrets().tainted(),
            mode: session.mode(),
        });
        let key = session.flows().key(event.process, unread.stream, None);
        let ruled = Case {
            event,
            waited: None,
            key,
            request: None,
            judgement,
            effects: 0,
            carried: &carried,
            destination: &destination,
            host: server_name.map(str::to_owned),
            unseen: vec![format!("What was sent could not be read: {}.", unread.why)],
        }
        .rule(policy, session, rulings);
        self.take(event, key, ruled, destination)
    }

    fn take(&mut self, event: &Event, key: RequestKey, ruled: Ruled, destination: Destination) -> Step {
        if ruled.finding.is_some() {
            self.session.note(event, destination);
        }
        let standing = self.rulings.standing(key.process, Some((key.stream, key.generation)));
        Step { findings: ruled.finding.into_iter().collect(), verdict: Some(ruled.verdict.max(standing)) }
    }
}

/// Asks the policy. A credential nobody knows is asked about as a foreign one as well if something could not be searched
/// for it, since it may have stood there; that counts only where it makes the policy ask for more, so that a log too long
/// to search makes nothing look worse than it is.
fn judge(policy: &Policy, situation: &Situation<'_>, unsearched: bool) -> Judgement {
    let judgement = policy.judge(situation);
    let credential = &situation.credential;
    if !unsearched || credential.provenance != Provenance::Unknown {
        return judgement;
    }
    let credential = CredentialFacts { provenance: Provenance::Discovered, ..*credential };
    let mut foreign = policy.judge(&Situation { credential, ..situation.clone() });
    if foreign.asked <= judgement.asked {
        return judgement;
    }
    let sentence = "The credential is unknown; it may have stood in a file that could not be searched.";
    foreign.reasons.insert(foreign.reasons.len().min(1), sentence.to_owned());
    foreign
}

/// Whether the client asked the server whether to send the body, and has sent none. If it waited for its rest, neither
/// would ever come; what comes is judged when it does.
fn waits_for_answer(request: &Request) -> bool {
    let asks = |header: &Header| {
        header.name == "expect" && header.value.to_ascii_lowercase().contains("100-continue")
    };
    request.body.bytes == 0 && request.headers.iter().any(asks)
}

/// Assesses a request for each server its connection may have been opened for; the worst counts.
fn assess<'a>(
    catalog: &Catalog,
    request: &Request,
    destination: &'a Destination,
) -> (Assessment, Option<&'a str>) {
    let weight = |assessment: &Assessment| {
        let worst = assessment.worst().map(|effect| (effect.reversibility, effect.confidence));
        (worst, assessment.blind.is_some(), assessment.provider.is_some())
    };
    let mut chosen: Option<(Assessment, Option<&str>)> = None;
    for name in destination.names.iter().take(MAX_ASSESSED_NAMES) {
        let assessment = catalog.assess(request, Some(name));
        // The first name is the likeliest: another one must be worse to displace it.
        if chosen.as_ref().is_none_or(|(best, _)| weight(&assessment) > weight(best)) {
            chosen = Some((assessment, Some(name)));
        }
    }
    chosen.unwrap_or_else(|| (catalog.assess(request, None), None))
}
