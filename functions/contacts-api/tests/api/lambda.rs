//! The same router behind a function URL: what AWS hands in, and what it gets back.

use lambda_http::{Adapter, Context, LambdaEvent, Service};
use serde_json::{Value, json};

use crate::world::World;

async fn invoke(api: &World, method: &str, path: &str, body: Option<&str>, base64: bool) -> Value {
    let event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "",
        "headers": {"content-type": "application/json", "host": "abc.lambda-url.eu-central-1.on.aws"},
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "abc",
            "domainName": "abc.lambda-url.eu-central-1.on.aws",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "curl"},
            "requestId": "gateway-request",
            "routeKey": "$default",
            "stage": "$default",
            "time": "23/Nov/2026:06:41:00 +0000",
            "timeEpoch": 1_795_416_060_000_u64,
        },
        "body": body,
        "isBase64Encoded": base64,
    });
    let mut context = Context::default();
    "lambda-request".clone_into(&mut context.request_id);
    let event = LambdaEvent {
        payload: serde_json::from_value(event).unwrap(),
        context,
    };
    serde_json::to_value(Adapter::from(api.router.clone()).call(event).await.unwrap()).unwrap()
}

#[tokio::test]
async fn answers_and_problems_leave_as_text_not_as_base64() {
    let api = World::start().await;
    let form = r#"{"tenant": "contoso.com", "user": "ada@contoso.com"}"#;
    let enrolled = invoke(&api, "POST", "/v1/mailboxes", Some(form), false).await;
    assert_eq!(
        (&enrolled["statusCode"], &enrolled["isBase64Encoded"]),
        (&json!(201), &json!(false))
    );
    let body: Value = serde_json::from_str(enrolled["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["phase"], "enrolled");

    let missing = invoke(&api, "GET", "/v1/nothing", None, false).await;
    assert_eq!(
        (&missing["statusCode"], &missing["isBase64Encoded"]),
        (&json!(404), &json!(false))
    );
    assert_eq!(missing["headers"]["content-type"], "application/problem+json");
    assert!(missing["body"].as_str().unwrap().starts_with('{'));
}

#[tokio::test]
async fn a_body_that_arrives_in_base64_is_read_like_any_other() {
    let api = World::start().await;
    let form = "eyJ0ZW5hbnQiOiAiY29udG9zby5jb20iLCAidXNlciI6ICJhZGFAY29udG9zby5jb20ifQ==";
    assert_eq!(
        invoke(&api, "POST", "/v1/mailboxes", Some(form), true).await["statusCode"],
        201
    );
}

#[tokio::test]
async fn a_failure_names_the_request_as_lambda_does() {
    let api = World::with_failing_dynamodb("ThrottlingException").await;
    let failed = invoke(&api, "GET", "/v1/mailboxes", None, false).await;
    let body: Value = serde_json::from_str(failed["body"].as_str().unwrap()).unwrap();
    assert_eq!(
        (&failed["statusCode"], &body["requestId"]),
        (&json!(503), &json!("lambda-request"))
    );
}
