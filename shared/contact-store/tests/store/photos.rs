//! What is kept of photos, and that one which Outlook does not have yet is found.

use contact_store::{Contact, Expected, PendingKind, Photo, PhotoEdit, Store};
use sync_core::ids::ContactId;
use sync_core::photo::PhotoHash;
use sync_core::record::Refusal;

use crate::local::Local;
use crate::pending::held;
use crate::{at, born_here, contact, edited, mailbox_id, tombstone_of};

fn photo(bytes: &[u8]) -> Photo {
    Photo {
        hash: PhotoHash::of(bytes),
        bytes: bytes.len() as u64,
        version: 2,
    }
}

/// The contact with a photo that Outlook doesn't know of, in the place of one that it has.
fn with_photo(contact: Contact, second: i64) -> Contact {
    Contact {
        photo: Some(photo(b"new")),
        photo_edit: Some(PhotoEdit {
            base: Some(photo(b"old")),
            replaced: vec![PhotoHash::of(b"between")],
            edited_at: at(second),
            count: 2,
            refusal: None,
        }),
        ..contact
    }
}

fn refused(mut contact: Contact) -> Contact {
    contact.photo_edit.as_mut().unwrap().refusal = Some(Refusal {
        at: at(5),
        status: Some(413),
        code: None,
        reason: None,
        request_id: None,
    });
    contact
}

async fn pending(store: &Store) -> Vec<(ContactId, PendingKind)> {
    let (waiting, held) = (
        store.pending(&mailbox_id("ada"), None, 100).await.unwrap(),
        store.held(&mailbox_id("ada"), None, 100).await.unwrap(),
    );
    let rows = waiting.items.into_iter().chain(held.items);
    rows.map(|row| (row.id, row.kind)).collect()
}

#[tokio::test]
async fn a_contact_comes_back_with_its_photo_and_one_without_has_no_attribute_of_it() {
    let local = Local::start().await;
    let (plain, pictured) = (contact("ada", 1), refused(with_photo(contact("ada", 2), 3)));
    for contact in [&plain, &pictured] {
        local.store.put_contact(contact, Expected::Absent).await.unwrap();
        let stored = local.store.contact(&contact.mailbox, &contact.id).await.unwrap();
        assert!(stored.unwrap() == *contact);
    }
    assert_eq!(pictured.outlook_photo(), Some(&photo(b"old")));
    assert_eq!(pictured.pending_photo(), None, "it was refused");
}

#[tokio::test]
async fn a_photo_that_outlook_lacks_is_pending_unless_its_contact_has_to_wait() {
    let local = Local::start().await;
    let unborn = born_here("ada", "crm-1");
    let hold = held(9, at(1)).edit;
    let on_hold = Contact {
        edit: hold.clone(),
        ..born_here("ada", "crm-2")
    };
    let deleted = tombstone_of(&contact("ada", 8), at(7));
    let contacts = [
        with_photo(contact("ada", 1), 4),
        with_photo(edited(contact("ada", 2), at(9)), 3),
        with_photo(unborn, 2),
        refused(with_photo(contact("ada", 4), 1)),
        with_photo(on_hold, 1),
        with_photo(
            Contact {
                edit: hold,
                ..contact("ada", 6)
            },
            5,
        ),
        // Its object is to be deleted.
        Contact {
            photo: Some(photo(b"left")),
            ..deleted
        },
        // Nothing is left to be done.
        tombstone_of(&contact("ada", 10), at(7)),
        Contact {
            photo: Some(photo(b"same")),
            ..contact("ada", 11)
        },
    ];
    for contact in &contacts {
        local.store.put_contact(contact, Expected::Absent).await.unwrap();
    }
    let expected = [
        (2, PendingKind::Now),
        (1, PendingKind::Now),
        (0, PendingKind::Now),
        (5, PendingKind::Now),
    ];
    let expected = expected.into_iter().chain([
        (6, PendingKind::Cleanup),
        (3, PendingKind::Held),
        (4, PendingKind::Held),
    ]);
    let expected: Vec<_> = expected
        .map(|(at, kind)| (contacts[at].id.clone(), kind))
        .collect();
    let found = pending(&local.store).await;
    let names = |rows: &[(ContactId, PendingKind)]| {
        let place = |id: &ContactId| contacts.iter().position(|it| it.id == *id);
        rows.iter()
            .map(|(id, kind)| (place(id), *kind))
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&found), names(&expected));
}
