//! This bundle under the scoreboard's contract: the real handlers, on a local AWS, against a Graph that is named by URL.
//!
//! Knows the contract (docs/testing.md) and the bundle's own API. [`bundle`] runs it. Must not know scripts.

mod bundle;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, patch, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use bundle::Bundle;

/// Who is to be kept in sync, and where.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Enrolment {
    graph: String,
    login: String,
    tenant: String,
    user: String,
    client_id: String,
    client_secret: String,
}

/// A bundle for each mailbox, since each has a Graph of its own.
struct Bundles {
    url: String,
    enrolled: AtomicUsize,
    running: Mutex<BTreeMap<String, Arc<Bundle>>>,
}

type Shared = State<Arc<Bundles>>;

/// Serves the contract until nobody holds our standard input any more.
pub(crate) async fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let bundles = Arc::new(Bundles {
        url: url.clone(),
        enrolled: AtomicUsize::default(),
        running: Mutex::default(),
    });
    let routes = Router::new()
        .route("/mailboxes", post(enrol))
        .route("/mailboxes/{number}", delete(leave))
        .route("/mailboxes/{number}/contacts", get(list).post(create))
        .route(
            "/mailboxes/{number}/contacts/{contact}",
            patch(edit).delete(remove),
        )
        .route("/mailboxes/{number}/log", get(log))
        .route("/mailboxes/{number}/kill", post(kill))
        .route("/hooks/{number}", post(hook))
        .with_state(bundles);
    writeln!(std::io::stdout(), "{}", json!({ "url": url }))?;
    tokio::select! {
        served = axum::serve(listener, routes).into_future() => served?,
        () = orphaned() => {}
    }
    Ok(())
}

async fn orphaned() {
    use tokio::io::AsyncReadExt as _;
    // Nobody writes; an error is an end as well.
    let _ = tokio::io::stdin().read_to_end(&mut Vec::new()).await;
}

impl Bundles {
    fn running<R>(&self, with: impl FnOnce(&mut BTreeMap<String, Arc<Bundle>>) -> R) -> R {
        with(&mut self.running.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn find(&self, number: &str) -> Result<Arc<Bundle>, Failure> {
        let bundle = self.running(|running| running.get(number).cloned());
        Ok(bundle.context("no such mailbox")?)
    }
}

/// What can't be answered.
struct Failure(anyhow::Error);

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = Json(json!({ "error": format!("{:#}", self.0) }));
        (StatusCode::INTERNAL_SERVER_ERROR, body).into_response()
    }
}

type Answer = Result<Response, Failure>;

async fn enrol(State(bundles): Shared, Json(enrolment): Json<Enrolment>) -> Answer {
    let number = bundles.enrolled.fetch_add(1, Ordering::Relaxed).to_string();
    let hook = format!("{}/hooks/{number}", bundles.url);
    let bundle = Arc::new(Bundle::start(&enrolment, hook).await?);
    bundles.running(|running| running.insert(number.clone(), Arc::clone(&bundle)));
    bundle.enrol(&enrolment).await?;
    Ok((StatusCode::CREATED, Json(json!({ "id": number }))).into_response())
}

async fn leave(State(bundles): Shared, Path(number): Path<String>) -> Answer {
    bundles.find(&number)?.stop();
    Ok(StatusCode::NO_CONTENT.into_response())
}

async fn list(State(bundles): Shared, Path(number): Path<String>) -> Answer {
    let items = bundles.find(&number)?.pages("contacts").await?;
    Ok(Json(json!({ "items": items })).into_response())
}

/// The conflict log, each entry with both values.
async fn log(State(bundles): Shared, Path(number): Path<String>) -> Answer {
    let bundle = bundles.find(&number)?;
    let mut items = Vec::new();
    for entry in bundle.pages("conflicts").await? {
        let id = entry["id"].as_str().unwrap_or_default();
        let (_, entry) = bundle.ask(Method::GET, &format!("conflicts/{id}"), None).await?;
        items.push(entry);
    }
    Ok(Json(json!({ "items": items })).into_response())
}

async fn create(State(bundles): Shared, Path(number): Path<String>, Json(body): Json<Value>) -> Answer {
    pass_on(&bundles, &number, Method::POST, "contacts", Some(body)).await
}

async fn edit(
    State(bundles): Shared,
    Path((number, contact)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Answer {
    let path = format!("contacts/{contact}");
    pass_on(&bundles, &number, Method::PATCH, &path, Some(body)).await
}

async fn remove(State(bundles): Shared, Path((number, contact)): Path<(String, String)>) -> Answer {
    let path = format!("contacts/{contact}");
    pass_on(&bundles, &number, Method::DELETE, &path, None).await
}

/// The contract's forms of writes are the API's own.
async fn pass_on(bundles: &Bundles, number: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let bundle = bundles.find(number)?;
    let (status, answer) = bundle.ask(method, path, body).await?;
    Ok((status, Json(answer)).into_response())
}

async fn kill(State(bundles): Shared, Path(number): Path<String>) -> Answer {
    bundles.find(&number)?.kill();
    Ok(Json(json!({})).into_response())
}

/// Graph's notifications.
async fn hook(
    State(bundles): Shared,
    Path(number): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Answer {
    let bundle = bundles.find(&number)?;
    Ok(bundle.notify(&uri, &headers, &body).await?)
}
