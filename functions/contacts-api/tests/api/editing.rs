//! What the platform writes: creating, replacing, patching and deleting a contact, and what is kept of it for Outlook.

use contact_store::{Contact, Cursor, Expected, Folder};
use serde_json::{Value, json};
use sync_core::ids::{ContactId, FolderId, MailboxId};
use sync_core::record::{Hold, Refusal, Side, Urgency, Wish};

use crate::contacts::mirror;
use crate::mailboxes::enrol_ada;
use crate::world::{Answer, World};

/// Gives the mailbox a default folder `top`, a folder `friends`, and one that is not synced.
pub(crate) async fn list_folders(api: &World, mailbox: &MailboxId) {
    for (id, in_scope) in [("top", true), ("friends", true), ("skype", false)] {
        let mut folder = Folder {
            mailbox: mailbox.clone(),
            id: FolderId::new(id),
            name: id.to_uppercase(),
            parent: None,
            is_default: id == "top",
            in_scope,
            cursor: Cursor::Unstarted,
            contacts_seen: 0,
            comparison: None,
            rev: 0,
        };
        api.store.save_folder(&mut folder).await.unwrap();
    }
}

/// An enrolled mailbox whose folders are known.
pub(crate) async fn listed(api: &World) -> MailboxId {
    let mailbox = enrol_ada(api).await;
    list_folders(api, &mailbox).await;
    mailbox
}

pub(crate) async fn stored(api: &World, mailbox: &MailboxId, id: &str) -> Contact {
    api.store
        .contact(mailbox, &id.parse().unwrap())
        .await
        .unwrap()
        .unwrap()
}

/// Lets the worker have brought the contact to Outlook, as far as the record shows it.
pub(crate) async fn settle(api: &World, contact: &Contact) {
    let mut settled = contact.clone();
    settled.edit = None;
    settled.outlook = Some(sync_core::record::OutlookItem {
        id: sync_core::ids::OutlookId::new(format!("of-{}", contact.id)),
        change_key: sync_core::ids::ChangeKey::new("k1"),
    });
    api.store
        .put_contact(&settled, Expected::Rev(contact.rev))
        .await
        .unwrap();
}

/// Lets the worker have been refused.
pub(crate) async fn hold(api: &World, contact: &Contact, why: Hold) {
    let mut held = contact.clone();
    held.edit.as_mut().unwrap().hold = Some(why);
    api.store
        .put_contact(&held, Expected::Rev(contact.rev))
        .await
        .unwrap();
}

pub(crate) fn refusal() -> Hold {
    Hold::Refused(Refusal {
        at: "2026-11-23T06:50:00Z".parse().unwrap(),
        status: Some(400),
        code: Some("ErrorInvalidProperty".to_owned()),
        reason: Some("The value is not valid".to_owned()),
        request_id: Some("graph-1".to_owned()),
    })
}

pub(crate) fn id(answer: &Answer) -> &str {
    answer.body["id"].as_str().unwrap()
}

