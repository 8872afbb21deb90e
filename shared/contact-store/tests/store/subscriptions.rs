//! Subscriptions and timers, and what is due.

use contact_store::{DueKind, Shard, StoreError, TimerKind};
use sync_core::ids::SubscriptionId;

use crate::local::{Local, STATE};
use crate::{at, mailbox_id, subscription, timer};

/// Users whose mailboxes are in the same shard as `ada`'s.
fn neighbours(count: usize) -> Vec<String> {
    let shard = Shard::of(&mailbox_id("ada"));
    let users = (0..).map(|number| format!("user-{number}"));
    users
        .filter(|user| Shard::of(&mailbox_id(user)) == shard)
        .take(count)
        .collect()
}

/// A user whose mailbox is in another one.
fn stranger() -> String {
    let shard = Shard::of(&mailbox_id("ada"));
    let mut users = (0..1000).map(|number| format!("user-{number}"));
    users.find(|user| Shard::of(&mailbox_id(user)) != shard).unwrap()
}

#[tokio::test]
async fn ap8_a_renewal_does_not_forget_what_a_lifecycle_event_recreated() {
    let local = Local::start().await;
    let mut stored = subscription("ada", "inbox", at(0));
    local.store.save_subscription(&mut stored).await.unwrap();
    let (mut renewal, mut recreation) = (stored.clone(), stored);
    recreation.id = Some(SubscriptionId::new("new"));
    recreation.expires_at = Some(at(600));
    recreation.renewed_at = Some(at(1));
    local.store.save_subscription(&mut recreation).await.unwrap();
    let refused = local.store.save_subscription(&mut renewal).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    let due = local
        .store
        .due_subscriptions(Shard::of(&mailbox_id("ada")), at(0), 10)
        .await
        .unwrap();
    assert_eq!(due, [recreation], "the index shows it whole");
}

#[tokio::test]
async fn ap9_a_subscription_recreated_meanwhile_is_not_deleted() {
    let local = Local::start().await;
    let mut stored = subscription("ada", "inbox", at(0));
    local.store.save_subscription(&mut stored).await.unwrap();
    let seen = stored.clone();
    local.store.save_subscription(&mut stored).await.unwrap();
    let refused = local.store.delete_subscription(&seen).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    local.store.delete_subscription(&stored).await.unwrap();
    local
        .store
        .delete_subscription(&stored)
        .await
        .expect("gone already is no error");
    assert!(local.raw(STATE, &mailbox_id("ada")).await.is_empty());
}

#[tokio::test]
async fn ap10_a_timer_set_again_moves() {
    let local = Local::start().await;
    local
        .store
        .set_timer(&timer("ada", TimerKind::Poll, at(10)))
        .await
        .unwrap();
    local
        .store
        .set_timer(&timer("ada", TimerKind::Poll, at(20)))
        .await
        .unwrap();
    let shard = Shard::of(&mailbox_id("ada"));
    assert!(
        local
            .store
            .due_timers(TimerKind::Poll, shard, at(19), 10)
            .await
            .unwrap()
            .is_empty()
    );
    let due = local
        .store
        .due_timers(TimerKind::Poll, shard, at(20), 10)
        .await
        .unwrap();
    assert_eq!(due, [timer("ada", TimerKind::Poll, at(20))]);
}

#[tokio::test]
async fn ap41_a_timer_that_was_moved_meanwhile_is_not_put_off() {
    let local = Local::start().await;
    let set = |second| timer("ada", TimerKind::Poll, at(second));
    let put_off = async |as_read| local.store.set_timer_if(&set(900), at(as_read)).await.unwrap();
    let due = async || {
        local
            .store
            .oldest_due(TimerKind::Poll.into(), Shard::of(&mailbox_id("ada")))
            .await
            .unwrap()
    };
    assert!(!put_off(10).await, "there is none");
    local.store.set_timer(&set(10)).await.unwrap();
    local.store.set_timer(&set(20)).await.unwrap();
    assert!(!put_off(10).await, "a worker has moved it");
    assert_eq!(due().await, Some(at(20)));
    assert!(put_off(20).await);
    assert_eq!(due().await, Some(at(900)));
}

