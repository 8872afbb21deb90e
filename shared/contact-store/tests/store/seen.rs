//! Who a full round has seen.

use contact_store::StoreError;
use sync_core::ids::FolderId;

use crate::local::{Local, STATE};
use crate::{at, contact_id, mailbox_id, seen_page};

#[tokio::test]
async fn ap15_a_page_that_is_repeated_after_a_crash_counts_once() {
    let local = Local::start().await;
    local
        .store
        .add_seen(&seen_page("ada", 1, 0, &[1, 2]))
        .await
        .unwrap();
    local
        .store
        .add_seen(&seen_page("ada", 1, 0, &[1, 2]))
        .await
        .unwrap();
    assert_eq!(local.raw(STATE, &mailbox_id("ada")).await.len(), 1);
}

#[tokio::test]
async fn ap16_seen_is_the_union_of_one_rounds_pages() {
    let local = Local::start().await;
    for (generation, page, contacts) in [(1, 0, [1, 2]), (1, 1, [2, 3]), (2, 0, [4, 5]), (11, 0, [6, 7])] {
        local
            .store
            .add_seen(&seen_page("ada", generation, page, &contacts))
            .await
            .unwrap();
    }
    let (ada, inbox) = (mailbox_id("ada"), FolderId::new("inbox"));
    let seen = local.store.seen(&ada, &inbox, 1).await.unwrap();
    assert_eq!(seen, [1, 2, 3].map(|number| contact_id("ada", number)).into());
    assert!(
        local
            .store
            .seen(&ada, &FolderId::new("other"), 1)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn ap16_a_round_of_more_than_a_megabyte_is_seen_whole() {
    let local = Local::start().await;
    for page in 0..8 {
        let contacts: Vec<usize> = (0..5_000).map(|number| page * 5_000 + number).collect();
        local
            .store
            .add_seen(&seen_page("ada", 1, u32::try_from(page).unwrap(), &contacts))
            .await
            .unwrap();
    }
    let seen = local
        .store
        .seen(&mailbox_id("ada"), &FolderId::new("inbox"), 1)
        .await
        .unwrap();
    assert_eq!(seen.len(), 40_000);
}

#[tokio::test]
async fn ap15_a_page_larger_than_an_item_is_refused_by_name() {
    let local = Local::start().await;
    let contacts: Vec<usize> = (0..13_500).collect();
    let refused = local.store.add_seen(&seen_page("ada", 1, 0, &contacts)).await;
    assert!(matches!(refused, Err(StoreError::TooLarge { .. })), "{refused:?}");
}

#[tokio::test]
async fn ap17_clearing_a_round_leaves_the_others() {
    let local = Local::start().await;
    for page in 0..60 {
        local
            .store
            .add_seen(&seen_page("ada", 1, page, &[1]))
            .await
            .unwrap();
    }
    local.store.add_seen(&seen_page("ada", 2, 0, &[2])).await.unwrap();
    let (ada, inbox) = (mailbox_id("ada"), FolderId::new("inbox"));
    local.store.clear_seen(&ada, &inbox, 1).await.unwrap();
    assert!(local.store.seen(&ada, &inbox, 1).await.unwrap().is_empty());
    assert_eq!(local.store.seen(&ada, &inbox, 2).await.unwrap().len(), 1);
}

#[tokio::test]
async fn seen_pages_of_a_round_that_never_ended_are_dropped_in_time() {
    let local = Local::start().await;
    local.store.add_seen(&seen_page("ada", 1, 0, &[1])).await.unwrap();
    let ttl = local.raw(STATE, &mailbox_id("ada")).await[0]["ttl"].clone();
    assert_eq!(ttl.as_n().unwrap(), &at(1_000_000).as_second().to_string());
}
