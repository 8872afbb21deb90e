//! What a stranger may send: no panic, no echo, no job.

use lambda_http::http::Method;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::scene::{KEY, Scene, change, collection, signed_by};

/// A genuine notification but for one member; `Null` leaves the member out.
fn change_with(member: &str, value: Value) -> Value {
    let mut item = change();
    if value.is_null() {
        item.as_object_mut().unwrap().remove(member);
    } else {
        item[member] = value;
    }
    item
}

fn lifecycle(event: &Value) -> Value {
    change_with("lifecycleEvent", event.clone())
}

#[tokio::test]
async fn a_body_that_is_no_collection_is_refused_before_any_client_is_built() {
    let scene = Scene::start().await;
    let deep = format!("{{\"value\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for body in [
        "",
        " ",
        "null",
        "[]",
        "{}",
        "7",
        "\"value\"",
        "not json",
        "{\"value\":",
        "{\"value\":null}",
        "{\"value\":{}}",
        "{\"value\":[]} trailing",
        "[[]]",
        "{\"Value\":[]}",
        "\u{feff}{\"value\":[]}",
        &deep,
    ] {
        assert_eq!(scene.post(body).await, 400, "{body:.40}");
    }
    assert_eq!(scene.post(vec![0xff, 0xfe, 0x00]).await, 400);
    assert_eq!(
        scene
            .post(format!("{{\"value\":[],\"x\":\"{}\"}}", "x".repeat(1 << 20)))
            .await,
        413
    );
    assert_eq!(scene.connections(), 0);
    assert_eq!(scene.metrics.total("RequestsRefused"), 18);
}

#[tokio::test]
async fn items_that_are_forged_or_senseless_are_answered_like_genuine_ones_and_counted() {
    let scene = Scene::start().await;
    let tampered = signed_by(KEY).replace("1.mbx_", "1.mbx_a");
    let foreign = signed_by("a key of somebody else, 32 bytes");
    for (item, forged) in [
        (change_with("clientState", Value::Null), true),
        (change_with("clientState", json!("")), true),
        (change_with("clientState", json!("secretClientValue")), true),
        (change_with("clientState", json!(tampered)), true),
        (change_with("clientState", json!(foreign)), true),
        (change_with("clientState", json!("x".repeat(100_000))), true),
        (json!({}), true),
        (change_with("clientState", json!(7)), false),
        (change_with("clientState", json!([signed_by(KEY)])), false),
        (change_with("subscriptionId", Value::Null), false),
        (change_with("subscriptionId", json!("")), false),
        (change_with("subscriptionId", json!({ "$gt": "" })), false),
        (change_with("subscriptionId", json!("x".repeat(129))), false),
        (change_with("subscriptionId", json!("line\nbreak")), false),
        (change_with("changeType", Value::Null), false),
        (change_with("changeType", json!(true)), false),
        (lifecycle(&json!("subscriptionMoved")), false),
        (lifecycle(&json!("Missed")), false),
        (lifecycle(&json!(["missed"])), false),
        (json!(null), false),
        (json!(7), false),
        (json!([signed_by(KEY), "subscription", "updated", null]), false),
    ] {
        let before = scene.metrics.total("NotificationsForged");
        assert_eq!(
            scene.post(collection(std::slice::from_ref(&item))).await,
            202,
            "{item:.60}"
        );
        assert_eq!(
            scene.metrics.total("NotificationsForged") - before,
            u64::from(forged),
            "{item:.60}"
        );
        assert_eq!(scene.stored(), 0, "{item:.60}");
    }
    assert_eq!(scene.metrics.total("NotificationsDropped"), 15);
    assert_eq!(
        scene.aws.secret_reads(),
        1,
        "a flood of forged items does not become a flood of calls"
    );
}

#[tokio::test]
async fn bad_items_do_not_spoil_the_good_ones_beside_them() {
    let scene = Scene::start().await;
    let unknown = change_with("changeType", json!("unknownFutureValue"));
    let items = [
        json!(7),
        change_with("clientState", json!("x")),
        unknown,
        lifecycle(&json!("renamed")),
    ];
    assert_eq!(scene.post(collection(&items)).await, 202);
    assert_eq!(scene.stored(), 1);
}

#[tokio::test]
async fn a_token_that_graph_would_not_send_is_refused_without_an_echo() {
    let scene = Scene::start().await;
    for query in [
        "validationToken=",
        "validationToken=a%0d%0aSet-Cookie:%20x",
        "validationToken=%00",
    ] {
        let response = scene.send(Method::POST, &format!("/?{query}")).await;
        assert_eq!(
            (response.status().as_u16(), response.body().len()),
            (400, 0),
            "{query}"
        );
    }
    assert_eq!(scene.connections(), 0);
}

#[tokio::test]
async fn an_event_that_no_uri_or_body_can_be_made_of_is_refused() {
    let scene = Scene::start().await;
    let event: Value = serde_json::from_str(include_str!("../events/changes.json")).unwrap();
    let check = async |member: &str, value: Value, status: u16| {
        let mut event = event.clone();
        *event.pointer_mut(member).unwrap() = value;
        let answer = scene.event(&event.to_string()).await;
        assert_eq!(
            (&answer["statusCode"], &answer["body"]),
            (&json!(status), &json!("")),
            "{member}"
        );
    };
    check("/isBase64Encoded", json!(true), 400).await;
    check("/body", json!(null), 400).await;
    check("/requestContext/http/method", json!("P OST"), 405).await;
    check("/requestContext/http/method", json!(null), 405).await;
    // These are read as a query without a token: the notifications in the body count.
    check(
        "/rawQueryString",
        json!("a=<script>&b=\u{1}&\u{fffd}=\"{}|\\^`"),
        202,
    )
    .await;
    check("/rawQueryString", json!("x".repeat(100_000)), 202).await;
    check("/rawPath", json!("/../\u{0}<>? %"), 202).await;
}

/// JSON of every shape, with the names and words of a notification strewn in.
fn any_json() -> impl Strategy<Value = Value> {
    let words = [
        "clientState",
        "subscriptionId",
        "changeType",
        "lifecycleEvent",
        "updated",
        "missed",
        "value",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
        proptest::sample::select(words.to_vec()).prop_map(Value::from),
        "1\\.mbx_[a-z2-7]{26}\\.[A-Za-z0-9_-]{43}".prop_map(Value::from),
    ];
    let name =
        prop_oneof![4 => proptest::sample::select(words.to_vec()).prop_map(str::to_owned), 1 => ".{0,8}"];
    leaf.prop_recursive(4, 64, 8, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            proptest::collection::vec((name.clone(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

#[test]
fn nothing_that_lacks_our_signature_panics_or_stores_a_job() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let scene = runtime.block_on(Scene::start());
    let statuses = [202, 400];
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..512))| {
        prop_assert!(statuses.contains(&runtime.block_on(scene.post(bytes))));
    });
    proptest!(|(body in any_json())| {
        prop_assert!(statuses.contains(&runtime.block_on(scene.post(body.to_string()))));
    });
    proptest!(|(items in proptest::collection::vec(any_json(), 0..8))| {
        prop_assert_eq!(runtime.block_on(scene.post(collection(&items))), 202);
    });
    assert_eq!(scene.stored(), 0);
    assert!(
        scene.metrics.total("NotificationsForged") > 0,
        "the generator makes items that get as far as the check"
    );
}