#[tokio::test]
async fn ap11_a_cleared_timer_is_not_due() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    local
        .store
        .set_timer(&timer("ada", TimerKind::Compare, at(10)))
        .await
        .unwrap();
    local
        .store
        .set_timer(&timer("ada", TimerKind::Silence, at(10)))
        .await
        .unwrap();
    local.store.clear_timer(&ada, TimerKind::Compare).await.unwrap();
    local
        .store
        .clear_timer(&ada, TimerKind::Compare)
        .await
        .expect("clearing twice is harmless");
    let due = async |kind| {
        local
            .store
            .due_timers(kind, Shard::of(&ada), at(99), 10)
            .await
            .unwrap()
            .len()
    };
    assert_eq!(
        (due(TimerKind::Compare).await, due(TimerKind::Silence).await),
        (0, 1)
    );
}

#[tokio::test]
async fn ap12_due_timers_are_those_of_the_kind_and_shard_the_oldest_first() {
    let local = Local::start().await;
    let users = neighbours(5);
    for (user, due) in users.iter().zip([30, 10, 50, 20, 40]) {
        local
            .store
            .set_timer(&timer(user, TimerKind::Poll, at(due)))
            .await
            .unwrap();
        local
            .store
            .set_timer(&timer(user, TimerKind::Compare, at(due)))
            .await
            .unwrap();
    }
    local
        .store
        .set_timer(&timer(&stranger(), TimerKind::Poll, at(0)))
        .await
        .unwrap();
    let shard = Shard::of(&mailbox_id("ada"));
    let due = async |limit| {
        let due = local
            .store
            .due_timers(TimerKind::Poll, shard, at(40), limit)
            .await
            .unwrap();
        due.into_iter().map(|timer| timer.due_at).collect::<Vec<_>>()
    };
    assert_eq!(due(10).await, [at(10), at(20), at(30), at(40)]);
    assert_eq!(due(2).await, [at(10), at(20)]);
}

#[tokio::test]
async fn ap13_due_subscriptions_are_those_of_the_shard_the_oldest_first() {
    let local = Local::start().await;
    for (user, due) in neighbours(3).iter().zip([30, 10, 20]) {
        local
            .store
            .save_subscription(&mut subscription(user, "inbox", at(due)))
            .await
            .unwrap();
    }
    local
        .store
        .save_subscription(&mut subscription(&stranger(), "inbox", at(0)))
        .await
        .unwrap();
    let due = local
        .store
        .due_subscriptions(Shard::of(&mailbox_id("ada")), at(20), 10)
        .await
        .unwrap();
    assert_eq!(
        due.iter()
            .map(|subscription| subscription.due_at)
            .collect::<Vec<_>>(),
        [at(10), at(20)]
    );
}

#[tokio::test]
async fn ap14_the_oldest_tells_how_far_behind_the_schedule_is() {
    let local = Local::start().await;
    let shard = Shard::of(&mailbox_id("ada"));
    assert_eq!(local.store.oldest_due(DueKind::Renew, shard).await.unwrap(), None);
    for (user, due) in neighbours(3).iter().zip([30, 10, 20]) {
        local
            .store
            .save_subscription(&mut subscription(user, "inbox", at(due)))
            .await
            .unwrap();
        local
            .store
            .set_timer(&timer(user, TimerKind::Poll, at(due + 5)))
            .await
            .unwrap();
    }
    assert_eq!(
        local.store.oldest_due(DueKind::Renew, shard).await.unwrap(),
        Some(at(10))
    );
    assert_eq!(
        local
            .store
            .oldest_due(TimerKind::Poll.into(), shard)
            .await
            .unwrap(),
        Some(at(15))
    );
}
