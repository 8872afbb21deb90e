//! What Graph sends, and what becomes of it.

use std::collections::BTreeSet;

use job_queue::{LifecycleEvent, LifecycleJob, WorkJob};
use lambda_http::http::Method;
use serde_json::{Value, json};
use sync_core::ids::{MailboxId, SubscriptionId, TenantId, UserId};

use crate::scene::{ADAS_SUBSCRIPTION, KEY, Scene, ada, change, collection, signed_by};

const GRACES_SUBSCRIPTION: &str = "2b0d9f6a-8e14-4c3b-b5a7-d1c6e2f98034";

fn grace() -> MailboxId {
    MailboxId::derive(
        &TenantId::new("c0a8d9b2-33de-4a52-8e0e-6f2d1a9b7e44"),
        &UserId::new("grace@fabrikam.example"),
    )
}

fn work(entries: &[Value]) -> Vec<WorkJob> {
    entries
        .iter()
        .map(|entry| WorkJob::parse(entry["MessageBody"].as_str().unwrap()).unwrap())
        .collect()
}

#[tokio::test]
async fn the_handshake_gets_its_token_back_and_nothing_is_built_for_it() {
    let scene = Scene::start().await;
    for _ in 0..2 {
        assert_eq!(
            scene.event(include_str!("../events/handshake.json")).await,
            json!({
                "statusCode": 200,
                "headers": {
                    "content-type": "text/plain; charset=utf-8",
                    "x-content-type-options": "nosniff",
                    "cache-control": "no-store",
                },
                "body": "Validation: Testing client application reachability for subscription Request-Id: \
                         6b1f7a52-4f2a-4c8e-a9c3-0d2f8a5e7b61",
                "isBase64Encoded": false,
                "cookies": [],
            })
        );
    }
    assert_eq!(scene.connections(), 0, "no AWS client");
    assert_eq!(scene.metrics.total("HandshakesAnswered"), 2);
}

#[tokio::test]
async fn changes_of_two_tenants_become_one_hint_each_and_a_forged_one_among_them_none() {
    let scene = Scene::start().await;
    let answer = scene.event(include_str!("../events/changes.json")).await;
    assert_eq!(
        (&answer["statusCode"], &answer["body"]),
        (&json!(202), &json!(""))
    );

    let hint = |mailbox: MailboxId, subscription: &str| WorkJob::Changed {
        mailbox,
        subscription: Some(SubscriptionId::new(subscription)),
        received_at: scene.ambient.now(),
    };
    let stored = scene.aws.stored("work.fifo");
    let mut expected = vec![hint(ada(), ADAS_SUBSCRIPTION), hint(grace(), GRACES_SUBSCRIPTION)];
    expected.sort_by_key(|job| job.mailbox().clone());
    assert_eq!(work(&stored), expected);
    for (entry, job) in stored.iter().zip(&expected) {
        assert_eq!(entry["MessageGroupId"], job.mailbox().as_str());
        assert!(
            entry["MessageDeduplicationId"]
                .as_str()
                .unwrap()
                .starts_with("8f5c2d1e-request-")
        );
    }
    let counted =
        ["Received", "Forged", "Dropped"].map(|name| scene.metrics.total(&format!("Notifications{name}")));
    assert_eq!(counted, [4, 1, 0]);
}

#[tokio::test]
async fn lifecycle_events_go_to_their_own_queue_once_each() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.event(include_str!("../events/lifecycle.json")).await["statusCode"],
        202
    );

    let stored = scene.aws.stored("lifecycle");
    let jobs: Vec<_> = stored
        .iter()
        .map(|entry| LifecycleJob::parse(entry["MessageBody"].as_str().unwrap()).unwrap())
        .collect();
    assert_eq!(jobs.len(), 3, "`missed` came twice: {jobs:?}");
    for (mailbox, subscription, event) in [
        (ada(), ADAS_SUBSCRIPTION, LifecycleEvent::Missed),
        (ada(), ADAS_SUBSCRIPTION, LifecycleEvent::ReauthorizationRequired),
        (grace(), GRACES_SUBSCRIPTION, LifecycleEvent::SubscriptionRemoved),
    ] {
        let job = LifecycleJob::Event {
            mailbox,
            subscription: SubscriptionId::new(subscription),
            event,
        };
        assert!(jobs.contains(&job), "{job:?} in {jobs:?}");
    }
    assert_eq!(scene.aws.stored("work.fifo"), [] as [Value; 0]);
}

