//! Subscriptions, their handshake, and what they are told.

use std::time::Duration;

use graph_sim::faults::{NoticeFault, NoticeRule};
use graph_sim::{Lifecycle, Outcome, Settings, Unread, WebhookAnswer};
use serde_json::{Value, json};

use crate::scene::{Scene, TENANT, USER};

#[test]
fn both_urls_are_validated_before_the_subscription_is_there() {
    let mut scene = Scene::new();
    let body = json!({
        "changeType": "created", "resource": format!("users/{USER}/contacts"),
        "notificationUrl": "https://hooks.example/notify?key=1",
        "lifecycleNotificationUrl": "https://hooks.example/life",
        "expirationDateTime": "2026-11-24T08:00:00Z",
    });
    let request = scene.request("POST", "/subscriptions", &[], Some(body));
    let Outcome::Handshake(handshake) = scene.world.handle(request, scene.now).outcome else {
        panic!()
    };
    let urls: Vec<&str> = handshake.calls.iter().map(|call| call.url.as_str()).collect();
    assert!(
        urls[0].starts_with("https://hooks.example/notify?key=1&validationToken=Validation%3A+Testing"),
        "{urls:?}"
    );
    assert!(urls[1].starts_with("https://hooks.example/life?validationToken="));
    assert_eq!(scene.world.subscription_count(None), 0);
    let reply = scene
        .world
        .resume(handshake.ticket, &[WebhookAnswer::Unreachable], scene.now);
    let refused = crate::scene::read(crate::scene::answer(reply));
    assert_eq!((refused.status, refused.code()), (400, "ValidationError"));
    assert_eq!(scene.world.subscription_count(None), 0);
}

#[test]
fn a_webhook_that_is_slow_or_answers_otherwise_than_200_is_refused() {
    let mut scene = Scene::new();
    scene.webhook_took = Duration::from_secs(11);
    assert_eq!(scene.subscribe(None).code(), "ValidationError");
    scene.webhook_took = Duration::from_secs(1);
    scene.webhook_status = 204;
    assert_eq!(scene.subscribe(None).code(), "ValidationError");
    scene.webhook_status = 202;
    assert_eq!(scene.subscribe(None).status, 201);
}

#[test]
fn the_token_must_come_back_decoded_and_as_plain_text() {
    let answer = |content_type: &str, decoded: bool, call: &str| {
        let encoded = call.split("validationToken=").nth(1).unwrap();
        let url = url::Url::parse(call).unwrap();
        let token = url.query_pairs().last().unwrap().1.into_owned();
        WebhookAnswer::Answered {
            status: 200,
            content_type: content_type.to_owned(),
            body: bytes::Bytes::from(if decoded { token } else { encoded.to_owned() }),
            took: Duration::ZERO,
        }
    };
    for (content_type, decoded, status) in [
        ("text/plain; charset=utf-8", true, 201),
        ("text/plain", false, 400),
        ("text/html", true, 400),
        ("application/json", true, 400),
    ] {
        let mut scene = Scene::new();
        let body = json!({
            "changeType": "created", "resource": format!("users/{USER}/contacts"),
            "notificationUrl": "https://hooks.example/n", "expirationDateTime": "2026-11-24T08:00:00Z",
        });
        let request = scene.request("POST", "/subscriptions", &[], Some(body));
        let Outcome::Handshake(handshake) = scene.world.handle(request, scene.now).outcome else {
            panic!()
        };
        let answers = [answer(content_type, decoded, &handshake.calls[0].url)];
        let reply = scene.world.resume(handshake.ticket, &answers, scene.now);
        let seen = crate::scene::read(crate::scene::answer(reply));
        assert_eq!(seen.status, status, "{content_type}, decoded: {decoded}");
    }
}

#[test]
fn the_same_subscription_again_is_a_conflict_and_the_list_hides_client_states() {
    let mut scene = Scene::new();
    let made = scene.subscribe(None);
    assert_eq!(
        (made.status, made.body["clientState"].as_str()),
        (201, Some("secret"))
    );
    let again = scene.subscribe(None);
    assert_eq!(again.status, 409);
    assert!(
        again.body["error"]["message"]
            .as_str()
            .unwrap()
            .contains(made.body["id"].as_str().unwrap())
    );
    let list = scene.get("/subscriptions");
    assert_eq!(
        (list.rows().len(), &list.rows()[0]["clientState"]),
        (1, &Value::Null)
    );
    let folder = scene
        .world
        .user_creates_folder(&scene.key.clone(), None, "Suppliers", scene.now)
        .unwrap();
    assert_eq!(
        scene.subscribe(Some(&folder)).status,
        201,
        "another folder is another resource"
    );
}

