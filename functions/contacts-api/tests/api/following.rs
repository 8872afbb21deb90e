//! Finding contacts, and following their changes.

use std::time::Duration;

use serde_json::{Value, json};
use sync_core::record::Hold;

use crate::contacts::{mirror, names};
use crate::editing::{hold, listed, refusal, stored};
use crate::mailboxes::enrol_ada;
use crate::problems::errors;
use crate::world::World;

#[tokio::test]
async fn a_contact_is_found_by_its_e_mail_address_and_by_the_callers_own_id() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts");
    let ada = json!({"externalId": "crm/1 ä", "contact": {"displayName": "Ada", "emailAddresses": [{"address": "Ada@x.org"}]}});
    let ada = api.create(&mailbox, "", ada).await.expect(201).body;
    let id = ada["id"].as_str().unwrap().parse().unwrap();
    api.store
        .index_emails(&mailbox, &id, &[], &["Ada@x.org".to_owned()])
        .await
        .unwrap(); // as the stream does

    let found = api
        .get(&format!("{path}?email=ADA%40x.org"))
        .await
        .expect(200)
        .body;
    assert_eq!(found, json!({"items": [ada]}));
    let found = api
        .get(&format!("{path}?externalId=crm%2F1%20%C3%A4"))
        .await
        .expect(200)
        .body;
    assert_eq!(found, json!({"items": [ada]}));
    for nobody in ["email=bob%40x.org", "externalId=crm-2"] {
        assert_eq!(
            api.get(&format!("{path}?{nobody}")).await.expect(200).body,
            json!({"items": []})
        );
    }
    api.change("DELETE", &format!("{path}/{id}"), "*", Value::Null)
        .await
        .expect(200);
    for gone in ["email=ada%40x.org", "externalId=crm%2F1%20%C3%A4"] {
        assert_eq!(
            api.get(&format!("{path}?{gone}")).await.expect(200).body,
            json!({"items": []})
        );
    }
    let mixed = api
        .get(&format!(
            "{path}?email=a%40x.org&externalId=1&sync=lost&folder=top"
        ))
        .await
        .expect(400);
    assert_eq!(
        errors(&mixed),
        [
            "email can't be asked together with folder",
            "externalId can't be asked together with folder",
            "sync can't be asked together with folder",
            "sync must be pending, refused, review or guarded",
        ]
    );
}

#[tokio::test]
async fn what_outlook_does_not_have_yet_is_listed_by_what_it_waits_for() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    mirror(&api, &mailbox, "Settled", "top", "06:00").await;
    let mut paths = Vec::new();
    for name in ["Pending", "Refused", "Review", "Gone"] {
        let body = json!({"contact": {"displayName": name}});
        let id = api.create(&mailbox, "", body).await.expect(201).body["id"].clone();
        paths.push(format!(
            "/v1/mailboxes/{mailbox}/contacts/{}",
            id.as_str().unwrap()
        ));
        let held_by = match name {
            "Refused" => refusal(),
            "Review" => Hold::Review {
                candidates: Vec::new(),
            },
            _ => continue,
        };
        hold(&api, &stored(&api, &mailbox, id.as_str().unwrap()).await, held_by).await;
    }
    api.change("DELETE", &paths[3], "*", Value::Null)
        .await
        .expect(200);
    let path = format!("/v1/mailboxes/{mailbox}/contacts?sync");
    let mut pending = names(
        api.get(&format!("{path}=pending")).await.expect(200).body["items"]
            .as_array()
            .unwrap(),
    )
    .into_iter()
    .map(ToOwned::to_owned)
    .collect::<Vec<_>>();
    pending.sort();
    assert_eq!(pending, ["Pending", "deleted"]);
    let refused = api.get(&format!("{path}=refused")).await.expect(200).body;
    assert_eq!(names(refused["items"].as_array().unwrap()), ["Refused"]);
    assert_eq!(
        refused["items"][0]["sync"],
        json!({
            "state": "refused", "since": "2026-11-23T06:41:00Z",
            "refusal": {
                "at": "2026-11-23T06:50:00Z", "status": 400, "code": "ErrorInvalidProperty",
                "reason": "The value is not valid", "requestId": "graph-1",
            },
        })
    );
    let review = api.get(&format!("{path}=review")).await.expect(200).body;
    assert_eq!(names(review["items"].as_array().unwrap()), ["Review"]);
    let state = api
        .get(&format!("/v1/mailboxes/{mailbox}"))
        .await
        .expect(200)
        .body;
    assert_eq!(
        state["pending"],
        json!({"now": 1, "deletes": 1, "backfill": 0, "cleanup": 0, "held": 2})
    );
}

#[tokio::test]
async fn who_follows_the_feed_hears_of_every_change() {
    let api = World::start().await;
    let nobody = api
        .get(&format!("/v1/mailboxes/{}/changes", crate::mailboxes::ada()))
        .await
        .expect(404);
    assert_eq!(nobody.problem(), "mailbox-not-found");
    let mailbox = enrol_ada(&api).await;
    let path = format!("/v1/mailboxes/{mailbox}/changes");
    let empty = api.get(&path).await.expect(200).body;
    assert_eq!((&empty["items"], &empty["more"]), (&json!([]), &json!(false)));
    for name in ["Ada", "Bob", "Eve"] {
        api.create(&mailbox, name, json!({"contact": {"displayName": name}}))
            .await
            .expect(201);
    }
    let mut cursor = empty["cursor"].as_str().unwrap().to_owned();
    let mut seen = Vec::new();
    loop {
        let part = api
            .get(&format!("{path}?limit=2&cursor={cursor}"))
            .await
            .expect(200)
            .body;
        seen.extend(part["items"].as_array().unwrap().clone());
        part["cursor"].as_str().unwrap().clone_into(&mut cursor);
        if part["more"] == false {
            break;
        }
    }
    let mut told = names(&seen);
    told.sort_unstable();
    assert_eq!(told, ["Ada", "Bob", "Eve"]);

    api.a_minute_passes();
    let bob = seen
        .iter()
        .find(|item| item["contact"]["displayName"] == "Bob")
        .unwrap();
    let contact = format!("/v1/mailboxes/{mailbox}/contacts/{}", bob["id"].as_str().unwrap());
    api.get(&format!("{path}?cursor={cursor}")).await.expect(200);
    api.change("DELETE", &contact, "*", Value::Null).await.expect(200);
    api.a_minute_passes();
    let later = api.get(&format!("{path}?cursor={cursor}")).await.expect(200).body;
    assert_eq!(
        later["items"].as_array().unwrap().last().unwrap()["deleted"],
        true
    );
    let cursor = later["cursor"].as_str().unwrap();
    let quiet = api.get(&format!("{path}?cursor={cursor}")).await.expect(200).body;
    assert_eq!(quiet["items"], json!([]));
    let cursor = quiet["cursor"].as_str().unwrap();
    api.ambient.advance(Duration::from_hours(91 * 24));
    let forgotten = api.get(&format!("{path}?cursor={cursor}")).await.expect(410);
    assert_eq!(forgotten.problem(), "expired-cursor");
    assert_eq!(
        api.get(&format!("{path}?cursor=abc")).await.expect(400).problem(),
        "invalid-cursor"
    );
}
