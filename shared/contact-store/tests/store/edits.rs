//! Edits that Outlook doesn't know of yet: how they are stored, and what becomes of one that is too large.

use contact_store::{Contact, Expected, Store, StoreError};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use sync_core::ids::FolderId;
use sync_core::record::{Edit, Failed, Hold, Refusal, Urgency, Wish};
use sync_core::sighting::Document;

use crate::documents::json;
use crate::local::{CONTACTS, Local};
use crate::{at, born_here, contact, contact_id, edited};

fn document(value: &Value) -> Document {
    value.as_object().unwrap().clone()
}

/// The contact of this number, of which Outlook has `base` and the platform `ours`.
fn pending(number: usize, base: &Value, ours: &Value) -> Contact {
    let outlooks = Contact {
        document: document(base),
        ..contact("ada", number)
    };
    Contact {
        document: document(ours),
        rev: 1,
        ..edited(outlooks, at(5))
    }
}

async fn put_and_read(store: &Store, contact: &Contact) -> Contact {
    let expected = match contact.rev {
        1 => Expected::Absent,
        rev => Expected::Rev(rev - 1),
    };
    store.put_contact(contact, expected).await.unwrap();
    store
        .contact(&contact.mailbox, &contact.id)
        .await
        .unwrap()
        .unwrap()
}

fn base(contact: &Contact) -> &Document {
    contact.edit.as_ref().unwrap().base.as_ref().unwrap()
}

#[tokio::test]
async fn an_edit_comes_back_with_all_that_is_known_of_it() {
    let local = Local::start().await;
    let refused = Hold::Refused(Refusal {
        at: at(7),
        status: Some(400),
        code: Some("ErrorInvalidProperty".into()),
        reason: Some("no".into()),
        request_id: None,
    });
    let review = Hold::Review {
        candidates: vec![contact_id("ada", 8), contact_id("ada", 9)],
    };
    for (number, hold) in [None, Some(refused), Some(review)].into_iter().enumerate() {
        let mut put = edited(contact("ada", number), at(5));
        put.rev = 1;
        put.extras = document(&json!({ "vCard": ["X-A:1"], "rating": 1.0 }));
        let left = contact("ada", 77).outlook.unwrap();
        put.superseded = vec![left.id.clone()];
        put.left = vec![left];
        put.edit = put.edit.map(|edit| Edit {
            wish: Wish::Delete,
            base_folder: Some(FolderId::new("elsewhere")),
            members: [("displayName", 1), ("", 2), ("$json", 3)]
                .map(|(name, second)| (name.to_owned(), at(second)))
                .into(),
            count: 12,
            urgency: Urgency::Backfill,
            failed: Some(Failed { times: 3, at: at(9) }),
            hold,
            ..edit
        });
        assert_eq!(put_and_read(&local.store, &put).await, put);
    }
    let born = born_here("ada", "crm-1");
    assert_eq!(put_and_read(&local.store, &born).await, born);
}

#[test]
fn every_base_comes_back_whatever_the_document_is() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = runtime.block_on(Local::start());
    // Few names, so that many are on both sides; some of them with the same value.
    let name = || prop_oneof![4 => "[a-e]", 1 => Just(String::new()), 1 => Just("$json".to_owned())];
    let value = || prop_oneof![2 => Just(json!("same")), 1 => json()];
    let side = || prop::collection::btree_map(name(), value(), 0..6);
    let numbers = std::cell::Cell::new(0);
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&(side(), side(), side()), |(theirs, ours, extras)| {
            numbers.set(numbers.get() + 1);
            let object =
                |side: std::collections::BTreeMap<String, Value>| Value::Object(side.into_iter().collect());
            let mut put = pending(numbers.get(), &object(theirs), &object(ours));
            put.extras = document(&object(extras));
            let read = runtime.block_on(put_and_read(&local.store, &put));
            if read == put {
                Ok(())
            } else {
                Err(TestCaseError::fail("changed"))
            }
        })
        .unwrap();
}

#[tokio::test]
async fn what_both_sides_have_alike_is_stored_once() {
    let local = Local::start().await;
    let note = "n".repeat(300_000);
    let both = json!({ "personalNotes": note, "givenName": "Ada", "jobTitle": "Analyst" });
    let ours = json!({ "personalNotes": note, "givenName": "Augusta", "nickName": "A" });
    let put = pending(1, &both, &ours);
    let read = put_and_read(&local.store, &put).await;
    assert_eq!(read, put);
    assert_eq!(read.base(), &document(&both));
    let raw = local.raw(CONTACTS, &put.mailbox).await;
    let stored = raw[0]["edit"].as_m().unwrap()["base"].as_m().unwrap();
    let mut names: Vec<_> = stored.keys().collect();
    names.sort();
    assert_eq!(names, ["givenName", "jobTitle"]);
}

