//! The conflict log.

use std::time::Duration;

use contact_store::{Companion, Conflict, ConflictPolicy, Expected, Settled, Settlement, Store, StoreError};
use serde_json::json;
use sync_core::ids::{ConflictId, ContactId};
use sync_core::merge::{Clash, Winner};
use sync_core::record::Side;
use sync_core::sighting::Document;

use crate::local::{CONTACTS, Local};
use crate::{at, contact, contact_id, mailbox_id};

fn document(name: &str) -> Document {
    let document = json!({ "displayName": name, "rating": 1.0, "nickName": null });
    document.as_object().unwrap().clone()
}

/// A conflict about the contact of this number, decided in this second.
fn conflict(number: usize, second: i64) -> Conflict {
    let contact = contact_id("ada", number);
    Conflict {
        mailbox: mailbox_id("ada"),
        id: ConflictId::of(at(second), &contact),
        contact,
        at: at(second),
        version: 2,
        policy: ConflictPolicy::LastWriteWins,
        clashes: vec![Clash {
            member: "displayName".into(),
            base: Some(json!(null)),
            ours: Some(json!("Ada")),
            theirs: None,
            winner: Winner::Platform,
            kept: Some(json!({ "$json": [1.0] })),
        }],
        base: None,
        ours: Some(document("Ada")),
        theirs: Some(document("A. Lovelace")),
        omitted: Vec::new(),
        settled: None,
    }
}

pub(crate) async fn log(store: &Store, conflicts: impl IntoIterator<Item = (usize, i64)>) {
    for (number, second) in conflicts {
        let decided = contact("ada", number);
        let stored = store.contact(&decided.mailbox, &decided.id).await.unwrap();
        let expected = stored.map_or(Expected::Absent, |stored| Expected::Rev(stored.rev));
        let conflict = Companion::Conflict(conflict(number, second));
        store
            .put_contact_with(&decided, expected, &[conflict])
            .await
            .unwrap();
    }
}

fn ids(conflicts: &[Conflict]) -> Vec<(ContactId, i64)> {
    conflicts
        .iter()
        .map(|conflict| {
            (
                conflict.contact.clone(),
                conflict.at.as_second() - at(0).as_second(),
            )
        })
        .collect()
}

#[tokio::test]
async fn ap31_conflicts_come_newest_first_of_all_contacts_or_of_one() {
    let local = Local::start().await;
    log(&local.store, [(1, 10), (2, 20), (1, 30), (2, 5)]).await;
    let ada = mailbox_id("ada");
    let [one, two] = [1, 2].map(|number| contact_id("ada", number));

    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = local
            .store
            .conflicts(&ada, None, after.as_deref(), 3)
            .await
            .unwrap();
        all.extend(page.items);
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    let expected = [(one.clone(), 30), (two.clone(), 20), (one.clone(), 10), (two, 5)];
    assert_eq!(ids(&all), expected);

    let of_one = local.store.conflicts(&ada, Some(&one), None, 1).await.unwrap();
    assert_eq!(ids(&of_one.items), [(one.clone(), 30)]);
    let next = local
        .store
        .conflicts(&ada, Some(&one), of_one.next.as_deref(), 1)
        .await
        .unwrap();
    assert_eq!(ids(&next.items), [(one, 10)]);
    assert_eq!(
        local.store.contacts(&ada, None, 10).await.unwrap().items.len(),
        2,
        "conflicts are no contacts"
    );
}

#[tokio::test]
async fn ap32_a_conflict_is_read_as_it_was_written_and_goes_after_its_retention() {
    let local = Local::start().await;
    let store = local.store.clone().keeping_conflicts(Duration::from_hours(1));
    log(&store, [(1, 10)]).await;
    let decided = conflict(1, 10);
    let read = store.conflict(&decided.mailbox, &decided.id).await.unwrap();
    assert_eq!(read, Some(decided.clone()));
    let raw = local.raw(CONTACTS, &decided.mailbox).await;
    let item = raw.iter().find(|item| item.contains_key("clashes")).unwrap();
    assert_eq!(
        item["ttl"].as_n().unwrap(),
        &(at(10).as_second() + 3600).to_string()
    );
    let nobody = conflict(1, 11).id;
    assert_eq!(store.conflict(&decided.mailbox, &nobody).await.unwrap(), None);
}

