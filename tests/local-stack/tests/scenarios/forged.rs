//! Notifications that Graph has not sent: no call to Graph, no write, nothing kept.

use lambda_http::Body;
use lambda_http::http::{Request, StatusCode};
use serde_json::{Value, json};

use crate::scene::{Scene, TENANT};

async fn post(scene: &Scene, body: String) -> StatusCode {
    let request = Request::post("https://notify.example/").header("content-type", "application/json");
    let request = request.body(Body::Text(body)).unwrap();
    scene.stack.receiver.handle(request).await.status()
}

#[tokio::test]
async fn forged_notifications_cost_no_call_and_no_write() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let subscription = scene.stack.store.mailbox_state(&ada.id).await.unwrap().unwrap();
    let subscription = subscription.subscriptions[0].id.clone().unwrap();
    let genuine = scene.stack.client_state(&ada.id);
    let (mailbox, mac) = (ada.id.to_string(), genuine.rsplit('.').next().unwrap().to_owned());
    let (before, messages) = (scene.bill(), scene.stack.work.messages().len());

    let forgeries = [
        Value::Null,
        json!(7),
        json!(""),
        json!("secret"),
        json!(format!("1.{mailbox}.")),
        json!(format!("1.{mailbox}.{}", "A".repeat(mac.len()))),
        json!(format!("2.{mailbox}.{mac}")),
        json!(format!("1.mbx_{}.{mac}", "a".repeat(26))),
        json!(format!("{genuine}A")),
        json!(genuine[..genuine.len() - 1]),
    ];
    for forgery in &forgeries {
        for kind in ["changeType", "lifecycleEvent"] {
            let word = if kind == "changeType" {
                "updated"
            } else {
                "subscriptionRemoved"
            };
            let item = json!({
                "subscriptionId": subscription,
                "clientState": forgery,
                kind: word,
                "tenantId": TENANT,
                "resource": format!("Users/{}/Contacts/x", ada.key.user),
            });
            let status = post(&scene, json!({ "value": [item] }).to_string()).await;
            assert_eq!(status, StatusCode::ACCEPTED, "the sender learns nothing");
        }
    }
    for garbage in ["", "[]", "{}", "{\"value\":7}", "null", "{\"value\":[", "\u{0}"] {
        assert_eq!(
            post(&scene, garbage.to_owned()).await,
            StatusCode::BAD_REQUEST,
            "{garbage:?}"
        );
    }
    scene.seconds(30).await;
    let spent = scene.bill_since(before);
    assert_eq!((spent.writes, spent.graph), (0, 0));
    assert_eq!(scene.stack.work.messages().len(), messages);
    assert_eq!(scene.world().subscription_count(Some(&ada.key)), 1);
    scene.assert_settled(&ada).await;
}

#[tokio::test]
async fn one_forged_item_does_not_spoil_the_genuine_ones_beside_it() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 6, 0).await;
    let state = scene.stack.store.mailbox_state(&ada.id).await.unwrap().unwrap();
    let subscription = state.subscriptions[0].id.clone().unwrap();
    let genuine = scene.stack.client_state(&ada.id);
    let rounds = scene.delta_requests(&ada);
    let item = |state: &str| json!({ "subscriptionId": subscription, "clientState": state, "changeType": "updated" });
    let body = json!({ "value": [item("forged"), item(&genuine), 7, item("1.x.y")] });
    assert_eq!(post(&scene, body.to_string()).await, StatusCode::ACCEPTED);
    scene.seconds(2).await;
    assert_eq!(scene.delta_requests(&ada) - rounds, 1);
    scene.assert_settled(&ada).await;
}
