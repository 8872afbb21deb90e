//! The course of a push: what it has done so far in this run, and what stands in its way.
//!
//! Knows neither Graph nor the store. What is done about an error is `send`'s.

use std::collections::{BTreeMap, BTreeSet};

use graph_client::GraphError;
use jiff::Timestamp;
use sync_core::ids::{ContactId, OutlookId};
use sync_core::push::Step;
use sync_core::sighting::Document;

/// How often one contact is tried in a run: the first time, and again where Outlook had a newer one.
const ATTEMPTS: u32 = 3;

/// So many contacts are passed over in a run because Outlook takes no writes of their kind. Behind them there may be some
/// of another kind, but not for any price.
const PASSES: u32 = 1000;

/// So many requests in a row may fail wholly, so many contacts that have failed before may fail again. Then Graph is left
/// alone for this run.
const IN_VAIN: u32 = 2;
const AGAIN_IN_VAIN: u32 = 5;

/// What a push has done so far in this run.
#[derive(Default)]
pub(crate) struct Course {
    /// Contacts that are known to be pending whatever the index says.
    pub(crate) named: BTreeSet<ContactId>,
    /// Contacts that have left items in Outlook.
    pub(crate) left: BTreeSet<ContactId>,
    /// What these items were when they were looked at last.
    pub(crate) bases: BTreeMap<OutlookId, Base>,
    /// The mailbox, or one of its contacts, takes no writes.
    pub(crate) refusal: Option<GraphError>,
    /// What single contacts have failed by, and what the run is to end with.
    pub(crate) failure: Option<GraphError>,
    /// When the first of those that rest is to be tried again.
    pub(crate) rests_until: Option<Timestamp>,
    /// How often each contact was tried.
    attempts: BTreeMap<ContactId, u32>,
    /// What the mailbox takes no writes of.
    closed: BTreeSet<Kind>,
    passed: u32,
    in_vain: u32,
    again_in_vain: u32,
}

/// A contact before it was moved: as Outlook had it, and what was edited here.
pub(crate) struct Base {
    pub(crate) document: Document,
    pub(crate) edits: BTreeMap<String, Timestamp>,
}

/// What Outlook may refuse by itself: a full mailbox can still delete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
    Photo,
}

impl Kind {
    pub(crate) fn of(step: &Step) -> Option<Self> {
        match step {
            Step::Create(_) | Step::Move(_) => Some(Self::Create),
            Step::Update(_) => Some(Self::Update),
            Step::Delete => Some(Self::Delete),
            Step::Agreed | Step::Held => None,
        }
    }
}

impl Course {
    pub(crate) fn of(named: &BTreeSet<ContactId>) -> Self {
        Self {
            named: named.clone(),
            ..Self::default()
        }
    }

    pub(crate) fn is_open(&self, id: &ContactId) -> bool {
        self.attempts.get(id).is_none_or(|count| *count < ATTEMPTS)
    }

    pub(crate) fn tries(&mut self, id: &ContactId) {
        *self.attempts.entry(id.clone()).or_default() += 1;
    }

    pub(crate) fn is_done_with(&mut self, id: &ContactId) {
        self.attempts.insert(id.clone(), ATTEMPTS);
    }

    /// It waits until Outlook takes writes of its kind.
    pub(crate) fn passes(&mut self, id: &ContactId) {
        self.is_done_with(id);
        self.passed += 1;
    }

    pub(crate) fn has_passed_enough(&self) -> bool {
        self.passed > PASSES
    }

    /// It has failed, and is tried again at that time.
    pub(crate) fn rests(&mut self, id: &ContactId, until: Option<Timestamp>) {
        self.is_done_with(id);
        self.rests_until = self.rests_until.into_iter().chain(until).min();
    }

    pub(crate) fn is_closed(&self, step: &Step) -> bool {
        Kind::of(step).is_some_and(|kind| self.is_closed_to(kind))
    }

    pub(crate) fn is_closed_to(&self, kind: Kind) -> bool {
        self.closed.contains(&kind)
    }

    pub(crate) fn closes(&mut self, kind: Kind) {
        self.closed.insert(kind);
    }

    /// A request has come to something.
    pub(crate) fn goes_on(&mut self) {
        self.in_vain = 0;
    }

    /// Nothing has come of a request. `again`: it was of one contact that had failed before. True where it is time to
    /// give up.
    pub(crate) fn stumbles(&mut self, again: bool) -> bool {
        let (count, at_most) = if again {
            (&mut self.again_in_vain, AGAIN_IN_VAIN)
        } else {
            (&mut self.in_vain, IN_VAIN)
        };
        *count += 1;
        *count >= at_most
    }
}
