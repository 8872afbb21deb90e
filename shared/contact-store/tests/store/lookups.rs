//! Contacts by e-mail address and by the caller's own id.

use contact_store::{Contact, Expected, Store};
use serde_json::json;
use sync_core::ids::ContactId;

use crate::local::{Local, STATE};
use crate::{at, born_here, contact, contact_id, mailbox_id, tombstone_of};

fn with_emails(number: usize, held: &[&str], further: &[&str]) -> Contact {
    let list = |addresses: &[&str]| {
        let emails = addresses
            .iter()
            .map(|address| json!({ "address": address, "name": "x" }));
        emails.collect::<Vec<_>>().into()
    };
    let mut contact = contact("ada", number);
    contact.document.insert("emailAddresses".into(), list(held));
    contact.extras.insert("emailAddresses".into(), list(further));
    contact
}

async fn put_and_index(store: &Store, contact: &Contact) {
    store.put_contact(contact, Expected::Absent).await.unwrap();
    let added: Vec<_> = contact.email_addresses().into_iter().collect();
    store
        .index_emails(&contact.mailbox, &contact.id, &[], &added)
        .await
        .unwrap();
}

async fn found(store: &Store, address: &str) -> Vec<ContactId> {
    let contacts = store
        .contacts_by_email(&mailbox_id("ada"), address, 10)
        .await
        .unwrap();
    contacts.into_iter().map(|contact| contact.id).collect()
}

#[test]
fn the_addresses_of_a_contact_are_those_that_outlook_holds_and_the_further_ones() {
    let mut contact = with_emails(
        1,
        &[" Ada@Example.com ", ""],
        &["ADA@example.com", "b@example.com"],
    );
    let addresses: Vec<_> = contact.email_addresses().into_iter().collect();
    assert_eq!(addresses, ["ada@example.com", "b@example.com"]);
    for odd in [
        json!(null),
        json!("ada@example.com"),
        json!([1, {}, { "address": 5 }]),
    ] {
        contact.document.insert("emailAddresses".into(), odd);
        assert_eq!(contact.email_addresses().len(), 2);
    }
}

#[tokio::test]
async fn ap34_a_contact_is_found_by_the_callers_own_id() {
    let local = Local::start().await;
    let born = born_here("ada", "crm-1");
    local.store.put_contact(&born, Expected::Absent).await.unwrap();
    let found = async |external: &str| {
        local
            .store
            .contact_by_external_id(&born.mailbox, external)
            .await
            .unwrap()
    };
    assert_eq!(found("crm-1").await, Some(born.clone()));
    assert_eq!(found("CRM-1").await, None, "letter case is the caller's");
    // It has been given another one: the id is still derived from the first.
    let renamed = Contact {
        external_id: Some("crm-2".into()),
        rev: 2,
        ..born.clone()
    };
    local.store.put_contact(&renamed, Expected::Rev(1)).await.unwrap();
    assert_eq!(found("crm-1").await, None);
}

#[tokio::test]
async fn ap35_contacts_are_found_by_any_of_their_addresses() {
    let local = Local::start().await;
    let store = &local.store;
    put_and_index(
        store,
        &with_emails(1, &["ada@example.com"], &["countess@example.com"]),
    )
    .await;
    put_and_index(store, &with_emails(2, &["ADA@example.com"], &[])).await;
    put_and_index(store, &with_emails(3, &["ada@example.org"], &[])).await;
    let mut both: Vec<_> = [1, 2].map(|number| contact_id("ada", number)).into();
    both.sort();
    assert_eq!(found(store, " Ada@Example.com").await, both);
    assert_eq!(found(store, "countess@example.com").await, [contact_id("ada", 1)]);
    assert_eq!(found(store, "ada").await, []);
    let one = store
        .contacts_by_email(&mailbox_id("ada"), "ada@example.com", 1)
        .await
        .unwrap();
    assert_eq!(one.len(), 1);
    assert!(
        store
            .contacts_by_email(&mailbox_id("bob"), "ada@example.com", 9)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn ap35_what_the_index_says_is_checked_against_the_contacts() {
    let local = Local::start().await;
    let store = &local.store;
    // Three of four had the address: one lost it, one is deleted, one was never written.
    for number in 1..=3 {
        put_and_index(store, &with_emails(number, &["ada@example.com"], &[])).await;
    }
    let without = with_emails(1, &["other@example.com"], &[]);
    store.put_contact(&without, Expected::Rev(1)).await.unwrap();
    let gone = tombstone_of(&with_emails(2, &["ada@example.com"], &[]), at(50));
    store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    let never = contact_id("ada", 4);
    store
        .index_emails(&mailbox_id("ada"), &never, &[], &["ada@example.com".into()])
        .await
        .unwrap();
    assert_eq!(found(store, "ada@example.com").await, [contact_id("ada", 3)]);
    let one = store
        .contacts_by_email(&mailbox_id("ada"), "ada@example.com", 1)
        .await
        .unwrap();
    assert_eq!(one.len(), 1, "stale rows do not fill the answer");
}

#[tokio::test]
async fn ap36_an_address_that_is_removed_and_added_at_once_stays() {
    let local = Local::start().await;
    let store = &local.store;
    let ada = with_emails(1, &["ada@example.com", "b@example.com"], &[]);
    put_and_index(store, &ada).await;
    let removed = ["b@example.com".into(), "Ada@example.com".into(), " ".into()];
    let added = ["ada@example.com ".into(), "c@example.com".into(), String::new()];
    for _ in 0..2 {
        store
            .index_emails(&ada.mailbox, &ada.id, &removed, &added)
            .await
            .unwrap();
    }
    let raw = local.raw(STATE, &ada.mailbox).await;
    assert_eq!(raw.len(), 2);
    assert_eq!(found(store, "ada@example.com").await, [contact_id("ada", 1)]);
    assert_eq!(
        found(store, "b@example.com").await,
        [],
        "it has it still, but is not found by it"
    );
    let shown = format!("{raw:?}");
    assert!(!shown.contains("example"), "no address is in a key: {shown}");

    store
        .index_emails(&ada.mailbox, &ada.id, &added, &[])
        .await
        .unwrap();
    assert!(local.raw(STATE, &ada.mailbox).await.is_empty());
}

#[tokio::test]
async fn ap36_many_addresses_take_many_batches() {
    let local = Local::start().await;
    let (ada, id) = (mailbox_id("ada"), contact_id("ada", 1));
    let many: Vec<_> = (0..60).map(|number| format!("{number}@example.com")).collect();
    local.store.index_emails(&ada, &id, &[], &many).await.unwrap();
    assert_eq!(local.raw(STATE, &ada).await.len(), 60);
    local.store.index_emails(&ada, &id, &many, &[]).await.unwrap();
    assert!(local.raw(STATE, &ada).await.is_empty());
}
