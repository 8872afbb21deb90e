//! `$batch`.

use std::collections::BTreeMap;
use std::time::Duration;

use graph_sim::faults::{Fault, Rule};
use graph_sim::{Operation, Settings};
use serde_json::{Value, json};

use crate::scene::{Scene, USER};

fn get(id: &str, contact: &str) -> Value {
    json!({ "id": id, "method": "GET", "url": format!("/users/{USER}/contacts/{contact}"),
            "headers": { "Prefer": "IdType=\"ImmutableId\"" } })
}

fn run(scene: &mut Scene, requests: &[Value]) -> BTreeMap<String, Value> {
    let answer = scene.post("/$batch", json!({ "requests": requests }));
    assert_eq!(answer.status, 200, "{}", answer.body);
    let responses = answer.body["responses"].as_array().unwrap().clone();
    responses
        .into_iter()
        .map(|it| (it["id"].as_str().unwrap().to_owned(), it))
        .collect()
}

#[test]
fn items_are_answered_in_any_order_each_with_its_own_status() {
    let mut scene = Scene::new();
    let made: Vec<String> = (0..10)
        .map(|number| scene.create(None, &format!("N{number}")))
        .collect();
    let mut requests: Vec<Value> = made
        .iter()
        .enumerate()
        .map(|(n, id)| get(&n.to_string(), id))
        .collect();
    requests.push(get("gone", &made[0].replace("AAkALgAA", "AAkALgBB")));
    let answer = scene.post("/$batch", json!({ "requests": requests }));
    let order: Vec<&Value> = answer.body["responses"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_ne!(order[0..3], [&json!("0"), &json!("1"), &json!("2")]);
    let answers = run(&mut scene, &requests);
    assert!((0..10).all(|n| answers[&n.to_string()]["body"]["id"] == made[n].as_str()));
    assert_eq!(answers["gone"]["status"], 404);
}

#[test]
fn an_item_needs_its_own_preference_and_a_body_its_content_type() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let bare = json!({ "id": "1", "method": "GET", "url": format!("users/{USER}/contacts/{id}") });
    let answers = run(&mut scene, &[bare]);
    assert_ne!(
        answers["1"]["body"]["id"],
        id.as_str(),
        "the outer header isn't inherited"
    );
    let write = json!({ "id": "1", "method": "POST", "url": format!("/users/{USER}/contacts"), "body": {} });
    assert_eq!(scene.post("/$batch", json!({ "requests": [write] })).status, 400);
}

#[test]
fn a_failed_item_fails_those_that_depend_on_it() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let mut second = get("b", &id);
    second["dependsOn"] = json!(["a"]);
    let missing = get("a", &id.replace("AAkALgAA", "AAkALgBB"));
    let answers = run(&mut scene, &[second.clone(), missing]);
    assert_eq!(
        (&answers["a"]["status"], &answers["b"]["status"]),
        (&json!(404), &json!(424))
    );
    let answers = run(&mut scene, &[second, get("a", &id)]);
    assert_eq!(answers["b"]["status"], 200);
}

#[test]
fn bad_envelopes_are_refused_as_a_whole() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let many: Vec<Value> = (0..21).map(|n| get(&n.to_string(), &id)).collect();
    let mut circle = [get("a", &id), get("b", &id)];
    circle[0]["dependsOn"] = json!(["b"]);
    circle[1]["dependsOn"] = json!(["a"]);
    for requests in [many, vec![get("a", &id), get("A", &id)], circle.to_vec(), vec![]] {
        assert_eq!(scene.post("/$batch", json!({ "requests": requests })).status, 400);
    }
}

#[test]
fn one_item_can_be_throttled_while_the_others_pass() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let rule = Rule::new(Fault::Throttled { retry_after: Some(7) })
        .on(Operation::GetContact)
        .after(1)
        .times(1);
    scene.world.add_fault(rule);
    let answers = run(&mut scene, &[get("1", &id), get("2", &id), get("3", &id)]);
    let statuses: Vec<&Value> = answers.values().map(|it| &it["status"]).collect();
    assert_eq!(statuses, [200, 429, 200]);
    assert_eq!(answers["2"]["headers"]["Retry-After"], "7");
}

#[test]
fn items_run_four_at_a_time_and_one_at_a_time_where_they_depend_on_each_other() {
    let mut scene = Scene::with(Settings {
        latency: Duration::from_millis(100),
        ..Settings::default()
    });
    let id = scene.create(None, "Ada");
    let requests: Vec<Value> = (0..10).map(|n| get(&n.to_string(), &id)).collect();
    let mut chained = requests.clone();
    chained[1]["dependsOn"] = json!(["0"]);
    for (requests, rounds) in [(requests, 3), (chained, 10)] {
        let request = scene.request("POST", "/$batch", &[], Some(json!({ "requests": requests })));
        let reply = scene.world.handle(request, scene.now);
        assert_eq!(reply.delay, Duration::from_millis(100 * rounds));
    }
}

#[test]
fn a_second_batch_beside_the_first_finds_no_place_in_the_mailbox() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let requests: Vec<Value> = (0..6).map(|n| get(&n.to_string(), &id)).collect();
    let body = json!({ "requests": requests });
    let first = scene.request("POST", "/$batch", &[], Some(body.clone()));
    let first = scene.world.open(first, scene.now);
    let second = run(&mut scene, &requests);
    assert!(
        second
            .values()
            .all(|it| it["body"]["error"]["code"] == "ApplicationThrottled")
    );
    scene.world.close(first.slot);
    assert!(run(&mut scene, &requests).values().all(|it| it["status"] == 200));
}

#[test]
fn subscriptions_can_be_renewed_and_created_in_a_batch() {
    let mut scene = Scene::with(Settings {
        record: true,
        ..Settings::default()
    });
    let made = scene.subscribe(None);
    let folder = scene
        .world
        .user_creates_folder(&scene.key.clone(), None, "Suppliers", scene.now)
        .unwrap();
    let json = json!({ "Content-Type": "application/json", "Prefer": "IdType=\"ImmutableId\"" });
    let renew = json!({ "id": "renew", "method": "PATCH", "url": format!("/subscriptions/{}", made.body["id"].as_str().unwrap()),
                        "headers": json, "body": { "expirationDateTime": "2026-11-27T08:00:00Z" } });
    let create = json!({ "id": "create", "method": "POST", "url": "/subscriptions", "headers": json, "body": {
        "changeType": "created", "resource": format!("users/{USER}/contactFolders/{folder}/contacts"),
        "notificationUrl": "https://hooks.example/n", "expirationDateTime": "2026-11-27T08:00:00Z" } });
    let answers = run(&mut scene, &[renew, create]);
    assert_eq!(
        (&answers["renew"]["status"], &answers["create"]["status"]),
        (&json!(200), &json!(201))
    );
    assert_eq!(scene.world.subscription_count(None), 2);
}
