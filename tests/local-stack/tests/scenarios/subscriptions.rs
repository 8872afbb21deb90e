//! Subscriptions: never a gap while Graph behaves, repaired when it does not, and gone when nobody wants them.

use std::time::Duration;

use graph_client::NewSubscription;
use graph_sim::faults::{Fault, NoticeFault, NoticeRule, Rule};
use graph_sim::{Lifecycle, Operation, Settings as GraphSettings};
use jiff::Timestamp;
use lambda_http::Body;
use lambda_http::http::{Request, StatusCode};
use local_stack::NOTIFICATION_URL;
use renew_subscriptions::Trigger;
use secrecy::SecretString;
use serde_json::json;
use sync_engine::Settings;

use crate::crash::live_for;
use crate::scene::{Person, Scene, TENANT};

/// Polls and comparisons so rare that whatever arrives has been notified.
async fn scene_by_notification_only(graph: GraphSettings) -> Scene {
    let rarely = Duration::from_hours(24 * 365);
    let settings = Settings {
        poll_every: rarely,
        compare_every: rarely,
        silent_after: rarely,
        ..Settings::default()
    };
    Scene::with(graph, settings).await
}

fn count(scene: &Scene, person: &Person) -> usize {
    scene.world().subscription_count(Some(&person.key))
}

/// An edit in each folder arrives within seconds.
async fn assert_notified(scene: &mut Scene, person: &Person) {
    let title = format!("Seen at {}", scene.now());
    let folders: Vec<String> = scene
        .truth(person)
        .folders
        .into_values()
        .map(|it| it.path)
        .collect();
    for path in folders {
        if let Some(id) = scene.contacts_in(person, &path).first() {
            scene.edit(person, id, json!({ "jobTitle": title }));
        }
    }
    scene.seconds(5).await;
    scene.assert_equal(person).await;
}

#[tokio::test]
async fn subscriptions_are_renewed_long_before_they_end() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 2).await;
    assert_eq!(count(&scene, &ada), 3);
    for _ in 0..20 {
        scene.hours(12).await;
        let state = scene.state(&ada).await;
        let expiry: Timestamp = state["subscriptions"]["soonestExpiry"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        let left = expiry.duration_since(scene.now()).as_hours();
        assert!(left > 60, "a subscription with {left} hours left is not renewed");
        assert_eq!(count(&scene, &ada), 3);
        assert_notified(&mut scene, &ada).await;
    }
    assert_eq!(scene.metric("SubscriptionsCreated"), 3, "renewed, not made anew");
    let renewed = scene.metric("SubscriptionsRenewed");
    assert!((6..=12).contains(&renewed), "{renewed} renewals in ten days");
    scene.assert_quiet();
}

#[tokio::test]
async fn a_subscription_that_graph_drops_and_tells_is_made_anew_within_seconds() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 1).await;
    let now = scene.now();
    scene
        .world()
        .announce(&ada.key, Lifecycle::SubscriptionRemoved, now);
    // Nobody hears of this one.
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.edit(&ada, &id, json!({ "jobTitle": "Countess" }));
    scene.seconds(5).await;
    assert_eq!(count(&scene, &ada), 2);
    scene.assert_equal(&ada).await;
    assert_notified(&mut scene, &ada).await;
    scene.assert_quiet();
}

#[tokio::test]
async fn a_subscription_that_graph_drops_silently_is_made_anew_when_it_should_be_renewed() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 1).await;
    scene.world().drop_subscriptions(&ada.key);
    let id = scene.contacts_in(&ada, "Contacts")[0].clone();
    scene.edit(&ada, &id, json!({ "jobTitle": "Countess" }));
    scene.hours(24 * 5).await;
    assert_eq!(count(&scene, &ada), 2);
    scene.assert_equal(&ada).await;
    assert_notified(&mut scene, &ada).await;
    scene.assert_quiet();
}

#[tokio::test]
async fn missed_notifications_are_made_up_for_at_once() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 1).await;
    scene.world().add_notice_fault(NoticeRule::new(NoticeFault::Lost));
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.delete(&ada, &ids[1]);
    scene.seconds(5).await;
    assert_ne!(scene.differences(&ada).await, []);
    let now = scene.now();
    scene.world().announce(&ada.key, Lifecycle::Missed, now);
    scene.seconds(5).await;
    scene.assert_equal(&ada).await;
    scene.assert_quiet();
}

