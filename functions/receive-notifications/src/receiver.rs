//! From a request to its answer.
//!
//! Knows the order of the checks, cheapest first, and what each answer tells Graph. Nothing of a request is echoed
//! but the token, and nothing of it is logged.

use std::pin::Pin;

use ambient::Ambient;
use jiff::Timestamp;
use job_queue::QueueError;
use lambda_boot::{MetricSink, Metrics, SecretError, chain, metrics::names};
use lambda_http::http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use lambda_http::http::{HeaderValue, Method, StatusCode};
use lambda_http::{Body, Request, RequestExt, Response};
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::handshake::{Handshake, handshake};
use crate::notifications::{Sorted, items, sort};
use crate::{Backend, FUNCTION};

/// Graph's own posts stay far below: a notification is about 700 bytes.
const LARGEST_BODY: usize = 1 << 20;

type Connect = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Backend> + Send>> + Send + Sync>;

/// Answers requests to the webhook. The backend is connected at the first notification: a handshake has to be
/// answered within 10 s, cold start included, and needs none.
pub struct Receiver {
    connect: Connect,
    backend: OnceCell<Backend>,
    ambient: Ambient,
    metrics: MetricSink,
}

/// Why notifications were not accepted.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error("the key of clientState can't be had")]
    NoKey(#[from] SecretError),
    #[error("the queues did not take the jobs")]
    Queue(#[from] QueueError),
}

impl Receiver {
    /// A receiver that has connected to nothing yet.
    pub fn new<F>(
        connect: impl Fn() -> F + Send + Sync + 'static,
        ambient: Ambient,
        metrics: MetricSink,
    ) -> Self
    where
        F: Future<Output = Backend> + Send + 'static,
    {
        Self {
            connect: Box::new(move || Box::pin(connect())),
            backend: OnceCell::new(),
            ambient,
            metrics,
        }
    }

    /// Answers a request, whatever it is. Writes one metric event.
    pub async fn handle(&self, request: Request) -> Response<Body> {
        let received_at = self.ambient.now();
        if request.method() != Method::POST {
            return self.refuse(StatusCode::METHOD_NOT_ALLOWED);
        }
        match handshake(request.uri()) {
            Handshake::Token(token) => return self.echo(token),
            Handshake::Refused => return self.refuse(StatusCode::BAD_REQUEST),
            Handshake::Absent => {}
        }
        if request.body().len() > LARGEST_BODY {
            return self.refuse(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let Ok(items) = items(request.body()) else {
            return self.refuse(StatusCode::BAD_REQUEST);
        };
        let request_id = request
            .lambda_context_ref()
            .map(|context| context.request_id.clone());
        let id_seed = request_id.unwrap_or_else(|| self.ambient.uuid().to_string());
        self.accept(&items, received_at, &id_seed).await
    }

    async fn accept(&self, items: &[Value], received_at: Timestamp, id_seed: &str) -> Response<Body> {
        let metrics = Metrics::new(FUNCTION).count("NotificationsReceived", items.len() as u64);
        let stored = if items.is_empty() {
            Ok(Sorted::default())
        } else {
            // Boxed: the SDK's futures are nested so deep that those around them would exceed the compiler's limit.
            Box::pin(self.store(items, received_at, id_seed)).await
        };
        let (status, metrics) = match stored {
            Ok(sorted) => {
                let metrics = metrics
                    .count(names::NOTIFICATIONS_FORGED, sorted.forged)
                    .count(names::NOTIFICATIONS_DROPPED, sorted.dropped)
                    .count("HintsStored", sorted.work.len() as u64)
                    .count("LifecycleEventsStored", sorted.lifecycle.len() as u64);
                (StatusCode::ACCEPTED, metrics)
            }
            Err(error) => {
                tracing::error!(
                    error = chain(&error),
                    "notifications were not stored; Graph will send them again"
                );
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    metrics.count("ReceiptsFailed", 1),
                )
            }
        };
        metrics.emit_to(&self.metrics, self.ambient.now());
        respond(status, Body::Empty)
    }

    async fn store(
        &self,
        items: &[Value],
        received_at: Timestamp,
        id_seed: &str,
    ) -> Result<Sorted, NotStored> {
        let backend = self.backend.get_or_init(&self.connect).await;
        let mut sorted = sort(items, &backend.keys().await?, received_at);
        if sorted.forged > 0 {
            sorted = sort(items, &backend.doubted_keys().await?, received_at);
        }
        tokio::try_join!(
            backend.work.send(&sorted.work, id_seed),
            backend.lifecycle.send(&sorted.lifecycle)
        )?;
        Ok(sorted)
    }

    fn echo(&self, token: String) -> Response<Body> {
        Metrics::new(FUNCTION)
            .count("HandshakesAnswered", 1)
            .emit_to(&self.metrics, self.ambient.now());
        let mut response = respond(StatusCode::OK, Body::Text(token));
        response.headers_mut().insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        response
    }

    fn refuse(&self, status: StatusCode) -> Response<Body> {
        Metrics::new(FUNCTION)
            .count("RequestsRefused", 1)
            .emit_to(&self.metrics, self.ambient.now());
        let mut response = respond(status, Body::Empty);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static("POST"));
        }
        response
    }
}

fn respond(status: StatusCode, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