#[tokio::test]
async fn a_body_in_base64_is_read() {
    let scene = Scene::start().await;
    assert_eq!(
        scene.event(include_str!("../events/changes-base64.json")).await["statusCode"],
        202
    );
    assert_eq!(*work(&scene.aws.stored("work.fifo"))[0].mailbox(), ada());
}

#[tokio::test]
async fn the_same_notification_later_is_a_new_message_not_a_duplicate() {
    let scene = Scene::start().await;
    for _ in 0..2 {
        assert_eq!(scene.post(collection(&[change()])).await, 202);
    }
    let stored = scene.aws.stored("work.fifo");
    let ids: BTreeSet<_> = stored
        .iter()
        .map(|entry| entry["MessageDeduplicationId"].to_string())
        .collect();
    assert_eq!(ids.len(), 2, "{ids:?}");
    assert_eq!(
        (scene.connections(), scene.aws.secret_reads()),
        (1, 1),
        "built once, read once"
    );
}

#[tokio::test]
async fn a_flood_in_one_post_is_one_hint_per_subscription() {
    let scene = Scene::start().await;
    let items: Vec<_> = (0..2_000)
        .map(|n| {
            let mut item = change();
            item["subscriptionId"] = json!(format!("subscription-{}", n % 25));
            item
        })
        .collect();
    assert_eq!(scene.post(collection(&items)).await, 202);
    assert_eq!(scene.stored(), 25);
}

#[tokio::test]
async fn what_could_not_be_stored_or_checked_is_asked_for_again() {
    let scene = Scene::start().await;
    scene.aws.secrets_down(true);
    assert_eq!(scene.post(collection(&[change()])).await, 503);
    scene.aws.secrets_down(false);
    scene.aws.sqs_down(true);
    assert_eq!(scene.post(collection(&[change()])).await, 503);
    assert_eq!((scene.stored(), scene.metrics.total("ReceiptsFailed")), (0, 2));

    scene.aws.sqs_down(false);
    assert_eq!(scene.post(collection(&[change()])).await, 202);
    assert_eq!(scene.stored(), 1);
}

#[tokio::test]
async fn a_rotated_key_is_found_at_once_and_the_one_before_still_counts() {
    let scene = Scene::start().await;
    assert_eq!(scene.post(collection(&[change()])).await, 202);

    let new_key = "another key, of 32 bytes or more";
    scene.aws.secret(&json!({ "current": new_key, "previous": KEY }));
    scene.ambient.advance(std::time::Duration::from_secs(11));
    let mut renewed = change();
    renewed["clientState"] = json!(signed_by(new_key));
    assert_eq!(scene.post(collection(&[renewed, change()])).await, 202);
    assert_eq!(
        (scene.stored(), scene.metrics.total("NotificationsForged")),
        (2, 0)
    );
}

#[tokio::test]
async fn an_empty_collection_is_fine_and_needs_no_client() {
    let scene = Scene::start().await;
    assert_eq!(scene.post(collection(&[])).await, 202);
    assert_eq!(scene.connections(), 0);
}

#[tokio::test]
async fn only_post_is_allowed_even_with_a_token() {
    let scene = Scene::start().await;
    for method in [
        Method::GET,
        Method::PUT,
        Method::DELETE,
        Method::HEAD,
        Method::OPTIONS,
    ] {
        for uri in ["/", "/?validationToken=x"] {
            let response = scene.send(method.clone(), uri).await;
            assert_eq!(
                (response.status().as_u16(), &response.headers()["allow"]),
                (405, &"POST".parse().unwrap())
            );
            assert_eq!(response.body().len(), 0);
        }
    }
}
