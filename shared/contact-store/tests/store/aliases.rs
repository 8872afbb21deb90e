//! Ids that lead to a contact, and what is written together with one.

use aws_sdk_dynamodb::types::AttributeValue;
use contact_store::{Companion, Contact, Expected, Store, StoreError};
use sync_core::ids::{ContactId, OutlookId};

use crate::local::{CONTACTS, Local};
use crate::{at, born_here, contact, contact_id, edited, item, mailbox_id, tombstone_of};

#[expect(clippy::needless_pass_by_value, reason = "it reads as a sentence")]
fn is_conflict(answer: Result<(), StoreError>, about: &ContactId) {
    let Err(StoreError::Conflict { key }) = &answer else {
        panic!("{answer:?}")
    };
    assert!(key.ends_with(about.as_str()), "{key} is not {about}");
}

/// The contact after Outlook has given it the id of this number.
fn carried_out(pending: &Contact, number: usize) -> Contact {
    Contact {
        outlook: Some(item(number)),
        edit: None,
        rev: pending.rev + 1,
        ..pending.clone()
    }
}

/// A contact born here that Outlook has got under the id of this number, and that is found under both.
async fn in_outlook(store: &Store, external: &str, number: usize) -> Contact {
    let pending = born_here("ada", external);
    store.put_contact(&pending, Expected::Absent).await.unwrap();
    let done = carried_out(&pending, number);
    let alias = Companion::Alias(contact_id("ada", number));
    store
        .put_contact_with(&done, Expected::Rev(1), &[alias])
        .await
        .unwrap();
    done
}

#[tokio::test]
async fn ap18_and_ap19_find_a_contact_born_here_under_its_own_id_and_the_one_of_outlook() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    let grace = in_outlook(&local.store, "crm-1", 7).await;
    let other = contact("ada", 8);
    local.store.put_contact(&other, Expected::Absent).await.unwrap();
    let derived = contact_id("ada", 7);
    for id in [&grace.id, &derived] {
        assert_eq!(local.store.contact(&ada, id).await.unwrap(), Some(grace.clone()));
    }

    let before = local.store.usage().reads;
    let ids = [
        derived.clone(),
        grace.id.clone(),
        other.id.clone(),
        contact_id("ada", 9),
    ];
    let lookup = local.store.contacts_by_id(&ada, &ids).await.unwrap();
    let expected = [
        (derived, grace.clone()),
        (grace.id.clone(), grace),
        (other.id.clone(), other.clone()),
    ];
    assert_eq!(lookup.contacts, expected.into());
    assert_eq!(
        local.store.usage().reads - before,
        2,
        "one batch more for the alias"
    );

    let before = local.store.usage().reads;
    local.store.contacts_by_id(&ada, &[other.id]).await.unwrap();
    assert_eq!(local.store.usage().reads - before, 1, "and none without one");
}

#[tokio::test]
async fn aliases_are_in_no_list_and_are_erased_with_their_contact() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    let grace = in_outlook(&local.store, "crm-1", 7).await;
    let listed = local.store.contacts(&ada, None, 10).await.unwrap();
    assert_eq!((listed.items, listed.unreadable), (vec![grace.clone()], 0));
    let outlines = local.store.outlines(&ada, &grace.folder, None).await.unwrap();
    assert_eq!(outlines.items.len(), 1);
    let feed = local.store.changes(&ada, None, at(1000), 10).await.unwrap();
    assert_eq!(feed.items, [grace]);

    local.store.erase_contacts(&ada, 100).await.unwrap();
    assert!(local.raw(CONTACTS, &ada).await.is_empty());
}

