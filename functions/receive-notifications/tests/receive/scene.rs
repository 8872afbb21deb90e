//! A receiver with everything around it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use ambient::Ambient;
use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, retry::RetryConfig};
use lambda_boot::MetricSink;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use lambda_runtime::{Context, LambdaEvent};
use receive_notifications::{Backend, Config, Receiver, edge};
use serde_json::{Value, json};
use sync_core::client_state::ClientStateKeys;
use sync_core::ids::{MailboxId, TenantId, UserId};

use crate::fake_aws::FakeAws;

/// The key that signed the events in `tests/events`.
pub(crate) const KEY: &str = "test key, 32 bytes at the least!";
pub(crate) const ADAS_SUBSCRIPTION: &str = "7f105c7d-2dc5-4530-97cd-4e7ae6534c07";

pub(crate) struct Scene {
    pub(crate) aws: FakeAws,
    pub(crate) ambient: Ambient,
    pub(crate) metrics: MetricSink,
    pub(crate) receiver: Receiver,
    connections: Arc<AtomicU32>,
}

impl Scene {
    pub(crate) async fn start() -> Self {
        let (aws, endpoint) = FakeAws::start().await;
        aws.secret(&json!({ "current": KEY }));
        let ambient = Ambient::simulated("2026-11-23T06:41:00Z".parse().unwrap(), 1);
        let metrics = MetricSink::memory();
        let connections = Arc::new(AtomicU32::new(0));
        let (count, clock) = (connections.clone(), ambient.clone());
        let connect = move || {
            count.fetch_add(1, Ordering::Relaxed);
            std::future::ready(backend(&endpoint, clock.clone()))
        };
        let receiver = Receiver::new(connect, ambient.clone(), metrics.clone());
        Self {
            aws,
            ambient,
            metrics,
            receiver,
            connections,
        }
    }

    /// How often the AWS clients have been built.
    pub(crate) fn connections(&self) -> u32 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Hands in an event of `tests/events`; answers with the status, the headers and the body, as Lambda gets them.
    pub(crate) async fn event(&self, event: &str) -> Value {
        let mut context = Context::default();
        context.request_id = String::from("8f5c2d1e-request");
        let answer = edge::serve(
            &self.receiver,
            LambdaEvent::new(serde_json::from_str(event).unwrap(), context),
        )
        .await;
        serde_json::to_value(answer).unwrap()
    }

    /// Posts a body; answers with the status, and proves that nothing of the request is in the answer.
    pub(crate) async fn post(&self, body: impl Into<Body>) -> u16 {
        let response = self.receiver.handle(request(Method::POST, "/", body)).await;
        assert_eq!(response.body().len(), 0, "nothing but a token is echoed");
        response.status().as_u16()
    }

    pub(crate) async fn send(&self, method: Method, uri: &str) -> Response<Body> {
        self.receiver.handle(request(method, uri, "")).await
    }

    pub(crate) fn stored(&self) -> usize {
        self.aws.stored("work.fifo").len() + self.aws.stored("lifecycle").len()
    }
}

fn request(method: Method, uri: &str, body: impl Into<Body>) -> Request {
    let mut request = Request::new(body.into());
    *request.method_mut() = method;
    *request.uri_mut() = uri.parse().unwrap();
    request
}

fn backend(endpoint: &str, ambient: Ambient) -> Backend {
    let config = Config::from_env(|name| {
        Some(match name {
            "WORK_QUEUE_URL" => "https://sqs.example/1/work.fifo".to_owned(),
            "LIFECYCLE_QUEUE_URL" => "https://sqs.example/1/lifecycle".to_owned(),
            name => format!("arn:{name}"),
        })
    });
    let credentials = Credentials::new("id", "secret", None, None, "test");
    let sqs = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials.clone())
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    let secrets = aws_sdk_secretsmanager::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .credentials_provider(credentials)
        .retry_config(RetryConfig::disabled())
        .endpoint_url(endpoint)
        .build();
    let secrets = aws_sdk_secretsmanager::Client::from_conf(secrets);
    Backend::new(
        &aws_sdk_sqs::Client::from_conf(sqs),
        secrets,
        config.unwrap(),
        ambient,
    )
}

pub(crate) fn ada() -> MailboxId {
    MailboxId::derive(
        &TenantId::new("5f1c0f1e-7f0b-4c4e-9b7b-2f6f0c7a1d10"),
        &UserId::new("ada@contoso.example"),
    )
}

pub(crate) fn signed_by(key: &str) -> String {
    ClientStateKeys::new([key.as_bytes().to_vec()])
        .unwrap()
        .sign(&ada())
}

/// A genuine notification of a change in Ada's mailbox.
pub(crate) fn change() -> Value {
    json!({
        "subscriptionId": ADAS_SUBSCRIPTION,
        "clientState": signed_by(KEY),
        "changeType": "updated",
        "resource": "Users/u/Contacts/c",
    })
}

pub(crate) fn collection(items: &[Value]) -> String {
    json!({ "value": items }).to_string()
}
