//! Requests that wait for their rest: nothing leaves their process until it has come, or until waiting is over.
//!
//! Bias: a process with one waiting request sends nothing, whatever else it writes. Waiting happens once for a request:
//! one whose rest did not come in time is judged by what there is of it, then and at each later write.

use std::collections::BTreeMap;

use crate::event::{Event, ProcessId};
use crate::session::RequestKey;

/// Requests remembered. They are kept whole, so this bounds memory; a process has as many as it has connections, which
/// is few. One whose waiting is over makes room; without room a request is judged as if its waiting were over.
const MAX_WAITING: usize = 256;

/// The waiting requests of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting {
    /// Each with its newest report; None once its waiting is over.
    requests: BTreeMap<RequestKey, Option<Box<Event>>>,
}

impl Waiting {
    /// Whether a request may wait (still, or for the first time).
    pub(super) fn may(&self, key: RequestKey) -> bool {
        let room = || self.requests.len() < MAX_WAITING || self.requests.values().any(Option::is_none);
        self.requests.get(&key).map_or_else(room, Option::is_some)
    }

    /// Whether its waiting is over, without its rest.
    pub(super) fn is_over(&self, key: RequestKey) -> bool {
        self.requests.get(&key).is_some_and(Option::is_none)
    }

    /// A request waits.
    pub(super) fn wait(&mut self, key: RequestKey, event: &Event) {
        if self.requests.len() >= MAX_WAITING && !self.requests.contains_key(&key) {
            let over = self.requests.iter().find(|(_, event)| event.is_none()).map(|(key, _)| *key);
            over.and_then(|key| self.requests.remove(&key));
        }
        self.requests.insert(key, Some(Box::new(event.clone())));
    }

    /// A request waits no longer, and may wait again.
    pub(super) fn forget(&mut self, key: RequestKey) {
        self.requests.remove(&key);
    }

    /// Whether a request of this process waits.
    pub(super) fn any(&self, process: ProcessId) -> bool {
        self.of(process).any(|(_, event)| event.is_some())
    }

    /// Ends the waiting of all requests of a process. Returns them with their newest reports.
    pub(super) fn over(&mut self, process: ProcessId) -> Vec<(RequestKey, Box<Event>)> {
        let keys: Vec<RequestKey> = self.of(process).map(|(key, _)| *key).collect();
        keys.into_iter().filter_map(|key| Some((key, self.requests.get_mut(&key)?.take()?))).collect()
    }

    /// Forgets all of a process: it has ended, or is another program now.
    pub(super) fn gone(&mut self, process: ProcessId) {
        self.requests.retain(|key, _| key.process != process);
    }

    fn of(&self, process: ProcessId) -> impl Iterator<Item = (&RequestKey, &Option<Box<Event>>)> {
        let first = RequestKey { process, stream: 0, generation: 0, index: None };
        self.requests.range(first..).take_while(move |(key, _)| key.process == process)
    }
}
