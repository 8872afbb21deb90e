//! Delta links that die, pages that lie, and mailboxes without delta.

use graph_sim::faults::{Fault, NoticeFault, NoticeRule, Rule};
use graph_sim::{DeadToken, Health, Operation, Settings as GraphSettings, Warts};
use serde_json::json;
use sync_engine::Settings;

use crate::scene::{Person, Scene};

const FORMS: [DeadToken; 4] = [
    DeadToken::Gone,
    DeadToken::ResyncRequired,
    DeadToken::Invalid,
    DeadToken::Malformed,
];

/// Small pages, so that few contacts make a chain of them.
async fn scene_with(graph: GraphSettings) -> Scene {
    let mut scene = Scene::with(graph, Settings::default()).await;
    scene.stack.set_page_size(10);
    scene
}

/// An edit, a birth and two deletions that nobody hears of, and one edit that is told.
fn change_behind_the_links(scene: &Scene, person: &Person) {
    let ids = scene.contacts_in(person, "Contacts");
    scene
        .world()
        .add_notice_fault(NoticeRule::new(NoticeFault::Lost).times(4));
    scene.edit(person, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.create(person, None, json!({ "givenName": "Grace" }));
    scene.delete(person, &ids[1]);
    scene.purge(person, &ids[2]);
    scene.edit(person, &ids[3], json!({ "jobTitle": "Chancellor" }));
}

#[tokio::test]
async fn a_dead_link_leads_to_a_full_round_that_finds_what_was_deleted_and_rewrites_nothing_else() {
    for form in FORMS {
        let graph = GraphSettings {
            dead_token: form,
            ..GraphSettings::default()
        };
        let mut scene = scene_with(graph).await;
        let ada = scene.settled("Ada", 24, 0).await;
        let (versions, pages) = (scene.versions(&ada).await, scene.delta_requests(&ada));

        scene.world().forget_sync_states(&ada.key, None);
        change_behind_the_links(&scene, &ada);
        scene.seconds(10).await;
        scene.assert_equal(&ada).await;
        assert_eq!(scene.metric("Resyncs"), 1, "{form:?}");
        assert_eq!(
            scene.versions(&ada).await - versions,
            5,
            "{form:?}: what did not change was written"
        );
        let pages = scene.delta_requests(&ada) - pages;
        assert!(
            pages <= 5,
            "{form:?}: {pages} requests for a dead link and three pages"
        );
        scene.assert_settled(&ada).await;
    }
}

#[tokio::test]
async fn a_link_that_dies_in_mid_chain_starts_the_round_again() {
    for form in FORMS {
        let mut scene = scene_with(GraphSettings::default()).await;
        let in_mid_chain = || {
            Rule::new(Fault::DeadToken { form })
                .on(Operation::ContactDelta)
                .with_target("skiptoken")
                .after(1)
                .times(1)
        };
        // Of the first round,
        scene.world().add_fault(in_mid_chain());
        let ada = scene.settled("Ada", 34, 0).await;
        assert_eq!(scene.metric("Resyncs"), 1, "{form:?}");
        assert_eq!(scene.metric("ContactsInserted"), 34, "{form:?}: none twice");
        // and of one that a dead link has led to.
        let versions = scene.versions(&ada).await;
        scene.world().clear_faults();
        scene.world().add_fault(in_mid_chain());
        scene.world().forget_sync_states(&ada.key, None);
        change_behind_the_links(&scene, &ada);
        scene.seconds(10).await;
        scene.assert_equal(&ada).await;
        assert_eq!(scene.versions(&ada).await - versions, 5, "{form:?}");
        assert_eq!(scene.metric("Resyncs"), 3, "{form:?}");
        scene.assert_settled(&ada).await;
    }
}

#[tokio::test]
async fn links_that_die_again_and_again_are_followed_patiently_and_not_for_ever() {
    let mut scene = scene_with(GraphSettings::default()).await;
    let dying = Rule::new(Fault::DeadToken {
        form: DeadToken::Gone,
    });
    scene
        .world()
        .add_fault(dying.on(Operation::ContactDelta).with_target("skiptoken"));
    let ada = scene.user("Ada", 24, 0);
    let ada = scene.enrol(&ada).await;
    scene.minutes(90).await;
    let asked = scene.delta_requests(&ada);
    assert!((6..60).contains(&asked), "{asked} requests in 90 minutes");
    let state = scene.state(&ada).await;
    assert_eq!(state["lastError"]["code"], "delta-links-keep-dying", "{state}");

    scene.world().clear_faults();
    scene.minutes(80).await;
    scene.assert_phase(&ada, "live").await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn empty_pages_replays_disorder_sparse_rows_and_early_removals_change_nothing() {
    let graph = GraphSettings {
        warts: Warts {
            replays: 40,
            reorder: true,
            empty_pages: 40,
            sparse_updates: true,
            removed_at_start: true,
            ..Warts::default()
        },
        ..GraphSettings::default()
    };
    let mut scene = scene_with(graph).await;
    let ada = scene.settled("Ada", 40, 2).await;
    assert_eq!(scene.versions(&ada).await, 40, "a replay is no version");

    let ids: Vec<String> = scene.truth(&ada).contacts.into_keys().collect();
    for (number, id) in ids.iter().enumerate().take(15) {
        match number % 3 {
            0 => scene.edit(&ada, id, json!({ "jobTitle": format!("Title {number}") })),
            1 => scene.edit(&ada, id, json!({ "personalNotes": null, "surname": "Byron" })),
            _ => scene.delete(&ada, id),
        }
        scene.seconds(2).await;
    }
    scene.assert_equal(&ada).await;
    assert_eq!(
        scene.versions(&ada).await,
        55,
        "one write for each of fifteen changes"
    );
    // A full round shows the deleted ones too.
    scene.world().forget_sync_states(&ada.key, None);
    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.versions(&ada).await, 56);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_deletion_that_delta_never_tells_is_found_by_the_comparison() {
    let graph = GraphSettings {
        warts: Warts {
            missing_deletes: 100,
            ..Warts::default()
        },
        ..GraphSettings::default()
    };
    let mut scene = scene_with(graph).await;
    let ada = scene.settled("Ada", 12, 0).await;
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.delete(&ada, &ids[0]);
    scene.purge(&ada, &ids[1]);
    scene.hours(3).await;
    assert_eq!(
        scene.differences(&ada).await.len(),
        2,
        "delta tells it: the story has no point"
    );
    scene.hours(28).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.metric("DriftRepaired"), 2);
    let state = scene.state(&ada).await;
    assert_eq!(
        state["lastComparison"]["drift"],
        json!({ "gone-from-outlook": 2 }),
        "{state}"
    );
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_full_mailbox_has_no_delta_and_is_listed_until_it_has_room_again() {
    let mut scene = scene_with(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 24, 1).await;
    scene.world().set_health(&ada.key, Health::Full);
    let (versions, ids) = (scene.versions(&ada).await, scene.contacts_in(&ada, "Contacts"));

    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    scene.delete(&ada, &ids[1]);
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.versions(&ada).await - versions, 2);
    scene.assert_phase(&ada, "live").await;
    scene.assert_settled(&ada).await;

    scene.world().set_health(&ada.key, Health::Live);
    scene.edit(&ada, &ids[2], json!({ "jobTitle": "Chancellor" }));
    scene.minutes(80).await;
    let listed = scene.requests(&ada)[&Operation::ListContacts];
    scene.edit(&ada, &ids[3], json!({ "jobTitle": "Chair" }));
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    assert_eq!(
        scene.requests(&ada)[&Operation::ListContacts],
        listed,
        "delta is back"
    );
    assert_eq!(scene.versions(&ada).await - versions, 4);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_mailbox_that_is_full_from_the_beginning_is_mirrored() {
    let mut scene = scene_with(GraphSettings::default()).await;
    let ada = scene.user("Ada", 24, 2);
    scene.world().set_health(&ada, Health::Full);
    let ada = scene.enrol(&ada).await;
    scene.minutes(3).await;
    scene.assert_phase(&ada, "live").await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.versions(&ada).await, 24);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn in_a_cloud_without_delta_folders_are_listed() {
    let settings = Settings {
        delta: false,
        ..Settings::default()
    };
    let mut scene = Scene::with(GraphSettings::default(), settings).await;
    let ada = scene.user("Ada", 12, 2);
    let ada = scene.enrol(&ada).await;
    scene.minutes(3).await;
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.delete(&ada, &ids[1]);
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    scene.minutes(80).await;
    scene.assert_equal(&ada).await;
    assert_eq!(scene.versions(&ada).await, 14);
    assert_eq!(
        scene.delta_requests(&ada),
        0,
        "this cloud would answer with an error"
    );
    assert_eq!(scene.requests(&ada).get(&Operation::FolderDelta), None);
    scene.assert_quiet();
}