#[tokio::test]
async fn an_authorization_that_ends_every_hour_is_renewed_and_never_twice_in_ten_minutes() {
    let graph = GraphSettings {
        authorization_life: Some(Duration::from_hours(1)),
        ..GraphSettings::default()
    };
    let mut scene = scene_by_notification_only(graph).await;
    let ada = scene.settled("Ada", 12, 1).await;
    // Just after its creation it needs no answer.
    let now = scene.now();
    scene
        .world()
        .announce(&ada.key, Lifecycle::ReauthorizationRequired, now);
    scene.minutes(2).await;
    assert_eq!(scene.asked(Operation::UpdateSubscription), 0);

    for _ in 0..12 {
        scene.minutes(25).await;
        assert_notified(&mut scene, &ada).await;
    }
    assert!(
        scene.asked(Operation::UpdateSubscription) >= 10,
        "five hours for two subscriptions"
    );
    assert_eq!(scene.asked(Operation::ReauthorizeSubscription), 0);
    assert_eq!(scene.metric("SubscriptionsCreated"), 2);
    scene.assert_quiet();
}

#[tokio::test]
async fn a_subscription_whose_creation_was_not_answered_is_adopted() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    for fault in [
        Fault::Reset { committed: true },
        Fault::GatewayTimeout { committed: true },
    ] {
        scene
            .world()
            .add_fault(Rule::new(fault).on(Operation::CreateSubscription).times(2));
    }
    let ada = scene.settled("Ada", 12, 2).await;
    assert_eq!(count(&scene, &ada), 3);
    assert_notified(&mut scene, &ada).await;
    scene.assert_quiet();
}

#[tokio::test]
async fn wherever_the_renewer_dies_each_folder_has_one_subscription_in_the_end() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let mut steps = 1;
    let mut deaths = 0;
    loop {
        let key = scene.user(&format!("Ada{steps}"), 6, 1);
        let ada = scene.enrol(&key).await;
        // The worker lists the folders first, so that there is something to subscribe to.
        let batch = scene.stack.work.poll().unwrap();
        let answer = scene.stack.work_on(&batch).await;
        scene.stack.work.finish(batch, Ok::<_, ()>(answer));

        let batch = scene.stack.lifecycle.poll().unwrap();
        let ends_at = ambient::add(scene.now(), Duration::from_mins(1));
        let work = Trigger::Lifecycle(batch.event.clone());
        let work = Box::pin(scene.stack.renewer.handle(work, ends_at));
        let answer = live_for(steps, work).await;
        // Alive or not, it gives no answer: the messages come again.
        drop(batch);
        scene.minutes(10).await;
        assert_eq!(count(&scene, &ada), 2, "died at step {steps}");
        let state = scene.state(&ada).await;
        assert_eq!(
            state["subscriptions"]["count"], 2,
            "died at step {steps}: {state}"
        );
        assert_notified(&mut scene, &ada).await;
        if answer.is_some() {
            break;
        }
        deaths += 1;
        steps += 1;
    }
    assert!(deaths > 10, "{deaths} deaths: the story has no point");
    scene.assert_quiet();
}

#[tokio::test]
async fn a_subscription_that_nobody_knows_gives_itself_away_and_is_deleted() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 0).await;
    let forgotten = NewSubscription {
        resource: "users/ada@contoso.example/contacts".to_owned(),
        notification_url: NOTIFICATION_URL.to_owned(),
        lifecycle_notification_url: NOTIFICATION_URL.to_owned(),
        expires_at: ambient::add(scene.now(), Duration::from_hours(24)),
        client_state: SecretString::from(scene.stack.client_state(&ada.id)),
    };
    let graph = &scene.stack.renewer.subscriber.graph;
    graph
        .tenant(TENANT)
        .create_subscription(&forgotten)
        .await
        .unwrap();
    assert_eq!(count(&scene, &ada), 2);
    assert_notified(&mut scene, &ada).await;
    assert_eq!(count(&scene, &ada), 1);
    assert_notified(&mut scene, &ada).await;
    scene.assert_quiet();
}

