//! Mailboxes, users, tenants and credentials that Microsoft refuses: said by name, left alone, taken up again.

use std::time::Duration;

use graph_sim::faults::{Fault, Rule};
use graph_sim::{Health, MailboxKey, Operation, Settings as GraphSettings};
use jiff::Timestamp;
use local_stack::{APP, APP_SECRET};
use serde_json::json;
use sync_engine::Settings;

use crate::scene::{Scene, TENANT, assert_no_dead_letters};

#[tokio::test]
async fn one_contact_that_graph_can_not_read_holds_up_no_other() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 8, 1).await;
    let ids = scene.contacts_in(&ada, "Contacts");
    let corrupt = Fault::Error {
        status: 500,
        code: "ErrorCorruptData".to_owned(),
        committed: false,
    };
    scene.world().add_fault(
        Rule::new(corrupt)
            .on(Operation::GetContact)
            .with_target(&ids[0].replace('=', "%3D")),
    );
    // Both are gone, and both are asked for.
    scene.purge(&ada, &ids[0]);
    scene.purge(&ada, &ids[1]);
    scene.edit(&ada, &ids[2], json!({ "jobTitle": "Countess" }));
    scene.minutes(2).await;
    assert!(scene.metric("ContactsUnreadable") > 0, "it was asked for");
    assert!(
        scene.record(&ada, &ids[0]).await.deleted_at.is_none(),
        "that proves nothing"
    );
    assert!(scene.record(&ada, &ids[1]).await.deleted_at.is_some());
    assert_eq!(scene.record(&ada, &ids[2]).await.document["jobTitle"], "Countess");
    // The comparison asks again.
    scene.world().clear_faults();
    scene.minutes(30 * 60).await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_mailbox_that_graph_refuses_is_marked_left_alone_and_taken_up_again() {
    for (health, reason, hours) in [
        (Health::NotEnabled, "mailboxNotEnabled", 4),
        (Health::Denied, "accessDenied", 1),
    ] {
        let settings = Settings {
            silent_after: Duration::from_hours(24),
            ..Settings::default()
        };
        let mut scene = Scene::with(GraphSettings::default(), settings).await;
        let ada = scene.settled("Ada", 6, 0).await;
        scene.world().set_health(&ada.key, health);
        scene.edit_one(&ada, "Countess");
        scene.minutes(1).await;
        let state = scene.state(&ada).await;
        assert_eq!(state["phase"], "unavailable", "{state}");
        assert_eq!(state["unavailable"]["reason"], reason, "{state}");
        assert_eq!(scene.metric("MailboxesUnavailable"), 1);

        // Notifications go on to come and cost Graph nothing, until the time that the mark names.
        let retry_at: Timestamp = state["unavailable"]["retryAt"].as_str().unwrap().parse().unwrap();
        let marked_at = scene.now();
        while scene.now() < ambient::add(marked_at, Duration::from_mins(hours * 60)) {
            scene.edit_one(&ada, "Chancellor");
            scene.minutes(20).await;
        }
        let early = scene.requests_since(&ada, marked_at);
        assert!(
            early.iter().all(|at| *at >= retry_at),
            "{reason}: asked before {retry_at}"
        );

        scene.world().set_health(&ada.key, Health::Live);
        scene.hours(hours * 2).await;
        scene.assert_phase(&ada, "live").await;
        assert_eq!(scene.world().subscription_count(Some(&ada.key)), 1);
        scene.assert_settled(&ada).await;
    }
}

#[tokio::test]
async fn a_mailbox_without_a_licence_is_enrolled_and_comes_to_life_when_it_has_one() {
    let mut scene = Scene::new().await;
    let ada = scene.user("Ada", 6, 1);
    scene.world().set_health(&ada, Health::NotEnabled);
    let ada = scene.enrol(&ada).await;
    scene.minutes(5).await;
    scene.assert_phase(&ada, "unavailable").await;
    assert_no_dead_letters(&scene.stack.work);
    // The operator needn't wait.
    scene.world().set_health(&ada.key, Health::Live);
    scene.ask(&ada, "resume").await;
    scene.minutes(3).await;
    scene.assert_phase(&ada, "live").await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_rotated_secret_is_taken_up_without_a_restart() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    scene.stack.rotate_app_secret("another-secret-of-the-app");
    scene.world().expire_tokens();
    scene.edit_one(&ada, "Countess");
    scene.minutes(2).await;
    scene.assert_equal(&ada).await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_revoked_secret_is_not_hammered_and_a_new_one_puts_all_right() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    scene.world().rotate_secret(APP, "nobody-told-the-bundle");
    scene.world().expire_tokens();
    let before = scene.asked(Operation::Token);
    for _ in 0..12 {
        scene.edit_one(&ada, "Countess");
        scene.minutes(15).await;
    }
    let asked = scene.asked(Operation::Token) - before;
    assert!(
        (1..=36).contains(&asked),
        "the token endpoint was asked {asked} times in three hours"
    );
    let state = scene.state(&ada).await;
    assert_eq!(state["unavailable"]["reason"], "badCredential", "{state}");
    assert_no_dead_letters(&scene.stack.work);

    scene.stack.rotate_app_secret(APP_SECRET);
    scene.minutes(40).await;
    scene.assert_phase(&ada, "live").await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn an_unknown_tenant_is_said_to_be_unknown() {
    let mut scene = Scene::new().await;
    scene.user("Ada", 1, 0);
    let nowhere = MailboxKey {
        tenant: TENANT.replace('3', "4"),
        user: "00000000-0000-4000-8000-000000000001".to_owned(),
    };
    let nobody = scene.enrol(&nowhere).await;
    scene.hours(3).await;
    let state = scene.state(&nobody).await;
    assert_eq!(state["unavailable"]["reason"], "tenantNotFound", "{state}");
    let asked = scene.asked(Operation::Token);
    assert!((1..=20).contains(&asked), "{asked} token requests");
    scene.assert_quiet();
}

#[tokio::test]
async fn an_unknown_user_is_said_to_be_unknown() {
    let mut scene = Scene::new().await;
    scene.user("Ada", 1, 0);
    let nobody = MailboxKey {
        tenant: TENANT.to_owned(),
        user: "00000000-0000-4000-8000-000000000001".to_owned(),
    };
    let nobody = scene.enrol(&nobody).await;
    scene.minutes(30).await;
    let state = scene.state(&nobody).await;
    assert_eq!(state["unavailable"]["reason"], "userNotFound", "{state}");
    assert_no_dead_letters(&scene.stack.work);
}
