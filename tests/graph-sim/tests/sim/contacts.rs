//! Contacts: reading, writing, deleting, finding again.

use graph_sim::{Health, Settings};
use serde_json::{Value, json};

use crate::scene::{Scene, TENANT, USER};

#[test]
fn a_list_comes_ten_at_a_time_and_its_links_reach_every_contact() {
    let mut scene = Scene::new();
    let made: Vec<String> = (0..25)
        .map(|number| scene.create(None, &format!("N{number}")))
        .collect();
    let (mut link, mut sizes, mut found) = (
        Some("/contacts?$select=givenName&$count=true".to_owned()),
        vec![],
        vec![],
    );
    while let Some(url) = link {
        let page = scene.get(&url);
        assert_eq!(page.body["@odata.count"], 25);
        sizes.push(page.rows().len());
        found.extend(
            page.rows()
                .iter()
                .map(|row| row["id"].as_str().unwrap().to_owned()),
        );
        assert!(page.rows()[0].get("surname").is_none(), "only what was selected");
        link = page.next();
    }
    assert_eq!((sizes, found), (vec![10, 10, 5], made));
    assert_eq!(scene.get("/contacts?$top=3").rows().len(), 3);
    assert_eq!(scene.get("/contacts/$count").body, 25);
}

#[test]
fn users_are_named_by_object_id_or_principal_name_and_the_context_tells_unknown_ones() {
    let mut scene = Scene::new();
    let by_name = scene.get("https://graph.microsoft.com/v1.0/users/Ada@contoso.example/contacts");
    assert_eq!(by_name.status, 200);
    let unknown = scene.get("https://graph.microsoft.com/v1.0/users/nobody/contacts");
    assert_eq!((unknown.status, unknown.code()), (404, "ErrorInvalidUser"));
    let me = scene.get("https://graph.microsoft.com/v1.0/me/contacts");
    assert_eq!(me.status, 400);
}

#[test]
fn a_contact_is_created_edited_and_deleted_and_a_repeated_delete_finds_nothing() {
    let mut scene = Scene::new();
    let made = scene.post(
        "/contacts",
        json!({ "givenName": "Ada", "surname": "Lovelace", "birthday": "1815-12-10" }),
    );
    assert_eq!(
        (made.status, made.body["displayName"].as_str()),
        (201, Some("Ada Lovelace"))
    );
    let id = made.body["id"].as_str().unwrap().to_owned();
    let path = format!("/contacts/{id}");
    let edited = scene.patch(&path, json!({ "jobTitle": "Analyst", "businessPhones": ["1"] }));
    assert_eq!(edited.status, 200);
    assert_ne!(edited.body["changeKey"], made.body["changeKey"]);
    assert_eq!(edited.body["birthday"], "1815-12-10T00:00:00Z");
    assert_eq!(edited.header("etag"), edited.body["@odata.etag"]);
    let cleared = scene.patch(&path, json!({ "jobTitle": null, "businessPhones": [] }));
    assert_eq!(
        (
            cleared.body["jobTitle"].clone(),
            cleared.body["businessPhones"].clone()
        ),
        (Value::Null, json!([]))
    );
    assert_eq!(scene.delete(&path).status, 204);
    let again = scene.delete(&path);
    assert_eq!((again.status, again.code()), (404, "ErrorItemNotFound"));
    assert_eq!(scene.get("/contacts").rows().len(), 0);
}

#[test]
fn the_immutable_id_survives_a_move_and_the_classic_one_does_not() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let classic = scene.send("GET", &format!("/contacts/{id}"), &[], None).body["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_ne!(classic, id);
    let folder = scene
        .world
        .user_creates_folder(&scene.key, None, "Suppliers", scene.now)
        .unwrap();
    scene
        .world
        .user_moves_contact(&scene.key, &id, Some(&folder), scene.now)
        .unwrap();
    assert_eq!(
        scene.get(&format!("/contacts/{id}")).body["parentFolderId"],
        folder.as_str()
    );
    assert_eq!(scene.get(&format!("/contacts/{classic}")).status, 404);
    let malformed = scene.get("/contacts/what");
    assert_eq!(
        (malformed.status, malformed.code()),
        (400, "ErrorInvalidIdMalformed")
    );
}

