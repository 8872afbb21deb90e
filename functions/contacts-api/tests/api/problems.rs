//! Wrong requests and faults inside: what is told, and what isn't.

use std::io::Write;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use axum::body::Body;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};

use crate::mailboxes::{ada, enrol_ada};
use crate::world::{Answer, World};

#[tokio::test]
async fn every_error_of_a_body_is_told_at_once_with_its_place() {
    let api = World::start().await;
    let ada =
        |folders: Value| json!({"tenant": "contoso.com", "user": "ada@contoso.com", "folders": folders});
    for (body, expected) in [
        (json!({}), vec!["/tenant is required", "/user is required"]),
        (
            json!({"tenant": 7, "user": "ada", "folder": "Contacts", "a/b~c": 1}),
            vec![
                "/a~1b~0c is not known",
                "/folder is not known",
                "/tenant must be a text",
                "/user must be a user's object id (a GUID) or user principal name",
            ],
        ),
        (ada(json!("Contacts")), vec!["/folders must be an object"]),
        (ada(json!({})), vec!["/folders/include is required"]),
        (
            ada(json!({"include": []})),
            vec!["/folders/include must have 1 to 100 elements"],
        ),
        (
            ada(json!({"include": ["Contacts", 7, "/Contacts"], "exclude": []})),
            vec![
                "/folders/exclude is not known",
                "/folders/include/1 must be a text",
                "/folders/include/2 must be a folder's path, id or name, as in Contacts/Suppliers",
            ],
        ),
    ] {
        let answer = api.post_json("/v1/mailboxes", body).await.expect(400);
        assert_eq!(answer.problem(), "invalid-request");
        assert_eq!(errors(&answer), expected);
    }
    let many: serde_json::Map<_, _> = (0..5_000)
        .map(|number| (format!("x{number}"), Value::Null))
        .collect();
    assert_eq!(
        errors(&api.post_json("/v1/mailboxes", many.into()).await.expect(400)).len(),
        100
    );
    assert_eq!(
        api.get("/v1/mailboxes").await.expect(200).body,
        json!({"items": []}),
        "nothing was stored"
    );
    assert!(api.sent().is_empty());
}

#[tokio::test]
async fn every_error_of_a_query_is_told_at_once_with_its_parameter() {
    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
    for (path, expected) in [
        (
            "/v1/mailboxes?limit=0",
            vec!["limit must be a number from 1 to 500"],
        ),
        (
            "/v1/mailboxes?limit=501&page=2",
            vec!["limit must be a number from 1 to 500", "page is not known"],
        ),
        ("/v1/mailboxes?limit=5&limit=6", vec!["limit is given twice"]),
        (
            &format!("{contacts}?limit=ten&changedsince=x&changedSince=yesterday"),
            vec![
                "changedSince must be a date and time of RFC 3339, as in 2026-11-23T06:41:00Z",
                "changedsince is not known",
                "limit must be a number from 1 to 500",
            ],
        ),
    ] {
        let answer = api.get(path).await.expect(400);
        assert_eq!(answer.problem(), "invalid-request", "{path}");
        assert_eq!(errors(&answer), expected, "{path}");
    }
    for path in [
        "/v1/mailboxes?cursor=abc",
        &format!("{contacts}?cursor=%F0%9F%98%80"),
    ] {
        assert_eq!(
            api.get(path).await.expect(400).problem(),
            "invalid-cursor",
            "{path}"
        );
    }
}

pub(crate) fn errors(answer: &Answer) -> Vec<String> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let errors = answer.body["errors"].as_array().unwrap().iter();
    let mut errors: Vec<_> = errors
        .map(|error| {
            format!(
                "{}{} {}",
                text(&error["pointer"]),
                text(&error["parameter"]),
                text(&error["detail"])
            )
        })
        .collect();
    errors.sort();
    errors
}

