//! Photos: bytes there and back, and what has none.

use bytes::Bytes;
use graph_client::ErrorKind;
use serde_json::json;

use crate::stage::{Stage, answer, error, ok, refused, status};

#[tokio::test]
async fn a_photo_is_read_and_written_as_it_is() {
    let stage = Stage::with([
        answer(200, &[("content-type", "image/jpeg")], "jpeg"),
        status(404),
        error(404, "ErrorItemNotFound"),
        error(404, "MailboxNotEnabledForRESTAPI"),
        ok(&serde_json::json!({})),
    ]);
    let client = stage.client();
    let mailbox = client.mailbox("t", "u");
    assert_eq!(
        mailbox.photo("C").await.unwrap(),
        Some(Bytes::from_static(b"jpeg"))
    );
    assert_eq!(mailbox.photo("C").await.unwrap(), None);
    assert_eq!(mailbox.photo("gone").await.unwrap(), None);
    let gone = mailbox.photo("C").await.unwrap_err().kind();
    assert!(matches!(gone, ErrorKind::MailboxUnavailable(_)));
    mailbox.put_photo("C", Bytes::from_static(b"new")).await.unwrap();

    let asked = stage.asked();
    let put = asked.last().unwrap();
    assert_eq!(
        (put.method.as_str(), put.url.as_str()),
        (
            "PUT",
            "https://graph.microsoft.com/v1.0/users/u/contacts/C/photo/$value"
        )
    );
    assert_eq!(
        (put.header("content-type"), put.body.as_str()),
        ("image/jpeg", "new")
    );
}

#[tokio::test]
async fn a_photo_that_is_too_large_is_never_sent_and_a_dead_login_is_no_missing_photo() {
    let stage = Stage::new();
    let client = stage.client();
    let mailbox = client.mailbox("t", "u");
    let photo = Bytes::from(vec![0; (4 << 20) + 1]);
    let error = mailbox.put_photo("C", photo).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Permanent, 0));

    stage.login([refused(404, "odd")]);
    let error = mailbox.photo("C").await.unwrap_err();
    assert!(error.not_sent() && !error.may_have_happened());
}

#[tokio::test]
async fn many_photos_come_in_one_request_each_with_an_outcome_of_its_own() {
    let stage = Stage::with([ok(&json!({ "responses": [
        { "id": "2", "status": 500, "body": { "error": { "code": "ErrorCorruptData" } } },
        { "id": "0", "status": 200, "headers": { "Content-Type": "image/jpeg" }, "body": "/9j/" },
        { "id": "1", "status": 404, "body": { "error": { "code": "ImageNotFound" } } },
        { "id": "3", "status": 200, "body": "not base64" },
    ] }))]);
    let client = stage.client();
    let photos = client.mailbox("t", "u").photos(&["A", "B", "C", "D"]).await;
    let jpeg = Bytes::from_static(&[0xff, 0xd8, 0xff]);
    assert_eq!(photos[0].as_ref().unwrap(), &Some(jpeg));
    assert_eq!(photos[1].as_ref().unwrap(), &None);
    for unreadable in &photos[2..] {
        assert_eq!(unreadable.as_ref().unwrap_err().kind(), ErrorKind::Permanent);
    }
    let asked = stage.asked();
    let body: serde_json::Value = serde_json::from_str(&asked.last().unwrap().body).unwrap();
    assert_eq!(body["requests"][0]["url"], "/users/u/contacts/A/photo/$value");
}

#[tokio::test]
async fn photos_that_are_too_large_together_are_read_one_by_one() {
    let stage = Stage::with([
        error(400, "TooLarge"),
        answer(200, &[("content-type", "image/jpeg")], "one"),
        status(404),
    ]);
    let client = stage.client();
    let photos = client.mailbox("t", "u").photos(&["A", "B"]).await;
    assert_eq!(photos[0].as_ref().unwrap(), &Some(Bytes::from_static(b"one")));
    assert_eq!(photos[1].as_ref().unwrap(), &None);
}

#[tokio::test]
async fn throttling_ends_the_reading_of_photos() {
    let throttled =
        |id: usize| json!({ "id": id.to_string(), "status": 429, "headers": { "Retry-After": "600" } });
    let responses: Vec<_> = (0..20).map(throttled).collect();
    let stage = Stage::with([ok(&json!({ "responses": responses }))]);
    let client = stage.client();
    let photos = client.mailbox("t", "u").photos(&["A"; 25]).await;
    assert_eq!(photos.len(), 25);
    for photo in photos {
        let kind = photo.unwrap_err().kind();
        assert!(matches!(kind, ErrorKind::Throttled { .. }));
    }
}
