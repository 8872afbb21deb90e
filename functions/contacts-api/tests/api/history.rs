//! Versions, explanations, restores and erasures at the API's edge. What comes of them on both sides is in the scenarios.

use contact_store::{Contact, Expected, Version};
use lambda_http::{Adapter, Context, LambdaEvent, Service};
use serde_json::{Value, json};
use sync_core::ids::MailboxId;
use sync_core::record::Wish;

use crate::editing::{hold, id, listed, refusal, settle, stored};
use crate::world::World;

/// What propagate-changes would keep when this takes the place of that.
async fn keep(api: &World, was: &Contact, now: &Contact) {
    let version = Version::of(was, now.changed_at);
    api.store.keep_versions(&[version]).await.unwrap();
}

/// A contact in its third version, and its path: analyst, countess, and then nothing.
async fn grown(api: &World, mailbox: &MailboxId) -> (String, String) {
    let form = json!({"externalId": "crm-1", "contact": {"displayName": "Ada", "jobTitle": "Analyst"}});
    let created = api.create(mailbox, "", form).await.expect(201);
    let id = id(&created).to_owned();
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{id}");
    settle(api, &stored(api, mailbox, &id).await).await;
    for title in [json!("Countess"), Value::Null] {
        let was = stored(api, mailbox, &id).await;
        api.a_minute_passes();
        let change = json!({"contact": {"jobTitle": title}});
        api.change("PATCH", &path, "*", change).await.expect(200);
        keep(api, &was, &stored(api, mailbox, &id).await).await;
    }
    (id, path)
}

#[tokio::test]
async fn versions_are_listed_and_read_and_none_that_there_was_not() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let (_, path) = grown(&api, &mailbox).await;
    let list = api
        .get(&format!("{path}/versions?limit=1"))
        .await
        .expect(200)
        .body;
    assert_eq!(list["items"][0]["version"], 2);
    let next = list["next"].as_str().unwrap();
    let rest = api
        .get(&format!("{path}/versions?cursor={next}"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        rest["items"],
        json!([{ "version": 1, "since": "2026-11-23T06:41:00Z", "until": "2026-11-23T06:42:00Z", "deleted": false,
                 "folder": "top", "cause": { "who": "platform", "why": "created" } }])
    );
    let second = api.get(&format!("{path}/versions/2")).await.expect(200).body;
    assert_eq!(second["contact"]["jobTitle"], "Countess");
    assert_eq!(second["cause"]["why"], "edited");
    let present = api.get(&format!("{path}/versions/3")).await.expect(200).body;
    assert_eq!(
        (present.get("until"), present["contact"].get("jobTitle")),
        (None, None)
    );
    for missing in ["4", "0", "x", "-1"] {
        let answer = api.get(&format!("{path}/versions/{missing}")).await.expect(404);
        assert_eq!(answer.problem(), "version-not-found");
    }
    let nobody = format!("/v1/mailboxes/{mailbox}/contacts/con_{}", "a".repeat(26));
    for what in ["versions", "explain"] {
        let answer = api.get(&format!("{nobody}/{what}")).await.expect(404);
        assert_eq!(answer.problem(), "contact-not-found");
    }
    let explained = api.get(&format!("{path}/explain")).await.expect(200).body;
    let told: Vec<_> = explained["story"]
        .as_array()
        .unwrap()
        .iter()
        .map(|chapter| (chapter["what"].as_str().unwrap(), chapter["changed"].clone()))
        .collect();
    let title = json!(["jobTitle"]);
    assert_eq!(
        told,
        [
            ("changed", title.clone()),
            ("changed", title),
            ("created", json!([]))
        ]
    );
    assert_eq!(explained["sync"]["state"], "pending");
    let summary = explained["summary"].as_str().unwrap();
    assert!(
        summary.starts_with("The contact is there, and Outlook will have it so. At 2026"),
        "{summary}"
    );
}

