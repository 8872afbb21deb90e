//! Mailboxes and their folders.

use std::collections::{BTreeMap, BTreeSet};

use contact_store::{
    Comparison, Cursor, Enrolment, LastError, Mailbox, Phase, Shard, StoreError, TimerKind, UnavailableReason,
};

use crate::local::{Local, STATE};
use crate::{at, contact_id, enrolled, folder, mailbox, mailbox_id, seen_page, subscription, timer};

#[tokio::test]
async fn ap1_a_mailbox_enrolled_twice_stays_as_it_was() {
    let local = Local::start().await;
    let created = local.store.enrol(&mailbox("ada"), at(900)).await.unwrap();
    let Enrolment::Created(mut ada) = created else {
        panic!("{created:?}")
    };
    ada.phase = Phase::Live;
    local.store.save_mailbox(&mut ada).await.unwrap();

    let again = local.store.enrol(&mailbox("ada"), at(5000)).await.unwrap();
    assert_eq!(again, Enrolment::Existing(ada.clone()));
    let timers = local.store.mailbox_state(&ada.id).await.unwrap().unwrap().timers;
    assert_eq!(timers, [timer("ada", TimerKind::Poll, at(900))]);
}

#[tokio::test]
async fn ap1_of_two_enrolments_at_once_one_creates() {
    let local = Local::start().await;
    let request = mailbox("ada");
    let (one, other) = tokio::join!(
        local.store.enrol(&request, at(900)),
        local.store.enrol(&request, at(900))
    );
    let created = [one.unwrap(), other.unwrap()]
        .into_iter()
        .filter(|done| matches!(done, Enrolment::Created(_)));
    assert_eq!(created.count(), 1);
}

#[tokio::test]
async fn ap1_a_mailbox_enrolled_after_a_removal_takes_over_a_timer_that_was_left() {
    let local = Local::start().await;
    local
        .store
        .set_timer(&timer("ada", TimerKind::Poll, at(1)))
        .await
        .unwrap();
    let created = local.store.enrol(&mailbox("ada"), at(900)).await.unwrap();
    assert!(matches!(created, Enrolment::Created(_)), "{created:?}");
}

#[tokio::test]
async fn ap2_a_mailbox_is_read_with_all_that_was_saved_of_it() {
    let local = Local::start().await;
    assert_eq!(local.store.mailbox(&mailbox_id("ada")).await.unwrap(), None);
    let mut ada = Mailbox {
        phase: Phase::Unavailable {
            reason: UnavailableReason::MailboxNotEnabled,
            since: at(3),
            retry_at: at(4000),
        },
        folder_link: Some("https://graph.example/v1.0/link".into()),
        folders_listed_at: Some(at(1)),
        last_success_at: Some(at(2)),
        last_error: Some(LastError {
            code: "MailboxNotEnabled".into(),
            detail: "No mailbox.".into(),
            at: at(3),
        }),
        comparison: Some(Comparison {
            started_at: at(1),
            finished_at: None,
            requested_at: at(0),
            contacts: 17,
            drift: BTreeMap::from([("missing".to_owned(), 2)]),
            clean: 3,
        }),
        ..enrolled(&local.store, "ada").await
    };
    local.store.save_mailbox(&mut ada).await.unwrap();
    assert_eq!(local.store.mailbox(&ada.id).await.unwrap(), Some(ada));
}