#[test]
fn bodies_that_graph_refuses_are_refused() {
    let mut scene = Scene::new();
    let good = json!({
        "changeType": "created,updated", "resource": format!("users/{USER}/contacts"),
        "notificationUrl": "https://hooks.example/n", "expirationDateTime": "2026-11-24T08:00:00Z",
    });
    let mut wrong = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        scene.post("/subscriptions", body).status
    };
    assert_eq!(
        wrong("changeType", json!(["created"])),
        400,
        "one string, not an array"
    );
    assert_eq!(wrong("changeType", json!("moved")), 400);
    assert_eq!(wrong("resource", json!("me/contacts")), 400);
    assert_eq!(wrong("resource", json!("users/nobody/contacts")), 404);
    assert_eq!(wrong("notificationUrl", json!("http://hooks.example/n")), 400);
    assert_eq!(wrong("clientState", json!("x".repeat(129))), 400);
    assert_eq!(
        wrong("expirationDateTime", json!("2026-12-24T08:00:00Z")),
        400,
        "over seven days"
    );
    assert_eq!(
        wrong("expirationDateTime", json!("2026-11-22T08:00:00Z")),
        400,
        "past"
    );
    assert_eq!(
        wrong("notificationUrl", json!("http://127.0.0.1:9/n")),
        201,
        "this machine needs no certificate"
    );
}

#[test]
fn a_short_life_is_raised_and_a_subscription_ends_unless_it_is_renewed() {
    let mut scene = Scene::new();
    let short = json!({
        "changeType": "created", "resource": format!("users/{USER}/contacts"),
        "notificationUrl": "https://hooks.example/n", "expirationDateTime": "2026-11-23T08:05:00Z",
    });
    let made = scene.post("/subscriptions", short);
    assert_eq!(made.body["expirationDateTime"], "2026-11-23T08:45:00Z");
    let path = format!("/subscriptions/{}", made.body["id"].as_str().unwrap());
    scene.wait(40 * 60);
    let renewed = scene.patch(&path, json!({ "expirationDateTime": "2026-11-23T12:00:00Z" }));
    assert_eq!(
        (renewed.status, &renewed.body["expirationDateTime"]),
        (200, &json!("2026-11-23T12:00:00Z"))
    );
    assert_eq!(scene.patch(&path, json!({ "clientState": "other" })).status, 400);
    scene.wait(15 * 60);
    assert_eq!(scene.get(&path).status, 200);
    scene.wait(4 * 3600);
    scene.renew_token();
    assert_eq!(scene.get(&path).status, 404);
    assert_eq!(
        scene
            .patch(&path, json!({ "expirationDateTime": "2026-11-24T12:00:00Z" }))
            .status,
        404
    );
}

#[test]
fn changes_are_told_with_ids_and_versions_and_nothing_else() {
    let mut scene = Scene::new();
    let made = scene.subscribe(None);
    let id = scene.create(None, "Ada");
    assert_eq!(scene.deliver(), 1);
    let item = scene.mail.pop().unwrap();
    assert_eq!(item["subscriptionId"], made.body["id"]);
    assert_eq!(
        (item["clientState"].as_str(), item["tenantId"].as_str()),
        (Some("secret"), Some(TENANT))
    );
    assert_eq!(item["resource"], format!("Users/{USER}/Contacts/{id}"));
    let etag = scene.get(&format!("/contacts/{id}")).body["@odata.etag"].clone();
    assert_eq!(item["resourceData"]["@odata.etag"], etag);
    assert_eq!(item["resourceData"].as_object().unwrap().len(), 4);
    assert_eq!(scene.world.quiet(), Ok(()));
}

#[test]
fn a_subscription_hears_of_its_own_folder_only_and_a_move_is_heard_by_both() {
    let mut scene = Scene::new();
    let folder = scene
        .world
        .user_creates_folder(&scene.key.clone(), None, "Suppliers", scene.now)
        .unwrap();
    scene.subscribe(None);
    let nested = scene.create(Some(&folder), "Nested");
    assert_eq!(scene.deliver(), 0);
    scene.subscribe(Some(&folder));
    let key = scene.key.clone();
    scene
        .world
        .user_edits_contact(&key, &nested, json!({ "jobTitle": "x" }), scene.now)
        .unwrap();
    scene
        .world
        .user_moves_contact(&key, &nested, None, scene.now)
        .unwrap();
    scene
        .world
        .user_deletes_contact(&key, &nested, false, scene.now)
        .unwrap();
    scene.deliver();
    assert_eq!(scene.told(), ["updated", "deleted", "created", "deleted"]);
}

