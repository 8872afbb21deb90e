//! The mirror, as outside systems read it.

use contact_store::{Contact, Expected};
use jiff::Timestamp;
use serde_json::{Value, json};
use sync_core::ids::{ChangeKey, ContactId, FolderId, MailboxId, OutlookId};
use sync_core::record::{OutlookItem, Side};

use crate::mailboxes::enrol_ada;
use crate::world::World;

/// Puts a contact into the mirror, as the worker does.
pub(crate) async fn mirror(
    api: &World,
    mailbox: &MailboxId,
    name: &str,
    folder: &str,
    changed_at: &str,
) -> Contact {
    let outlook_id = OutlookId::new(format!("AAkA{name}"));
    let document = json!({
        "displayName": name,
        "emailAddresses": [{"address": format!("{name}@fabrikam.com"), "name": name, "type": "unknown"}],
        "homeAddress": {},
        "birthday": null,
        "wearsHats": true,
    });
    let Value::Object(document) = document else {
        unreachable!()
    };
    let id = ContactId::derive(mailbox, &outlook_id);
    let contact = Contact {
        outlook: Some(OutlookItem {
            id: outlook_id,
            change_key: ChangeKey::new("EQAAABYA"),
        }),
        document,
        created_at: Some("2026-01-02T03:04:05Z".parse().unwrap()),
        modified_at: Some("2026-02-03T04:05:06Z".parse().unwrap()),
        version: 1,
        rev: 1,
        ..Contact::blank(
            mailbox.clone(),
            id,
            FolderId::new(folder),
            Side::Outlook,
            time(changed_at),
        )
    };
    api.store.put_contact(&contact, Expected::Absent).await.unwrap();
    contact
}

async fn delete(api: &World, contact: &Contact, at: &str) {
    let mut gone = contact.clone();
    (gone.version, gone.changed_at, gone.deleted_at) = (contact.version + 1, time(at), Some(time(at)));
    gone.document = serde_json::Map::new();
    api.store
        .put_contact(&gone, Expected::Rev(contact.rev))
        .await
        .unwrap();
}

fn time(text: &str) -> Timestamp {
    format!("2026-11-23T{text}:00Z").parse().unwrap()
}

#[tokio::test]
async fn a_contact_is_shown_as_outlook_has_it_with_its_version_as_etag() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "07:00").await;

    let read = api
        .get(&format!("/v1/mailboxes/{mailbox}/contacts/{}", grace.id))
        .await
        .expect(200);
    assert_eq!(read.header("etag"), "\"1\"");
    assert_eq!(read.header("cache-control"), "no-store");
    assert_eq!(
        read.body,
        json!({
            "id": grace.id.as_str(),
            "mailbox": mailbox.as_str(),
            "folder": "top",
            "version": 1,
            "outlook": {
                "id": "AAkAGrace",
                "changeKey": "EQAAABYA",
                "createdAt": "2026-01-02T03:04:05Z",
                "modifiedAt": "2026-02-03T04:05:06Z",
            },
            "sync": {"state": "settled"},
            "changedAt": "2026-11-23T07:00:00Z",
            "contact": {
                "displayName": "Grace",
                "emailAddresses": [{"address": "Grace@fabrikam.com", "name": "Grace", "type": "unknown"}],
                "homeAddress": {},
                "birthday": null,
                "wearsHats": true,
            },
        })
    );
}

#[tokio::test]
async fn a_deleted_contact_is_not_found_but_told_apart_from_one_that_never_was() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let grace = mirror(&api, &mailbox, "Grace", "top", "07:00").await;
    delete(&api, &grace, "07:30").await;

    let path = format!("/v1/mailboxes/{mailbox}/contacts");
    let gone = api.get(&format!("{path}/{}", grace.id)).await.expect(404);
    assert_eq!(
        (gone.problem(), &gone.body["deletedAt"]),
        ("contact-deleted", &json!("2026-11-23T07:30:00Z"))
    );
    let never = ContactId::derive(&mailbox, &OutlookId::new("never"));
    assert_eq!(
        api.get(&format!("{path}/{never}")).await.expect(404).problem(),
        "contact-not-found"
    );
    assert_eq!(
        api.get(&format!("{path}/nonsense")).await.expect(404).problem(),
        "contact-not-found"
    );
    assert_eq!(api.get(&path).await.expect(200).body, json!({"items": []}));
}