#[tokio::test]
async fn a_caller_is_written_down_with_what_he_has_asked_for() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let (id, path) = grown(&api, &mailbox).await;
    let event = json!({
        "version": "2.0", "routeKey": "$default", "rawPath": path, "rawQueryString": "",
        "headers": {"content-type": "application/merge-patch+json", "if-match": "*", "host": "abc.lambda-url.eu-central-1.on.aws"},
        "requestContext": {
            "accountId": "1", "apiId": "abc", "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "authorizer": {"iam": {"accessKey": "AKIA", "accountId": "1", "callerId": "AIDA", "cognitoIdentity": null,
                                   "principalOrgId": null, "userArn": "arn:aws:sts::1:assumed-role/crm/ada", "userId": "AIDA"}},
            "http": {"method": "PATCH", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl"},
            "requestId": "r", "routeKey": "$default", "stage": "$default",
            "time": "23/Nov/2026:06:41:00 +0000", "timeEpoch": 1_795_416_060_000_u64,
        },
        "body": r#"{"contact": {"jobTitle": "Enchantress"}}"#, "isBase64Encoded": false,
    });
    let event = LambdaEvent {
        payload: serde_json::from_value(event).unwrap(),
        context: Context::default(),
    };
    let answer = Adapter::from(api.router.clone()).call(event).await.unwrap();
    assert_eq!(serde_json::to_value(answer).unwrap()["statusCode"], 200);
    let cause = stored(&api, &mailbox, &id).await.cause.unwrap();
    assert_eq!(
        cause.principal.as_deref(),
        Some("arn:aws:sts::1:assumed-role/crm/ada")
    );
    let explained = api.get(&format!("{path}/explain")).await.expect(200).body;
    assert_eq!(
        explained["story"][0]["cause"]["principal"],
        "arn:aws:sts::1:assumed-role/crm/ada"
    );
}

#[tokio::test]
async fn a_version_is_brought_back_by_an_edit_on_the_version_that_was_read() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let (id, path) = grown(&api, &mailbox).await;
    let restore = format!("{path}/restore");
    let asked = |version: u64| json!({ "version": version });
    api.change("POST", &restore, "", asked(1)).await.expect(428);
    api.change("POST", &restore, "\"2\"", asked(1)).await.expect(412);
    let missing = api.change("POST", &restore, "*", asked(9)).await.expect(404);
    assert_eq!(missing.problem(), "version-not-found");
    for wrong in [
        json!({}),
        json!({"version": "1"}),
        json!({"version": 1, "plan": true}),
        json!({"version": -1}),
    ] {
        api.change("POST", &restore, "*", wrong).await.expect(400);
    }
    // The plan tells what would be done, and does nothing.
    let plan = |version: u64| format!("{path}/versions/{version}/plan");
    let planned = api.get(&plan(1)).await.expect(200).body;
    assert_eq!(
        (&planned["action"], &planned["version"]),
        (&json!("update"), &json!(1))
    );
    assert!(
        planned["changed"]
            .as_array()
            .unwrap()
            .contains(&json!("jobTitle")),
        "{planned}"
    );
    assert_eq!(stored(&api, &mailbox, &id).await.version, 3);
    api.get(&plan(9)).await.expect(404);
    let restored = api.change("POST", &restore, "\"3\"", asked(1)).await.expect(200);
    assert_eq!(
        (&restored.body["version"], &restored.body["contact"]["jobTitle"]),
        (&json!(4), &json!("Analyst"))
    );
    let contact = stored(&api, &mailbox, &id).await;
    let edit = contact.edit.as_ref().unwrap();
    assert_eq!((edit.wish, edit.count), (Wish::Save, 5));
    let cause = contact.cause.clone().unwrap();
    assert_eq!(
        (cause.why, cause.restored),
        (contact_store::Why::Restored, Some(1))
    );
    // Again: it is so already.
    let again = api.change("POST", &restore, "*", asked(1)).await.expect(200);
    assert_eq!(again.body["version"], 4);
    let planned = api.get(&plan(1)).await.expect(200).body;
    assert_eq!((planned.get("action"), &planned["changed"]), (None, &json!([])));
    // The version in which it was deleted is none to be brought back, and what comes after it is a contact again.
    api.change("DELETE", &path, "*", Value::Null).await.expect(200);
    let deleted = api.change("POST", &restore, "*", asked(5)).await.expect(409);
    assert_eq!(deleted.problem(), "not-restorable");
    assert_eq!(api.get(&plan(5)).await.expect(409).problem(), "not-restorable");
    assert_eq!(api.get(&plan(1)).await.expect(200).body["action"], "create");
    let back = api.change("POST", &restore, "\"5\"", asked(1)).await.expect(200);
    assert_eq!(
        (&back.body["version"], &back.body["externalId"]),
        (&json!(6), &json!("crm-1"))
    );
}

