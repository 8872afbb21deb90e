//! Photos: bytes there and back, and what has none.

use bytes::Bytes;
use graph_client::ErrorKind;

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