#[test]
fn a_notification_is_tried_again_until_it_arrives() {
    let mut scene = Scene::new();
    scene.subscribe(None);
    scene.create(None, "Ada");
    scene.webhook_status = 503;
    assert_eq!(scene.deliver(), 1);
    assert!(scene.world.quiet().is_err());
    assert_eq!(scene.deliver(), 0, "not at once");
    scene.webhook_status = 202;
    scene.webhook_took = Duration::from_secs(5);
    scene.wait(10);
    assert_eq!(scene.deliver(), 1, "a retry has 10 s");
    assert_eq!(scene.told(), ["created"]);
}

#[test]
fn after_four_hours_graph_gives_up_and_says_that_something_was_missed() {
    let mut scene = Scene::new();
    scene.subscribe(None);
    scene.create(None, "Ada");
    scene.webhook_status = 500;
    for _ in 0..20 {
        scene.wait(15 * 60);
        scene.deliver();
    }
    assert_eq!(scene.world.unread().lost, 1);
    scene.webhook_status = 202;
    scene.wait(3600);
    scene.deliver();
    assert_eq!(scene.told(), ["missed"]);
}

#[test]
fn a_slow_endpoint_is_served_late_and_a_very_slow_one_not_at_all() {
    let mut scene = Scene::new();
    scene.subscribe(None);
    scene.webhook_took = Duration::from_secs(11);
    for _ in 0..10 {
        scene.create(None, "Ada");
        scene.deliver();
    }
    let lost = scene.world.unread().lost;
    scene.webhook_took = Duration::from_millis(10);
    scene.create(None, "Dropped");
    assert_eq!(scene.world.unread().lost, lost + 1);
}

#[test]
fn lifecycle_events_come_without_a_change_and_a_removed_subscription_is_gone() {
    let mut scene = Scene::new();
    scene.subscribe(None);
    let key = scene.key.clone();
    assert_eq!(scene.world.announce(&key, Lifecycle::Missed, scene.now), 1);
    scene.deliver();
    let item = scene.mail[0].clone();
    assert_eq!((item.get("changeType"), item.get("resource")), (None, None));
    assert_eq!(scene.told(), ["missed"]);
    scene
        .world
        .announce(&key, Lifecycle::SubscriptionRemoved, scene.now);
    scene.deliver();
    assert_eq!(
        (scene.told(), scene.world.subscription_count(Some(&key))),
        (vec!["subscriptionRemoved".into()], 0)
    );
}

#[test]
fn without_reauthorization_mail_is_kept_and_with_it_it_comes() {
    let life = Some(Duration::from_hours(1));
    let mut scene = Scene::with(Settings {
        authorization_life: life,
        ..Settings::default()
    });
    let made = scene.subscribe(None);
    scene.wait(46 * 60);
    scene.deliver();
    assert_eq!(scene.told(), ["reauthorizationRequired"]);
    scene.wait(15 * 60);
    scene.create(None, "Ada");
    assert_eq!(scene.deliver(), 0, "kept");
    scene.renew_token();
    let path = format!("/subscriptions/{}", made.body["id"].as_str().unwrap());
    assert_eq!(
        scene
            .send("POST", &format!("{path}/reauthorize"), &[], None)
            .status,
        204
    );
    scene.wait(60);
    scene.deliver();
    assert_eq!(scene.told(), ["created"]);
    scene.patch(&path, json!({ "expirationDateTime": "2026-11-25T08:00:00Z" }));
    assert!(
        scene
            .world
            .complaints()
            .iter()
            .any(|it| it.contains("within 10 minutes"))
    );
}

#[test]
fn notifications_get_lost_doubled_and_late() {
    let mut scene = Scene::new();
    scene.subscribe(None);
    for fault in [
        NoticeFault::Lost,
        NoticeFault::Doubled,
        NoticeFault::Late { millis: 60_000 },
    ] {
        scene.world.add_notice_fault(NoticeRule::new(fault).times(1));
    }
    scene.create(None, "Lost");
    scene.create(None, "Doubled");
    scene.create(None, "Late");
    scene.deliver();
    assert_eq!(scene.told().len(), 2);
    let unread = scene.world.unread();
    assert_eq!(
        unread,
        Unread {
            waiting: 1,
            in_flight: 0,
            lost: 1,
            delivered: 2
        }
    );
    scene.wait(60);
    scene.deliver();
    assert_eq!(scene.told().len(), 1);
}
