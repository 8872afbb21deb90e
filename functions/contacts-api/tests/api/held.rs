//! What a person does about contacts that wait: retry, discard, create, link.

use serde_json::{Value, json};
use sync_core::ids::ContactId;
use sync_core::record::{Hold, Wish};

use crate::contacts::mirror;
use crate::editing::{hold, listed, refusal, stored};
use crate::problems::errors;
use crate::world::World;

#[tokio::test]
async fn a_refused_edit_is_retried_or_discarded() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "06:00").await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id);
    let before = api.get(&path).await.expect(200).body;
    assert_eq!(
        api.post(&format!("{path}/retry")).await.expect(200).body,
        before,
        "it waits for nobody"
    );
    assert_eq!(
        api.post(&format!("{path}/discard")).await.expect(200).body,
        before
    );

    let edits = json!({"folder": "friends", "contact": {"jobTitle": "?", "vCard": ["X-HAT:1"]}});
    api.change("PATCH", &path, "*", edits).await.expect(200);
    let too_early = api.post(&format!("{path}/discard")).await.expect(409);
    assert_eq!(too_early.problem(), "not-held");
    hold(&api, &stored(&api, &mailbox, grace.id.as_str()).await, refusal()).await;

    let retried = api.post(&format!("{path}/retry")).await.expect(200).body;
    assert_eq!(
        (&retried["sync"]["state"], &retried["version"]),
        (&json!("pending"), &json!(2))
    );
    let contact = stored(&api, &mailbox, grace.id.as_str()).await;
    assert_eq!(contact.edit.as_ref().unwrap().count, 3, "the outbox sees it");

    hold(&api, &contact, refusal()).await;
    let discarded = api.post(&format!("{path}/discard")).await.expect(200).body;
    assert_eq!(
        (&discarded["sync"]["state"], &discarded["folder"]),
        (&json!("settled"), &json!("top"))
    );
    assert!(discarded["contact"].get("jobTitle").is_none());
    assert_eq!(discarded["version"], 3);

    // A delete that was refused, and a contact that never was in Outlook.
    api.change("DELETE", &path, "*", Value::Null).await.expect(200);
    hold(&api, &stored(&api, &mailbox, grace.id.as_str()).await, refusal()).await;
    assert_eq!(
        api.post(&format!("{path}/retry")).await.expect(200).body["deleted"],
        true
    );
    let contact = stored(&api, &mailbox, grace.id.as_str()).await;
    assert_eq!(contact.edit.as_ref().unwrap().wish, Wish::Delete);
    hold(&api, &contact, refusal()).await;
    let back = api.post(&format!("{path}/discard")).await.expect(200).body;
    assert_eq!(back["contact"]["displayName"], "Grace");
    api.get(&path).await.expect(200);

    let new = api
        .create(&mailbox, "", json!({"contact": {"givenName": "?"}}))
        .await
        .expect(201)
        .body;
    let id = new["id"].as_str().unwrap();
    hold(&api, &stored(&api, &mailbox, id).await, refusal()).await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{id}");
    let gone = api.post(&format!("{path}/discard")).await.expect(200).body;
    assert_eq!((&gone["deleted"], gone.get("sync")), (&json!(true), None));
    assert_eq!(api.get(&path).await.expect(404).problem(), "contact-deleted");
    let never = ContactId::of_external(&mailbox, "nobody");
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{never}");
    for action in ["retry", "discard", "create"] {
        let missing = api.post(&format!("{path}/{action}")).await.expect(404);
        assert_eq!(missing.problem(), "contact-not-found");
    }
}

#[tokio::test]
async fn a_contact_under_review_is_created_after_all_or_linked_with_the_one_it_is() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "friends", "06:00").await;
    let review = || Hold::Review {
        candidates: vec![grace.id.clone()],
    };
    let mut ids = Vec::new();
    for external in ["crm-1", "crm-2"] {
        let body = json!({"externalId": external, "contact": {
            "displayName": "Rear Admiral Grace", "jobTitle": "Admiral",
            "emailAddresses": [{"address": "grace@navy.mil"}], "vCard": ["X-HAT:1"],
        }});
        let created = api.create(&mailbox, "", body).await.expect(201).body;
        let id = created["id"].as_str().unwrap().to_owned();
        hold(&api, &stored(&api, &mailbox, &id).await, review()).await;
        ids.push(id);
    }
    let path = |id: &str| format!("/v1/mailboxes/{mailbox}/contacts/{id}");
    let held = api.get(&path(&ids[0])).await.expect(200).body;
    assert_eq!(
        (&held["sync"]["state"], &held["sync"]["candidates"]),
        (&json!("review"), &json!([grace.id.as_str()]))
    );
    assert_eq!(
        api.post(&format!("{}/retry", path(&ids[0])))
            .await
            .expect(409)
            .problem(),
        "not-held"
    );
    let created = api
        .post(&format!("{}/create", path(&ids[0])))
        .await
        .expect(200)
        .body;
    assert_eq!(created["sync"]["state"], "pending");

    let link = format!("{}/link", path(&ids[1]));
    for (body, expected) in [
        (json!({}), "/contact is required"),
        (json!({"contact": "grace"}), "/contact must be a contact's id"),
        (
            json!({"contact": ContactId::of_external(&mailbox, "nobody").as_str()}),
            "/contact is not the id of a contact of this mailbox",
        ),
    ] {
        assert_eq!(errors(&api.post_json(&link, body).await.expect(400)), [expected]);
    }
    for other in &ids {
        let refused = api.post_json(&link, json!({"contact": other})).await.expect(409);
        assert_eq!(refused.problem(), "not-linkable");
    }
    let wanted = json!({"contact": grace.id.as_str()});
    let linked = api.post_json(&link, wanted.clone()).await.expect(200).body;
    assert_eq!(
        (&linked["id"], &linked["externalId"]),
        (&json!(ids[1]), &json!("crm-2"))
    );
    assert_eq!(
        (&linked["outlook"]["id"], &linked["folder"]),
        (&json!("AAkAGrace"), &json!("friends"))
    );
    let contact = &linked["contact"];
    assert_eq!(
        (&contact["jobTitle"], &contact["wearsHats"]),
        (&json!("Admiral"), &json!(true))
    );
    assert_eq!(contact["emailAddresses"].as_array().unwrap().len(), 2);
    assert_eq!(contact["vCard"], json!(["X-HAT:1"]));
    assert_eq!(linked["sync"]["state"], "pending", "Outlook lacks the job title");
    assert_eq!(
        api.get(&path(grace.id.as_str())).await.expect(200).body,
        linked,
        "both ids lead to it"
    );
    assert_eq!(
        api.post_json(&link, wanted.clone()).await.expect(200).body,
        linked,
        "twice is once"
    );

    let conflicts = api
        .get(&format!("/v1/mailboxes/{mailbox}/conflicts"))
        .await
        .expect(200)
        .body;
    let clash = &conflicts["items"][0]["clashes"][0];
    assert_eq!(
        (&clash["member"], &clash["platform"], &clash["outlook"]),
        (
            &json!("displayName"),
            &json!("Rear Admiral Grace"),
            &json!("Grace")
        )
    );
    let late = api
        .post_json(&format!("{}/link", path(&ids[0])), wanted)
        .await
        .expect(409);
    assert_eq!(late.problem(), "not-held");
}
