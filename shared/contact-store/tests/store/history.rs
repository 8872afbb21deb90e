//! AP44 to AP49: what contacts were before.

use contact_store::{Cause, Contact, StoreError, Version, Why};
use serde_json::json;
use sync_core::record::Side;

use crate::local::{HISTORY, KEPT_FOR, Local};
use crate::{at, contact, contact_id, mailbox_id, tombstone_of};

/// A contact with a title, of this version and since then.
fn titled(title: &str, version: u64, since: i64) -> Contact {
    let mut contact = contact("ada", 1);
    contact.document.insert("jobTitle".into(), json!(title));
    contact.extras.insert("vCard".into(), json!(["X-A:1"]));
    contact.version = version;
    contact.changed_at = at(since);
    contact.changed_by = Side::Platform;
    contact.cause = Some(Cause::asked(Why::Edited, Some("arn:aws:iam::1:role/crm")));
    contact
}

fn versions() -> Vec<Version> {
    vec![
        Version::of(&titled("Analyst", 1, 10), at(20)),
        Version::of(&titled("Countess", 2, 20), at(30)),
        Version::of(&tombstone_of(&titled("Countess", 2, 20), at(30)), at(40)),
    ]
}

#[tokio::test]
async fn ap44_keep_versions_keeps_each_once_until_its_time_is_over() {
    let local = Local::start().await;
    let versions = versions();
    for _ in 0..2 {
        local.store.keep_versions(&versions).await.unwrap();
    }
    let raw = local.raw(HISTORY, &mailbox_id("ada")).await;
    assert_eq!(raw.len(), 3);
    for (item, until) in raw.iter().zip([20, 30, 40]) {
        let goes_at = at(until).as_second() + i64::try_from(KEPT_FOR.as_secs()).unwrap();
        assert_eq!(item["ttl"].as_n().unwrap(), &goes_at.to_string());
        assert_eq!(item["schema"].as_n().unwrap(), "2");
    }
    // More than a batch of DynamoDB's takes.
    let many: Vec<_> = (1..=60)
        .map(|version| Version::of(&titled("Analyst", version, 10), at(20)))
        .collect();
    local.store.keep_versions(&many).await.unwrap();
    assert_eq!(local.raw(HISTORY, &mailbox_id("ada")).await.len(), 60);
}

#[tokio::test]
async fn ap44_a_version_that_is_too_large_is_kept_without_its_members() {
    let local = Local::start().await;
    let mut large = titled("Analyst", 1, 10);
    large
        .document
        .insert("personalNotes".into(), json!("x".repeat(500_000)));
    let version = Version::of(&large, at(20));
    local.store.keep_versions(&[version]).await.unwrap();
    let kept = local.store.version(&mailbox_id("ada"), &large.id, 1).await;
    let kept = kept.unwrap().unwrap();
    assert!(kept.is_incomplete() && kept.members.is_empty());
    assert_eq!(kept.since, at(10));
}

#[tokio::test]
async fn ap45_versions_come_by_pages_the_newest_first_and_of_one_contact_only() {
    let local = Local::start().await;
    let (ada, id) = (mailbox_id("ada"), contact_id("ada", 1));
    local.store.keep_versions(&versions()).await.unwrap();
    let other = Version::of(&contact("ada", 2), at(20));
    local.store.keep_versions(&[other]).await.unwrap();

    let first = local.store.versions(&ada, &id, None, 2).await.unwrap();
    let next = first.next.clone().unwrap();
    let second = local.store.versions(&ada, &id, Some(&next), 2).await.unwrap();
    let numbers = [&first, &second].map(|page| page.items.iter().map(|it| it.version).collect::<Vec<_>>());
    assert_eq!(numbers, [vec![3, 2], vec![1]]);
    assert_eq!(second.next, None);
    assert_eq!(first.items[1], versions()[1]);
    assert!(first.items[0].deleted && first.items[0].members.is_empty());
    let members = &first.items[1].members;
    assert_eq!(
        (&members["jobTitle"], &members["vCard"]),
        (&json!("Countess"), &json!(["X-A:1"]))
    );

    let elsewhere = local
        .store
        .versions(&ada, &contact_id("ada", 2), Some(&next), 2)
        .await;
    assert!(matches!(elsewhere, Err(StoreError::InvalidCursor)));
}

