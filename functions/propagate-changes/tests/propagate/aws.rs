//! A fake AWS: it speaks the JSON protocols of SQS, `EventBridge` and `DynamoDB` for the calls that the function makes,
//! behind the real clients.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::{Json, Router};
use contact_store::{Store, Tables};
use job_queue::{JobQueue, WorkJob};
use lambda_boot::MetricSink;
use propagate_changes::{EventBus, Propagate};
use serde_json::{Value, json};

pub(crate) const CONTACTS: &str = "mirror-contacts";
pub(crate) const STATE: &str = "mirror-state";
pub(crate) const HISTORY: &str = "mirror-history";

#[derive(Clone, Default)]
pub(crate) struct FakeAws(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    calls: Vec<(String, Value)>,
    /// Events that are refused whenever they are sent, by a part of their detail, and how many more times.
    refusals: Vec<(String, u32)>,
    broken: BTreeSet<&'static str>,
}

impl FakeAws {
    /// Starts it, on a free port; it ends with the test's runtime.
    pub(crate) async fn start() -> (Self, Propagate) {
        let aws = Self::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(aws.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let tables = Tables {
            contacts: CONTACTS.to_owned(),
            state: STATE.to_owned(),
        };
        let propagate = Propagate {
            store: Store::new(dynamodb(&url), tables.clone())
                .keeping_history(HISTORY, Duration::from_hours(24)),
            tables,
            work: JobQueue::new(sqs(&url), "https://sqs.example/1/work.fifo"),
            bus: EventBus::new(eventbridge(&url), "mirror"),
            ambient: Ambient::simulated("2026-11-23T07:00:00Z".parse().unwrap(), 1),
            metrics: MetricSink::memory(),
        };
        (aws, propagate)
    }

    /// Refuses the next `times` events whose detail contains `part`.
    pub(crate) fn refuse(&self, part: &str, times: u32) {
        self.0.lock().unwrap().refusals.push((part.to_owned(), times));
    }

    /// Answers every call of this operation with an error.
    pub(crate) fn break_down(&self, operation: &'static str) {
        self.0.lock().unwrap().broken.insert(operation);
    }

    pub(crate) fn mend(&self) {
        self.0.lock().unwrap().broken.clear();
    }

    /// The inputs of an operation, in order.
    pub(crate) fn inputs(&self, operation: &str) -> Vec<Value> {
        let calls = &self.0.lock().unwrap().calls;
        let of = calls.iter().filter(|(name, _)| name == operation);
        of.map(|(_, input)| input.clone()).collect()
    }

    /// Every entry of every `PutEvents`, refused ones included.
    pub(crate) fn events(&self) -> Vec<Value> {
        let inputs = self.inputs("PutEvents");
        let entries = inputs
            .iter()
            .flat_map(|input| input["Entries"].as_array().unwrap());
        entries.cloned().collect()
    }

    pub(crate) fn jobs(&self) -> Vec<WorkJob> {
        let inputs = self.inputs("SendMessageBatch");
        let entries = inputs
            .iter()
            .flat_map(|input| input["Entries"].as_array().unwrap());
        entries
            .map(|entry| WorkJob::parse(entry["MessageBody"].as_str().unwrap()).unwrap())
            .collect()
    }
}

async fn answer(
    State(aws): State<FakeAws>,
    headers: HeaderMap,
    body: axum::body::Bytes,
) -> (StatusCode, Json<Value>) {
    let input: Value = serde_json::from_slice(&body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap();
    let operation = target.split('.').next_back().unwrap();
    let mut inner = aws.0.lock().unwrap();
    inner.calls.push((operation.to_owned(), input.clone()));
    if inner.broken.contains(operation) {
        return (
            StatusCode::BAD_REQUEST,
            Json(json!({ "__type": "InternalException" })),
        );
    }
    let entries = input["Entries"].as_array().cloned().unwrap_or_default();
    let answer = match operation {
        "SendMessageBatch" => {
            let stored = entries
                .iter()
                .map(|entry| json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0" }));
            json!({ "Successful": stored.collect::<Vec<_>>(), "Failed": [] })
        }
        "PutEvents" => {
            let results: Vec<_> = entries.iter().map(|entry| inner.take(entry)).collect();
            json!({ "FailedEntryCount": 0, "Entries": results })
        }
        "BatchWriteItem" => json!({ "UnprocessedItems": {} }),
        "Query" => json!({ "Items": [], "Count": 0 }),
        other => panic!("the function must not call {other}"),
    };
    (StatusCode::OK, Json(answer))
}

impl Inner {
    fn take(&mut self, entry: &Value) -> Value {
        let detail = entry["Detail"].as_str().unwrap();
        let refusal = self
            .refusals
            .iter_mut()
            .find(|(part, left)| *left > 0 && detail.contains(part.as_str()));
        match refusal {
            Some((_, left)) => {
                *left -= 1;
                json!({ "ErrorCode": "ThrottlingException", "ErrorMessage": "slow down" })
            }
            None => json!({ "EventId": "stored" }),
        }
    }
}

macro_rules! client {
    ($name:ident, $sdk:ident) => {
        fn $name(url: &str) -> $sdk::Client {
            let config = $sdk::Config::builder()
                .behavior_version($sdk::config::BehaviorVersion::latest())
                .region($sdk::config::Region::new("eu-central-1"))
                .credentials_provider($sdk::config::Credentials::new(
                    "id", "secret", None, None, "test",
                ))
                .retry_config($sdk::config::retry::RetryConfig::disabled())
                .http_client(aws_smithy_http_client::Builder::new().build_http())
                .endpoint_url(url);
            $sdk::Client::from_conf(config.build())
        }
    };
}
client!(dynamodb, aws_sdk_dynamodb);
client!(sqs, aws_sdk_sqs);
client!(eventbridge, aws_sdk_eventbridge);
