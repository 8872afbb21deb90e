//! A fake AWS: the calls of this function in the services' JSON protocol.

use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use serde_json::{Value, json};

#[derive(Clone, Default)]
pub(crate) struct FakeAws(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    /// What each queue was sent: its URL's last part and the entry.
    stored: Vec<(String, Value)>,
    secret: String,
    secret_reads: u32,
    sqs_down: bool,
    secrets_down: bool,
}

impl FakeAws {
    /// Starts it, on a free port; it ends with the test's runtime.
    pub(crate) async fn start() -> (Self, String) {
        let aws = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (aws, endpoint)
    }

    pub(crate) fn secret(&self, keys: &Value) {
        self.0.lock().unwrap().secret = keys.to_string();
    }

    pub(crate) fn sqs_down(&self, down: bool) {
        self.0.lock().unwrap().sqs_down = down;
    }

    pub(crate) fn secrets_down(&self, down: bool) {
        self.0.lock().unwrap().secrets_down = down;
    }

    pub(crate) fn secret_reads(&self) -> u32 {
        self.0.lock().unwrap().secret_reads
    }

    /// What a queue holds, in the order of its arrival.
    pub(crate) fn stored(&self, queue: &str) -> Vec<Value> {
        let inner = self.0.lock().unwrap();
        inner
            .stored
            .iter()
            .filter(|(name, _)| name == queue)
            .map(|(_, entry)| entry.clone())
            .collect()
    }
}

async fn answer(State(aws): State<FakeAws>, headers: HeaderMap, body: Bytes) -> (StatusCode, Json<Value>) {
    let input: Value = serde_json::from_slice(&body).unwrap();
    let mut inner = aws.0.lock().unwrap();
    let down = (
        StatusCode::INTERNAL_SERVER_ERROR,
        Json(json!({ "__type": "InternalError" })),
    );
    if headers["x-amz-target"]
        .to_str()
        .unwrap()
        .starts_with("secretsmanager.")
    {
        inner.secret_reads += 1;
        let secret = json!({ "ARN": input["SecretId"], "SecretString": inner.secret });
        return if inner.secrets_down {
            down
        } else {
            (StatusCode::OK, Json(secret))
        };
    }
    if inner.sqs_down {
        return down;
    }
    let queue = input["QueueUrl"]
        .as_str()
        .unwrap()
        .rsplit('/')
        .next()
        .unwrap()
        .to_owned();
    let entries = input["Entries"].as_array().unwrap();
    inner
        .stored
        .extend(entries.iter().map(|entry| (queue.clone(), entry.clone())));
    let successful = entries
        .iter()
        .map(|e| json!({ "Id": e["Id"], "MessageId": "m", "MD5OfMessageBody": "0" }));
    (
        StatusCode::OK,
        Json(json!({ "Successful": successful.collect::<Vec<_>>(), "Failed": [] })),
    )
}
