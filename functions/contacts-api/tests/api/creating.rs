//! Creating a contact once, however often it is asked for.

use contact_store::Expected;
use serde_json::{Value, json};
use sync_core::record::Wish;

use crate::editing::{id, listed, settle, stored};
use crate::world::World;

#[tokio::test]
async fn a_creation_that_is_repeated_creates_one_contact() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let ada = json!({"contact": {"givenName": "Ada"}});
    let bob = json!({"contact": {"givenName": "Bob"}});
    let first = api.create(&mailbox, "key-1", ada.clone()).await.expect(201);
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&first));
    let edits = json!({"contact": {"surname": "Lovelace"}});
    let patched = api.change("PATCH", &path, "\"1\"", edits).await.expect(200);
    let again = api.create(&mailbox, "key-1", ada.clone()).await.expect(200);
    assert_eq!(
        (again.body, again.headers.get("location").is_some()),
        (patched.body, true)
    );
    let other = api.create(&mailbox, "key-1", bob.clone()).await.expect(422);
    assert_eq!(other.problem(), "key-used-otherwise");
    assert_ne!(
        id(&api.create(&mailbox, "key-2", ada.clone()).await.expect(201)),
        id(&first)
    );
    assert_ne!(
        id(&api.create(&mailbox, "", ada.clone()).await.expect(201)),
        id(&api.create(&mailbox, "", ada.clone()).await.expect(201)),
        "without a key they are two"
    );
    api.change("DELETE", &path, "*", Value::Null).await.expect(200);
    let late = api.create(&mailbox, "key-1", ada).await.expect(404);
    assert_eq!(
        late.problem(),
        "contact-deleted",
        "a late repetition brings nothing back"
    );
    let long = "k".repeat(256);
    let bad = api.create(&mailbox, &long, bob).await.expect(400);
    assert_eq!(bad.body["errors"][0]["header"], "Idempotency-Key");
}

#[tokio::test]
async fn an_external_id_names_one_contact_and_brings_back_a_deleted_one() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let with_id = |name: &str| json!({"externalId": "crm-1", "contact": {"givenName": name}});
    let ada = api.create(&mailbox, "", with_id("Ada")).await.expect(201);
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&ada));
    api.create(&mailbox, "", with_id("Ada")).await.expect(200);
    let taken = api.create(&mailbox, "", with_id("Bob")).await.expect(409);
    assert_eq!(
        (taken.problem(), &taken.body["contact"]),
        ("external-id-taken", &json!(id(&ada)))
    );

    let other = api
        .create(&mailbox, "", json!({"contact": {"givenName": "Bob"}}))
        .await
        .expect(201);
    let others = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&other));
    let claim = json!({"externalId": "crm-1"});
    let taken = api.change("PATCH", &others, "*", claim).await.expect(409);
    assert_eq!(taken.problem(), "external-id-taken");
    api.change("PATCH", &others, "*", json!({"externalId": "crm-2"}))
        .await
        .expect(200);
    let changed = api
        .change("PATCH", &others, "*", json!({"externalId": "crm-3"}))
        .await
        .expect(400);
    assert_eq!(changed.body["errors"][0]["pointer"], "/externalId");
    let taken = api
        .create(
            &mailbox,
            "",
            json!({"externalId": "crm-2", "contact": {"givenName": "Eve"}}),
        )
        .await
        .expect(409);
    assert_eq!(taken.body["contact"], id(&other));

    // Outlook has not heard of the delete when the contact is wanted again ...
    settle(&api, &stored(&api, &mailbox, id(&ada)).await).await;
    api.change("DELETE", &path, "*", Value::Null).await.expect(200);
    let back = api.create(&mailbox, "", with_id("Ada")).await.expect(201);
    assert_eq!(
        (&back.body["version"], back.body["outlook"].is_object()),
        (&json!(3), true)
    );
    let edit = stored(&api, &mailbox, id(&ada)).await.edit.unwrap();
    assert_eq!((edit.wish, edit.count), (Wish::Save, 4));
    // ... and here it has.
    api.change("DELETE", &path, "*", Value::Null).await.expect(200);
    let mut buried = stored(&api, &mailbox, id(&ada)).await;
    buried.edit = None;
    api.store
        .put_contact(&buried, Expected::Rev(buried.rev))
        .await
        .unwrap();
    let back = api.create(&mailbox, "", with_id("Augusta")).await.expect(201);
    assert_eq!(
        (&back.body["version"], back.body["outlook"].is_null()),
        (&json!(5), true)
    );
    let edit = stored(&api, &mailbox, id(&ada)).await.edit.unwrap();
    assert_eq!(
        (edit.base, edit.count),
        (None, 7),
        "it is created in Outlook anew"
    );
}
