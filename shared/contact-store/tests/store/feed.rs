//! The feed of changes: nobody who keeps asking misses one, however late it turns up.

use std::collections::BTreeMap;
use std::time::Duration;

use contact_store::{Contact, Expected, Feed, Store, StoreError};
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sync_core::ids::ContactId;

use crate::local::Local;
use crate::{at, contact, contact_id, mailbox_id, tombstone_of};

/// Puts the contact of this number with its change in this second, whatever is stored.
async fn change(store: &Store, number: usize, second: i64) {
    let mut changed = Contact {
        changed_at: at(second),
        ..contact("ada", number)
    };
    let stored = store.contact(&changed.mailbox, &changed.id).await.unwrap();
    changed.version = stored.as_ref().map_or(1, |stored| stored.version + 1);
    let expected = stored.map_or(Expected::Absent, |stored| Expected::Rev(stored.rev));
    store.put_contact(&changed, expected).await.unwrap();
}

async fn ask(store: &Store, cursor: Option<&str>, second: i64, limit: usize) -> Feed {
    store
        .changes(&mailbox_id("ada"), cursor, at(second), limit)
        .await
        .unwrap()
}

fn shown(feed: &Feed) -> Vec<Timestamp> {
    feed.items.iter().map(|contact| contact.changed_at).collect()
}

#[tokio::test]
async fn ap37_an_empty_mailbox_has_a_cursor_that_shows_what_comes() {
    let local = Local::start().await;
    let store = &local.store;
    let empty = ask(store, None, 0, 10).await;
    assert_eq!((empty.items.len(), empty.more), (0, false));
    let still = ask(store, Some(&empty.cursor), 50, 10).await;
    assert!(still.items.is_empty());
    change(store, 1, 60).await;
    let gone = tombstone_of(&contact("ada", 1), at(61));
    store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    assert_eq!(ask(store, Some(&still.cursor), 62, 10).await.items, [gone]);
}

#[tokio::test]
async fn ap37_old_changes_are_shown_once_and_young_ones_again() {
    let local = Local::start().await;
    let store = &local.store;
    for second in 1..=5 {
        change(store, usize::try_from(second).unwrap(), second).await;
    }
    let first = ask(store, None, 13, 2).await;
    assert_eq!((shown(&first), first.more), ([at(1), at(2)].to_vec(), true));
    let second = ask(store, Some(&first.cursor), 13, 2).await;
    assert_eq!((shown(&second), second.more), ([at(3), at(4)].to_vec(), true));
    let third = ask(store, Some(&second.cursor), 13, 2).await;
    assert_eq!((shown(&third), third.more), (vec![at(5)], false), "no page twice");

    let again = ask(store, Some(&third.cursor), 14, 10).await;
    assert_eq!(shown(&again), [at(3), at(4), at(5)], "seconds 3 to 5 were young");
    let last = ask(store, Some(&again.cursor), 100, 10).await;
    assert_eq!(shown(&last), [at(4), at(5)]);
    let nothing = ask(store, Some(&last.cursor), 101, 10).await;
    assert!(nothing.items.is_empty() && !nothing.more);
}

#[tokio::test]
async fn ap37_who_was_away_for_longer_than_tombstones_are_kept_is_told_so() {
    const DAY: i64 = 24 * 60 * 60;
    let local = Local::start().await;
    let store = &local.store.clone().keeping_tombstones(Duration::from_hours(48));
    change(store, 1, 1).await;
    let first = ask(store, None, 100, 10).await;
    // A quiet mailbox makes no cursor old: each answer brings a fresh one.
    let second = ask(store, Some(&first.cursor), DAY, 10).await;
    let third = ask(store, Some(&second.cursor), 5 * DAY / 2, 10).await;
    let late = store
        .changes(&mailbox_id("ada"), Some(&second.cursor), at(3 * DAY + 1), 10)
        .await;
    assert!(matches!(late, Err(StoreError::ExpiredCursor)), "{late:?}");
    assert_eq!(ask(store, Some(&third.cursor), 3 * DAY + 1, 10).await.items, []);
}

#[tokio::test]
async fn ap37_a_change_that_turns_up_behind_newer_ones_is_not_missed() {
    let local = Local::start().await;
    let store = &local.store;
    change(store, 1, 20).await;
    let feed = ask(store, None, 20, 10).await;
    assert_eq!(shown(&feed), [at(20)]);
    // Its writer's clock is behind, or its write took long.
    change(store, 2, 12).await;
    let feed = ask(store, Some(&feed.cursor), 21, 10).await;
    assert_eq!(shown(&feed), [at(12), at(20)]);
}

#[test]
fn who_keeps_asking_knows_the_last_version_of_every_contact() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    // Changes, each up to nine seconds late, between questions of any size.
    let step = prop_oneof![
        2 => (0..6_usize, 0..10_i64).prop_map(|(number, late)| (Some((number, late)), 0)),
        1 => (1..4_usize).prop_map(|limit| (None, limit)),
    ];
    let steps = prop::collection::vec((step, 0..4_i64), 1..30);
    let config = Config {
        cases: 40,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&steps, |steps| {
            let known = runtime.block_on(async {
                let local = Local::start().await;
                let store = &local.store;
                let mut known: BTreeMap<ContactId, u64> = BTreeMap::new();
                let (mut cursor, mut now) = (None, 0);
                for ((step, limit), passes) in steps {
                    now += passes;
                    if let Some((number, late)) = step {
                        change(store, number, now - late).await;
                    } else {
                        let feed = ask(store, cursor.as_deref(), now, limit).await;
                        known.extend(
                            feed.items
                                .iter()
                                .map(|contact| (contact.id.clone(), contact.version)),
                        );
                        cursor = Some(feed.cursor);
                    }
                }
                for _ in 0..60 {
                    let feed = ask(store, cursor.as_deref(), now, 3).await;
                    known.extend(
                        feed.items
                            .iter()
                            .map(|contact| (contact.id.clone(), contact.version)),
                    );
                    cursor = Some(feed.cursor);
                    if !feed.more {
                        break;
                    }
                    now += 1;
                }
                // The sweep that was cut above may have been an old one: one more sees the rest.
                let feed = ask(store, cursor.as_deref(), now, 100).await;
                known.extend(
                    feed.items
                        .iter()
                        .map(|contact| (contact.id.clone(), contact.version)),
                );
                let ids: Vec<_> = (0..6).map(|number| contact_id("ada", number)).collect();
                let stored = store.contacts_by_id(&mailbox_id("ada"), &ids).await.unwrap();
                let stored: BTreeMap<_, _> = stored
                    .contacts
                    .into_iter()
                    .map(|(id, contact)| (id, contact.version))
                    .collect();
                (known, stored)
            });
            prop_assert_eq!(known.0, known.1);
            Ok(())
        })
        .unwrap();
}
