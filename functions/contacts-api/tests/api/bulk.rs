//! Many contacts in one request.

use contact_store::Expected;
use serde_json::{Value, json};
use sync_core::ids::ContactId;
use sync_core::record::Urgency;

use crate::contacts::{all, mirror};
use crate::editing::{listed, stored};
use crate::problems::errors;
use crate::world::World;

fn statuses(answer: &Value) -> Vec<u64> {
    let items = answer["items"].as_array().unwrap();
    items
        .iter()
        .map(|item| item["status"].as_u64().unwrap())
        .collect()
}

#[tokio::test]
async fn each_contact_of_a_bulk_has_its_own_answer() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "07:00").await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts:bulk");
    let never = ContactId::of_external(&mailbox, "nobody");
    let items = json!([
        {"externalId": "crm-1", "contact": {"givenName": "Ada"}},
        {"externalId": "crm-1", "contact": {"givenName": "Twin"}},
        {"id": grace.id.as_str(), "folder": "friends", "contact": {"givenName": "Grace"}},
        {"id": never.as_str(), "contact": {}},
        {"contact": {"givenName": 7}, "folder": "nowhere"},
        {"id": "con", "colour": "red"},
        {"contact": {"givenName": "Bob"}},
        7,
    ]);
    let answer = api
        .post_json(&path, json!({"items": items}))
        .await
        .expect(200)
        .body;
    assert_eq!(statuses(&answer), [201, 400, 200, 404, 400, 400, 201, 400]);
    let ada = ContactId::of_external(&mailbox, "crm-1");
    assert_eq!(
        answer["items"][0],
        json!({"status": 201, "id": ada.as_str(), "version": 1})
    );
    assert_eq!(
        answer["items"][2],
        json!({"status": 200, "id": grace.id.as_str(), "version": 2})
    );
    let told = |index: usize| -> Vec<String> {
        let errors = answer["items"][index]["problem"]["errors"].as_array().unwrap();
        let text = |error: &Value| {
            format!(
                "{} {}",
                error["pointer"].as_str().unwrap(),
                error["detail"].as_str().unwrap()
            )
        };
        errors.iter().map(text).collect()
    };
    assert_eq!(told(1), ["/items/1 is the same contact as /items/0"]);
    assert_eq!(
        told(4),
        [
            "/items/4/contact/givenName must be a text or null",
            "/items/4/folder must be the id of one of the mailbox's synced folders"
        ]
    );
    assert_eq!(
        told(5),
        [
            "/items/5/id must be a contact's id",
            "/items/5/contact is required",
            "/items/5/colour is not known"
        ]
    );
    let edit = stored(&api, &mailbox, grace.id.as_str()).await.edit.unwrap();
    assert_eq!(edit.urgency, Urgency::Backfill, "single edits go first");

    let again = json!({"items": [items[0], items[2]]});
    let again = api.post_json(&path, again).await.expect(200).body;
    assert_eq!(statuses(&again), [200, 200]);
    assert_eq!(again["items"][1]["version"], 2, "unchanged");
}

#[tokio::test]
async fn five_hundred_contacts_go_in_and_a_repetition_changes_nothing() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts:bulk");
    let notes = "n".repeat(4_000);
    let items: Vec<_> = (0..500)
        .map(|number| json!({"externalId": format!("crm-{number}"), "contact": {"givenName": format!("N{number}"), "personalNotes": notes}}))
        .collect();
    let body = json!({"items": items});
    assert!(body.to_string().len() > 2_000_000);
    let first = api.post_json(&path, body.clone()).await.expect(200).body;
    assert!(statuses(&first).iter().all(|status| *status == 201));
    let before = api.store.usage();
    let again = api.post_json(&path, body).await.expect(200).body;
    assert!(statuses(&again).iter().all(|status| *status == 200));
    let spent = api.store.usage().write_units - before.write_units;
    assert!(spent.abs() < f64::EPSILON, "{spent} write units for nothing");
    let listed = all(&api, &format!("/v1/mailboxes/{mailbox}/contacts?limit=200")).await;
    assert_eq!(listed.len(), 500);
}

#[tokio::test]
async fn a_bulk_that_is_no_list_of_contacts_is_refused_as_a_whole() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts:bulk");
    let many: Vec<_> = (0..501).map(|_| json!({"contact": {}})).collect();
    for (body, expected) in [
        (json!({}), "/items is required"),
        (json!({"items": {}}), "/items must be a list"),
        (json!({"items": []}), "/items must have 1 to 500 elements"),
        (json!({"items": many}), "/items must have 1 to 500 elements"),
    ] {
        assert_eq!(errors(&api.post_json(&path, body).await.expect(400)), [expected]);
    }
    let huge = json!({"items": [{"contact": {"x": "y".repeat(5_000_000)}}]});
    assert_eq!(
        api.post_json(&path, huge).await.expect(413).problem(),
        "body-too-large"
    );
}

#[tokio::test]
async fn a_write_that_loses_a_race_is_decided_again_by_what_is_there_now() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "07:00").await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id);
    // The worker can come between the read and the write twice, so the third attempt must succeed.
    let worker = async {
        for _ in 0..2 {
            let mut seen = stored(&api, &mailbox, grace.id.as_str()).await;
            seen.modified_at = Some(api.ambient.now());
            let _ = api.store.put_contact(&seen, Expected::Rev(seen.rev)).await;
        }
    };
    let edits = json!({"contact": {"jobTitle": "Admiral"}});
    let caller = async { api.change("PATCH", &path, "\"1\"", edits).await.expect(200) };
    let ((), patched) = tokio::join!(worker, caller);
    assert_eq!(
        (&patched.body["version"], &patched.body["contact"]["jobTitle"]),
        (&json!(2), &json!("Admiral"))
    );
    let stored = stored(&api, &mailbox, grace.id.as_str()).await;
    assert_eq!(stored.document["jobTitle"], "Admiral");
}