#[tokio::test]
async fn a_contact_is_created_edited_patched_and_deleted_and_each_step_is_an_edit_for_outlook() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let ada = json!({"externalId": "crm-1", "contact": {
        "givenName": "Ada", "birthday": "1815-12-10",
        "emailAddresses": [{"address": "a@x.org"}, {"address": "b@x.org"}, {"address": "c@x.org"}, {"address": "d@x.org"}],
        "vCard": ["X-HAT:1"],
    }});
    let created = api.create(&mailbox, "", ada).await.expect(201);
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&created));
    assert_eq!(created.header("location"), path);
    assert_eq!(created.header("etag"), "\"1\"");
    assert_eq!(
        created.body,
        json!({
            "id": ContactId::of_external(&mailbox, "crm-1").as_str(),
            "mailbox": mailbox.as_str(),
            "externalId": "crm-1",
            "folder": "top",
            "version": 1,
            "sync": {"state": "pending", "since": "2026-11-23T06:41:00Z"},
            "changedAt": "2026-11-23T06:41:00Z",
            "contact": {
                "givenName": "Ada", "birthday": "1815-12-10T11:59:00Z",
                "emailAddresses": [{"address": "a@x.org"}, {"address": "b@x.org"}, {"address": "c@x.org"}, {"address": "d@x.org"}],
                "vCard": ["X-HAT:1"],
            },
        })
    );
    let contact = stored(&api, &mailbox, id(&created)).await;
    assert_eq!(
        contact.extras.keys().collect::<Vec<_>>(),
        ["emailAddresses", "vCard"]
    );
    let edit = contact.edit.clone().unwrap();
    assert_eq!(
        (edit.wish, edit.count, edit.urgency, &edit.base),
        (Wish::Save, 1, Urgency::Now, &None)
    );
    assert_eq!(
        edit.members.keys().collect::<Vec<_>>(),
        ["birthday", "emailAddresses", "givenName"]
    );
    settle(&api, &contact).await;

    api.a_minute_passes();
    let body = json!({"contact": {"givenName": "Augusta", "birthday": "1815-12-10"}});
    let replaced = api.change("PUT", &path, "\"1\"", body).await.expect(200);
    assert_eq!(
        (replaced.header("etag"), &replaced.body["externalId"]),
        ("\"2\"", &json!("crm-1"))
    );
    assert_eq!(
        replaced.body["contact"],
        json!({"givenName": "Augusta", "birthday": "1815-12-10T11:59:00Z"})
    );
    let edit = stored(&api, &mailbox, id(&created)).await.edit.unwrap();
    assert_eq!(edit.base.unwrap()["givenName"], "Ada");
    assert_eq!(edit.base_folder, Some(FolderId::new("top")));
    assert_eq!(
        edit.members.keys().collect::<Vec<_>>(),
        ["emailAddresses", "givenName"]
    );

    let edits =
        json!({"folder": "friends", "contact": {"givenName": null, "homeAddress": {"city": "London"}}});
    let patched = api.change("PATCH", &path, "\"2\"", edits).await.expect(200);
    assert_eq!(
        (patched.header("etag"), &patched.body["folder"]),
        ("\"3\"", &json!("friends"))
    );
    assert_eq!(
        patched.body["contact"],
        json!({"birthday": "1815-12-10T11:59:00Z", "homeAddress": {"city": "London"}})
    );
    let contact = stored(&api, &mailbox, id(&created)).await;
    let edit = contact.edit.unwrap();
    assert_eq!((edit.count, contact.changed_by), (4, Side::Platform));
    let edited: Vec<_> = edit.members.keys().collect();
    assert_eq!(edited, ["emailAddresses", "folder", "givenName", "homeAddress"]);

    let gone = api.change("DELETE", &path, "*", Value::Null).await.expect(200);
    assert_eq!(
        gone.body,
        json!({
            "id": id(&created), "version": 4, "deleted": true, "deletedAt": "2026-11-23T06:42:00Z",
            "sync": {"state": "pending", "since": "2026-11-23T06:42:00Z"},
        })
    );
    let contact = stored(&api, &mailbox, id(&created)).await;
    let edit = contact.edit.unwrap();
    assert_eq!((edit.wish, edit.count), (Wish::Delete, 5));
    assert!(!contact.document.is_empty(), "kept until Outlook has confirmed");
    assert_eq!(api.get(&path).await.expect(404).problem(), "contact-deleted");
    let twice = api.change("DELETE", &path, "*", Value::Null).await.expect(404);
    assert_eq!(twice.problem(), "contact-deleted");
    assert!(api.sent().is_empty(), "the table's stream is the outbox");
}

