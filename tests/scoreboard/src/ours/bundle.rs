//! The bundle at work in real time: queues, streams and schedules, each in a loop of its own, and workers that can be killed.
//!
//! Knows what runs beside what, and what is quicker here than deployed. Must not know what any of it does.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ambient::Ambient;
use anyhow::{Context as _, Result};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::Response;
use graph_client::{Endpoints, HttpConfig, HttpTransport};
use local_stack::aws::{LocalAws, LocalStream, Schedules};
use local_stack::{Cloud, LocalStack, Photos, RENEW, RESYNC};
use serde_json::{Value, json};
use sync_engine::Settings;
use tokio::sync::{Notify, oneshot};
use tower::ServiceExt as _;

use super::Enrolment;

/// A minute of what waits by the clock is a second here.
const MINUTE: Duration = Duration::from_secs(1);
/// `PollMinutes` is 60.
const POLL: Duration = MINUTE.saturating_mul(60);
/// `CompareHours` is 24.
const COMPARE: Duration = MINUTE.saturating_mul(24 * 60);
/// `WorkVisibilitySeconds` is 150.
const VISIBILITY: Duration = Duration::from_millis(2_500);

/// There is one mailbox: one message group.
const WORKERS: usize = 2;
/// An idle loop looks again so soon.
const IDLE: Duration = Duration::from_millis(10);

type Stack = LocalStack<HttpTransport>;

/// A running bundle with one mailbox.
pub(super) struct Bundle {
    stack: Arc<Stack>,
    orders: Arc<Orders>,
    mailbox: Mutex<String>,
}

/// What the loops are told from outside.
#[derive(Default)]
struct Orders {
    kill: Notify,
    stop: Notify,
}

impl Bundle {
    /// Starts it in a thread of its own, with nobody enrolled.
    pub(super) async fn start(enrolment: &Enrolment, hook: String) -> Result<Self> {
        let endpoints = Endpoints::explicit(&enrolment.graph, &enrolment.login)?;
        let cloud = Cloud {
            endpoints,
            app: enrolment.client_id.clone(),
            secret: enrolment.client_secret.clone(),
            notification_url: hook,
        };
        let orders = Arc::new(Orders::default());
        let (ready, is_ready) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        std::thread::spawn({
            let orders = Arc::clone(&orders);
            move || runtime.block_on(live(cloud, &orders, ready))
        });
        Ok(Self {
            stack: is_ready.await.context("the bundle has died")??,
            orders,
            mailbox: Mutex::default(),
        })
    }

    /// Enrols the mailbox, as an operator does.
    pub(super) async fn enrol(&self, enrolment: &Enrolment) -> Result<()> {
        let form = json!({ "tenant": enrolment.tenant, "user": enrolment.user });
        let (status, answer) = self.request(Method::POST, "/v1/mailboxes", Some(form)).await?;
        anyhow::ensure!(status == StatusCode::CREATED, "{status} {answer}");
        let id = answer["id"].as_str().context("a mailbox without an id")?;
        id.clone_into(&mut self.mailbox.lock().unwrap_or_else(PoisonError::into_inner));
        Ok(())
    }

    /// The workers die where they are. Their messages come back when their visibility ends.
    pub(super) fn kill(&self) {
        self.orders.kill.notify_waiters();
    }

    /// Ends it.
    pub(super) fn stop(&self) {
        self.orders.stop.notify_one();
    }

