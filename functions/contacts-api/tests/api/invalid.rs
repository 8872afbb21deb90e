//! Which contacts are refused, and with what reasons.

use contact_store::Phase;
use serde_json::{Value, json};
use sync_core::folders::UNLISTED_DEFAULT;

use crate::contacts::mirror;
use crate::editing::{id, list_folders, listed};
use crate::mailboxes::{change, enrol_ada};
use crate::problems::errors;
use crate::world::World;

#[tokio::test]
async fn a_contact_may_be_created_before_the_folders_are_known_but_not_in_one_of_them() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let created = api.create(&mailbox, "", json!({"contact": {}})).await.expect(201);
    assert_eq!(created.body["folder"], UNLISTED_DEFAULT);
    let body = json!({"folder": "friends", "contact": {}});
    assert_eq!(
        api.create(&mailbox, "", body.clone()).await.expect(409).problem(),
        "folders-unknown"
    );
    list_folders(&api, &mailbox).await;
    assert_eq!(
        api.create(&mailbox, "", body).await.expect(201).body["folder"],
        "friends"
    );
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}", id(&created));
    let moved = api
        .change("PATCH", &path, "*", json!({"folder": "friends"}))
        .await
        .expect(200);
    assert_eq!(moved.body["folder"], "friends");

    change(&api, |mailbox| mailbox.phase = Phase::Removing).await;
    for refused in [
        api.create(&mailbox, "", json!({"contact": {}})).await,
        api.change("DELETE", &path, "*", Value::Null).await,
    ] {
        assert_eq!(refused.expect(409).problem(), "not-in-this-phase");
    }
}

#[tokio::test]
async fn every_error_of_a_contact_is_told_at_once_and_nothing_is_stored() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let long = "x".repeat(1_025);
    let body = json!({
        "folder": "skype",
        "externalId": " crm",
        "note": 1,
        "contact": {
            "givenName": 7,
            "surname": long,
            "birthday": "10.12.1815",
            "homeAddress": {"street": ["12"], "planet": "Earth"},
            "otherAddress": "London",
            "businessPhones": ["1", "", 3],
            "categories": "friends",
            "emailAddresses": [{"address": "ada@x.org", "name": null}, {"address": "ada at x.org"}, {"name": "Ada"}, "ada@x.org",
                {"address": "a@b@c", "kind": "work"}],
            "primaryEmailAddress": {"address": "ada@x.org"},
            "middlename": "King",
            "changeKey": "k",
            "@odata.etag": "e",
        },
    });
    let answer = api.create(&mailbox, "", body).await.expect(400);
    let email = "must be an e-mail address, as in ada@example.com, of 256 characters at most";
    assert_eq!(
        errors(&answer),
        [
            "/contact/@odata.etag is Outlook's own",
            "/contact/birthday must be a date, as in 1815-12-10, a date and time of RFC 3339, or null",
            "/contact/businessPhones/1 must not be empty",
            "/contact/businessPhones/2 must be a text",
            "/contact/categories must be a list or null",
            "/contact/changeKey is Outlook's own",
            &format!("/contact/emailAddresses/1/address {email}"),
            "/contact/emailAddresses/2/address is required",
            "/contact/emailAddresses/3 must be an object with an address",
            &format!("/contact/emailAddresses/4/address {email}"),
            "/contact/emailAddresses/4/kind is not known",
            "/contact/givenName must be a text or null",
            "/contact/homeAddress/planet is not known",
            "/contact/homeAddress/street must be a text or null",
            "/contact/middlename is spelt middleName",
            "/contact/otherAddress must be an object or null",
            "/contact/primaryEmailAddress is made by Outlook out of emailAddresses",
            "/contact/surname must have 1024 characters at most",
            "/externalId must have 1 to 256 characters, and no space around them",
            "/folder must be the id of one of the mailbox's synced folders",
            "/note is not known",
        ]
    );
    for (body, expected) in [
        (json!({}), vec!["/contact is required"]),
        (json!({"contact": []}), vec!["/contact must be an object"]),
        (
            json!({"folder": null, "contact": {}}),
            vec!["/folder must be a text"],
        ),
        (
            json!({"contact": {"x": "y".repeat(130_000)}}),
            vec!["/contact has more than 131072 bytes of members that Outlook does not know"],
        ),
    ] {
        let body = if expected[0].contains("131072") {
            json!({"contact": {"x": "y".repeat(132_000)}})
        } else {
            body
        };
        let answer = api.create(&mailbox, "", body).await.expect(400);
        assert_eq!(errors(&answer), expected);
    }
    let path = format!("/v1/mailboxes/{mailbox}/contacts");
    assert_eq!(
        api.get(&path).await.expect(200).body,
        json!({"items": []}),
        "nothing was stored"
    );

    // What Outlook has is valid, whatever it is.
    let strange = mirror(&api, &mailbox, "a b", "skype", "07:00").await;
    let path = format!("{path}/{}", strange.id);
    let mut contact = api.get(&path).await.expect(200).body["contact"].clone();
    contact["jobTitle"] = json!("Programmer");
    let kept = api
        .change("PUT", &path, "*", json!({"folder": "skype", "contact": contact}))
        .await;
    assert_eq!(kept.expect(200).body["contact"], contact);
    let edits = json!({"folder": null, "contact": {"emailAddresses": [{"address": "c d@x.org"}]}});
    let answer = api.change("PATCH", &path, "*", edits).await.expect(400);
    assert_eq!(
        errors(&answer),
        [
            &format!("/contact/emailAddresses/0/address {email}"),
            "/folder can't be taken away"
        ]
    );
}