#[tokio::test]
async fn ap27_a_contact_and_its_alias_are_written_together_or_not_at_all() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    // The round has seen the new item before its create was answered, and has mirrored it as a contact of its own.
    let mirrored = contact("ada", 7);
    local
        .store
        .put_contact(&mirrored, Expected::Absent)
        .await
        .unwrap();
    let pending = born_here("ada", "crm-1");
    local.store.put_contact(&pending, Expected::Absent).await.unwrap();

    let done = carried_out(&pending, 7);
    let alias = [Companion::Alias(mirrored.id.clone())];
    let refused = local
        .store
        .put_contact_with(&done, Expected::Rev(1), &alias)
        .await;
    is_conflict(refused, &mirrored.id);
    assert_eq!(
        local.store.contact(&ada, &pending.id).await.unwrap(),
        Some(pending.clone())
    );

    // It takes the other's place instead, unless that is edited meanwhile.
    let edited = edited(mirrored.clone(), at(9));
    local.store.put_contact(&edited, Expected::Rev(1)).await.unwrap();
    let replace = |rev| {
        let contact = mirrored.id.clone();
        [Companion::Replace { contact, rev }]
    };
    let late = local
        .store
        .put_contact_with(&done, Expected::Rev(1), &replace(1))
        .await;
    is_conflict(late, &mirrored.id);
    local
        .store
        .put_contact_with(&done, Expected::Rev(1), &replace(2))
        .await
        .unwrap();
    assert_eq!(
        local.store.contact(&ada, &mirrored.id).await.unwrap(),
        Some(done.clone())
    );

    // The same alias again is no conflict: an answer that was lost is repeated.
    let again = Contact { rev: 3, ..done };
    local
        .store
        .put_contact_with(&again, Expected::Rev(2), &alias)
        .await
        .unwrap();
}

#[tokio::test]
async fn ap24_an_alias_is_not_overwritten_by_who_takes_its_item_for_new() {
    let local = Local::start().await;
    let grace = in_outlook(&local.store, "crm-1", 7).await;
    let seen = contact("ada", 7);
    is_conflict(local.store.put_contact(&seen, Expected::Absent).await, &seen.id);
    is_conflict(local.store.put_contact(&seen, Expected::Rev(1)).await, &seen.id);
    assert_eq!(
        local.store.contact(&grace.mailbox, &seen.id).await.unwrap(),
        Some(grace)
    );
}

/// As TTL does it, with nothing but the contact's own item.
async fn forget(local: &Local, contact: &Contact) {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    local
        .client
        .delete_item()
        .table_name(CONTACTS)
        .key("mailbox_id", text(contact.mailbox.as_str()))
        .key("contact_id", text(contact.id.as_str()))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn an_alias_whose_contact_is_gone_does_not_keep_its_key() {
    let local = Local::start().await;
    let grace = in_outlook(&local.store, "crm-1", 7).await;
    // Its tombstone has gone after its retention.
    forget(&local, &grace).await;
    assert_eq!(
        local
            .store
            .contact(&grace.mailbox, &contact_id("ada", 7))
            .await
            .unwrap(),
        None
    );
    let lookup = local
        .store
        .contacts_by_id(&grace.mailbox, &[contact_id("ada", 7)])
        .await
        .unwrap();
    assert!(lookup.contacts.is_empty() && lookup.unreadable.is_empty());

    // What it was called is free for another one.
    let heir = born_here("ada", "crm-2");
    let alias = [Companion::Alias(contact_id("ada", 7))];
    local
        .store
        .put_contact_with(&heir, Expected::Absent, &alias)
        .await
        .unwrap();
}

#[tokio::test]
async fn an_item_that_outlook_restores_takes_the_key_of_an_alias_whose_contact_is_gone() {
    let local = Local::start().await;
    let store = &local.store;
    let alias = [Companion::Alias(contact_id("ada", 7))];
    let grace = contact("ada", 1);
    store
        .put_contact_with(&grace, Expected::Absent, &alias)
        .await
        .unwrap();
    forget(&local, &grace).await;
    let seen = contact("ada", 7);
    local.store.put_contact(&seen, Expected::Absent).await.unwrap();
    assert_eq!(
        local.store.contact(&seen.mailbox, &seen.id).await.unwrap(),
        Some(seen)
    );
}

#[tokio::test]
async fn ap27_a_twin_and_who_names_it_are_written_together_or_not_at_all() {
    let local = Local::start().await;
    let store = &local.store;
    let first = contact("ada", 7);
    store.put_contact(&first, Expected::Absent).await.unwrap();
    let twin = Contact {
        id: first.id.twin(&OutlookId::new("AAMk-old")),
        ..contact("ada", 8)
    };
    let names_it = |rev| Contact {
        twins: [(OutlookId::new("AAMk-old"), twin.id.clone())].into(),
        rev,
        ..first.clone()
    };
    // It has been edited meanwhile.
    store
        .put_contact(&edited(first.clone(), at(9)), Expected::Rev(1))
        .await
        .unwrap();
    let late = [Companion::Other(Box::new(names_it(1)))];
    let refused = store.put_contact_with(&twin, Expected::Absent, &late).await;
    is_conflict(refused, &first.id);
    assert_eq!(store.contact(&first.mailbox, &twin.id).await.unwrap(), None);

    let with = [Companion::Other(Box::new(names_it(2)))];
    store
        .put_contact_with(&twin, Expected::Absent, &with)
        .await
        .unwrap();
    let stored = store.contact(&first.mailbox, &first.id).await.unwrap();
    assert_eq!(stored, Some(names_it(3)));

    // The tombstone leads there for good.
    let gone = tombstone_of(&names_it(3), at(10));
    store.put_contact(&gone, Expected::Rev(3)).await.unwrap();
    let raw = local.raw(CONTACTS, &first.mailbox).await;
    assert!(raw.iter().all(|item| !item.contains_key("ttl")));
}

#[tokio::test]
async fn an_external_id_is_nobody_elses_while_it_is_taken() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    let key = ContactId::of_external(&ada, "crm-1");
    let alias = [Companion::Alias(key.clone())];
    let named = |number, rev| Contact {
        external_id: Some("crm-1".to_owned()),
        rev,
        ..contact("ada", number)
    };
    local
        .store
        .put_contact(&contact("ada", 1), Expected::Absent)
        .await
        .unwrap();
    local
        .store
        .put_contact_with(&named(1, 2), Expected::Rev(1), &alias)
        .await
        .unwrap();
    let thief = named(9, 1);
    let refused = local
        .store
        .put_contact_with(&thief, Expected::Absent, &alias)
        .await;
    is_conflict(refused, &key);
    assert_eq!(
        local.store.contact_by_external_id(&ada, "crm-1").await.unwrap(),
        Some(named(1, 2))
    );
}

