//! Limits of the real Graph, to the request.

use graph_sim::{Limits, Settings};
use serde_json::json;

use crate::scene::Scene;

#[test]
fn ten_thousand_requests_in_ten_minutes_pass_and_the_next_is_told_when_to_come_back() {
    let mut scene = Scene::new();
    for _ in 0..10_000 {
        assert_eq!(scene.get("/contacts/$count").status, 200);
    }
    scene.wait(100);
    let refused = scene.get("/contacts/$count");
    assert_eq!(
        (refused.status, refused.code(), refused.header("retry-after")),
        (429, "TooManyRequests", "500")
    );
    let other = scene.world.add_mailbox(
        &scene.key.tenant.clone(),
        "44444444-4444-4444-8444-444444444444",
        "b@c.example",
        "B",
    );
    let beside = scene.get(&format!(
        "https://graph.microsoft.com/v1.0/users/{}/contacts",
        other.user
    ));
    assert_eq!(beside.status, 200, "another mailbox isn't affected");
    scene.wait(500);
    assert_eq!(scene.get("/contacts/$count").status, 200);
}

#[test]
fn four_requests_at_a_time_and_no_fifth() {
    let mut scene = Scene::new();
    let mut open = Vec::new();
    for _ in 0..4 {
        let request = scene.request("GET", "/contacts", &[], None);
        open.push(scene.world.open(request, scene.now));
    }
    let fifth = scene.get("/contacts");
    assert_eq!((fifth.status, fifth.code()), (429, "ApplicationThrottled"));
    scene.world.close(open.pop().unwrap().slot);
    assert_eq!(scene.get("/contacts").status, 200);
}

#[test]
fn lists_of_subscriptions_are_throttled_hard_and_uploads_by_their_size() {
    let mut scene = Scene::new();
    let statuses: Vec<u16> = (0..26).map(|_| scene.get("/subscriptions").status).collect();
    assert_eq!((statuses[24], statuses[25]), (200, 429));

    let limits = Limits {
        mailbox_upload: 200,
        ..Limits::default()
    };
    let mut scene = Scene::with(Settings {
        limits,
        ..Settings::default()
    });
    let body = json!({ "personalNotes": "x".repeat(150) });
    assert_eq!(scene.post("/contacts", body.clone()).status, 201);
    assert_eq!(scene.post("/contacts", body).status, 429);
}
