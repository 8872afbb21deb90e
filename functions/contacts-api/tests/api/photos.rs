//! A contact's photo: what is taken, what is given, and what each refusal says.

use axum::body::Body;
use axum::http::{Request, header};
use contact_store::Contact;
use serde_json::json;
use sync_core::ids::MailboxId;
use sync_core::photo::PhotoHash;
use sync_core::record::Refusal;

use crate::contacts::mirror;
use crate::editing::{listed, stored};
use crate::world::{Answer, World};

fn jpeg(text: &str) -> Vec<u8> {
    [&[0xff, 0xd8, 0xff, 0xe0], text.as_bytes()].concat()
}

fn hash(text: &str) -> String {
    PhotoHash::of(&jpeg(text)).into()
}

async fn put(api: &World, path: &str, if_match: &str, media_type: &str, body: Vec<u8>) -> Answer {
    let mut request = Request::put(path).header(header::CONTENT_TYPE, media_type);
    if !if_match.is_empty() {
        request = request.header(header::IF_MATCH, if_match);
    }
    api.ask(request.body(Body::from(body)).unwrap()).await
}

/// A contact that Outlook has, and the path of its photo.
async fn grace(api: &World) -> (MailboxId, Contact, String) {
    let mailbox = listed(api).await;
    let grace = mirror(api, &mailbox, "Grace", "top", "07:00").await;
    let path = format!("/v1/mailboxes/{mailbox}/contacts/{}/photo", grace.id);
    (mailbox, grace, path)
}

#[tokio::test]
async fn a_photo_is_kept_and_given_back_and_outlook_is_to_get_it() {
    let (api, objects) = World::with_photos().await;
    let (mailbox, grace, path) = grace(&api).await;
    assert_eq!(api.get(&path).await.expect(404).problem(), "photo-not-found");

    let set = put(&api, &path, "\"1\"", "image/jpeg", jpeg("one"))
        .await
        .expect(200);
    assert_eq!(
        (set.header("etag"), &set.body["photo"]),
        ("\"2\"", &json!({ "hash": hash("one"), "bytes": 7 }))
    );
    assert_eq!(
        set.body["sync"],
        json!({ "state": "pending", "since": "2026-11-23T06:41:00Z" })
    );
    let names: Vec<String> = objects.lock().unwrap().keys().cloned().collect();
    assert_eq!(names, [format!("{mailbox}/{}/2-{}", grace.id, hash("one"))]);
    let contact = stored(&api, &mailbox, grace.id.as_str()).await;
    let edit = contact.photo_edit.clone().unwrap();
    assert_eq!((edit.base, edit.count), (None, 2));

    let given = api.get(&path).await.expect(200);
    assert_eq!(
        (given.header("content-type"), given.header("etag")),
        ("image/jpeg", format!("\"{}\"", hash("one")).as_str())
    );
    for known in [
        format!("\"{}\"", hash("one")),
        format!("\"x\", W/\"{}\"", hash("one")),
        "*".to_owned(),
    ] {
        let request = Request::get(&path).header(header::IF_NONE_MATCH, &known);
        let same = api.ask(request.body(Body::empty()).unwrap()).await.expect(304);
        assert!(same.body.is_null(), "{known}");
    }
    let request = Request::get(&path).header(header::IF_NONE_MATCH, format!("\"{}\"", hash("two")));
    api.ask(request.body(Body::empty()).unwrap()).await.expect(200);

    let again = put(&api, &path, "\"2\"", "image/jpeg", jpeg("one"))
        .await
        .expect(200);
    assert_eq!(again.header("etag"), "\"2\"", "the same photo is no change");
    api.a_minute_passes();
    put(&api, &path, "*", "image/jpeg; q=1", jpeg("two"))
        .await
        .expect(200);
    let contact = stored(&api, &mailbox, grace.id.as_str()).await;
    let edit = contact.photo_edit.unwrap();
    assert_eq!(
        (edit.base, edit.count),
        (None, 3),
        "what Outlook has is what it had"
    );
    assert!(api.sent().is_empty(), "the table's stream is the outbox");
}

