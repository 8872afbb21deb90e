//! Contacts and tombstones.

use std::collections::BTreeSet;
use std::time::Duration;

use contact_store::{Contact, Expected, Page, Store, StoreError, TimerKind};
use sync_core::ids::{FolderId, MailboxId};

use crate::local::{CONTACTS, Local, STATE};
use crate::{at, contact, contact_id, mailbox, mailbox_id, timer, tombstone_of};

async fn put_new(store: &Store, contacts: impl IntoIterator<Item = Contact>) {
    for contact in contacts {
        store.put_contact(&contact, Expected::Absent).await.unwrap();
    }
}

/// All pages of a question, and how many there were.
async fn all<T>(mut ask: impl AsyncFnMut(Option<String>) -> Page<T>) -> (Vec<T>, usize) {
    let (mut items, mut pages, mut after) = (Vec::new(), 0, None);
    loop {
        let page = ask(after).await;
        items.extend(page.items);
        pages += 1;
        after = page.next;
        if after.is_none() {
            return (items, pages);
        }
    }
}

#[tokio::test]
async fn ap18_a_contact_is_read_as_it_was_put() {
    let local = Local::start().await;
    let ada = contact("ada", 1);
    assert_eq!(local.store.contact(&ada.mailbox, &ada.id).await.unwrap(), None);
    put_new(&local.store, [ada.clone()]).await;
    assert_eq!(
        local.store.contact(&ada.mailbox, &ada.id).await.unwrap(),
        Some(ada)
    );
}

#[tokio::test]
async fn ap19_more_contacts_than_a_batch_holds_are_found_once_each() {
    let local = Local::start().await;
    put_new(&local.store, (0..250).map(|number| contact("ada", number))).await;
    let gone = tombstone_of(&contact("ada", 7), at(500));
    local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();

    let ids: Vec<_> = (0..300)
        .chain(0..50)
        .map(|number| contact_id("ada", number))
        .collect();
    let lookup = local
        .store
        .contacts_by_id(&mailbox_id("ada"), &ids)
        .await
        .unwrap();
    assert_eq!(lookup.contacts.len(), 250);
    assert_eq!(lookup.contacts[&gone.id], gone);
    assert!(lookup.unreadable.is_empty());
    let nobody = local.store.contacts_by_id(&mailbox_id("ada"), &[]).await.unwrap();
    assert!(nobody.contacts.is_empty());
}

#[tokio::test]
async fn ap19_a_batch_of_more_than_sixteen_megabytes_comes_in_parts() {
    let local = Local::start().await;
    let large = |number| {
        let mut contact = contact("ada", number);
        contact
            .document
            .insert("personalNotes".into(), "n".repeat(350_000).into());
        contact
    };
    put_new(&local.store, (0..60).map(large)).await;
    let before = local.store.usage().reads;
    let ids: Vec<_> = (0..60).map(|number| contact_id("ada", number)).collect();
    let lookup = local
        .store
        .contacts_by_id(&mailbox_id("ada"), &ids)
        .await
        .unwrap();
    assert_eq!(lookup.contacts.len(), 60);
    assert!(
        local.store.usage().reads - before > 1,
        "one answer would have been 20 MB"
    );
}