#[test]
fn a_deleted_contact_is_still_found_in_deleted_items_until_it_is_purged() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    scene.delete(&format!("/contacts/{id}"));
    let trash = scene.world.deleted_items_id(&scene.key).unwrap();
    assert_eq!(
        scene.get(&format!("/contacts/{id}")).body["parentFolderId"],
        trash.as_str()
    );
    scene
        .world
        .user_moves_contact(&scene.key, &id, None, scene.now)
        .unwrap();
    assert_eq!(scene.get("/contacts").rows().len(), 1, "restored");
    assert_eq!(
        scene
            .post(&format!("/contacts/{id}/permanentDelete"), json!({}))
            .status,
        204
    );
    assert_eq!(scene.get(&format!("/contacts/{id}")).status, 404);

    let mut scene = Scene::with(Settings {
        soft_deleted_readable: false,
        ..Settings::default()
    });
    let id = scene.create(None, "Ada");
    scene.delete(&format!("/contacts/{id}"));
    assert_eq!(scene.get(&format!("/contacts/{id}")).status, 404);
}

#[test]
fn a_write_against_a_stale_etag_is_refused() {
    let mut scene = Scene::new();
    let made = scene.post("/contacts", json!({ "givenName": "Ada" }));
    let path = format!("/contacts/{}", made.body["id"].as_str().unwrap());
    let etag = made.body["@odata.etag"].as_str().unwrap().to_owned();
    let write = |scene: &mut Scene, etag: &str| {
        let headers = [("prefer", "IdType=\"ImmutableId\""), ("if-match", etag)];
        scene.send("PATCH", &path, &headers, Some(json!({ "jobTitle": "Analyst" })))
    };
    assert_eq!(write(&mut scene, &etag).status, 200);
    let stale = write(&mut scene, &etag);
    assert_eq!((stale.status, stale.code()), (412, "ErrorIrresolvableConflict"));
    assert_eq!(write(&mut scene, "*").status, 200);
    let headers = [("if-match", etag.as_str())];
    assert_eq!(scene.send("DELETE", &path, &headers, None).status, 412);
}

#[test]
fn a_stamped_contact_is_found_by_its_stamp_in_any_case_and_shows_it_only_when_asked() {
    let mut scene = Scene::new();
    let property = "String {8ECCC264-6880-4EBE-992F-8888D2EEAA1D} Name SyncKey";
    let made = scene.post(
        "/contacts",
        json!({ "givenName": "Ada", "singleValueExtendedProperties": [{ "id": property, "value": "Key-1" }] }),
    );
    assert!(
        made.body.get("singleValueExtendedProperties").is_none(),
        "the answer doesn't echo it"
    );
    let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let filter = |name: &str, value: &str| {
        let id = property.replace("SyncKey", name);
        let filter =
            format!("singleValueExtendedProperties/Any(ep: ep/id eq '{id}' and ep/value eq '{value}')");
        format!("/contacts?$filter={}", encode(&filter))
    };
    assert_eq!(
        scene.get(&filter("SyncKey", "key-1")).rows()[0]["id"],
        made.body["id"]
    );
    assert_eq!(
        scene.get(&filter("synckey", "Key-1")).rows().len(),
        0,
        "the name is case-sensitive"
    );
    let expand = encode(&format!(
        "singleValueExtendedProperties($filter=id eq '{property}')"
    ));
    let path = format!("/contacts/{}?$expand={expand}", made.body["id"].as_str().unwrap());
    assert_eq!(
        scene.get(&path).body["singleValueExtendedProperties"][0]["value"],
        "Key-1"
    );
}

#[test]
fn a_contact_is_found_by_its_email_address() {
    let mut scene = Scene::new();
    scene.create(None, "Other");
    let body = json!({ "givenName": "Ada", "emailAddresses": [{ "address": "Ada@example.com" }] });
    let made = scene.post("/contacts", body);
    let found = scene.get("/contacts?$filter=emailAddresses/any(a:a/address%20eq%20'ada@example.com')");
    assert_eq!(
        (found.rows().len(), &found.rows()[0]["id"]),
        (1, &made.body["id"])
    );
    assert_eq!(scene.get("/contacts?$search=ada").status, 400);
}

#[test]
fn bodies_that_contacts_cannot_hold_are_refused_and_create_nothing() {
    let mut scene = Scene::new();
    let four: Vec<Value> = (0..4)
        .map(|number| json!({ "address": format!("a{number}@example.com") }))
        .collect();
    for body in [
        json!({ "emailAddresses": four }),
        json!({ "gender": "x" }),
        json!({ "givenName": ["Ada"] }),
    ] {
        assert_eq!(scene.post("/contacts", body).status, 400);
    }
    assert_eq!(scene.world.snapshot(&scene.key).unwrap().contacts.len(), 0);
}

