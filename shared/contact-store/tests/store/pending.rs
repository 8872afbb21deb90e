//! What Outlook has yet to be told, in its order.

use contact_store::{Contact, Expected, PendingCount, PendingKind, PendingRow, Store};
use jiff::Timestamp;
use sync_core::ids::OutlookId;
use sync_core::record::{Edit, Hold, Urgency, Wish};

use crate::local::Local;
use crate::{at, contact, contact_id, edited, mailbox_id};

fn urgent(number: usize, urgency: Urgency, edited_at: Timestamp) -> Contact {
    let contact = edited(contact("ada", number), edited_at);
    let edit = contact.edit.map(|edit| Edit { urgency, ..edit });
    Contact { edit, ..contact }
}

pub(crate) fn held(number: usize, edited_at: Timestamp) -> Contact {
    let contact = urgent(number, Urgency::Now, edited_at);
    let hold = Some(Hold::Review {
        candidates: Vec::new(),
    });
    let edit = contact.edit.map(|edit| Edit { hold, ..edit });
    Contact { edit, ..contact }
}

/// It was moved, which Outlook has carried out; what it has left is still there.
fn moved(number: usize) -> Contact {
    Contact {
        superseded: vec![OutlookId::new("AAMk-left")],
        ..contact("ada", number)
    }
}

fn row(number: usize, kind: PendingKind, second: i64) -> PendingRow {
    let (id, since) = (contact_id("ada", number), at(second));
    PendingRow { id, kind, since }
}

async fn filled(store: &Store) {
    let contacts = [
        contact("ada", 0),
        moved(1),
        urgent(2, Urgency::Backfill, at(4)),
        held(3, at(2)),
        urgent(4, Urgency::Now, at(9)),
        urgent(5, Urgency::Now, at(8)),
        held(6, at(1)),
        Contact {
            superseded: moved(8).superseded,
            ..held(8, at(9))
        },
        edited(contact("bob", 7), at(1)),
    ];
    for contact in contacts {
        store.put_contact(&contact, Expected::Absent).await.unwrap();
    }
}

#[tokio::test]
async fn ap28_single_edits_come_first_then_those_of_many_then_cleanups() {
    let local = Local::start().await;
    Box::pin(filled(&local.store)).await;
    let (mut rows, mut after) = (Vec::new(), None);
    loop {
        let page = local
            .store
            .pending(&mailbox_id("ada"), after.as_deref(), 3)
            .await
            .unwrap();
        assert_eq!(page.unreadable, 0);
        rows.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = [
        row(5, PendingKind::Now, 8),
        row(4, PendingKind::Now, 9),
        row(2, PendingKind::Backfill, 4),
        row(1, PendingKind::Cleanup, 1),
        row(8, PendingKind::Cleanup, 9),
    ];
    assert_eq!(rows, expected);
}

#[tokio::test]
async fn ap28_what_outlook_has_been_told_is_pending_no_longer() {
    let local = Local::start().await;
    Box::pin(filled(&local.store)).await;
    let done = Contact {
        edit: None,
        ..urgent(5, Urgency::Now, at(8))
    };
    local.store.put_contact(&done, Expected::Rev(1)).await.unwrap();
    let page = local.store.pending(&mailbox_id("ada"), None, 1).await.unwrap();
    assert_eq!(page.items, [row(4, PendingKind::Now, 9)]);
}

#[tokio::test]
async fn ap29_what_waits_for_a_person_is_listed_by_itself() {
    let local = Local::start().await;
    Box::pin(filled(&local.store)).await;
    let page = local.store.held(&mailbox_id("ada"), None, 10).await.unwrap();
    assert_eq!(
        page.items,
        [row(6, PendingKind::Held, 1), row(3, PendingKind::Held, 2)]
    );
    let first = local.store.held(&mailbox_id("ada"), None, 1).await.unwrap();
    let second = local
        .store
        .held(&mailbox_id("ada"), first.next.as_deref(), 1)
        .await
        .unwrap();
    assert_eq!(second.items, [row(3, PendingKind::Held, 2)]);
}

#[tokio::test]
async fn ap30_pending_contacts_are_counted_by_kind() {
    let local = Local::start().await;
    Box::pin(filled(&local.store)).await;
    let count = local.store.pending_count(&mailbox_id("ada")).await.unwrap();
    let expected = PendingCount {
        now: 2,
        deletes: 0,
        backfill: 1,
        cleanup: 2,
        held: 2,
    };
    assert_eq!(count, expected);
    let nobody = local.store.pending_count(&mailbox_id("eve")).await.unwrap();
    assert_eq!(nobody, PendingCount::default());
}

#[tokio::test]
async fn ap43_pending_deletes_are_counted_since_a_time() {
    let local = Local::start().await;
    let ada = mailbox_id("ada");
    let doomed = |number: usize, second: i64| {
        let contact = urgent(number, Urgency::Now, at(second));
        let wish = Wish::Delete;
        let edit = contact.edit.map(|edit| Edit { wish, ..edit });
        Contact { edit, ..contact }
    };
    let held_back = Contact {
        edit: held(5, at(6)).edit.map(|edit| Edit {
            wish: Wish::Delete,
            ..edit
        }),
        ..held(5, at(6))
    };
    let contacts = [
        urgent(1, Urgency::Now, at(1)),
        doomed(2, 2),
        doomed(3, 3),
        doomed(4, 4),
        held_back,
    ];
    for contact in contacts {
        local.store.put_contact(&contact, Expected::Absent).await.unwrap();
    }
    for (since, expected) in [(None, 3), (Some(at(2)), 2), (Some(at(3)), 1), (Some(at(4)), 0)] {
        let count = local.store.pending_deletes(&ada, since).await.unwrap();
        assert_eq!(count, expected, "since {since:?}");
    }
    assert_eq!(local.store.pending_count(&ada).await.unwrap().deletes, 3);
}

#[tokio::test]
async fn a_pending_create_is_in_its_folder_without_anything_of_outlook() {
    let local = Local::start().await;
    let born = crate::born_here("ada", "crm-1");
    local.store.put_contact(&born, Expected::Absent).await.unwrap();
    let outlines = local
        .store
        .outlines(&born.mailbox, &born.folder, None)
        .await
        .unwrap();
    assert_eq!(outlines.items.len(), 1);
    assert_eq!(
        (&outlines.items[0].id, &outlines.items[0].outlook),
        (&born.id, &None)
    );
}
