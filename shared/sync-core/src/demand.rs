//! What a batch of jobs for one mailbox asks for, once.
//!
//! Ten thousand hints about a folder ask for one round. A hint asks for nothing where the folder's last round began
//! after the hint was received: that round has seen what the hint is about.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::ids::{ContactId, SubscriptionId};

/// How far the clocks of two functions may be apart. A round answers a hint only if it began this much later.
pub const CLOCK_SKEW: SignedDuration = SignedDuration::from_millis(250);

/// What is asked for. Built by adding jobs in any order; the order makes no difference.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Bring every folder up to date whose last round began before this moment.
    pub all_folders: Option<Timestamp>,
    /// Bring the folders of these subscriptions up to date, if their last round began before this moment.
    pub hints: BTreeMap<SubscriptionId, Timestamp>,
    /// Bring every folder up to date, then compare, if the last comparison began before this moment.
    pub compare: Option<Timestamp>,
    /// Bring these edits to Outlook, and with them all others that are pending. `None`: nobody said that there are any.
    pub edits: Option<BTreeSet<ContactId>>,
    /// Find out what a first sync would do, if the last plan was begun before this moment.
    pub plan: Option<Timestamp>,
    /// Look at these contacts' photos.
    pub photos: BTreeSet<ContactId>,
    /// Look at the photos of all contacts from there on.
    pub photo_sweep: Option<SweepFrom>,
}

/// Where a sweep over a mailbox's contacts goes on.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SweepFrom {
    /// At the first contact.
    Start,
    /// Behind this one, in the order of the ids.
    After(ContactId),
}

impl Demand {
    /// Adds a wish for every folder.
    pub fn all_folders(&mut self, requested_at: Timestamp) {
        self.all_folders = self.all_folders.max(Some(requested_at));
    }

    /// Adds a hint about the folder of a subscription; one that doesn't say which is about all of them.
    pub fn hint(&mut self, subscription: Option<SubscriptionId>, received_at: Timestamp) {
        match subscription {
            Some(subscription) => {
                let latest = self.hints.entry(subscription).or_insert(received_at);
                *latest = received_at.max(*latest);
            }
            None => self.all_folders(received_at),
        }
    }

    /// Adds a wish for a comparison.
    pub fn compare(&mut self, requested_at: Timestamp) {
        self.compare = self.compare.max(Some(requested_at));
    }

    /// Adds edits that are to be brought to Outlook; none of them by name means all that are pending.
    pub fn push(&mut self, contacts: impl IntoIterator<Item = ContactId>) {
        self.edits.get_or_insert_default().extend(contacts);
    }

    /// Adds a wish for a plan.
    pub fn plan(&mut self, requested_at: Timestamp) {
        self.plan = self.plan.max(Some(requested_at));
    }

    /// Adds a sweep over the photos. Of several, the one that has the farthest to go does the others' work.
    pub fn sweep_photos(&mut self, from: SweepFrom) {
        self.photo_sweep = Some(match self.photo_sweep.take() {
            Some(other) => other.min(from),
            None => from,
        });
    }

    /// Whether Outlook is asked about at all: a batch that only brings edits doesn't look for folders.
    pub fn looks_at_outlook(&self) -> bool {
        self.all_folders.is_some() || !self.hints.is_empty() || self.compare.is_some()
    }

    /// A hint by a subscription that the mailbox doesn't know may be about any folder. Gives back those subscriptions.
    pub fn widen_strays(&mut self, is_known: impl Fn(&SubscriptionId) -> bool) -> Vec<SubscriptionId> {
        let hints = std::mem::take(&mut self.hints);
        let (known, strays): (BTreeMap<_, _>, BTreeMap<_, _>) =
            hints.into_iter().partition(|(id, _)| is_known(id));
        self.hints = known;
        for received_at in strays.values() {
            self.all_folders(*received_at);
        }
        strays.into_keys().collect()
    }

    /// Whether a folder is to be brought up to date. `round_started_at` is when its last complete round began,
    /// `None` while it has had none.
    pub fn wants_folder(
        &self,
        subscription: Option<&SubscriptionId>,
        round_started_at: Option<Timestamp>,
    ) -> bool {
        let Some(round_started_at) = round_started_at else {
            return true;
        };
        let hinted = subscription
            .and_then(|subscription| self.hints.get(subscription))
            .copied();
        // A comparison is made with folders that are up to date: what a round would have brought is no drift.
        hinted
            .max(self.all_folders)
            .max(self.compare)
            .is_some_and(|asked_at| round_started_at.duration_since(asked_at) <= CLOCK_SKEW)
    }

    /// The latest moment at which any folder was asked for.
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.hints.values().copied().max().max(self.all_folders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{MailboxId, TenantId, UserId};

    fn mailbox() -> MailboxId {
        MailboxId::derive(&TenantId::new("contoso.com"), &UserId::new("ada@contoso.com"))
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn a_storm_of_hints_asks_for_one_round_and_a_later_round_answers_it() {
        let ours = SubscriptionId::new("ours");
        let mut demand = Demand::default();
        for second in 0..10_000 {
            demand.hint(Some(ours.clone()), at(second));
        }
        assert_eq!(demand.hints.len(), 1);
        let wants = |round| demand.wants_folder(Some(&ours), round);
        assert!(wants(None), "a folder without a round always wants one");
        assert!(wants(Some(at(9_998))), "that round began before the last hint");
        assert!(
            wants(Some(at(9_999))),
            "at the same moment: it may not have seen the change"
        );
        assert!(
            wants(Some(at(9_999) + CLOCK_SKEW)),
            "later by a clock that may be ahead"
        );
        assert!(!wants(Some(at(10_000))));
    }

    #[test]
    fn of_two_sweeps_the_one_with_the_farthest_to_go_does_the_others_work() {
        let contact = |name| ContactId::of_external(&mailbox(), name);
        let (one, other) = (contact("one"), contact("other"));
        let mut demand = Demand::default();
        demand.sweep_photos(SweepFrom::After(one.clone()));
        demand.sweep_photos(SweepFrom::After(other.clone()));
        assert_eq!(demand.photo_sweep, Some(SweepFrom::After(one.min(other))));
        demand.sweep_photos(SweepFrom::Start);
        assert_eq!(demand.photo_sweep, Some(SweepFrom::Start));
    }

    #[test]
    fn a_comparison_wants_folders_that_are_as_fresh_as_its_request() {
        let mut demand = Demand::default();
        demand.compare(at(5));
        assert!(demand.wants_folder(None, Some(at(4))));
        assert!(!demand.wants_folder(None, Some(at(6))));
    }

    #[test]
    fn a_hint_is_about_its_subscriptions_folder_unless_nobody_knows_the_subscription() {
        let (ours, theirs) = (SubscriptionId::new("ours"), SubscriptionId::new("theirs"));
        let mut demand = Demand::default();
        demand.hint(Some(theirs.clone()), at(5));
        assert!(!demand.wants_folder(Some(&ours), Some(at(1))));
        assert!(demand.wants_folder(Some(&theirs), Some(at(1))));
        assert!(
            !demand.wants_folder(None, Some(at(1))),
            "a folder that has no subscription"
        );
        assert_eq!(demand.widen_strays(|known| *known == ours), [theirs]);
        assert!(
            demand.wants_folder(Some(&ours), Some(at(1))),
            "a subscription that nobody knows"
        );
        assert!(
            !demand.wants_folder(Some(&ours), Some(at(6))),
            "and that round has answered it"
        );
    }
}
