//! The conflict log, and deciding otherwise.

use contact_store::{Companion, Conflict, ConflictPolicy, Contact, Expected};
use serde_json::{Value, json};
use sync_core::ids::{ConflictId, MailboxId};
use sync_core::merge::{Clash, Winner};
use sync_core::rebase::DELETED;
use sync_core::record::Wish;

use crate::contacts::mirror;
use crate::editing::{listed, stored};
use crate::problems::errors;
use crate::world::World;

/// Lets the worker have decided a conflict about a contact; `clashes` are member, platform's, Outlook's.
async fn decide(api: &World, contact: &Contact, clashes: &[(&str, Value, Value)]) -> ConflictId {
    let value = |value: &Value| Some(value.clone()).filter(|value| !value.is_null());
    let at = api.ambient.now();
    let mut decided = stored(api, &contact.mailbox, contact.id.as_str()).await;
    let expected = Expected::Rev(decided.rev);
    decided.version += 1;
    let conflict = Conflict {
        mailbox: contact.mailbox.clone(),
        id: ConflictId::of(at, &contact.id),
        contact: contact.id.clone(),
        at,
        version: decided.version,
        policy: ConflictPolicy::LastWriteWins,
        clashes: clashes
            .iter()
            .map(|(member, ours, theirs)| Clash {
                member: (*member).to_owned(),
                base: None,
                ours: value(ours),
                theirs: value(theirs),
                winner: Winner::Outlook,
                kept: value(theirs),
            })
            .collect(),
        base: Some(contact.document.clone()),
        ours: Some(contact.document.clone()),
        theirs: Some(contact.document.clone()),
        omitted: Vec::new(),
        settled: None,
    };
    let id = conflict.id.clone();
    api.store
        .put_contact_with(&decided, expected, &[Companion::Conflict(conflict)])
        .await
        .unwrap();
    api.a_minute_passes();
    id
}

fn of(mailbox: &MailboxId, id: &ConflictId) -> String {
    format!("/v1/mailboxes/{mailbox}/conflicts/{id}")
}

#[tokio::test]
async fn a_conflict_is_listed_read_and_settled_for_one_side() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let (grace, ada) = (
        mirror(&api, &mailbox, "Grace", "top", "06:00").await,
        mirror(&api, &mailbox, "Ada", "top", "06:00").await,
    );
    let clashes = [
        ("displayName", json!("Admiral"), json!("Grace")),
        ("folder", json!("friends"), json!("top")),
    ];
    let first = decide(&api, &grace, &clashes).await;
    let second = decide(&api, &ada, &[("jobTitle", json!(null), json!("Countess"))]).await;

    let list = format!("/v1/mailboxes/{mailbox}/conflicts");
    let newest_first = api.get(&list).await.expect(200).body;
    let ids: Vec<_> = newest_first["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].clone())
        .collect();
    assert_eq!(ids, [second.as_str(), first.as_str()]);
    let of_grace = api
        .get(&format!("{list}?contact={}", grace.id))
        .await
        .expect(200)
        .body;
    assert_eq!(of_grace["items"].as_array().unwrap().len(), 1);
    assert!(of_grace["items"][0].get("platform").is_none());

    let read = api.get(&of(&mailbox, &first)).await.expect(200).body;
    assert_eq!(
        read["clashes"][0],
        json!({"member": "displayName", "platform": "Admiral", "outlook": "Grace", "winner": "outlook", "kept": "Grace"})
    );
    assert_eq!(read["base"]["displayName"], "Grace");
    assert_eq!(
        (&read["policy"], &read["version"]),
        (&json!("lastWriteWins"), &json!(2))
    );

    let settle = format!("{}/settle", of(&mailbox, &first));
    let platform = json!({"take": "platform"});
    let settled = api.post_json(&settle, platform.clone()).await.expect(200).body;
    assert_eq!(
        settled["settled"],
        json!({"at": "2026-11-23T06:43:00Z", "took": "platform"})
    );
    let contact = stored(&api, &mailbox, grace.id.as_str()).await;
    assert_eq!((contact.version, contact.folder.as_str()), (3, "friends"));
    assert_eq!(contact.document["displayName"], "Admiral");
    assert_eq!(contact.edit.unwrap().wish, Wish::Save);
    assert_eq!(
        api.post_json(&settle, platform).await.expect(200).body,
        settled,
        "twice is once"
    );
    let otherwise = api
        .post_json(&settle, json!({"take": "outlook"}))
        .await
        .expect(409);
    assert_eq!(otherwise.problem(), "already-settled");

    // What the contact has already needs no edit, only the mark.
    let settle = format!("{}/settle", of(&mailbox, &second));
    let settled = api
        .post_json(&settle, json!({"take": "platform"}))
        .await
        .expect(200)
        .body;
    assert_eq!(settled["settled"]["took"], "platform");
    assert_eq!(stored(&api, &mailbox, ada.id.as_str()).await.edit, None);

    let never = ConflictId::of(api.ambient.now(), &ada.id);
    for path in [of(&mailbox, &never), format!("{list}/nonsense")] {
        assert_eq!(api.get(&path).await.expect(404).problem(), "conflict-not-found");
    }
}