#[tokio::test]
async fn ap46_version_is_one_of_them_or_none() {
    let local = Local::start().await;
    let (ada, id) = (mailbox_id("ada"), contact_id("ada", 1));
    local.store.keep_versions(&versions()).await.unwrap();
    let found = local.store.version(&ada, &id, 2).await.unwrap().unwrap();
    assert_eq!(found, versions()[1]);
    let cause = found.cause.unwrap();
    assert_eq!(
        (cause.why, cause.principal.as_deref()),
        (Why::Edited, Some("arn:aws:iam::1:role/crm"))
    );
    assert_eq!(local.store.version(&ada, &id, 4).await.unwrap(), None);
    assert_eq!(
        local.store.version(&mailbox_id("bob"), &id, 2).await.unwrap(),
        None
    );
}

#[tokio::test]
async fn ap47_version_at_a_moment_is_the_one_that_was_there_then() {
    let local = Local::start().await;
    let (ada, id) = (mailbox_id("ada"), contact_id("ada", 1));
    local.store.keep_versions(&versions()).await.unwrap();
    for (moment, version) in [
        (9, None),
        (10, Some(1)),
        (19, Some(1)),
        (20, Some(2)),
        (29, Some(2)),
        (30, Some(3)),
        (40, None),
    ] {
        let found = local.store.version_at(&ada, &id, at(moment)).await.unwrap();
        assert_eq!(found.map(|it| it.version), version, "at {moment}");
    }
}

#[tokio::test]
async fn ap48_erase_versions_erases_those_of_one_contact() {
    let local = Local::start().await;
    let (ada, id) = (mailbox_id("ada"), contact_id("ada", 1));
    local.store.keep_versions(&versions()).await.unwrap();
    let other = Version::of(&contact("ada", 2), at(20));
    local.store.keep_versions(&[other]).await.unwrap();
    assert_eq!(local.store.erase_versions(&ada, &id).await.unwrap(), 3);
    assert_eq!(local.store.erase_versions(&ada, &id).await.unwrap(), 0);
    assert_eq!(local.raw(HISTORY, &ada).await.len(), 1);
}

#[tokio::test]
async fn ap49_erase_history_erases_what_was_replaced_until_then_in_one_mailbox() {
    let local = Local::start().await;
    local.store.keep_versions(&versions()).await.unwrap();
    let of_bob = Version::of(&contact("bob", 1), at(20));
    local.store.keep_versions(&[of_bob]).await.unwrap();
    let ada = mailbox_id("ada");
    assert_eq!(local.store.erase_history(&ada, at(30)).await.unwrap(), 2);
    assert_eq!(local.raw(HISTORY, &ada).await.len(), 1);
    assert_eq!(local.store.erase_history(&ada, at(40)).await.unwrap(), 1);
    assert_eq!(local.raw(HISTORY, &mailbox_id("bob")).await.len(), 1);
}

#[tokio::test]
async fn a_store_that_knows_no_history_has_none() {
    let local = Local::start().await;
    let names = contact_store::Tables {
        contacts: crate::local::CONTACTS.to_owned(),
        state: crate::local::STATE.to_owned(),
    };
    let store = contact_store::Store::new(local.client.clone(), names);
    assert!(store.keep_versions(&versions()).await.is_err());
    assert_eq!(local.raw(HISTORY, &mailbox_id("ada")).await.len(), 0);
}

#[test]
fn a_version_shows_no_contact_in_a_log() {
    let shown = format!("{:?}", versions()[0]);
    assert!(!shown.contains("Analyst") && !shown.contains("crm"), "{shown}");
}
