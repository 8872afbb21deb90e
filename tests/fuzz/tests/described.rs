//! The whole API, with a database and queues behind it, tried by Schemathesis: requests that fit its description and
//! requests that don't, each answered as described.
#![expect(
    clippy::unwrap_used,
    reason = "the test's own helpers: a failure here is a failed test"
)]

use std::path::Path;
use std::time::Duration;

use ambient::Ambient;
use axum::body::Body;
use graph_sim::{Settings as GraphSettings, World};
use http::{Request, StatusCode};
use local_aws::schemathesis;
use local_stack::{APP, LocalStack, Photos};
use serde_json::{Value, json};
use sync_engine::Settings;
use tower::ServiceExt as _;

const TENANT: &str = "3f2504e0-4f89-41d3-9a0c-0305e82c3301";

/// A bundle with a mailbox of twenty contacts in two folders, in sync.
async fn stack() -> (LocalStack, String) {
    let ambient = Ambient::simulated("2026-11-23T06:41:00Z".parse().unwrap(), 7);
    let start = LocalStack::start_with(
        ambient.clone(),
        World::new(GraphSettings::default()),
        Settings::default(),
        Photos::On,
    );
    let mut stack = start.await.unwrap();
    let user = "00000000-0000-4000-8000-000000000001";
    {
        let mut world = stack.world();
        world.consent(TENANT, APP);
        let key = world.add_mailbox(TENANT, user, "ada@contoso.example", "Ada");
        world.seed_contacts(&key, 20, 2, ambient.now()).unwrap();
    }
    let enrolment = json!({ "tenant": TENANT, "user": user });
    let enrolled = ask(&stack, "POST", "/v1/mailboxes", Some(enrolment)).await;
    stack.run_for(Duration::from_mins(3)).await.unwrap();
    (stack, enrolled["id"].as_str().unwrap().to_owned())
}

async fn ask(stack: &LocalStack, method: &str, path: &str, body: Option<Value>) -> Value {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    let body = body.map_or_else(Body::empty, |body| body.to_string().into());
    let answer = stack
        .api
        .clone()
        .oneshot(request.body(body).unwrap())
        .await
        .unwrap();
    assert!(matches!(answer.status(), StatusCode::OK | StatusCode::CREATED));
    let body = axum::body::to_bytes(answer.into_body(), usize::MAX)
        .await
        .unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_api_is_as_it_is_described() {
    let (stack, mailbox) = stack().await;
    let contacts = ask(&stack, "GET", &format!("/v1/mailboxes/{mailbox}/contacts"), None).await;
    let contacts = contacts["items"].as_array().unwrap().iter();
    let contacts: Vec<_> = contacts.map(|contact| contact["id"].as_str().unwrap()).collect();
    assert_eq!(contacts.len(), 20);
    let told = [("MAILBOX", mailbox), ("CONTACTS", contacts.join(" "))];

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(axum::serve(listener, stack.api.clone()).into_future());
    let verdict = tokio::task::spawn_blocking(move || {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let description = local_aws::repository().join("docs/openapi.json");
        schemathesis::run(&description, &url, &here.join("schemathesis"), &told)
    });
    let verdict = verdict.await.unwrap().unwrap();
    serving.abort();
    println!("{}", verdict.report);
    assert!(verdict.is_clean, "all of it: {}", verdict.log.display());
}
