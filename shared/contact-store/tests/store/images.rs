//! Images of the streams: what an item is, read without a call.

use contact_store::{
    Companion, Conflict, ConflictPolicy, Expected, Image, Mailbox, StoreError, contact_of_image,
    mailbox_of_image,
};
use sync_core::ids::ConflictId;
use sync_core::record::DeletionPolicy;

use crate::local::{CONTACTS, Local, STATE};
use crate::{at, born_here, contact_id, enrolled};

#[tokio::test]
async fn every_item_of_the_contacts_table_is_told_by_its_image() {
    let local = Local::start().await;
    let born = born_here("ada", "crm-1");
    let conflict = Conflict {
        mailbox: born.mailbox.clone(),
        id: ConflictId::of(at(3), &born.id),
        contact: born.id.clone(),
        at: at(3),
        version: 1,
        policy: ConflictPolicy::Custom,
        clashes: Vec::new(),
        base: None,
        ours: None,
        theirs: None,
        omitted: Vec::new(),
        settled: None,
    };
    let companions = [
        Companion::Alias(contact_id("ada", 7)),
        Companion::Conflict(conflict.clone()),
    ];
    local
        .store
        .put_contact_with(&born, Expected::Absent, &companions)
        .await
        .unwrap();
    let images = local.raw(CONTACTS, &born.mailbox).await;
    let read: Vec<_> = images
        .iter()
        .map(|image| contact_of_image(image.clone()).unwrap())
        .collect();
    assert_eq!(read.len(), 3);
    for expected in [
        Image::Contact(Box::new(born)),
        Image::Alias,
        Image::Conflict(Box::new(conflict)),
    ] {
        assert!(read.contains(&expected), "{expected:?}");
    }
    for mut newer in images {
        newer.insert(
            "schema".into(),
            aws_sdk_dynamodb::types::AttributeValue::N("3".into()),
        );
        let answer = contact_of_image(newer);
        assert!(
            matches!(answer, Err(StoreError::NewerSchema { schema: 3, .. })),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn a_mailbox_is_read_from_its_image() {
    let local = Local::start().await;
    let mut ada = Mailbox {
        policy: Some(ConflictPolicy::Custom),
        deletion: Some(DeletionPolicy::ByPolicy),
        creating: Some(contact_store::Creating {
            since: at(4),
            contacts: std::iter::once(crate::contact_id("ada", 1)).collect(),
        }),
        linked_at: Some(at(5)),
        ..enrolled(&local.store, "ada").await
    };
    local.store.save_mailbox(&mut ada).await.unwrap();
    let raw = local.raw(STATE, &ada.id).await;
    let image = raw
        .into_iter()
        .find(|item| item["sk"].as_s().unwrap() == "MAILBOX");
    assert_eq!(mailbox_of_image(image.unwrap()).unwrap(), ada);
}