#[tokio::test]
async fn ap20_pages_show_each_live_contact_once_and_no_tombstone() {
    let local = Local::start().await;
    put_new(&local.store, (0..120).map(|number| contact("ada", number))).await;
    put_new(&local.store, (0..5).map(|number| contact("bob", number))).await;
    for number in 0..90 {
        let gone = tombstone_of(&contact("ada", number), at(500));
        local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    }
    let ada = mailbox_id("ada");
    let (contacts, _) =
        all(async |after| local.store.contacts(&ada, after.as_deref(), 7).await.unwrap()).await;
    let ids: Vec<_> = contacts.into_iter().map(|contact| contact.id).collect();
    let expected: BTreeSet<_> = (90..120).map(|number| contact_id("ada", number)).collect();
    assert_eq!(ids, expected.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
async fn ap20_one_page_may_be_more_than_a_megabyte() {
    let local = Local::start().await;
    let large = |number| {
        let mut contact = contact("ada", number);
        contact
            .document
            .insert("personalNotes".into(), "n".repeat(100_000).into());
        contact
    };
    put_new(&local.store, (0..30).map(large)).await;
    let page = local.store.contacts(&mailbox_id("ada"), None, 30).await.unwrap();
    assert_eq!(page.items.len(), 30);
}

#[tokio::test]
async fn ap21_a_contact_is_listed_in_the_folder_that_it_was_moved_to() {
    let local = Local::start().await;
    put_new(&local.store, (0..20).map(|number| contact("ada", number))).await;
    let (inbox, archive) = (FolderId::new("inbox"), FolderId::new("archive"));
    for number in 0..3 {
        let moved = Contact {
            folder: archive.clone(),
            version: 2,
            rev: 2,
            ..contact("ada", number)
        };
        local.store.put_contact(&moved, Expected::Rev(1)).await.unwrap();
    }
    let gone = tombstone_of(&contact("ada", 3), at(500));
    local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();

    let ada = mailbox_id("ada");
    let listed = async |folder: &FolderId| {
        let ask = async |after: Option<String>| {
            local
                .store
                .contacts_in_folder(&ada, folder, after.as_deref(), 6)
                .await
                .unwrap()
        };
        all(ask)
            .await
            .0
            .into_iter()
            .map(|contact| contact.id)
            .collect::<BTreeSet<_>>()
    };
    assert_eq!(
        listed(&inbox).await,
        (4..20).map(|number| contact_id("ada", number)).collect()
    );
    assert_eq!(
        listed(&archive).await,
        (0..3).map(|number| contact_id("ada", number)).collect()
    );
}

#[tokio::test]
async fn ap22_changes_come_oldest_first_with_tombstones_from_a_moment_on() {
    let local = Local::start().await;
    put_new(&local.store, (0..30).map(|number| contact("ada", number))).await;
    let gone = tombstone_of(&contact("ada", 5), at(100));
    local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    let again = Contact {
        version: 2,
        changed_at: at(99),
        ..contact("ada", 28)
    };
    local.store.put_contact(&again, Expected::Rev(1)).await.unwrap();

    let ada = mailbox_id("ada");
    let ask = async |after: Option<String>| {
        local
            .store
            .contacts_changed_since(&ada, at(25), after.as_deref(), 2)
            .await
            .unwrap()
    };
    let (changes, pages) = all(ask).await;
    let shown: Vec<_> = changes
        .iter()
        .map(|change| (change.changed_at, change.id.clone()))
        .collect();
    let expected = [(25, 25), (26, 26), (27, 27), (29, 29), (99, 28), (100, 5)];
    assert_eq!(
        shown,
        expected.map(|(second, number)| (at(second), contact_id("ada", number)))
    );
    assert!(pages >= 3, "{pages} pages of two");
    assert_eq!(changes[5], gone);
}

#[tokio::test]
async fn ap23_outlines_of_a_large_folder_come_in_pages_without_documents() {
    let local = Local::start().await;
    put_new(&local.store, (0..1_100).map(|number| contact("ada", number))).await;
    let gone = tombstone_of(&contact("ada", 3), at(5000));
    local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    let (ada, inbox) = (mailbox_id("ada"), FolderId::new("inbox"));
    let ask = async |after: Option<String>| {
        local
            .store
            .outlines(&ada, &inbox, after.as_deref())
            .await
            .unwrap()
    };
    let (outlines, pages) = all(ask).await;
    assert_eq!((outlines.len(), pages), (1_099, 2));
    let first = outlines
        .iter()
        .find(|outline| outline.id == contact_id("ada", 1))
        .unwrap();
    let contact = contact("ada", 1);
    assert_eq!(
        (&first.outlook, &first.folder, first.version, first.rev),
        (&contact.outlook, &contact.folder, 1, 1)
    );
}

#[tokio::test]
async fn ap24_of_two_writers_of_a_contact_one_has_to_read_again() {
    let local = Local::start().await;
    let first = contact("ada", 1);
    let (one, other) = tokio::join!(
        local.store.put_contact(&first, Expected::Absent),
        local.store.put_contact(&first, Expected::Absent)
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");

    let next = Contact {
        version: 2,
        ..first.clone()
    };
    let (one, other) = tokio::join!(
        local.store.put_contact(&next, Expected::Rev(1)),
        local.store.put_contact(&next, Expected::Rev(1))
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn ap24_a_late_worker_does_not_bring_a_deleted_contact_back() {
    let local = Local::start().await;
    let first = contact("ada", 1);
    put_new(&local.store, [first.clone()]).await;
    let gone = tombstone_of(&first, at(500));
    local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    for late in [Expected::Rev(1), Expected::Absent] {
        let refused = local.store.put_contact(&first, late).await;
        assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    }
    assert_eq!(
        local.store.contact(&first.mailbox, &first.id).await.unwrap(),
        Some(gone)
    );
}

#[tokio::test]
async fn ap24_a_tombstone_is_dropped_after_its_retention_and_a_contact_never() {
    let local = Local::start().await;
    let store = local.store.clone().keeping_tombstones(Duration::from_hours(1));
    let (live, dead) = (contact("ada", 1), tombstone_of(&contact("ada", 2), at(500)));
    put_new(&store, [live.clone(), dead.clone()]).await;
    let raw = local.raw(CONTACTS, &live.mailbox).await;
    let ttl_of = |contact: &Contact| {
        let item = raw
            .iter()
            .find(|item| item["contact_id"].as_s().unwrap() == contact.id.as_str())
            .unwrap();
        item.get("ttl").map(|ttl| ttl.as_n().unwrap().clone())
    };
    assert_eq!(ttl_of(&live), None);
    assert_eq!(ttl_of(&dead), Some((at(500).as_second() + 3600).to_string()));
}

#[tokio::test]
async fn ap25_a_mirror_is_erased_step_by_step_and_the_others_stay() {
    let local = Local::start().await;
    put_new(&local.store, (0..70).map(|number| contact("ada", number))).await;
    put_new(&local.store, (0..3).map(|number| contact("bob", number))).await;
    let gone = tombstone_of(&contact("ada", 3), at(500));
    local.store.put_contact(&gone, Expected::Rev(1)).await.unwrap();
    let ada: MailboxId = mailbox_id("ada");
    let mut steps = Vec::new();
    loop {
        let erased = local.store.erase_contacts(&ada, 30).await.unwrap();
        steps.push(erased.count);
        if !erased.more {
            break;
        }
    }
    assert_eq!(steps, [30, 30, 10]);
    assert!(local.raw(CONTACTS, &ada).await.is_empty());
    assert_eq!(local.raw(CONTACTS, &mailbox_id("bob")).await.len(), 3);
}

#[tokio::test]
async fn ap42_what_is_left_of_a_mailbox_is_erased_only_while_it_is_not_enrolled() {
    let local = Local::start().await;
    put_new(&local.store, (0..40).map(|number| contact("ada", number))).await;
    put_new(&local.store, (0..3).map(|number| contact("bob", number))).await;
    let ada = mailbox_id("ada");
    let compare = timer("ada", TimerKind::Compare, at(500));
    local.store.set_timer(&compare).await.unwrap();
    let first = local.store.erase_leftovers(&ada, 30).await.unwrap();
    assert_eq!((first.count, first.more), (30, true));
    let second = local.store.erase_leftovers(&ada, 30).await.unwrap();
    assert_eq!((second.count, second.more), (10, false));
    assert!(local.raw(CONTACTS, &ada).await.is_empty());
    assert!(local.raw(STATE, &ada).await.is_empty());
    assert_eq!(local.raw(CONTACTS, &mailbox_id("bob")).await.len(), 3);

    local.store.enrol(&mailbox("ada"), at(0)).await.unwrap();
    put_new(&local.store, [contact("ada", 1)]).await;
    let erased = local.store.erase_leftovers(&ada, 30).await.unwrap();
    assert_eq!((erased.count, erased.more), (0, false));
    assert_eq!(local.raw(CONTACTS, &ada).await.len(), 1);
}

#[tokio::test]
async fn usage_counts_requests_and_units_and_clones_share_it() {
    let local = Local::start().await;
    let clone = local.store.clone();
    put_new(&clone, [contact("ada", 1)]).await;
    drop(clone.put_contact(&contact("ada", 1), Expected::Absent).await);
    local
        .store
        .contact(&mailbox_id("ada"), &contact_id("ada", 1))
        .await
        .unwrap();
    let usage = local.store.usage();
    assert_eq!((usage.reads, usage.writes), (1, 2));
    assert!(
        usage.read_units >= 1.0,
        "a strong read of less than 4 KB: {usage:?}"
    );
    assert!(usage.write_units >= 3.0, "the item and two indexes: {usage:?}");
}

#[tokio::test]
async fn an_edit_costs_what_the_data_model_says() {
    let local = Local::start().await;
    let ada = contact("ada", 1);
    put_new(&local.store, [ada.clone()]).await;
    let pending = crate::edited(ada.clone(), at(50));
    let done = Contact {
        edit: None,
        rev: 3,
        ..pending.clone()
    };
    let cost = async |contact: &Contact, rev| {
        let before = local.store.usage();
        local
            .store
            .put_contact(contact, Expected::Rev(rev))
            .await
            .unwrap();
        let after = local.store.usage();
        (
            after.writes - before.writes,
            after.write_units - before.write_units,
        )
    };
    // The item; by-folder; by-change moves; by-pending gets it.
    assert_eq!(cost(&pending, 1).await, (1, 5.0));
    // The item; by-folder; by-pending loses it. Nobody can see it, so it does not move in by-change.
    assert_eq!(cost(&done, 2).await, (1, 3.0));

    let before = local.store.usage();
    local.store.pending(&ada.mailbox, None, 100).await.unwrap();
    let after = local.store.usage();
    assert!(after.read_units - before.read_units <= 0.5, "keys only");
}