#[tokio::test]
async fn an_alias_may_lead_to_an_alias() {
    let local = Local::start().await;
    let store = &local.store;
    // It moved twice: each time Outlook gave it another id.
    let grace = in_outlook(store, "crm-1", 7).await;
    let second = in_outlook(store, "crm-2", 8).await;
    let merged = Contact {
        rev: 3,
        ..grace.clone()
    };
    let replace = Companion::Replace {
        contact: second.id.clone(),
        rev: 2,
    };
    store
        .put_contact_with(&merged, Expected::Rev(2), &[replace])
        .await
        .unwrap();
    assert_eq!(
        store
            .contact(&grace.mailbox, &contact_id("ada", 8))
            .await
            .unwrap(),
        Some(merged.clone())
    );
    let lookup = store
        .contacts_by_id(&grace.mailbox, &[contact_id("ada", 8)])
        .await
        .unwrap();
    assert_eq!(lookup.contacts[&contact_id("ada", 8)], merged);
}

#[tokio::test]
async fn a_deleted_contact_stays_whole_until_outlook_has_deleted_it_too() {
    let local = Local::start().await;
    let ada = contact("ada", 1);
    local.store.put_contact(&ada, Expected::Absent).await.unwrap();
    let pending = Contact {
        deleted_at: Some(at(5)),
        superseded: vec![OutlookId::new("AAMk-left")],
        ..edited(ada.clone(), at(5))
    };
    local.store.put_contact(&pending, Expected::Rev(1)).await.unwrap();
    let raw = local.raw(CONTACTS, &ada.mailbox).await;
    let has = |name: &str| raw[0].contains_key(name);
    assert_eq!(
        [has("ttl"), has("folder_key"), has("document"), has("pending_key")],
        [false, false, true, true]
    );
    let live = local.store.contacts(&ada.mailbox, None, 10).await.unwrap();
    assert_eq!(live.items, []);
    assert_eq!(
        local.store.contact(&ada.mailbox, &ada.id).await.unwrap(),
        Some(pending.clone())
    );

    let gone = tombstone_of(
        &Contact {
            edit: None,
            superseded: Vec::new(),
            ..pending
        },
        at(6),
    );
    local.store.put_contact(&gone, Expected::Rev(2)).await.unwrap();
    let raw = local.raw(CONTACTS, &ada.mailbox).await;
    let has = |name: &str| raw[0].contains_key(name);
    assert_eq!(
        [has("ttl"), has("folder_key"), has("pending_key")],
        [true, false, false]
    );
}
