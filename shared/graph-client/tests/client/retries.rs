//! What is tried again, what is handed back, and what is never sent twice.

use std::collections::BTreeSet;
use std::time::Duration;

use ambient::add;
use graph_client::{ContactFields, ErrorKind, ReadFrom};
use jiff::Timestamp;
use serde_json::json;

use crate::stage::{Stage, cut, error, hung, ok, retry_after, status, unreachable};

fn ada() -> serde_json::Value {
    json!({ "id": "C1", "changeKey": "K1", "displayName": "Ada" })
}

#[tokio::test]
async fn a_read_gets_through_a_throttle_a_cut_and_a_busy_server() {
    let stage = Stage::with([retry_after(429, "3"), cut(), status(503), ok(&ada())]);
    let client = stage.client();
    let contact = client.mailbox("t", "u").contact("C1").await.unwrap().unwrap();
    assert_eq!(contact.change_key.as_deref(), Some("K1"));

    let asked = stage.asked();
    assert_eq!(
        asked[1].at,
        Duration::from_secs(3),
        "Retry-After is kept to the second"
    );
    assert!(stage.elapsed() < Duration::from_secs(5));
    let ids: BTreeSet<_> = asked
        .iter()
        .map(|asked| asked.header("client-request-id"))
        .collect();
    assert_eq!(ids.len(), 4, "each attempt has an id of its own");
    assert_eq!(client.requests_sent(), 5, "four attempts and a token");
}

#[tokio::test]
async fn a_long_retry_after_is_handed_back_and_not_slept_through() {
    for refusal in [
        retry_after(429, "120"),
        retry_after(503, "Thu, 01 Jan 1970 00:02:00 GMT"),
    ] {
        let stage = Stage::with([refusal]);
        let error = stage.client().mailbox("t", "u").contact("C1").await.unwrap_err();
        let until = add(Timestamp::UNIX_EPOCH, Duration::from_mins(2));
        assert_eq!(error.kind(), ErrorKind::Throttled { until });
        assert_eq!(stage.elapsed(), Duration::ZERO);
    }
}

#[tokio::test]
async fn attempts_end_with_their_number_and_with_the_deadline() {
    let stage = Stage::with([status(503), hung(), unreachable(), status(504)]);
    let error = stage.client().mailbox("t", "u").contact("C1").await.unwrap_err();
    assert_eq!(
        (error.kind(), error.status(), error.attempts()),
        (ErrorKind::Transient, Some(504), 4)
    );

    let stage = Stage::with([retry_after(429, "2")]);
    let client = stage
        .client()
        .with_deadline(add(Timestamp::UNIX_EPOCH, Duration::from_secs(1)));
    let error = client.mailbox("t", "u").contact("C1").await.unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::Throttled { .. }), "{error}");
}

#[tokio::test]
async fn a_creation_is_never_sent_twice_where_the_first_may_have_been_carried_out() {
    for lost in [
        hung(),
        cut(),
        status(503),
        status(504),
        retry_after(503, "1"),
        error(500, "x"),
    ] {
        let stage = Stage::with([lost]);
        let error = stage
            .client()
            .mailbox("t", "u")
            .create_contact(None, &ContactFields::default())
            .await
            .unwrap_err();
        assert_eq!((error.kind(), stage.asked().len()), (ErrorKind::Transient, 1));
    }
}

#[tokio::test]
async fn a_creation_is_sent_again_where_the_first_was_certainly_not_carried_out() {
    for refused in [
        unreachable(),
        retry_after(429, "1"),
        error(401, "InvalidAuthenticationToken"),
    ] {
        let stage = Stage::with([refused, ok(&ada())]);
        let client = stage.client();
        let contact = client
            .mailbox("t", "u")
            .create_contact(Some("F"), &ContactFields::default())
            .await;
        assert_eq!(contact.unwrap().id, "C1");
    }
}

#[tokio::test]
async fn writes_say_what_they_write_and_a_repeated_delete_is_done() {
    let stage = Stage::with([ok(&ada()), ok(&ada()), cut(), error(404, "ErrorItemNotFound")]);
    let client = stage.client();
    let mailbox = client.mailbox("t", "u");
    let fields = ContactFields {
        display_name: "Ada".to_owned().into(),
        ..ContactFields::default()
    };
    mailbox.create_contact(Some("F="), &fields).await.unwrap();
    mailbox
        .update_contact("C1", Some("W/\"K1\""), &fields)
        .await
        .unwrap();
    mailbox.delete_contact("C1", None).await.unwrap();

    let asked = stage.asked();
    let lines: Vec<_> = asked
        .iter()
        .map(|asked| format!("{} {}", asked.method, asked.url))
        .collect();
    let users = "https://graph.microsoft.com/v1.0/users/u";
    let expected = [
        format!("POST {users}/contactFolders/F%3D/contacts"),
        format!("PATCH {users}/contacts/C1"),
        format!("DELETE {users}/contacts/C1"),
        format!("DELETE {users}/contacts/C1"),
    ];
    assert_eq!(lines, expected);
    assert_eq!(asked[0].json(), json!({ "displayName": "Ada" }));
    assert_eq!(asked[0].header("content-type"), "application/json");
    assert_eq!(asked[1].header("if-match"), "W/\"K1\"");
}

#[tokio::test]
async fn an_id_that_is_no_path_segment_is_refused_without_a_request() {
    let stage = Stage::new();
    let client = stage.client();
    for bad in ["", ".", ".."] {
        let error = client.mailbox("t", bad).contact("C1").await.unwrap_err();
        assert_eq!((error.kind(), error.attempts()), (ErrorKind::Permanent, 0));
    }
    let error = client
        .mailbox("t", "u")
        .contact_delta("..", ReadFrom::Start)
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Permanent);
    assert_eq!(client.requests_sent(), 0);
}
