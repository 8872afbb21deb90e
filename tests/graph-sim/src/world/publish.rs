//! From changes to notifications, and the lifecycle events (facts 5.3, 5.5).
//!
//! Knows subscriptions and events. What a change is, is `mailbox`'s; how items arrive, `notify`'s.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::World;
use super::contacts::moment;
use super::ids;
use super::mailbox::{ChangeKind, Event, MailboxKey};
use super::notify::{Delivery, Letter, Standing, Unread, WebhookAnswer};
use super::subscriptions::Subscription;
use crate::faults::NoticeFault;

/// How long before its lapse a subscription is challenged (inferred).
const CHALLENGE_LEAD: Duration = Duration::from_mins(15);
/// How far a reordered item falls behind.
const REORDERED_BY: Duration = Duration::from_secs(1);

/// What a lifecycle notification says (facts 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Lifecycle {
    /// The authorization ends: reauthorize or renew.
    ReauthorizationRequired,
    /// Graph has removed the subscription: make a new one, then look.
    SubscriptionRemoved,
    /// Notifications were lost: look.
    Missed,
}

impl World {
    /// Turns what happened in a mailbox into items for its subscribers.
    pub(super) fn publish(&mut self, key: &MailboxKey, now: Timestamp) {
        let events = self
            .directory
            .mailbox_mut(key)
            .map(|mailbox| std::mem::take(&mut mailbox.events));
        for event in events.unwrap_or_default() {
            self.tell(key, &event, event.kind, now);
            if event.kind == ChangeKind::Created && self.settings.created_then_updated {
                self.tell(key, &event, ChangeKind::Updated, now);
            }
        }
    }

    fn tell(&mut self, key: &MailboxKey, event: &Event, kind: ChangeKind, now: Timestamp) {
        let covers = self.settings.default_covers_subfolders;
        let hears = |it: &&Subscription| {
            it.mailbox == *key
                && it.kinds.contains(&kind)
                && (it.folder == event.folder || (covers && it.of_default))
        };
        let items: Vec<(String, String, Value)> = self
            .subscriptions
            .values()
            .filter(hears)
            .map(|it| (it.url.clone(), it.id.clone(), self.change_item(it, event, kind)))
            .collect();
        for (url, subscription, mut item) in items {
            let number = self.next_number().to_string();
            item["id"] = Value::from(ids::guid(&["notification", &number]));
            let letter = Letter {
                url,
                subscription,
                lifecycle: false,
                item,
                born: now,
                attempt: 0,
            };
            self.send(key, letter, now);
        }
    }

    fn send(&mut self, key: &MailboxKey, letter: Letter, now: Timestamp) {
        let due = ambient::add(now, self.settings.notification_delay);
        match self.faults.strike_notice(key, &mut self.dice) {
            Some(NoticeFault::Lost) => self.outbox.lost += 1,
            Some(NoticeFault::Doubled) => {
                self.outbox.post(letter.clone(), due, now);
                self.outbox.post(letter, due, now);
            }
            Some(NoticeFault::Late { millis }) => {
                self.outbox
                    .post(letter, ambient::add(due, Duration::from_millis(millis)), now);
            }
            Some(NoticeFault::Reordered) => self.outbox.post(letter, ambient::add(due, REORDERED_BY), now),
            None => self.outbox.post(letter, due, now),
        }
    }

    /// facts 5.3: without rich data an item names the contact and its version, nothing else.
    fn change_item(&self, subscription: &Subscription, event: &Event, kind: ChangeKind) -> Value {
        let id = if subscription.immutable {
            &event.item
        } else {
            &event.alias
        };
        let path = format!("Users/{}/Contacts/{id}", subscription.mailbox.user);
        let mut data = json!({ "@odata.type": "#Microsoft.Graph.Contact", "@odata.id": path, "id": id });
        let mailbox = self.directory.mailbox(&subscription.mailbox);
        if let Some(item) = mailbox.and_then(|mailbox| mailbox.items.get(&event.item)) {
            data["@odata.etag"] = Value::from(item.etag());
        }
        let change_type = match kind {
            ChangeKind::Created => "created",
            ChangeKind::Updated => "updated",
            ChangeKind::Deleted => "deleted",
        };
        let mut item = envelope(subscription);
        item["changeType"] = Value::from(change_type);
        item["resource"] = Value::from(path);
        item["resourceData"] = data;
        item
    }