#[tokio::test]
async fn ap3_pages_of_the_roster_show_each_mailbox_once() {
    let local = Local::start().await;
    for number in 0..45 {
        enrolled(&local.store, &format!("user-{number}")).await;
    }
    let mut pages = Vec::new();
    let mut after = None;
    loop {
        let page = local.store.mailboxes(after.as_deref(), 7).await.unwrap();
        pages.push(
            page.items
                .into_iter()
                .map(|mailbox| mailbox.user.to_string())
                .collect::<Vec<_>>(),
        );
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert!(
        pages.iter().rev().skip(1).all(|page| page.len() == 7),
        "{pages:?}"
    );
    let listed: Vec<_> = pages.concat();
    let distinct: BTreeSet<_> = listed.iter().collect();
    assert_eq!((listed.len(), distinct.len()), (45, 45));
}

#[tokio::test]
async fn ap4_the_state_is_everything_of_this_mailbox_but_its_seen_pages() {
    let local = Local::start().await;
    let ada = enrolled(&local.store, "ada").await;
    let bob = enrolled(&local.store, "bob").await;
    let (mut inbox, mut other) = (folder("ada", "inbox"), folder("bob", "inbox"));
    inbox.cursor = Cursor::Round {
        full: true,
        generation: 2,
        link: "https://graph.example/next".into(),
        page: 3,
        started_at: at(5),
        listing: false,
    };
    let mut wanted = subscription("ada", "inbox", at(9));
    local.store.save_folder(&mut inbox).await.unwrap();
    local.store.save_folder(&mut other).await.unwrap();
    local.store.save_subscription(&mut wanted).await.unwrap();
    local
        .store
        .set_timer(&timer("ada", TimerKind::Silence, at(8)))
        .await
        .unwrap();
    let contacts: Vec<usize> = (0..1000).collect();
    for page in 0..10 {
        local
            .store
            .add_seen(&seen_page("ada", 2, page, &contacts))
            .await
            .unwrap();
    }

    let before = local.store.usage();
    let state = local.store.mailbox_state(&ada.id).await.unwrap().unwrap();
    assert_eq!(state.mailbox, ada);
    assert_eq!(state.folders, [inbox]);
    assert_eq!(state.subscriptions, [wanted]);
    assert_eq!(
        state.timers,
        [
            timer("ada", TimerKind::Poll, at(900)),
            timer("ada", TimerKind::Silence, at(8))
        ]
    );
    let cost = local.store.usage().read_units - before.read_units;
    assert!(cost <= 1.0, "{cost} units: the seen pages, 34 KB each, were read");

    assert_eq!(
        local.store.mailbox_state(&bob.id).await.unwrap().unwrap().folders,
        [other]
    );
    assert_eq!(local.store.mailbox_state(&mailbox_id("eve")).await.unwrap(), None);
}

#[tokio::test]
async fn ap4_a_state_of_many_megabytes_is_read_whole() {
    let local = Local::start().await;
    let ada = enrolled(&local.store, "ada").await;
    for number in 0..300 {
        let mut folder = folder("ada", &format!("folder {number}"));
        folder.cursor = Cursor::Settled {
            link: Some("x".repeat(8_000)),
            generation: 1,
            round_started_at: at(0),
            round_finished_at: at(1),
        };
        local.store.save_folder(&mut folder).await.unwrap();
    }
    let before = local.store.usage();
    assert_eq!(
        local
            .store
            .mailbox_state(&ada.id)
            .await
            .unwrap()
            .unwrap()
            .folders
            .len(),
        300
    );
    assert!(
        local.store.usage().reads - before.reads > 1,
        "more than one page was needed"
    );
}

#[tokio::test]
async fn ap5_of_two_writers_of_a_mailbox_one_has_to_read_again() {
    let local = Local::start().await;
    let mut worker = enrolled(&local.store, "ada").await;
    let mut operator = worker.clone();
    operator.phase = Phase::Paused;
    worker.last_success_at = Some(at(7));

    local.store.save_mailbox(&mut operator).await.unwrap();
    let refused = local.store.save_mailbox(&mut worker).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");

    let mut worker = local.store.mailbox(&worker.id).await.unwrap().unwrap();
    assert_eq!(worker.phase, Phase::Paused);
    worker.last_success_at = Some(at(7));
    local.store.save_mailbox(&mut worker).await.unwrap();
    local
        .store
        .save_mailbox(&mut worker)
        .await
        .expect("its rev is up to date");
}

#[tokio::test]
async fn ap5_a_mailbox_that_was_removed_is_not_brought_back() {
    let local = Local::start().await;
    let mut ada = enrolled(&local.store, "ada").await;
    local.store.erase_state(&ada.id).await.unwrap();
    let late = local.store.save_mailbox(&mut ada).await;
    assert!(matches!(late, Err(StoreError::Conflict { .. })), "{late:?}");
    let never_stored = local.store.save_mailbox(&mut mailbox("bob")).await;
    assert!(
        matches!(never_stored, Err(StoreError::Conflict { .. })),
        "{never_stored:?}"
    );
    assert_eq!(local.store.mailbox(&ada.id).await.unwrap(), None);
}

#[tokio::test]
async fn ap6_of_two_writers_of_a_folder_one_has_to_read_again() {
    let local = Local::start().await;
    let mut first = folder("ada", "inbox");
    local.store.save_folder(&mut first).await.unwrap();
    let refused = local.store.save_folder(&mut folder("ada", "inbox")).await;
    assert!(
        matches!(refused, Err(StoreError::Conflict { .. })),
        "rev 0 must be new: {refused:?}"
    );

    let (mut one, mut other) = (first.clone(), first.clone());
    (one.contacts_seen, other.contacts_seen) = (10, 20);
    let (one, other) = tokio::join!(
        local.store.save_folder(&mut one),
        local.store.save_folder(&mut other)
    );
    assert!(one.is_ok() != other.is_ok(), "{one:?} {other:?}");
}

#[tokio::test]
async fn ap7_a_folder_that_has_come_back_is_not_deleted_by_who_saw_it_go() {
    let local = Local::start().await;
    let mut inbox = folder("ada", "inbox");
    local.store.save_folder(&mut inbox).await.unwrap();
    let seen = inbox.clone();
    local.store.save_folder(&mut inbox).await.unwrap();
    let refused = local.store.delete_folder(&seen).await;
    assert!(matches!(refused, Err(StoreError::Conflict { .. })), "{refused:?}");

    local.store.delete_folder(&inbox).await.unwrap();
    local
        .store
        .delete_folder(&inbox)
        .await
        .expect("gone already is no error");
    assert!(local.raw(STATE, &inbox.mailbox).await.is_empty());
}

#[tokio::test]
async fn ap26_of_an_erased_mailbox_nothing_is_left_and_of_the_others_everything() {
    let local = Local::start().await;
    for user in ["ada", "bob"] {
        enrolled(&local.store, user).await;
        for number in 0..40 {
            local
                .store
                .save_folder(&mut folder(user, &number.to_string()))
                .await
                .unwrap();
        }
        local
            .store
            .save_subscription(&mut subscription(user, "inbox", at(0)))
            .await
            .unwrap();
        local
            .store
            .set_timer(&timer(user, TimerKind::Poll, at(0)))
            .await
            .unwrap();
        local.store.add_seen(&seen_page(user, 1, 0, &[1])).await.unwrap();
        let address = ["ada@example.com".to_owned()];
        local
            .store
            .index_emails(&mailbox_id(user), &contact_id(user, 1), &[], &address)
            .await
            .unwrap();
    }
    let (ada, bob) = (mailbox_id("ada"), mailbox_id("bob"));
    local.store.erase_state(&ada).await.unwrap();
    local
        .store
        .erase_state(&ada)
        .await
        .expect("a repetition is harmless");

    assert!(local.raw(STATE, &ada).await.is_empty());
    assert_eq!(local.raw(STATE, &bob).await.len(), 45);
    assert!(
        local
            .store
            .due_subscriptions(Shard::of(&ada), at(1), 10)
            .await
            .unwrap()
            .iter()
            .all(|s| s.mailbox == bob)
    );
    let left: Vec<_> = local
        .store
        .mailboxes(None, 10)
        .await
        .unwrap()
        .items
        .into_iter()
        .map(|m| m.id)
        .collect();
    assert_eq!(left, [bob]);
}