#[tokio::test]
async fn what_is_no_request_of_this_api_is_a_problem_too() {
    let api = World::start().await;
    let mailbox = format!("/v1/mailboxes/{}", ada());
    let json = "application/json";
    let too_long = format!("{{\"tenant\": \"{}\"}}", "x".repeat(300_000));
    for (method, path, content_type, body, status, problem) in [
        ("GET", "/", "", "", 404, "no-such-resource"),
        ("GET", "/v1", "", "", 404, "no-such-resource"),
        ("GET", "/v1/mailboxes/", "", "", 404, "no-such-resource"),
        ("GET", "/v1/../v1/health", "", "", 404, "no-such-resource"),
        ("PUT", "/v1/mailboxes", json, "{}", 405, "method-not-allowed"),
        ("DELETE", "/v1/health", "", "", 405, "method-not-allowed"),
        ("POST", "/v1/mailboxes", "", "{}", 415, "unsupported-media-type"),
        (
            "POST",
            "/v1/mailboxes",
            "text/plain",
            "{}",
            415,
            "unsupported-media-type",
        ),
        ("POST", "/v1/mailboxes", json, "", 400, "malformed-body"),
        (
            "POST",
            "/v1/mailboxes",
            json,
            "{\"tenant\": \"con",
            400,
            "malformed-body",
        ),
        (
            "POST",
            "/v1/mailboxes",
            "application/json; charset=utf-8",
            "[]",
            400,
            "malformed-body",
        ),
        ("POST", "/v1/mailboxes", json, "\u{0}", 400, "malformed-body"),
        ("POST", "/v1/mailboxes", json, &too_long, 413, "body-too-large"),
        ("GET", "/v1/mailboxes/mbx_short", "", "", 404, "mailbox-not-found"),
        ("GET", "/v1/mailboxes/%F0%9F", "", "", 404, "mailbox-not-found"),
        ("GET", &mailbox, "", "", 404, "mailbox-not-found"),
        (
            "GET",
            &format!("{mailbox}/folders"),
            "",
            "",
            404,
            "mailbox-not-found",
        ),
        (
            "GET",
            &format!("{mailbox}/contacts"),
            "",
            "",
            404,
            "mailbox-not-found",
        ),
        (
            "POST",
            &format!("{mailbox}/pause"),
            "",
            "",
            404,
            "mailbox-not-found",
        ),
        ("DELETE", &mailbox, "", "", 404, "mailbox-not-found"),
    ] {
        let mut request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).unwrap())
            .uri(path);
        if !content_type.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type);
        }
        let answer = api.ask(request.body(Body::from(body.to_owned())).unwrap()).await;
        assert_eq!(
            (answer.status, answer.problem()),
            (status, problem),
            "{method} {path} {:#}",
            answer.body
        );
        assert_eq!(
            answer.header("content-type"),
            "application/problem+json",
            "{method} {path}"
        );
        assert_eq!(answer.body["status"], status);
        if status == 405 {
            assert!(!answer.header("allow").is_empty(), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn a_database_without_room_is_told_with_the_time_to_come_again() {
    for code in ["ThrottlingException", "InternalServerError"] {
        let api = World::with_failing_dynamodb(code).await;
        let form = json!({"tenant": "contoso.com", "user": "ada@contoso.com"});
        for answer in [
            api.get("/v1/mailboxes").await,
            api.post_json("/v1/mailboxes", form).await,
        ] {
            let answer = answer.expect(503);
            assert_eq!(
                (answer.problem(), answer.header("retry-after")),
                ("try-again", "2")
            );
        }
        api.get("/v1/health").await.expect(200);
    }
}

#[tokio::test]
async fn a_fault_inside_is_told_by_its_request_id_alone_and_the_log_has_the_rest() {
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .with_writer(move || writer.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let api = World::start().await;
    let mailbox = enrol_ada(&api).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let newer = api
        .dynamodb
        .put_item()
        .table_name("state")
        .item("mailbox_id", text(mailbox.as_str()));
    let newer = newer
        .item("sk", text("MAILBOX"))
        .item("schema", AttributeValue::N("99".to_owned()));
    newer
        .item("rev", AttributeValue::N("1".to_owned()))
        .send()
        .await
        .unwrap();

    let answer = api
        .post(&format!("/v1/mailboxes/{mailbox}/pause"))
        .await
        .expect(500);
    let request_id = answer.body["requestId"].as_str().unwrap();
    let members: Vec<_> = answer.body.as_object().unwrap().keys().collect();
    assert_eq!(members, ["requestId", "status", "title", "type"]);
    assert_eq!(answer.problem(), "internal");

    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let failed = log
        .lines()
        .find(|line| line.contains("the request failed"))
        .unwrap();
    assert!(
        failed.contains(request_id) && failed.contains("schema 99"),
        "{failed}"
    );
    assert!(
        failed.contains("/v1/mailboxes/{mailbox}/pause"),
        "the route, not the path: {failed}"
    );
    assert!(!log.contains("contoso.com"), "{log}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
