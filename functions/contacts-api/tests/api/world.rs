//! A running API with everything that it needs, and what it did.
//!
//! Knows how to start the parts and how to ask. It must not know what the API should answer, but for one thing: that
//! its description describes it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header};
use contact_store::{Store, Tables};
use contacts_api::{Api, router};
use job_queue::{JobQueue, LifecycleQueue};
use photo_store::PhotoStore;
use serde_json::{Value, json};
use sync_core::ids::MailboxId;
use tokio::net::TcpListener;
use tower::ServiceExt;

use crate::description;

/// More than any answer of a test.
const LARGEST_ANSWER: usize = 16 * 1024 * 1024;

/// An API, its store and its queues.
pub(crate) struct World {
    pub(crate) store: Store,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) ambient: Ambient,
    pub(crate) router: Router,
    sqs: FakeSqs,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::on(&embedded_dynamodb().await, None).await
    }

    /// An API that keeps photos. Its bucket holds what was put there, by name.
    pub(crate) async fn with_photos() -> (Self, Objects) {
        let objects = Objects::default();
        let photos = photos(objects.clone()).await;
        (Self::on(&embedded_dynamodb().await, Some(photos)).await, objects)
    }

    /// An API whose `DynamoDB` refuses everything with this error code.
    pub(crate) async fn with_failing_dynamodb(code: &'static str) -> Self {
        Self::on(
            &serve(Router::new().fallback(async move || refusal(code))).await,
            None,
        )
        .await
    }

    async fn on(dynamodb: &str, photos: Option<PhotoStore>) -> Self {
        let dynamodb = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region())
            .credentials_provider(credentials())
            .endpoint_url(dynamodb)
            .retry_config(RetryConfig::disabled())
            .build();
        let dynamodb = aws_sdk_dynamodb::Client::from_conf(dynamodb);
        let tables = Tables {
            contacts: "contacts".to_owned(),
            state: "state".to_owned(),
        };
        let store =
            Store::new(dynamodb.clone(), tables).keeping_history("history", Duration::from_hours(30 * 24));
        let ambient = Ambient::simulated("2026-11-23T06:41:00Z".parse().unwrap(), 7);
        let sqs = FakeSqs::default();
        let client = sqs.client().await;
        let router = router(Api {
            store: store.clone(),
            work: JobQueue::new(client.clone(), "https://sqs.test/1/work.fifo"),
            lifecycle: LifecycleQueue::new(client, "https://sqs.test/1/lifecycle"),
            policies: contacts_api::Policies::default(),
            photos,
            ambient: ambient.clone(),
        });
        Self {
            store,
            dynamodb,
            ambient,
            router,
            sqs,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.ask(Request::delete(path).body(Body::empty()).unwrap()).await
    }

    /// A GET that wants this media type.
    pub(crate) async fn get_as(&self, media_type: &str, path: &str) -> Answer {
        let request = Request::get(path).header(header::ACCEPT, media_type);
        self.ask(request.body(Body::empty()).unwrap()).await
    }

    /// A POST of this media type.
    pub(crate) async fn post_as(&self, media_type: &str, path: &str, body: &str) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, media_type);
        self.ask(request.body(body.to_owned().into()).unwrap()).await
    }

    /// A POST without a body.
    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask(Request::post(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn post_json(&self, path: &str, body: Value) -> Answer {
        let request = Request::post(path).header(header::CONTENT_TYPE, "application/json");
        self.ask(request.body(body.to_string().into()).unwrap()).await
    }

    /// Creates a contact; `key` is the `Idempotency-Key`, if any.
    pub(crate) async fn create(&self, mailbox: &MailboxId, key: &str, body: Value) -> Answer {
        let mut request = Request::post(format!("/v1/mailboxes/{mailbox}/contacts"))
            .header(header::CONTENT_TYPE, "application/json");
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        self.ask(request.body(body.to_string().into()).unwrap()).await
    }

    /// A PUT, PATCH or DELETE with this `If-Match`, or without one; null for no body.
    pub(crate) async fn change(&self, method: &str, path: &str, if_match: &str, body: Value) -> Answer {
        let media_type = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let mut request = Request::builder().method(method).uri(path);
        if !if_match.is_empty() {
            request = request.header(header::IF_MATCH, if_match);
        }
        let body = if body.is_null() {
            Body::empty()
        } else {
            request = request.header(header::CONTENT_TYPE, media_type);
            body.to_string().into()
        };
        self.ask(request.body(body).unwrap()).await
    }

    /// Asks, and checks the answer against the API's own description.
    pub(crate) async fn ask(&self, request: Request<Body>) -> Answer {
        let (method, uri) = (request.method().as_str().to_lowercase(), request.uri().clone());
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = axum::body::to_bytes(body, LARGEST_ANSWER).await.unwrap();
        let is_json = head
            .headers
            .get(header::CONTENT_TYPE)
            .is_some_and(|value| value.to_str().unwrap().contains("json"));
        let body = match (body.is_empty(), is_json) {
            (true, _) => Value::Null,
            (false, true) => serde_json::from_slice(&body).unwrap(),
            (false, false) => Value::String(String::from_utf8_lossy(&body).into_owned()),
        };
        let answer = Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
        };
        description::check(&method, &uri, &answer);
        answer
    }

    /// The messages sent since the last look, each as `queue: job mailbox`.
    pub(crate) fn sent(&self) -> Vec<String> {
        let messages = std::mem::take(&mut *self.sqs.messages.lock().unwrap());
        messages
            .iter()
            .map(|(queue, job)| {
                format!(
                    "{queue}: {} {}",
                    job["job"].as_str().unwrap(),
                    job["mailbox"].as_str().unwrap()
                )
            })
            .collect()
    }

    /// From here on SQS takes nothing, or takes everything again.
    pub(crate) fn sqs_refuses(&self, refuses: bool) {
        *self.sqs.refuses.lock().unwrap() = refuses;
    }

    pub(crate) fn a_minute_passes(&self) {
        self.ambient.advance(Duration::from_mins(1));
    }
}