#[tokio::test]
async fn a_paused_mailbox_costs_graph_nothing_and_catches_up_when_it_is_resumed() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 12, 1).await;
    scene.ask(&ada, "pause").await;
    scene.minutes(90).await;
    assert_eq!(count(&scene, &ada), 0, "nobody would answer its notifications");
    let (before, mirror) = (scene.bill(), scene.mirror(&ada).await);
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.edit(&ada, &ids[0], json!({ "jobTitle": "Countess" }));
    scene.delete(&ada, &ids[1]);
    scene.hours(48).await;
    assert_eq!(scene.bill_since(before).graph, 0);
    assert!(
        mirror == scene.mirror(&ada).await,
        "the mirror stays as it is, and readable"
    );
    scene.assert_quiet();

    scene.ask(&ada, "resume").await;
    scene.seconds(10).await;
    scene.assert_equal(&ada).await;
    assert_eq!(count(&scene, &ada), 2);
    scene.assert_phase(&ada, "live").await;
    assert_notified(&mut scene, &ada).await;
    scene.minutes(3).await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_mailbox_that_is_removed_leaves_nothing_behind() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 30, 2).await;
    let state = scene.stack.store.mailbox_state(&ada.id).await.unwrap().unwrap();
    let subscription = state.subscriptions[0].id.clone();
    let ids = scene.contacts_in(&ada, "Contacts");
    scene.delete(&ada, &ids[0]);
    scene.seconds(5).await;
    // Its last edit is still under way when it is removed.
    scene.edit(&ada, &ids[1], json!({ "jobTitle": "Countess" }));
    scene.remove(&ada).await;
    scene.minutes(5).await;
    assert_eq!(count(&scene, &ada), 0);
    assert_eq!(scene.items().await, 0, "items are left in the tables");
    let gone = scene
        .call("GET", &format!("/v1/mailboxes/{}", ada.id), None)
        .await;
    assert_eq!(gone.0, StatusCode::NOT_FOUND);

    // Graph sends a notification late.
    let before = scene.bill().graph;
    let item = json!({
        "subscriptionId": subscription,
        "clientState": scene.stack.client_state(&ada.id),
        "changeType": "updated",
    });
    let request = Request::post(NOTIFICATION_URL).header("content-type", "application/json");
    let request = request.body(Body::Text(json!({ "value": [item] }).to_string()));
    scene.stack.receiver.handle(request.unwrap()).await;
    scene.hours(3).await;
    assert_eq!(scene.bill().graph, before);
    assert_eq!(scene.items().await, 0);
    scene.assert_quiet();

    let ada = scene.enrol(&ada.key).await;
    scene.minutes(3).await;
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn a_mailbox_can_be_removed_while_its_first_sync_runs() {
    let mut scene = Scene::new().await;
    scene.stack.set_page_size(5);
    scene.stack.shorten_worker(Duration::from_millis(500));
    let ada = scene.user("Ada", 40, 2);
    let ada = scene.enrol(&ada).await;
    while scene.versions(&ada).await == 0 {
        assert!(scene.stack.step().await.unwrap(), "it ended too soon");
    }
    scene.remove(&ada).await;
    scene.minutes(15).await;
    assert_eq!((scene.items().await, count(&scene, &ada)), (0, 0));
    scene.assert_quiet();
}

#[tokio::test]
async fn a_subscription_of_the_old_key_is_made_anew_when_graph_asks_for_a_new_authorization() {
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 0).await;
    scene.stack.rotate_client_state_key(
        "fedcba9876543210fedcba9876543210",
        "0123456789abcdef0123456789abcdef",
    );
    scene.minutes(20).await;
    let now = scene.now();
    scene
        .world()
        .announce(&ada.key, Lifecycle::ReauthorizationRequired, now);
    scene.minutes(2).await;
    // Renewed, it would keep the old key's state for ever; so the old key can go.
    scene
        .stack
        .rotate_client_state_key("fedcba9876543210fedcba9876543210", "");
    scene.minutes(20).await;
    assert_notified(&mut scene, &ada).await;
    assert_eq!(scene.metric("NotificationsForged"), 0);
    assert_eq!(count(&scene, &ada), 1);
    scene.assert_quiet();
}

#[tokio::test]
async fn the_key_of_client_state_is_rotated_and_no_notification_is_refused_meanwhile() {
    const OLD: &str = "0123456789abcdef0123456789abcdef";
    const NEW: &str = "fedcba9876543210fedcba9876543210";
    let mut scene = scene_by_notification_only(GraphSettings::default()).await;
    let ada = scene.settled("Ada", 12, 1).await;
    scene.stack.rotate_client_state_key(NEW, OLD);
    assert_notified(&mut scene, &ada).await;
    // Within their half life all subscriptions are made anew, under the new key.
    for _ in 0..10 {
        scene.hours(12).await;
        assert_eq!(count(&scene, &ada), 2);
        assert_notified(&mut scene, &ada).await;
    }
    assert_eq!(scene.metric("SubscriptionsCreated"), 4);
    scene.stack.rotate_client_state_key(NEW, "");
    scene.minutes(10).await;
    assert_notified(&mut scene, &ada).await;
    assert_eq!(scene.metric("NotificationsForged"), 0);
    scene.assert_quiet();
}