#[tokio::test]
async fn a_conflict_is_settled_by_values_of_ones_own_and_what_was_edited_since_stays() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "06:00").await;
    let clashes = [
        ("displayName", json!("Admiral"), json!("Grace")),
        ("birthday", json!(null), json!(null)),
    ];
    let id = decide(&api, &grace, &clashes).await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id);
    api.change("PATCH", &path, "*", json!({"contact": {"jobTitle": "Captain"}}))
        .await
        .expect(200);

    let settle = format!("{}/settle", of(&mailbox, &id));
    for (body, expected) in [
        (json!({}), vec!["/take is required"]),
        (
            json!({"take": "both"}),
            vec!["/take must be outlook, platform or values"],
        ),
        (
            json!({"take": "outlook", "values": {}}),
            vec!["/values is not known"],
        ),
        (json!({"take": "values"}), vec!["/values is required"]),
        (
            json!({"take": "values", "values": {}}),
            vec!["/values must have a member"],
        ),
        (
            json!({"take": "values", "values": {"jobTitle": "x", "displayName": 7, "birthday": "soon"}}),
            vec![
                "/values/birthday must be a date, as in 1815-12-10, a date and time of RFC 3339, or null",
                "/values/displayName must be a text or null",
                "/values/jobTitle is no member that was in conflict",
            ],
        ),
    ] {
        assert_eq!(errors(&api.post_json(&settle, body).await.expect(400)), expected);
    }
    let body = json!({"take": "values", "values": {"displayName": "Grace Hopper"}});
    let settled = api.post_json(&settle, body.clone()).await.expect(200).body;
    assert_eq!(settled["settled"]["took"], "values");
    let contact = api.get(&path).await.expect(200).body["contact"].clone();
    assert_eq!(
        (&contact["displayName"], &contact["jobTitle"]),
        (&json!("Grace Hopper"), &json!("Captain"))
    );
    assert_eq!(
        api.post_json(&settle, body).await.expect(409).problem(),
        "already-settled"
    );
}

#[tokio::test]
async fn a_delete_against_an_edit_can_be_settled_for_either() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "06:00").await;
    let document = Value::Object(grace.document.clone());
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id);

    // Outlook had deleted it, and the edit has won.
    let id = decide(&api, &grace, &[(DELETED, document.clone(), json!(null))]).await;
    api.post_json(
        &format!("{}/settle", of(&mailbox, &id)),
        json!({"take": "outlook"}),
    )
    .await
    .expect(200);
    assert_eq!(api.get(&path).await.expect(404).problem(), "contact-deleted");

    // And the other way round: now it is deleted.
    let id = decide(&api, &grace, &[("jobTitle", json!("x"), json!("y"))]).await;
    let too_late = api
        .post_json(
            &format!("{}/settle", of(&mailbox, &id)),
            json!({"take": "platform"}),
        )
        .await;
    assert_eq!(too_late.expect(404).problem(), "contact-deleted");
    let id = decide(&api, &grace, &[(DELETED, document, json!(null))]).await;
    api.post_json(
        &format!("{}/settle", of(&mailbox, &id)),
        json!({"take": "platform"}),
    )
    .await
    .expect(200);
    assert_eq!(
        api.get(&path).await.expect(200).body["contact"]["displayName"],
        "Grace"
    );
}