impl Answer {
    /// This answer, if it has the status; the test fails otherwise.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{:#}", self.body);
        self
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// The problem's type without its prefix.
    pub(crate) fn problem(&self) -> &str {
        let kind = self.body["type"].as_str().unwrap_or("no problem");
        kind.strip_prefix("tag:outlook-contact-sync,2026:")
            .unwrap_or(kind)
    }
}

/// The objects of a bucket.
pub(crate) type Objects = Arc<Mutex<BTreeMap<String, Bytes>>>;

/// Photos in S3, as far as it is spoken here: it puts and gets.
async fn photos(objects: Objects) -> PhotoStore {
    let answer = async move |method: Method, uri: Uri, body: Bytes| {
        let mut objects = objects.lock().unwrap();
        let name = uri.path().trim_start_matches("/photos/").to_owned();
        if method == Method::PUT {
            objects.insert(name, body);
            return (StatusCode::OK, Bytes::new());
        }
        match objects.get(&name) {
            Some(object) => (StatusCode::OK, object.clone()),
            None => (
                StatusCode::NOT_FOUND,
                Bytes::from_static(b"<Error><Code>NoSuchKey</Code></Error>"),
            ),
        }
    };
    let router = Router::new().fallback(answer).layer(DefaultBodyLimit::disable());
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(region())
        .credentials_provider(credentials())
        .endpoint_url(serve(router).await)
        .force_path_style(true)
        .retry_config(RetryConfig::disabled());
    PhotoStore::new(config, "photos")
}

/// SQS as far as it is spoken here: it stores batches of messages, or refuses.
#[derive(Clone, Default)]
struct FakeSqs {
    messages: Arc<Mutex<Vec<(String, Value)>>>,
    refuses: Arc<Mutex<bool>>,
}

impl FakeSqs {
    async fn client(&self) -> aws_sdk_sqs::Client {
        let sqs = self.clone();
        let url = serve(Router::new().fallback(async move |body: Bytes| sqs.answer(&body))).await;
        let config = aws_sdk_sqs::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(region())
            .credentials_provider(credentials())
            .endpoint_url(url)
            .build();
        aws_sdk_sqs::Client::from_conf(config)
    }

    fn answer(&self, body: &[u8]) -> Response<String> {
        if *self.refuses.lock().unwrap() {
            return refusal("QueueDoesNotExist");
        }
        let batch: Value = serde_json::from_slice(body).unwrap();
        let queue = batch["QueueUrl"].as_str().unwrap().rsplit('/').next().unwrap();
        let mut stored = Vec::new();
        for entry in batch["Entries"].as_array().unwrap() {
            let job: Value = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
            if queue == "work.fifo" {
                assert_eq!(
                    entry["MessageGroupId"], job["mailbox"],
                    "the group is the mailbox"
                );
            }
            self.messages.lock().unwrap().push((queue.to_owned(), job));
            stored.push(json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0"}));
        }
        Response::new(json!({"Successful": stored, "Failed": []}).to_string())
    }
}

fn refusal(code: &str) -> Response<String> {
    let body = json!({"__type": format!("com.amazonaws#{code}"), "message": "no"});
    Response::builder()
        .status(400)
        .header("x-amzn-errortype", code)
        .body(body.to_string())
        .unwrap()
}

/// Serves the router on a free port until the test ends; returns the URL.
async fn serve(router: Router) -> String {
    let (listener, url) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    url
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// `DynamoDB` in this process, with the tables as the template deploys them; returns its URL.
async fn embedded_dynamodb() -> String {
    let database = dynoxide::Database::memory().unwrap();
    for (name, resource) in [
        ("contacts", "ContactsTable"),
        ("state", "StateTable"),
        ("history", "HistoryTable"),
    ] {
        database
            .create_table(serde_json::from_value(table(name, resource)).unwrap())
            .unwrap();
    }
    let (listener, url) = listen().await;
    tokio::spawn(dynoxide::server::serve_on(listener, database));
    url
}

/// A table of the template, as the call that makes one.
fn table(name: &str, resource: &str) -> Value {
    let template: serde_norway::Value =
        serde_norway::from_str(include_str!("../../../../template.yaml")).unwrap();
    let properties = &template["Resources"][resource]["Properties"];
    let mut table = json!({"TableName": name, "BillingMode": "PAY_PER_REQUEST"});
    for member in ["AttributeDefinitions", "KeySchema", "GlobalSecondaryIndexes"] {
        if let Some(of_table) = properties.get(member) {
            table[member] = serde_json::to_value(of_table).unwrap();
        }
    }
    table
}

fn region() -> Region {
    Region::from_static("eu-central-1")
}

fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "test")
}
