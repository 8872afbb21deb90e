//! Subscriptions: created or adopted, renewed one by one and many at once, deleted twice.

use graph_client::{Creation, ErrorKind, NewSubscription};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::stage::{GRAPH, Stage, error, hung, ok, status};

const RESOURCE: &str = "users/u/contactFolders/F/contacts";
const URL: &str = "https://hook.example/notify";

fn new() -> NewSubscription {
    NewSubscription {
        resource: RESOURCE.to_owned(),
        notification_url: URL.to_owned(),
        lifecycle_notification_url: URL.to_owned(),
        expires_at: ends(),
        client_state: "1.mbx.mac".into(),
    }
}

fn ends() -> Timestamp {
    "2026-01-07T11:00:00Z".parse().unwrap()
}

fn subscription(id: &str, resource: &str, url: &str) -> Value {
    json!({ "id": id, "resource": resource, "notificationUrl": url, "clientState": null,
            "expirationDateTime": "2026-01-07T11:00:00.0000000Z", "changeType": "created,updated,deleted" })
}

#[tokio::test]
async fn a_subscription_is_created_with_all_that_it_will_need() {
    let stage = Stage::with([ok(&subscription("S", RESOURCE, URL))]);
    let created = stage
        .client()
        .tenant("t")
        .create_subscription(&new())
        .await
        .unwrap();
    assert!(
        matches!(created, Creation::Created(subscription) if subscription.expiration_date_time == ends())
    );
    let asked = &stage.asked()[0];
    assert_eq!(
        asked.json(),
        json!({ "changeType": "created,updated,deleted", "resource": RESOURCE, "notificationUrl": URL,
                "lifecycleNotificationUrl": URL, "expirationDateTime": "2026-01-07T11:00:00Z",
                "clientState": "1.mbx.mac", "latestSupportedTlsVersion": "v1_2" })
    );
    assert_eq!(asked.header("prefer"), "IdType=\"ImmutableId\"");
    assert!(!format!("{:?}", new()).contains("mac"));
}

#[tokio::test]
async fn a_lost_answer_to_a_creation_ends_in_adoption() {
    let next = format!("{GRAPH}/subscriptions?$skiptoken=2");
    let stage = Stage::with([
        hung(),
        error(409, "Conflict"),
        ok(
            &json!({ "value": [subscription("S1", RESOURCE, "https://other.example")], "@odata.nextLink": next }),
        ),
        ok(&json!({ "value": [subscription("S2", "/Users/u/ContactFolders/F/Contacts", URL)] })),
    ]);
    let created = stage
        .client()
        .tenant("t")
        .create_subscription(&new())
        .await
        .unwrap();
    assert!(matches!(created, Creation::Adopted(subscription) if subscription.id == "S2"));
}

#[tokio::test]
async fn a_conflict_with_nothing_to_adopt_stays_one() {
    let stage = Stage::with([error(409, "Conflict"), ok(&json!({ "value": [] }))]);
    let error = stage
        .client()
        .tenant("t")
        .create_subscription(&new())
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
}

#[tokio::test]
async fn renewing_reauthorizing_and_deleting() {
    let stage = Stage::with([
        ok(&subscription("S", RESOURCE, URL)),
        error(404, "ResourceNotFound"),
        status(202),
        status(204),
        error(404, "ResourceNotFound"),
    ]);
    let client = stage.client();
    let tenant = client.tenant("t");
    tenant.renew_subscription("S", ends()).await.unwrap();
    assert_eq!(
        tenant.renew_subscription("S", ends()).await.unwrap_err().kind(),
        ErrorKind::NotFound
    );
    tenant.reauthorize_subscription("S").await.unwrap();
    tenant.delete_subscription("S").await.unwrap();
    tenant.delete_subscription("S").await.unwrap();

    let asked = stage.asked();
    assert_eq!(
        asked[0].json(),
        json!({ "expirationDateTime": "2026-01-07T11:00:00Z" })
    );
    assert_eq!((asked[2].method.as_str(), asked[2].body.as_str()), ("POST", ""));
    assert_eq!(asked[2].url, format!("{GRAPH}/subscriptions/S/reauthorize"));
}

#[tokio::test]
async fn many_renewals_have_their_own_outcomes() {
    let stage = Stage::with([ok(&json!({ "responses": [
        { "id": "1", "status": 404, "body": { "error": { "code": "ResourceNotFound" } } },
        { "id": "2", "status": 400, "body": { "error": { "code": "ErrorInvalidParameter" } } },
        { "id": "0", "status": 200, "body": subscription("A", RESOURCE, URL) },
    ] }))]);
    let renewals = [("A", ends()), ("B", ends()), ("C", ends())];
    let outcomes = stage.client().tenant("t").renew_subscriptions(&renewals).await;
    assert_eq!(outcomes[0].as_ref().unwrap().id, "A");
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind(), ErrorKind::NotFound);
    let refused = outcomes[2].as_ref().unwrap_err();
    assert_eq!(
        (refused.kind(), refused.status()),
        (ErrorKind::Permanent, Some(400))
    );
}
