//! A simulator that records, and raw requests to it with a webhook that always agrees.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use graph_client::Transport;
use graph_sim::{Delivery, Exchange, MailboxKey, Settings, SimTransport, WebhookAnswer, World};
use http::Request;
use serde_json::Value;

pub(crate) const TENANT: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const APP: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const USER: &str = "33333333-3333-4333-8333-000000000001";
pub(crate) const SECRET: &str = "simulated-secret";
/// What the simulated clock starts at.
pub(crate) const START: &str = "2026-11-23T08:00:00Z";

/// The notifications that a webhook took.
pub(crate) type Mail = Arc<Mutex<Vec<Value>>>;

/// A world with one mailbox, that records.
pub(crate) fn world() -> (Arc<Mutex<World>>, MailboxKey) {
    let mut world = World::new(Settings {
        record: true,
        ..Settings::default()
    });
    world.add_app(APP, SECRET);
    world.consent(TENANT, APP);
    let key = world.add_mailbox(TENANT, USER, "user1@contoso.example", "User 1");
    (Arc::new(Mutex::new(world)), key)
}

/// A way into a world, with a webhook that agrees to everything and keeps what it is told.
pub(crate) fn transport(world: Arc<Mutex<World>>, ambient: Ambient) -> (SimTransport, Mail) {
    let mail = Mail::default();
    let kept = Arc::clone(&mail);
    let agree = move |delivery: Delivery| -> Pin<Box<dyn Future<Output = WebhookAnswer> + Send>> {
        let url = url::Url::parse(&delivery.url).unwrap();
        let token = url
            .query_pairs()
            .find(|(name, _)| name == "validationToken")
            .map(|(_, it)| it.into_owned());
        let status = if token.is_some() { 200 } else { 202 };
        if token.is_none() {
            kept.lock()
                .unwrap()
                .push(serde_json::from_slice(&delivery.body).unwrap());
        }
        let answer = WebhookAnswer::Answered {
            status,
            content_type: "text/plain".to_owned(),
            body: Bytes::from(token.unwrap_or_default()),
            took: Duration::ZERO,
        };
        Box::pin(async move { answer })
    };
    (
        SimTransport::new(world, ambient).with_webhook(Arc::new(agree)),
        mail,
    )
}

/// Raw requests, for what no careful client would send.
pub(crate) struct Driver {
    transport: SimTransport,
    token: String,
}

impl Driver {
    pub(crate) async fn sign_in(transport: SimTransport) -> Self {
        let form = format!(
            "client_id={APP}&client_secret={SECRET}&grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
        );
        let request = Request::post(format!(
            "https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"
        ))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(form))
        .unwrap();
        let answer = transport.send(request).await.unwrap();
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        Self {
            transport,
            token: answer["access_token"].as_str().unwrap().to_owned(),
        }
    }

    /// Sends a request and gives the body of its answer; `path` is below the version, or a whole link.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let body = body.map(|body| Bytes::from(body.to_string()));
        self.send_bytes(method, path, "application/json", body).await
    }

    pub(crate) async fn send_bytes(
        &self,
        method: &str,
        path: &str,
        kind: &str,
        body: Option<Bytes>,
    ) -> Value {
        let url = if path.starts_with("https") {
            path.to_owned()
        } else {
            format!("https://graph.microsoft.com/v1.0{path}")
        };
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token))
            .header("prefer", "IdType=\"ImmutableId\"");
        if body.is_some() {
            request = request.header("content-type", kind);
        }
        let answer = self
            .transport
            .send(request.body(body.unwrap_or_default()).unwrap())
            .await
            .unwrap();
        serde_json::from_slice(answer.body()).unwrap_or(Value::Null)
    }

    pub(crate) fn record(&self) -> Vec<Exchange> {
        self.transport.world().lock().unwrap().take_exchanges()
    }
}
