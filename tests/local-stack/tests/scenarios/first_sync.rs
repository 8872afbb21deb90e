//! Enrolment and the first sync.

use std::time::Duration;

use graph_sim::{Operation, Settings as GraphSettings, Warts};
use serde_json::json;
use sync_engine::Settings;

use crate::scene::Scene;

#[tokio::test]
async fn a_mailbox_with_nested_folders_is_mirrored_page_by_page_and_the_second_look_writes_nothing() {
    let mut scene = Scene::new().await;
    let ada = scene.user("Ada", 1_000, 6);
    let ada = scene.enrol(&ada).await;
    scene.seconds(10).await;
    scene.assert_equal(&ada).await;
    let state = scene.state(&ada).await;
    assert_eq!(state["phase"], "live", "{state}");

    // Once more, as the poll does: nothing has changed, so nothing is written to the mirror.
    let written = scene.stack.metrics.total("ContactsInserted");
    assert_eq!(written, 1_000);
    scene.minutes(90).await;
    assert_eq!(scene.stack.metrics.total("ContactsInserted"), written);
    assert_eq!(scene.stack.metrics.total("ContactsUpdated"), 0);
    assert!(
        scene.requests(&ada)[&Operation::FolderDelta] >= 2,
        "it was polled"
    );
    scene.assert_quiet();
}

#[tokio::test]
async fn a_first_sync_that_is_longer_than_a_functions_life_goes_on_at_the_page() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(40);
    scene.stack.shorten_worker(Duration::from_millis(500));
    let ada = scene.user("Ada", 400, 0);
    let ada = scene.enrol(&ada).await;
    scene.minutes(2).await;
    scene.assert_equal(&ada).await;
    assert!(scene.stack.metrics.total("Continuations") >= 2);
    // Ten pages of 40, whatever the cuts; then the round after the subscription and the look a minute later.
    let delta = scene.delta_requests(&ada);
    assert!((10..=14).contains(&delta), "{delta} delta requests");
    scene.assert_quiet();
}

#[tokio::test]
async fn an_edit_during_the_first_sync_that_delta_shows_late_and_nobody_notifies_arrives_within_minutes() {
    let graph = GraphSettings {
        warts: Warts {
            lag_ms: 20_000,
            ..Warts::default()
        },
        ..GraphSettings::default()
    };
    let mut scene = Scene::with(graph, Settings::default()).await;
    let ada = scene.user("Ada", 12, 0);
    let ada = scene.enrol(&ada).await;
    while scene.versions(&ada).await < 12 {
        assert!(scene.stack.step().await.unwrap(), "it ended too soon");
    }
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.edit(&ada, &id, json!({ "jobTitle": "Countess" }));
    assert_eq!(
        scene.world().unread().waiting,
        0,
        "it is notified: the story has no point"
    );
    scene.seconds(15).await;
    assert_ne!(
        scene.differences(&ada).await,
        [],
        "delta does not lag: the story has no point"
    );
    scene.minutes(3).await;
    scene.assert_settled(&ada).await;
}
