//! HTTP on loopback: a free port, one server, and the end of it.
//!
//! Knows the frame that the AWS JSON protocols share (`X-Amz-Target`, errors with a type). It must not know what
//! the services behind it do. Signatures are not looked at.

use anyhow::Context as _;
use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A batch of ten bodies of 1 MiB together, escaped in JSON, and some room.
const LARGEST_REQUEST: usize = 8 * 1024 * 1024;

/// A server on a port of its own. Dropped, it stops as soon as its open requests are answered.
#[derive(Debug)]
pub(super) struct Loopback {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Resolves when the server is to stop.
pub(super) async fn stopped(stop: oneshot::Receiver<()>) {
    // An error is the sender that was dropped, and means the same.
    let _ = stop.await;
}

/// A free port of 127.0.0.1, and its URL.
pub(super) async fn free_port() -> anyhow::Result<(TcpListener, String)> {
    let listener = TcpListener::bind("127.0.0.1:0")
        .await
        .context("bind a loopback port")?;
    let url = format!("http://{}", listener.local_addr().context("read the bound port")?);
    Ok((listener, url))
}

impl Loopback {
    /// Runs what `serve` returns until it is stopped.
    pub(super) fn start<F>(serve: impl FnOnce(oneshot::Receiver<()>) -> F) -> Self
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let (stop, until) = oneshot::channel();
        let serving = serve(until);
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(error, "a loopback server of the local AWS failed");
            }
        });
        Self { stop, task }
    }

    /// Stops it and waits for the end.
    pub(super) async fn stop(self) {
        // An error is a server that has ended already.
        let _ = self.stop.send(());
        let _ = self.task.await;
    }
}

/// An error as the AWS JSON protocols write it.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) status: StatusCode,
    /// What the SDK tells errors apart by.
    pub(super) code: &'static str,
    pub(super) message: String,
}

impl Fault {
    /// The caller's mistake.
    pub(super) fn client(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            message: message.into(),
        }
    }

    /// The service's failure.
    pub(super) fn server(code: &'static str) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            code,
            message: "a fault of the test's".to_owned(),
        }
    }
}

/// Reads a request's body; members that the model doesn't know are refused, so that nothing is lost in silence.
pub(super) fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Fault> {
    serde_json::from_slice(body).map_err(|error| Fault::client("SerializationException", error.to_string()))
}

/// A service answers an action, the part of `X-Amz-Target` behind the dot.
pub(super) type Answer = Result<Value, Fault>;

/// Serves the services that `answer` knows by (service, action, body) until stopped.
pub(super) async fn serve_json(
    listener: TcpListener,
    answer: impl Fn(&str, &str, &[u8]) -> Answer + Clone + Send + Sync + 'static,
    until: oneshot::Receiver<()>,
) -> Result<(), String> {
    let handle = move |headers: HeaderMap, body: Bytes| {
        let answer = answer.clone();
        async move {
            let target = headers
                .get("x-amz-target")
                .and_then(|target| target.to_str().ok())
                .unwrap_or_default();
            let (service, action) = target.split_once('.').unwrap_or((target, ""));
            tracing::trace!(service, action, "aws request");
            respond(answer(service, action, &body))
        }
    };
    let app = Router::new()
        .fallback(handle)
        .layer(DefaultBodyLimit::max(LARGEST_REQUEST));
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped(until))
        .await
        .map_err(|error| format!("serve: {error}"))
}

fn respond(answer: Answer) -> Response {
    let kind = (header::CONTENT_TYPE, "application/x-amz-json-1.0");
    match answer {
        Ok(body) => ([kind], body.to_string()).into_response(),
        Err(Fault {
            status,
            code,
            message,
        }) => {
            let side = if status.is_client_error() {
                "Sender"
            } else {
                "Receiver"
            };
            // SQS's clients read the code out of the header, the others out of the body.
            let query_error = ("x-amzn-query-error", format!("{code};{side}"));
            let body = json!({ "__type": code, "message": message }).to_string();
            (status, [kind], [query_error], body).into_response()
        }
    }
}