#[tokio::test]
async fn what_is_no_photo_for_this_contact_is_refused() {
    let (api, objects) = World::with_photos().await;
    let (mailbox, grace, path) = grace(&api).await;
    let small = || jpeg("one");
    let cases = [
        (
            put(&api, &path, "", "image/jpeg", small()).await,
            428,
            "precondition-required",
        ),
        (
            put(&api, &path, "\"9\"", "image/jpeg", small()).await,
            412,
            "stale-version",
        ),
        (
            put(&api, &path, "one", "image/jpeg", small()).await,
            400,
            "invalid-request",
        ),
        (
            put(&api, &path, "*", "image/png", small()).await,
            415,
            "unsupported-media-type",
        ),
        (
            put(&api, &path, "*", "image/jpeg", b"GIF89a".to_vec()).await,
            400,
            "not-a-jpeg",
        ),
        (
            put(&api, &path, "*", "image/jpeg", Vec::new()).await,
            400,
            "not-a-jpeg",
        ),
        (
            put(&api, &path, "*", "image/jpeg", vec![0xff; (4 << 20) + 1]).await,
            413,
            "body-too-large",
        ),
    ];
    for (answer, status, problem) in cases {
        assert_eq!(answer.expect(status).problem(), problem);
    }
    let never = path.replace(grace.id.as_str(), "con_aaaaaaaaaaaaaaaaaaaaaaaaaa");
    let missing = put(&api, &never, "*", "image/jpeg", small()).await.expect(404);
    assert_eq!(missing.problem(), "contact-not-found");
    assert!(objects.lock().unwrap().is_empty(), "nothing was kept");

    let largest = [jpeg(""), vec![0; (4 << 20) - 4]].concat();
    put(&api, &path, "*", "image/jpeg", largest).await.expect(200);
    let contact = path.trim_end_matches("/photo");
    api.change("DELETE", contact, "*", json!(null)).await.expect(200);
    for answer in [
        api.get(&path).await,
        put(&api, &path, "*", "image/jpeg", small()).await,
    ] {
        assert_eq!(answer.expect(404).problem(), "contact-deleted");
    }
    let gone = stored(&api, &mailbox, grace.id.as_str()).await;
    assert!(
        gone.edit.is_some(),
        "the worker deletes the photo with the contact"
    );
}

#[tokio::test]
async fn a_photo_that_is_not_kept_any_more_is_not_found() {
    let (api, objects) = World::with_photos().await;
    let (_, _, path) = grace(&api).await;
    put(&api, &path, "*", "image/jpeg", jpeg("one")).await.expect(200);
    objects.lock().unwrap().clear();
    assert_eq!(api.get(&path).await.expect(404).problem(), "photo-not-found");
}

#[tokio::test]
async fn a_deployment_without_photos_says_so() {
    let api = World::start().await;
    let (_, _, path) = grace(&api).await;
    assert_eq!(api.get(&path).await.expect(404).problem(), "photos-off");
    let set = put(&api, &path, "*", "image/jpeg", jpeg("one")).await.expect(404);
    assert_eq!(set.problem(), "photos-off");
}

#[tokio::test]
async fn a_refused_photo_waits_for_a_person() {
    let (api, _) = World::with_photos().await;
    let (mailbox, grace, path) = grace(&api).await;
    let contact_path = path.trim_end_matches("/photo");
    for what in ["retry", "discard", "another"] {
        put(&api, &path, "*", "image/jpeg", jpeg(what)).await.expect(200);
        let contact = stored(&api, &mailbox, grace.id.as_str()).await;
        let mut refused = contact.clone();
        let edit = refused.photo_edit.as_mut().unwrap();
        let before = edit.count;
        edit.refusal = Some(Refusal {
            at: api.ambient.now(),
            status: Some(400),
            code: Some("ErrorInvalidImage".to_owned()),
            reason: None,
            request_id: None,
        });
        let expected = contact_store::Expected::Rev(contact.rev);
        api.store.put_contact(&refused, expected).await.unwrap();
        let shown = api.get(contact_path).await.expect(200).body;
        assert_eq!(
            (&shown["sync"]["state"], &shown["sync"]["refusal"]["code"]),
            (&json!("refused"), &json!("ErrorInvalidImage"))
        );
        let path_of = |what| format!("{contact_path}/{what}");
        match what {
            "another" => drop(put(&api, &path, "*", "image/jpeg", jpeg(what)).await.expect(200)),
            what => drop(api.post(&path_of(what)).await.expect(200)),
        }
        let after = stored(&api, &mailbox, grace.id.as_str()).await;
        match (what, after.photo_edit) {
            ("discard", edit) => {
                assert_eq!((edit, after.photo), (None, None), "Outlook had none");
            }
            (_, Some(edit)) => assert!(edit.refusal.is_none() && edit.count > before),
            (_, None) => panic!("{what}: it is to be tried again"),
        }
    }
}
