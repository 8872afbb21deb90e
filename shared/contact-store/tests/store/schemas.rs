//! Items of a newer schema, and items that can't be read at all.

use aws_sdk_dynamodb::types::AttributeValue;
use contact_store::{Contact, Expected, Shard, StoreError, TimerKind};
use sync_core::ids::FolderId;

use crate::local::{CONTACTS, Local, STATE};
use crate::{
    at, contact, contact_id, enrolled, folder, mailbox, mailbox_id, seen_page, subscription, timer,
    tombstone_of,
};

#[expect(clippy::needless_pass_by_value, reason = "it reads as a sentence")]
fn is_newer<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    assert!(
        matches!(answer, Err(StoreError::NewerSchema { schema: 3, .. })),
        "{answer:?}"
    );
}

async fn make_newer(local: &Local, table: &str, user: &str) {
    local
        .tamper(table, &mailbox_id(user), "schema", AttributeValue::N("3".into()))
        .await;
}

#[tokio::test]
async fn state_of_a_newer_schema_is_neither_read_nor_overwritten() {
    let local = Local::start().await;
    let store = &local.store;
    let mut ada = enrolled(store, "ada").await;
    let (mut inbox, mut wanted) = (folder("ada", "inbox"), subscription("ada", "inbox", at(0)));
    let (poll, page) = (timer("ada", TimerKind::Poll, at(0)), seen_page("ada", 1, 0, &[1]));
    store.save_folder(&mut inbox).await.unwrap();
    store.save_subscription(&mut wanted).await.unwrap();
    store.set_timer(&poll).await.unwrap();
    store.add_seen(&page).await.unwrap();
    make_newer(&local, STATE, "ada").await;
    let before = local.raw(STATE, &ada.id).await;

    is_newer(store.mailbox(&ada.id).await);
    is_newer(store.mailbox_state(&ada.id).await);
    is_newer(store.seen(&ada.id, &FolderId::new("inbox"), 1).await);
    is_newer(store.enrol(&mailbox("ada"), at(0)).await);
    is_newer(store.save_mailbox(&mut ada).await);
    is_newer(store.save_folder(&mut inbox).await);
    is_newer(store.delete_folder(&inbox).await);
    is_newer(store.save_subscription(&mut wanted).await);
    is_newer(store.delete_subscription(&wanted).await);
    is_newer(store.set_timer(&poll).await);
    is_newer(store.clear_timer(&ada.id, TimerKind::Poll).await);
    is_newer(store.add_seen(&page).await);
    assert_eq!(local.raw(STATE, &ada.id).await, before);

    store.erase_state(&ada.id).await.unwrap();
    assert!(
        local.raw(STATE, &ada.id).await.is_empty(),
        "erasure takes everything"
    );
}

#[tokio::test]
async fn pages_go_on_past_items_of_a_newer_schema_and_count_them() {
    let local = Local::start().await;
    let store = &local.store;
    for number in 0..4 {
        store
            .put_contact(&contact("ada", number), Expected::Absent)
            .await
            .unwrap();
    }
    make_newer(&local, CONTACTS, "ada").await;
    for number in 4..10 {
        store
            .put_contact(&contact("ada", number), Expected::Absent)
            .await
            .unwrap();
    }
    let (ada, inbox) = (mailbox_id("ada"), FolderId::new("inbox"));
    let counts = |page: contact_store::Page<Contact>| (page.items.len(), page.unreadable);
    assert_eq!(counts(store.contacts(&ada, None, 50).await.unwrap()), (6, 4));
    assert_eq!(
        counts(store.contacts_in_folder(&ada, &inbox, None, 50).await.unwrap()),
        (6, 4)
    );
    assert_eq!(
        counts(store.contacts_changed_since(&ada, at(0), None, 50).await.unwrap()),
        (6, 4)
    );
    let outlines = store.outlines(&ada, &inbox, None).await.unwrap();
    assert_eq!((outlines.items.len(), outlines.unreadable), (6, 4));

    let ids: Vec<_> = (0..10).map(|number| contact_id("ada", number)).collect();
    let lookup = store.contacts_by_id(&ada, &ids).await.unwrap();
    assert_eq!(
        lookup.unreadable,
        (0..4).map(|number| contact_id("ada", number)).collect()
    );
    assert_eq!(lookup.contacts.len(), 6);
    is_newer(store.contact(&ada, &ids[0]).await);
    let next = tombstone_of(&contact("ada", 0), at(99));
    is_newer(store.put_contact(&next, Expected::Rev(1)).await);
    is_newer(store.put_contact(&next, Expected::Absent).await);

    enrolled(store, "ada").await;
    make_newer(&local, STATE, "ada").await;
    enrolled(store, "bob").await;
    let mailboxes = store.mailboxes(None, 10).await.unwrap();
    assert_eq!((mailboxes.items.len(), mailboxes.unreadable), (1, 1));
}

