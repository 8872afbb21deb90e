//! The HTTP face: Graph, the login endpoint and the operator's `/_sim/` on one port.
//!
//! Knows sockets. It is hyper and no framework, since a simulated reset must end the connection without an answer,
//! which a framework doesn't allow.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use graph_client::{HttpConfig, HttpTransport, Transport};
use http::{Request, Response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::admin;
use crate::face::{Clock, Served, Webhook, carry, lock};
use crate::world::{Delivery, WebhookAnswer, World};

/// How often the face looks for notifications that are due.
const LOOK: Duration = Duration::from_millis(20);
/// The longest wait for a webhook (facts 5.4).
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(10);
/// The largest request body; a photo has 4 MB (facts 1.5).
const MAX_BODY: usize = 16 << 20;

/// A running face. It ends when this is dropped.
#[derive(Debug)]
pub struct Server {
    url: String,
    tasks: Vec<JoinHandle<()>>,
}

impl Server {
    /// Scheme, host and port. Graph is at `/v1.0`, the token endpoint at `/{tenant}/oauth2/v2.0/token`.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Serves a world on a listener, and sends its notifications. Links in answers lead to this listener. `ambient` must
/// be a real clock; `operated` opens `/_sim/`.
pub fn serve(
    listener: TcpListener,
    world: Arc<Mutex<World>>,
    ambient: Ambient,
    operated: bool,
) -> anyhow::Result<Server> {
    let url = format!("http://{}", listener.local_addr()?);
    lock(&world).settings_mut().graph_url.clone_from(&url);
    let face = Face {
        world,
        clock: Clock::new(ambient.clone()),
        webhook: http_webhook(ambient)?,
        operated,
    };
    let tasks = vec![
        tokio::spawn(accept(listener, face.clone())),
        tokio::spawn(notify(face)),
    ];
    Ok(Server { url, tasks })
}

#[derive(Clone)]
struct Face {
    world: Arc<Mutex<World>>,
    clock: Clock,
    webhook: Webhook,
    operated: bool,
}

/// The line is cut instead of an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut by the fault script")]
struct Cut;

async fn accept(listener: TcpListener, face: Face) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let face = face.clone();
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request| {
                let face = face.clone();
                async move { face.answer(request).await }
            });
            // What goes wrong with one connection is that client's affair.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Face {
    async fn answer(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Cut> {
        let (parts, body) = request.into_parts();
        let Ok(body) = Limited::new(body, MAX_BODY).collect().await else {
            return Err(Cut);
        };
        let request = Request::from_parts(parts, body.to_bytes());
        if self.operated && request.uri().path().starts_with("/_sim/") {
            return Ok(admin::answer(&self.world, &self.clock, &request).map(Full::new));
        }
        match carry(&self.world, &self.clock, &self.webhook, request).await {
            Served::Answer(answer) => Ok(answer.map(Full::new)),
            Served::Reset => Err(Cut),
            Served::Hang => match std::future::pending::<Infallible>().await {},
        }
    }
}

/// Sends what is due, each POST on its own, so that a slow endpoint holds up no other.
async fn notify(face: Face) {
    loop {
        let due = lock(&face.world).due_notifications(face.clock.now());
        for delivery in due {
            let face = face.clone();
            tokio::spawn(async move {
                let answer = (face.webhook)(delivery.clone()).await;
                lock(&face.world).delivered(&delivery, &answer, face.clock.now());
            });
        }
        face.clock.sleep(LOOK).await;
    }
}

/// Real POSTs to webhooks.
fn http_webhook(ambient: Ambient) -> anyhow::Result<Webhook> {
    let config = HttpConfig {
        connect_timeout: WEBHOOK_TIMEOUT,
        read_timeout: WEBHOOK_TIMEOUT,
        total_timeout: WEBHOOK_TIMEOUT,
        plain_http: true,
        ..HttpConfig::default()
    };
    let transport = HttpTransport::new(&config)?;
    Ok(Arc::new(move |delivery| {
        let (transport, ambient) = (transport.clone(), ambient.clone());
        Box::pin(async move { post(&transport, &ambient, delivery).await })
    }))
}

async fn post(transport: &HttpTransport, ambient: &Ambient, delivery: Delivery) -> WebhookAnswer {
    let started = ambient.now();
    let request = Request::builder()
        .method("POST")
        .uri(&delivery.url)
        .header("content-type", delivery.content_type)
        .body(delivery.body);
    let Ok(request) = request else {
        return WebhookAnswer::Unreachable;
    };
    match transport.send(request).await {
        Ok(answer) => WebhookAnswer::Answered {
            status: answer.status().as_u16(),
            content_type: answer
                .headers()
                .get("content-type")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned(),
            took: Duration::try_from(ambient.now().duration_since(started)).unwrap_or_default(),
            body: answer.into_body(),
        },
        Err(_) => WebhookAnswer::Unreachable,
    }
}