#[tokio::test]
async fn a_mailbox_is_restored_only_within_the_time_and_by_whole_requests() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let (_, path) = grown(&api, &mailbox).await;
    let restore = format!("/v1/mailboxes/{mailbox}/restore");
    for wrong in [
        json!({}),
        json!({"at": "yesterday"}),
        json!({"at": "2026-11-24T00:00:00Z"}),
        json!({"at": "2026-10-01T00:00:00Z"}),
        json!({"at": "2026-11-23T06:42:00Z", "until": "2026-11-23T06:41:30Z"}),
        json!({"at": "2026-11-23T06:42:00Z", "plan": "no"}),
        json!({"at": "2026-11-23T06:42:00Z", "everything": true}),
    ] {
        let answer = api.post_json(&restore, wrong.clone()).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (400, "invalid-request"),
            "{wrong}"
        );
    }
    let odd = json!({"at": "2026-11-23T06:42:00Z", "cursor": "odd"});
    assert_eq!(
        api.post_json(&restore, odd).await.expect(400).problem(),
        "invalid-cursor"
    );
    api.a_minute_passes();
    let plan = api
        .post_json(&restore, json!({"at": "2026-11-23T06:42:30Z"}))
        .await
        .expect(200)
        .body;
    assert_eq!(
        (&plan["plan"], &plan["until"]),
        (&json!(true), &json!("2026-11-23T06:44:00Z"))
    );
    let [item] = &plan["items"].as_array().unwrap()[..] else {
        panic!("one contact: {plan}")
    };
    assert_eq!(
        (
            &item["action"],
            &item["version"],
            &item["title"],
            &item["changed"]
        ),
        (&json!("update"), &json!(2), &json!("Ada"), &json!(["jobTitle"]))
    );
    assert_eq!(api.get(&path).await.expect(200).body["version"], 3);
    // Before it was there it was not there.
    let early = json!({"at": "2026-11-23T06:40:00Z", "deleteNewer": true});
    let plan = api.post_json(&restore, early).await.expect(200).body;
    assert_eq!(plan["items"][0]["action"], "delete");
    let nobody = format!("/v1/mailboxes/mbx_{}/restore", "a".repeat(26));
    let answer = api
        .post_json(&nobody, json!({"at": "2026-11-23T06:42:30Z"}))
        .await
        .expect(404);
    assert_eq!(answer.problem(), "mailbox-not-found");
}

#[tokio::test]
async fn an_erased_contact_is_nothing_but_deleted_and_neither_edited_nor_brought_back() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let (id, path) = grown(&api, &mailbox).await;
    hold(&api, &stored(&api, &mailbox, &id).await, refusal()).await;
    let erase = format!("{path}/erase");
    let receipt = api.post(&erase).await.expect(200).body;
    assert_eq!(
        (&receipt["complete"], &receipt["version"]),
        (&json!(false), &json!(4))
    );
    assert_eq!(
        (&receipt["removed"]["versions"], &receipt["removed"]["edits"]),
        (&json!(2), &json!(1))
    );
    let contact = stored(&api, &mailbox, &id).await;
    assert!(contact.document.is_empty() && contact.extras.is_empty() && contact.external_id.is_none());
    let edit = contact.edit.as_ref().unwrap();
    assert_eq!((edit.wish, &edit.hold), (Wish::Erase, &None));
    assert!(edit.base.as_ref().is_some_and(serde_json::Map::is_empty));

    let problem = |answer: crate::world::Answer| answer.problem().to_owned();
    assert_eq!(
        problem(
            api.change("PATCH", &path, "*", json!({"contact": {}}))
                .await
                .expect(404)
        ),
        "contact-deleted"
    );
    let form = json!({"externalId": "crm-1", "contact": {"displayName": "Ada"}});
    assert_eq!(
        problem(api.create(&mailbox, "", form.clone()).await.expect(404)),
        "contact-deleted"
    );
    let restored = api
        .change("POST", &format!("{path}/restore"), "*", json!({"version": 1}))
        .await;
    assert_eq!(restored.expect(404).problem(), "version-not-found");
    let again = api.post(&erase).await.expect(200).body;
    assert_eq!(again["removed"]["members"], 0);
    assert_eq!(stored(&api, &mailbox, &id).await.rev, contact.rev);

    // Outlook has deleted it.
    let mut buried = contact.clone();
    buried.edit = None;
    api.store
        .put_contact(&buried, Expected::Rev(contact.rev))
        .await
        .unwrap();
    let last = api.post(&erase).await.expect(200).body;
    assert_eq!(
        (&last["complete"], &last["outlook"]["state"]),
        (&json!(true), &json!("settled"))
    );
    api.create(&mailbox, "", form).await.expect(201);
}
