//! Requests to the API: `METHOD /path?query`, headers, an empty line, a body. `{mailbox}`, `{contact}` and `{conflict}`
//! in the path and in the body stand for those that there are.

use std::sync::LazyLock;

use ambient::Ambient;
use aws_sdk_sqs::Client as Sqs;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use contact_store::{Store, Tables};
use contacts_api::{Api, Policies, router};
use job_queue::{JobQueue, LifecycleQueue};
use photo_store::PhotoStore;
use serde_json::Value;
use tower::ServiceExt as _;

use crate::cloud::{self, Cloud, config};
use crate::request::Parts;
use crate::wait;

/// More than any answer may have.
const LARGEST_ANSWER: usize = 6 * 1024 * 1024;

static API: LazyLock<(Router, Cloud)> = LazyLock::new(|| {
    let cloud = Cloud::default();
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(config!(aws_sdk_dynamodb, cloud).build());
    let sqs = Sqs::from_conf(config!(aws_sdk_sqs, cloud).build());
    let tables = Tables {
        contacts: "contacts".to_owned(),
        state: "state".to_owned(),
    };
    let router = router(Api {
        store: Store::new(dynamodb, tables),
        work: JobQueue::new(sqs.clone(), "https://sqs.test/1/work.fifo"),
        lifecycle: LifecycleQueue::new(sqs, "https://sqs.test/1/lifecycle"),
        policies: Policies::default(),
        photos: Some(PhotoStore::new(config!(aws_sdk_s3, cloud), "photos")),
        ambient: Ambient::simulated(cloud::NOW, 7),
    });
    (router, cloud)
});

/// Asks the API, whose database and queues work.
///
/// # Panics
/// Where the answer is a 5xx, or an error that is no problem details.
pub fn run(data: &[u8]) {
    let Some(parts) = Parts::of(data) else { return };
    let Some((method, path)) = parts.first.split_once(' ') else {
        return;
    };
    let mut request = Request::builder().method(method).uri(named(path));
    for (name, value) in &parts.headers {
        request = request.header(*name, *value);
    }
    let body = match str::from_utf8(parts.body) {
        Ok(text) => Body::from(named(text)),
        Err(_) => Body::from(parts.body.to_vec()),
    };
    // What is no HTTP never gets to the API.
    let Ok(request) = request.body(body) else { return };
    let (router, cloud) = &*API;
    let Ok(response) = wait(router.clone().oneshot(request));
    let (head, body) = response.into_parts();
    cloud.take_sent();
    let status = head.status.as_u16();
    assert!(status < 500, "{status}: {}", parts.first);
    let Ok(body) = wait(to_bytes(body, LARGEST_ANSWER)) else {
        panic!("the answer is longer than Lambda takes");
    };
    if status >= 400 {
        let kind = head
            .headers
            .get("content-type")
            .and_then(|kind| kind.to_str().ok());
        assert_eq!(kind, Some("application/problem+json"), "{status}");
        let told = serde_json::from_slice::<Value>(&body).map(|problem| problem["status"].clone());
        // The answer to a HEAD has no body.
        assert!(told.is_ok_and(|told| told == status) || method == "HEAD");
    }
}

/// With the ids that there are in the place of their names.
fn named(text: &str) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    text.replace("{mailbox}", cloud::mailbox().as_str())
        .replace("{contact}", cloud::contact().as_str())
        .replace("{conflict}", cloud::conflict().as_str())
}