#[tokio::test]
async fn what_nobody_has_edited_is_left_out_on_both_sides() {
    let local = Local::start().await;
    let theirs =
        json!({ "personalNotes": "n".repeat(300_000), "givenName": "Ada", "jobTitle": "j".repeat(40_000) });
    let ours =
        json!({ "personalNotes": "n".repeat(300_000), "givenName": "Ada", "jobTitle": "J".repeat(90_000) });
    let read = put_and_read(&local.store, &pending(1, &theirs, &ours)).await;
    assert_eq!(read.omitted, ["personalNotes"]);
    let without_note = |side: &Value| {
        let mut side = document(side);
        side.remove("personalNotes");
        side
    };
    assert_eq!(read.document, without_note(&ours));
    assert_eq!(
        base(&read),
        &without_note(&theirs),
        "so there is nothing to send of it"
    );
}

#[tokio::test]
async fn a_base_that_is_too_large_beside_an_edit_says_so_until_it_is_over() {
    let local = Local::start().await;
    let theirs = json!({ "personalNotes": "n".repeat(250_000), "givenName": "Ada" });
    let ours = json!({ "personalNotes": "N".repeat(250_000), "givenName": "Ada" });
    let read = put_and_read(&local.store, &pending(1, &theirs, &ours)).await;
    assert_eq!(read.omitted, ["givenName", "base.personalNotes"]);
    assert_eq!(read.omitted_of_base().collect::<Vec<_>>(), ["personalNotes"]);
    assert_eq!(
        read.document["personalNotes"], ours["personalNotes"],
        "the edit is whole"
    );
    assert!(!base(&read).contains_key("personalNotes"));

    // Who changes something else does not make it forgotten.
    let mut again = Contact { rev: 2, ..read };
    again.extras.insert("vCard".into(), json!([]));
    let read = put_and_read(&local.store, &again).await;
    assert_eq!(read.omitted, ["givenName", "base.personalNotes"]);

    // Carried out: Outlook has it now.
    let done = Contact {
        rev: 3,
        edit: None,
        ..read.clone()
    };
    assert_eq!(put_and_read(&local.store, &done).await.omitted, ["givenName"]);
    // Discarded instead: what Outlook has is not known here.
    let discarded = Contact {
        rev: 4,
        document: base(&read).clone(),
        edit: None,
        ..read
    };
    let read = put_and_read(&local.store, &discarded).await;
    assert_eq!(read.omitted, ["givenName", "personalNotes"]);
}

#[tokio::test]
async fn what_the_platform_has_deleted_is_not_forgotten_for_its_size() {
    let local = Local::start().await;
    let theirs = json!({ "personalNotes": "n".repeat(350_000), "jobTitle": "j".repeat(50_000) });
    let ours = json!({ "jobTitle": "j".repeat(50_000) });
    let read = put_and_read(&local.store, &pending(1, &theirs, &ours)).await;
    assert_eq!(read.omitted, ["jobTitle"]);
    assert!(
        base(&read).contains_key("personalNotes"),
        "so it is still to be deleted"
    );
}

#[tokio::test]
async fn what_the_platform_wrote_is_stored_whole_or_refused() {
    let local = Local::start().await;
    let put = async |contact: Contact| {
        local
            .store
            .put_contact(&contact, Expected::Absent)
            .await
            .map(|()| contact)
    };
    let note = |kilobytes: usize| json!({ "personalNotes": "n".repeat(kilobytes * 1024) });
    let edit = |number, kilobytes| pending(number, &json!({ "givenName": "Ada" }), &note(kilobytes));
    let extras = |number, kilobytes| Contact {
        extras: document(&note(kilobytes)),
        ..contact("ada", number)
    };
    let create = |number: usize, kilobytes| Contact {
        document: document(&note(kilobytes)),
        ..born_here("ada", &number.to_string())
    };
    for contact in [edit(1, 395), extras(2, 395), create(3, 395)] {
        let stored = put(contact).await.unwrap();
        let read = local
            .store
            .contact(&stored.mailbox, &stored.id)
            .await
            .unwrap()
            .unwrap();
        let whole = |contact: &Contact| {
            (
                contact.document.contains_key("personalNotes"),
                contact.extras.clone(),
            )
        };
        assert_eq!(whole(&read), whole(&stored));
        assert_eq!(read.edit.is_some(), stored.edit.is_some());
    }
    for contact in [edit(4, 405), extras(5, 405), create(6, 405)] {
        let refused = put(contact).await;
        assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
    }
}