#[tokio::test]
async fn ap27_a_conflict_is_logged_only_if_its_decision_is_written() {
    let local = Local::start().await;
    log(&local.store, [(1, 10)]).await;
    let late = Companion::Conflict(conflict(1, 20));
    let refused = local
        .store
        .put_contact_with(&contact("ada", 1), Expected::Absent, &[late])
        .await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");
    let logged = local
        .store
        .conflicts(&mailbox_id("ada"), None, None, 10)
        .await
        .unwrap();
    assert_eq!(logged.items, [conflict(1, 10)]);
}

#[tokio::test]
async fn ap33_a_conflict_is_settled_once() {
    let local = Local::start().await;
    log(&local.store, [(1, 10), (2, 10)]).await;
    let settled = |number, by| Conflict {
        settled: Some(Settled { at: at(99), by }),
        ..conflict(number, 10)
    };
    let (outlook, values) = (
        settled(1, Settlement::Side(Side::Outlook)),
        settled(1, Settlement::Values),
    );
    local.store.settle_conflict(&outlook).await.unwrap();
    let second = local.store.settle_conflict(&values).await;
    assert!(matches!(second, Err(StoreError::Conflict { .. })), "{second:?}");
    let never = local.store.settle_conflict(&conflict(3, 3)).await;
    assert!(matches!(never, Err(StoreError::Conflict { .. })), "{never:?}");

    // Together with the contact: both, or nothing.
    let ours = [Companion::Settled(settled(2, Settlement::Side(Side::Platform)))];
    let put = async |rev| {
        let contact = contact("ada", 2);
        local
            .store
            .put_contact_with(&contact, Expected::Rev(rev), &ours)
            .await
    };
    assert!(put(7).await.is_err());
    put(1).await.unwrap();
    assert!(put(2).await.is_err(), "settled already");
    let ada = mailbox_id("ada");
    for settled in [outlook, settled(2, Settlement::Side(Side::Platform))] {
        let read = local.store.conflict(&ada, &settled.id).await.unwrap();
        assert_eq!(read, Some(settled));
    }
}

#[tokio::test]
async fn a_conflict_that_is_too_large_is_logged_without_its_largest_parts() {
    let local = Local::start().await;
    let note = |size: usize| json!("n".repeat(size));
    let with = |number, clashes: [usize; 2], document_size| {
        let mut large = conflict(number, 10);
        large.clashes = ["personalNotes", "jobTitle"]
            .into_iter()
            .zip(clashes)
            .map(|(member, size)| Clash {
                member: member.into(),
                ours: Some(note(size)),
                ..large.clashes[0].clone()
            })
            .collect();
        large
            .ours
            .as_mut()
            .unwrap()
            .insert("note".into(), note(document_size));
        large
    };
    let cases = [
        (with(1, [100_000, 100_000], 50_000), vec![]),
        (with(2, [100_000, 100_000], 150_000), vec!["documents"]),
        (with(3, [300_000, 100_000], 0), vec!["documents", "personalNotes"]),
    ];
    for (large, omitted) in cases {
        let decided = contact("ada", 1 + omitted.len());
        let companion = [Companion::Conflict(large.clone())];
        local
            .store
            .put_contact_with(&decided, Expected::Absent, &companion)
            .await
            .unwrap();
        let read = local
            .store
            .conflict(&large.mailbox, &large.id)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(read.omitted, omitted);
        assert_eq!(read.ours.is_some(), omitted.is_empty());
        assert_eq!(read.clashes.len(), 2, "who won is kept of each");
        assert_eq!(read.clashes[0].ours.is_some(), omitted.len() < 2);
        assert_eq!(read.clashes[1].ours, large.clashes[1].ours);
        assert!(!format!("{read:?}").contains("nnn"));
    }
}