#[tokio::test]
async fn what_is_the_same_is_no_change() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "07:00").await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id);
    let present = api.get(&path).await.expect(200).body;
    let sent_back = json!({"folder": "top", "contact": present["contact"]});
    let spelt_otherwise = json!({"contact": {
        "displayName": " Grace", "emailAddresses": [{"address": "GRACE@fabrikam.com", "name": "Grace "}], "nickName": "", "children": [],
    }});
    for (method, body) in [
        ("PUT", sent_back),
        ("PUT", spelt_otherwise),
        // The display name that Outlook has made is not missed.
        (
            "PUT",
            json!({"contact": {"emailAddresses": present["contact"]["emailAddresses"]}}),
        ),
        ("PATCH", json!({})),
        (
            "PATCH",
            json!({"contact": {"jobTitle": null, "displayName": "Grace"}}),
        ),
    ] {
        let same = api.change(method, &path, "\"1\"", body).await.expect(200);
        assert_eq!(same.body, present, "{method}");
    }
    assert_eq!(
        stored(&api, &mailbox, grace.id.as_str()).await.rev,
        1,
        "nothing was written"
    );

    let body = json!({"contact": {"businessPhones": [], "vCard": ["X-HAT:1"]}, "externalId": "crm-9"});
    let kept_here = api.change("PATCH", &path, "\"1\"", body).await.expect(200);
    assert_eq!(
        (&kept_here.body["sync"], &kept_here.body["version"]),
        (&json!({"state": "settled"}), &json!(2)),
        "Outlook has nothing to learn"
    );
    let found = api
        .get(&format!("/v1/mailboxes/{mailbox}/contacts?externalId=crm-9"))
        .await
        .expect(200);
    assert_eq!(found.body["items"], json!([kept_here.body]));
}

#[tokio::test]
async fn an_edit_that_is_taken_back_stays_since_it_may_be_on_its_way() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "07:00").await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id);
    for (version, name) in [(1, "Hopper"), (2, "Grace")] {
        let edits = json!({"contact": {"displayName": name}});
        api.change("PATCH", &path, &format!("\"{version}\""), edits)
            .await
            .expect(200);
    }
    let edit = stored(&api, &mailbox, grace.id.as_str()).await.edit.unwrap();
    assert_eq!((edit.count, edit.members.len()), (3, 1));
    assert_eq!(edit.base.as_ref(), Some(&grace.document));
}

#[tokio::test]
async fn only_who_has_seen_the_present_version_may_change_it() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let created = api
        .create(&mailbox, "", json!({"contact": {"givenName": "Ada"}}))
        .await
        .expect(201);
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&created));
    let body = json!({"contact": {"givenName": "Augusta"}});
    api.change("PUT", &path, "\"1\"", body.clone()).await.expect(200);
    for (method, body) in [("PUT", body.clone()), ("PATCH", body), ("DELETE", Value::Null)] {
        let missing = api.change(method, &path, "", body.clone()).await.expect(428);
        assert_eq!(missing.problem(), "precondition-required");
        let malformed = api.change(method, &path, "1", body.clone()).await.expect(400);
        assert_eq!(malformed.body["errors"][0]["header"], "If-Match");
        let stale = api.change(method, &path, "\"1\"", body.clone()).await.expect(412);
        assert_eq!(
            (stale.problem(), &stale.body["version"]),
            ("stale-version", &json!(2))
        );
        let never = ContactId::of_external(&mailbox, "nobody");
        let path = format!("/v1/mailboxes/{mailbox}/contacts/{never}");
        let missing = api.change(method, &path, "*", body).await.expect(404);
        assert_eq!(missing.problem(), "contact-not-found");
    }
}

#[tokio::test]
async fn a_refused_edit_is_tried_again_when_it_is_edited_but_a_review_waits_for_a_person() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    for (held_by, state) in [
        (refusal(), "pending"),
        (
            Hold::Review {
                candidates: Vec::new(),
            },
            "review",
        ),
    ] {
        let created = api
            .create(&mailbox, "", json!({"contact": {"givenName": "Ada"}}))
            .await
            .expect(201);
        hold(&api, &stored(&api, &mailbox, id(&created)).await, held_by).await;
        let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&created));
        let edits = json!({"contact": {"surname": "Lovelace"}});
        let edited = api.change("PATCH", &path, "\"1\"", edits).await.expect(200);
        assert_eq!(edited.body["sync"]["state"], state);
        let gone = api.change("DELETE", &path, "*", Value::Null).await.expect(200);
        assert_eq!(gone.body["sync"]["state"], "pending");
    }
}
