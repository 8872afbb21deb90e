//! A fake SQS: it speaks the service's JSON protocol for the calls that this crate makes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use serde_json::{Value, json};

/// What SQS was asked, in order: the operation and its input.
pub(crate) type Calls = Vec<(String, Value)>;

#[derive(Clone, Default)]
pub(crate) struct FakeSqs(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    calls: Calls,
    /// How many more times each body is refused.
    refusals: BTreeMap<String, u32>,
    broken: bool,
}

impl FakeSqs {
    /// Starts it, on a free port; it ends with the test's runtime.
    pub(crate) async fn start() -> (Self, aws_sdk_sqs::Client) {
        let sqs = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(sqs.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(aws_sdk_sqs::config::retry::RetryConfig::disabled())
            .endpoint_url(endpoint)
            .build();
        (sqs, aws_sdk_sqs::Client::from_conf(config))
    }

    /// Refuses the next `times` messages whose body contains `part`.
    pub(crate) fn refuse(&self, part: &str, times: u32) {
        self.0.lock().unwrap().refusals.insert(part.to_owned(), times);
    }

    /// Answers every call with 500.
    pub(crate) fn break_down(&self) {
        self.0.lock().unwrap().broken = true;
    }

    pub(crate) fn calls(&self) -> Calls {
        self.0.lock().unwrap().calls.clone()
    }

    /// Every entry of every batch.
    pub(crate) fn entries(&self) -> Vec<Value> {
        self.calls()
            .iter()
            .flat_map(|(_, input)| input["Entries"].as_array().unwrap().clone())
            .collect()
    }
}

async fn answer(
    State(sqs): State<FakeSqs>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let input: Value = serde_json::from_slice(&body).unwrap();
    let operation = headers["x-amz-target"]
        .to_str()
        .unwrap()
        .trim_start_matches("AmazonSQS.")
        .to_owned();
    let mut inner = sqs.0.lock().unwrap();
    inner.calls.push((operation, input.clone()));
    if inner.broken {
        return (
            StatusCode::INTERNAL_SERVER_ERROR,
            Json(json!({ "__type": "InternalError" })),
        );
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for entry in input["Entries"].as_array().into_iter().flatten() {
        let body = entry["MessageBody"].as_str().unwrap();
        let refusal = inner
            .refusals
            .iter_mut()
            .find(|(part, left)| body.contains(part.as_str()) && **left > 0);
        if let Some((_, left)) = refusal {
            *left -= 1;
            failed.push(json!({ "Id": entry["Id"], "Code": "InternalError", "SenderFault": false }));
        } else {
            successful.push(json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0" }));
        }
    }
    (
        StatusCode::OK,
        Json(json!({ "Successful": successful, "Failed": failed })),
    )
}