#[test]
fn mailboxes_that_graph_does_not_serve_say_why() {
    let mut scene = Scene::new();
    let mut answer = |health| {
        scene.world.set_health(&scene.key.clone(), health);
        let seen = scene.get("/contacts");
        (seen.status, seen.code().to_owned())
    };
    assert_eq!(
        answer(Health::NotEnabled),
        (404, "MailboxNotEnabledForRESTAPI".to_owned())
    );
    assert_eq!(answer(Health::Denied), (403, "ErrorAccessDenied".to_owned()));
    assert_eq!(answer(Health::Full).0, 200, "a full mailbox can still be listed");
    let delta = scene.get("/contacts/delta");
    assert_eq!((delta.status, delta.code()), (403, "ErrorQuotaExceeded"));
    assert_eq!(
        scene.post("/contacts", json!({ "givenName": "Ada" })).code(),
        "ErrorQuotaExceeded"
    );
}

#[test]
fn seeded_contacts_are_the_same_for_the_same_seed_and_hold_members_nobody_knows() {
    let seeded = || {
        let mut scene = Scene::new();
        scene
            .world
            .seed_contacts(&scene.key.clone(), 200, 5, scene.now)
            .unwrap();
        scene.world.snapshot(&scene.key).unwrap()
    };
    let truth = seeded();
    assert_eq!(truth, seeded());
    assert_eq!((truth.contacts.len(), truth.folders.len()), (200, 6));
    assert!(
        truth
            .folders
            .values()
            .any(|folder| folder.path.matches('/').count() >= 2),
        "nested"
    );
    assert!(
        truth
            .contacts
            .values()
            .any(|contact| contact.get("weddingAnniversary").is_some())
    );
}

#[test]
fn extensions_photos_and_translated_ids_hang_on_the_contact() {
    let mut scene = Scene::new();
    let id = scene.create(None, "Ada");
    let path = format!("/contacts/{id}");
    let made = scene.post(
        &format!("{path}/extensions"),
        json!({ "extensionName": "Com.Contoso", "key": "k1" }),
    );
    assert_eq!(made.body["id"], "microsoft.graph.openTypeExtension.Com.Contoso");
    assert_eq!(
        scene.get(&format!("{path}/extensions/Com.Contoso")).body["key"],
        "k1"
    );
    assert_eq!(scene.get(&format!("{path}/photo/$value")).status, 404);
    let photo = http::Request::put(Scene::at(&format!("{path}/photo/$value")))
        .header("authorization", format!("Bearer {}", scene.token))
        .header("content-type", "image/jpeg")
        .body(bytes::Bytes::from_static(b"\xff\xd8jpeg"))
        .unwrap();
    assert_eq!(scene.seen(photo).status, 200);
    assert_eq!(
        scene.get(&format!("{path}/photo/$value")).header("content-type"),
        "image/jpeg"
    );
    let body = json!({ "inputIds": [id], "sourceIdType": "restImmutableEntryId", "targetIdType": "restId" });
    let translated = scene.post("/translateExchangeIds", body);
    let classic = translated.rows()[0]["targetId"].as_str().unwrap().to_owned();
    assert_eq!(scene.get(&format!("/contacts/{classic}")).body["id"], id.as_str());
}

#[test]
fn tenants_do_not_see_each_other() {
    let mut scene = Scene::new();
    let other = "99999999-9999-4999-8999-999999999999";
    scene.world.consent(other, crate::scene::APP);
    let hidden = scene.world.add_mailbox(
        other,
        "44444444-4444-4444-8444-444444444444",
        "eve@other.example",
        "Eve",
    );
    let id = scene
        .world
        .user_creates_contact(&hidden, None, json!({ "givenName": "Eve" }), scene.now)
        .unwrap();
    let seen = scene.get("https://graph.microsoft.com/v1.0/users/eve@other.example/contacts");
    assert_eq!(seen.code(), "ErrorInvalidUser");
    assert_eq!(scene.get(&format!("/contacts/{id}")).code(), "ErrorItemNotFound");
    assert_eq!(
        (scene.key.tenant.as_str(), scene.key.user.as_str()),
        (TENANT, USER)
    );
}