#[tokio::test]
async fn contacts_are_listed_by_page_by_folder_and_by_change() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    for number in 0..7 {
        mirror(&api, &mailbox, &format!("Friend{number}"), "friends", "07:00").await;
    }
    let late = mirror(&api, &mailbox, "Late", "suppliers", "08:00").await;
    let lost = mirror(&api, &mailbox, "Lost", "suppliers", "07:10").await;
    delete(&api, &lost, "08:30").await;

    let path = format!("/v1/mailboxes/{mailbox}/contacts");
    assert_eq!(names(&all(&api, &format!("{path}?limit=3")).await).len(), 8);
    assert_eq!(
        names(&all(&api, &format!("{path}?limit=2&folder=friends")).await).len(),
        7
    );
    assert_eq!(
        names(&all(&api, &format!("{path}?folder=suppliers")).await),
        ["Late"]
    );
    assert!(all(&api, &format!("{path}?folder=nowhere")).await.is_empty());

    let changes = all(&api, &format!("{path}?limit=1&changedSince=2026-11-23T07:30:00Z")).await;
    assert_eq!(names(&changes), ["Late", "deleted"], "the oldest change first");
    assert_eq!(
        changes[1],
        json!({"id": lost.id.as_str(), "version": 2, "deleted": true, "deletedAt": "2026-11-23T08:30:00Z"})
    );
    let filtered = all(
        &api,
        &format!("{path}?changedSince=2026-11-23T06:00:00Z&folder=suppliers"),
    )
    .await;
    assert_eq!(names(&filtered), ["Late", "deleted"]);
    assert_eq!(
        all(
            &api,
            &format!("{path}?changedSince=2026-11-23T08:00:00Z&folder=friends")
        )
        .await
        .len(),
        0
    );
    let zoned = all(
        &api,
        &format!("{path}?changedSince=2026-11-23T09:00:00%2B01:00&limit=1"),
    )
    .await;
    assert_eq!(zoned[0]["id"], late.id.as_str(), "at this moment or later");
}

pub(crate) async fn all(api: &World, path: &str) -> Vec<Value> {
    let mut items = Vec::new();
    let mut next = path.to_owned();
    loop {
        let page = api.get(&next).await.expect(200).body;
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(cursor) = page["next"].as_str() else {
            return items;
        };
        let joint = if path.contains('?') { '&' } else { '?' };
        next = format!("{path}{joint}cursor={cursor}");
    }
}

pub(crate) fn names(items: &[Value]) -> Vec<&str> {
    items
        .iter()
        .map(|item| item["contact"]["displayName"].as_str().unwrap_or("deleted"))
        .collect()
}

#[tokio::test]
async fn a_page_that_would_be_too_large_for_a_lambda_is_made_shorter() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    for number in 0..12 {
        let mut contact = mirror(&api, &mailbox, &format!("Long{number}"), "top", "07:00").await;
        contact
            .document
            .insert("personalNotes".to_owned(), json!("n".repeat(360_000)));
        contact.version = 2;
        api.store.put_contact(&contact, Expected::Rev(1)).await.unwrap();
    }
    let path = format!("/v1/mailboxes/{mailbox}/contacts?folder=top");
    let first = api.get(&path).await.expect(200).body;
    assert!(first.to_string().len() < 4_000_000 && first["next"].is_string());
    let mut names = names(&all(&api, &path).await)
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 12, "none is lost at the seams");
}