    /// Sends a lifecycle event of one subscription; without a lifecycle URL nobody hears of it.
    fn tell_lifecycle(&mut self, subscription: &Subscription, event: Lifecycle, now: Timestamp) {
        let Some(url) = subscription.lifecycle_url.clone() else {
            return;
        };
        let mut item = envelope(subscription);
        item["lifecycleEvent"] = serde_json::to_value(event).unwrap_or_default();
        let subscription = subscription.id.clone();
        self.outbox.post(
            Letter {
                url,
                subscription,
                lifecycle: true,
                item,
                born: now,
                attempt: 0,
            },
            now,
            now,
        );
    }

    /// Sends a lifecycle event to every subscription of a mailbox; [`Lifecycle::SubscriptionRemoved`] removes them.
    /// Gives their number.
    pub fn announce(&mut self, key: &MailboxKey, event: Lifecycle, now: Timestamp) -> usize {
        let all: Vec<Subscription> = self
            .subscriptions
            .values()
            .filter(|it| it.mailbox == *key)
            .cloned()
            .collect();
        for subscription in &all {
            if event == Lifecycle::SubscriptionRemoved {
                self.subscriptions.remove(&subscription.id);
            }
            self.tell_lifecycle(subscription, event, now);
        }
        all.len()
    }

    /// Outlook drops subscriptions on its own and may not tell (facts 5.6). Gives their number.
    pub fn drop_subscriptions(&mut self, key: &MailboxKey) -> usize {
        let before = self.subscriptions.len();
        self.subscriptions
            .retain(|_, subscription| subscription.mailbox != *key);
        before - self.subscriptions.len()
    }

    /// Subscriptions end and are challenged with time.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.subscriptions
            .retain(|_, subscription| subscription.expires_at > now);
        let due = |it: &&mut Subscription| {
            !it.challenged
                && it
                    .authorized_until
                    .is_some_and(|until| ambient::add(now, CHALLENGE_LEAD) >= until)
        };
        let mut challenged = Vec::new();
        for subscription in self.subscriptions.values_mut().filter(due) {
            subscription.challenged = true;
            challenged.push(subscription.clone());
        }
        for subscription in challenged {
            self.tell_lifecycle(&subscription, Lifecycle::ReauthorizationRequired, now);
        }
    }

    /// The POSTs that are due. Report each with [`World::delivered`].
    pub fn due_notifications(&mut self, now: Timestamp) -> Vec<Delivery> {
        self.tick(now);
        let subscriptions = &self.subscriptions;
        let standing = |id: &str| match subscriptions.get(id) {
            None => Standing::Gone,
            Some(it) if it.authorized_until.is_some_and(|until| until <= now) => Standing::Lapsed,
            Some(_) => Standing::Good,
        };
        let (deliveries, given_up) = self.outbox.due(now, self.settings.items_per_post, standing);
        // facts 5.5: what was not delivered is told as `missed`, once.
        for id in given_up.into_iter().collect::<std::collections::BTreeSet<_>>() {
            if let Some(subscription) = self.subscriptions.get(&id).cloned() {
                self.tell_lifecycle(&subscription, Lifecycle::Missed, now);
            }
        }
        deliveries
    }

    /// Says what became of a delivery.
    pub fn delivered(&mut self, delivery: &Delivery, answer: &WebhookAnswer, now: Timestamp) {
        self.outbox.delivered(delivery, answer, now);
    }

    /// When the next notification is due, or `None` where none waits.
    pub fn next_notification(&self) -> Option<Timestamp> {
        self.outbox.next_due()
    }

    /// Notifications that have not arrived.
    pub fn unread(&self) -> Unread {
        self.outbox.unread()
    }
}

/// What every item of a subscription carries (facts 5.3, 5.5).
fn envelope(subscription: &Subscription) -> Value {
    json!({
        "subscriptionId": subscription.id,
        "subscriptionExpirationDateTime": moment(subscription.expires_at),
        "clientState": subscription.client_state,
        "tenantId": subscription.mailbox.tenant,
    })
}