#[tokio::test]
async fn unreadable_timers_at_the_front_do_not_hide_what_is_due_behind_them() {
    let local = Local::start().await;
    let shard = Shard::of(&mailbox_id("ada"));
    let mut users = (0..)
        .map(|number| format!("user-{number}"))
        .filter(|user| Shard::of(&mailbox_id(user)) == shard);
    for due in 0..5 {
        let user = users.next().unwrap();
        local
            .store
            .set_timer(&timer(&user, TimerKind::Poll, at(due)))
            .await
            .unwrap();
        make_newer(&local, STATE, &user).await;
    }
    local
        .store
        .set_timer(&timer("ada", TimerKind::Poll, at(9)))
        .await
        .unwrap();
    let due = local
        .store
        .due_timers(TimerKind::Poll, shard, at(9), 2)
        .await
        .unwrap();
    assert_eq!(due, [timer("ada", TimerKind::Poll, at(9))]);
}

#[tokio::test]
async fn an_item_that_cannot_be_read_is_named_without_its_content() {
    let local = Local::start().await;
    let mut secret = contact("ada", 1);
    secret
        .document
        .insert("displayName".into(), "Ada Lovelace".into());
    local.store.put_contact(&secret, Expected::Absent).await.unwrap();
    local
        .tamper(
            CONTACTS,
            &secret.mailbox,
            "version",
            AttributeValue::S("one".into()),
        )
        .await;

    let error = local
        .store
        .contact(&secret.mailbox, &secret.id)
        .await
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::Corrupt { key, .. } if key.contains(secret.id.as_str())),
        "{error:?}"
    );
    let told = format!("{error} {error:?} {:?}", std::error::Error::source(&error));
    assert!(
        !told.contains("Lovelace") && !format!("{secret:?}").contains("Lovelace"),
        "{told}"
    );

    let page = local.store.contacts(&secret.mailbox, None, 10).await.unwrap();
    assert_eq!((page.items.len(), page.unreadable), (0, 1));
}

#[tokio::test]
async fn members_that_a_later_version_adds_are_no_reason_not_to_read() {
    let local = Local::start().await;
    let put = contact("ada", 1);
    local.store.put_contact(&put, Expected::Absent).await.unwrap();
    local
        .tamper(
            CONTACTS,
            &put.mailbox,
            "local_changes",
            AttributeValue::Bool(true),
        )
        .await;
    assert_eq!(
        local.store.contact(&put.mailbox, &put.id).await.unwrap(),
        Some(put)
    );
}

#[tokio::test]
async fn contacts_from_before_there_were_edits_are_read_and_changed() {
    let local = Local::start().await;
    let put = contact("ada", 1);
    local.store.put_contact(&put, Expected::Absent).await.unwrap();
    let mut old = local.raw(CONTACTS, &put.mailbox).await.remove(0);
    old.insert("schema".into(), AttributeValue::N("1".into()));
    for later in ["rev", "changed_by"] {
        assert!(old.remove(later).is_some());
    }
    let old = local.client.put_item().table_name(CONTACTS).set_item(Some(old));
    old.send().await.unwrap();

    let read = local.store.contact(&put.mailbox, &put.id).await.unwrap().unwrap();
    assert_eq!(read, Contact { rev: 0, ..put });
    local.store.put_contact(&read, Expected::Rev(0)).await.unwrap();
    let again = local.store.put_contact(&read, Expected::Rev(0)).await;
    assert!(matches!(again, Err(StoreError::Conflict { .. })), "{again:?}");
    let read = local
        .store
        .contact(&read.mailbox, &read.id)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(read.rev, 1);
}

#[tokio::test]
async fn aliases_and_conflicts_of_a_newer_schema_are_neither_followed_nor_overwritten() {
    let local = Local::start().await;
    let store = &local.store;
    let (ada, grace) = (contact("ada", 1), contact("ada", 2));
    store.put_contact(&ada, Expected::Absent).await.unwrap();
    let alias = [contact_store::Companion::Alias(contact_id("ada", 7))];
    store
        .put_contact_with(&grace, Expected::Absent, &alias)
        .await
        .unwrap();
    make_newer(&local, CONTACTS, "ada").await;
    is_newer(store.contact(&ada.mailbox, &contact_id("ada", 7)).await);
    let lookup = store
        .contacts_by_id(&ada.mailbox, &[contact_id("ada", 7), ada.id.clone()])
        .await
        .unwrap();
    assert_eq!(lookup.unreadable, [contact_id("ada", 7), ada.id.clone()].into());
    is_newer(
        store
            .put_contact_with(&contact("ada", 3), Expected::Absent, &alias)
            .await,
    );
    is_newer(store.put_contact(&contact("ada", 7), Expected::Absent).await);
}