    /// Asks the API about the mailbox, whatever the contact's version is.
    pub(super) async fn ask(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<(StatusCode, Value)> {
        let mailbox = self
            .mailbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        self.request(method, &format!("/v1/mailboxes/{mailbox}/{path}"), body)
            .await
    }

    async fn request(&self, method: Method, path: &str, body: Option<Value>) -> Result<(StatusCode, Value)> {
        let kind = if method == Method::PATCH {
            "application/merge-patch+json"
        } else {
            "application/json"
        };
        let mut request = Request::builder().method(&method).uri(path);
        if [Method::PATCH, Method::DELETE].contains(&method) {
            request = request.header("if-match", "*");
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", kind);
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let answer = self.stack.api.clone().oneshot(request.body(body)?).await?;
        let status = answer.status();
        let body = to_bytes(answer.into_body(), usize::MAX).await?;
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }

    /// All items of a list of the API.
    pub(super) async fn pages(&self, list: &str) -> Result<Vec<Value>> {
        let mut items = Vec::new();
        let mut path = format!("{list}?limit=500");
        loop {
            let (status, page) = self.ask(Method::GET, &path, None).await?;
            anyhow::ensure!(status == StatusCode::OK, "{status} {page}");
            items.extend(page["items"].as_array().into_iter().flatten().cloned());
            match page["next"].as_str() {
                Some(next) => path = format!("{list}?limit=500&cursor={next}"),
                None => return Ok(items),
            }
        }
    }

    /// A POST of Graph's to receive-notifications.
    pub(super) async fn notify(&self, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> Result<Response> {
        let mut request = Request::post(uri.clone());
        if let Some(kind) = headers.get("content-type") {
            request = request.header("content-type", kind);
        }
        let request = request.body(lambda_http::Body::Binary(body.to_vec()))?;
        let answer = self.stack.receiver.handle(request).await;
        Ok(answer.map(|body| Body::from(body.to_vec())))
    }
}

/// Starts, says so, and runs until it fails or is stopped.
async fn live(cloud: Cloud, orders: &Orders, ready: oneshot::Sender<Result<Arc<Stack>>>) {
    let stack = match wire(cloud).await {
        Ok(stack) => Arc::new(stack),
        Err(error) => {
            // Nobody waits any more: then nobody misses it.
            let _ = ready.send(Err(error));
            return;
        }
    };
    let _ = ready.send(Ok(Arc::clone(&stack)));
    tokio::select! {
        failure = run(&stack, &orders.kill) => match failure {
            Ok(never) => match never {},
            Err(error) => eprintln!("the bundle has stopped: {error:#}"),
        },
        () = orders.stop.notified() => {}
    }
}

async fn wire(cloud: Cloud) -> Result<Stack> {
    let transport = HttpTransport::new(&HttpConfig {
        plain_http: cloud.endpoints.plain_http(),
        ..HttpConfig::default()
    })?;
    let settings = Settings {
        poll_every: POLL,
        compare_every: COMPARE,
        ..Settings::default()
    };
    let ambient = Ambient::system();
    let aws = LocalAws::start(ambient.clone()).await?;
    LocalStack::wire(aws, ambient, cloud, settings, Photos::Off, |_| transport).await
}

async fn run(stack: &Stack, kill: &Notify) -> Result<Infallible> {
    let workers = (0..WORKERS).map(|_| Box::pin(work(stack, kill)));
    tokio::select! {
        (never, ..) = futures_util::future::select_all(workers) => match never {},
        never = Box::pin(renew(stack)) => match never {},
        failure = Box::pin(propagate(stack, &stack.contact_changes)) => failure,
        failure = Box::pin(propagate(stack, &stack.mailbox_changes)) => failure,
        failure = Box::pin(tick(stack)) => failure,
    }
}

async fn work(stack: &Stack, kill: &Notify) -> Infallible {
    loop {
        let Some(batch) = stack.work.poll() else {
            stack.ambient.sleep(IDLE).await;
            continue;
        };
        tokio::select! {
            answer = stack.work_on(&batch) => {
                stack.work.finish(batch, Ok::<_, Infallible>(answer));
            }
            () = kill.notified() => {
                stack.ambient.sleep(VISIBILITY).await;
                stack.work.lapse();
            }
        }
    }
}

async fn renew(stack: &Stack) -> Infallible {
    loop {
        match stack.lifecycle.poll() {
            Some(batch) => stack.renew_by(batch).await,
            None => stack.ambient.sleep(IDLE).await,
        }
    }
}

async fn propagate(stack: &Stack, stream: &LocalStream) -> Result<Infallible> {
    loop {
        match stream.poll()? {
            Some(batch) => stack.propagate_from(stream, batch).await,
            None => stack.ambient.sleep(IDLE).await,
        }
    }
}

async fn tick(stack: &Stack) -> Result<Infallible> {
    let mut schedules = Schedules::new();
    schedules.add(stack.ambient.now(), RENEW, MINUTE.saturating_mul(5));
    schedules.add(stack.ambient.now(), RESYNC, MINUTE);
    loop {
        for schedule in schedules.due(stack.ambient.now()) {
            // A run that fails is reported, and the next one is due as always.
            if let Err(error) = stack.tick(&schedule).await {
                eprintln!("{schedule}: {error:#}");
            }
        }
        stack.ambient.sleep(Duration::from_millis(50)).await;
    }
}
