//! From a body to jobs: which items are genuine, and which hint they give.
//!
//! Pure. Knows the forms of facts 5.3 and 5.5. An item is believed for its `clientState` alone: the mailbox comes out
//! of the state, never out of `resource` or `tenantId`, which anybody can write.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use job_queue::{LifecycleEvent, LifecycleJob, WorkJob};
use serde::Deserialize;
use serde_json::Value;
use sync_core::client_state::ClientStateKeys;
use sync_core::ids::{MailboxId, SubscriptionId};

/// Graph's ids of subscriptions are GUIDs of 36 characters. A message must not grow with what a sender makes up.
const LONGEST_SUBSCRIPTION_ID: usize = 128;

/// The body is no collection of notifications. What is wrong with it is not told: it is a stranger's text.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the body is not a JSON object with an array `value`")]
pub(crate) struct NotACollection;

/// What the items of a body come to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Sorted {
    /// One hint for each mailbox and subscription.
    pub(crate) work: Vec<WorkJob>,
    /// One job for each mailbox, subscription and event.
    pub(crate) lifecycle: Vec<LifecycleJob>,
    /// Items without a `clientState` of ours.
    pub(crate) forged: u64,
    /// Items that are no notification: wrong types, no subscription, neither a change nor a known lifecycle event.
    pub(crate) dropped: u64,
}

/// Takes a body apart. The items are looked at one by one later, so that a bad one does not spoil the others.
pub(crate) fn items(body: &[u8]) -> Result<Vec<Value>, NotACollection> {
    #[derive(Deserialize)]
    struct Collection {
        value: Vec<Value>,
    }
    // A sequence would fit the struct too, as serde sees it.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(NotACollection);
    }
    serde_json::from_slice(body)
        .map(|Collection { value }| value)
        .map_err(|_| NotACollection)
}

/// Checks every item and gathers the hints of the genuine ones.
pub(crate) fn sort(items: &[Value], keys: &ClientStateKeys, received_at: Timestamp) -> Sorted {
    let (mut changed, mut events) = (BTreeSet::new(), BTreeMap::new());
    let mut sorted = Sorted::default();
    for item in items {
        match judge(item, keys) {
            Verdict::Changed(mailbox, subscription) => {
                changed.insert((mailbox, subscription));
            }
            Verdict::Event(mailbox, subscription, name, event) => {
                events.insert((mailbox, subscription, name), event);
            }
            Verdict::Forged => sorted.forged += 1,
            Verdict::Dropped => sorted.dropped += 1,
        }
    }
    let hint = |(mailbox, subscription)| WorkJob::Changed {
        mailbox,
        subscription: Some(subscription),
        received_at,
    };
    sorted.work = changed.into_iter().map(hint).collect();
    let job = |((mailbox, subscription, _), event)| LifecycleJob::Event {
        mailbox,
        subscription,
        event,
    };
    sorted.lifecycle = events.into_iter().map(job).collect();
    sorted
}

enum Verdict {
    Changed(MailboxId, SubscriptionId),
    /// The event's name tells events of one subscription apart.
    Event(MailboxId, SubscriptionId, String, LifecycleEvent),
    Forged,
    Dropped,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    client_state: Option<String>,
    subscription_id: Option<String>,
    /// `created`, `updated`, `deleted`, or one that Graph thinks of later: each is a hint to look.
    change_type: Option<String>,
    lifecycle_event: Option<String>,
}

fn judge(item: &Value, keys: &ClientStateKeys) -> Verdict {
    let Some(item) = item.is_object().then(|| Item::deserialize(item).ok()).flatten() else {
        return Verdict::Dropped;
    };
    let Some(mailbox) = item.client_state.and_then(|state| keys.verify(&state)) else {
        return Verdict::Forged;
    };
    let Some(subscription) = item
        .subscription_id
        .filter(|id| is_subscription_id(id))
        .map(SubscriptionId::new)
    else {
        return Verdict::Dropped;
    };
    match (item.lifecycle_event, item.change_type) {
        (Some(name), _) => match LifecycleEvent::deserialize(&Value::from(name.as_str())) {
            Ok(event) => Verdict::Event(mailbox, subscription, name, event),
            Err(_) => Verdict::Dropped,
        },
        (None, Some(_)) => Verdict::Changed(mailbox, subscription),
        (None, None) => Verdict::Dropped,
    }
}

fn is_subscription_id(id: &str) -> bool {
    (1..=LONGEST_SUBSCRIPTION_ID).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}
