//! A world with one tenant, one app and one mailbox, a clock, and a client that always asks for immutable ids.

use std::time::Duration;

use bytes::Bytes;
use graph_sim::{Delivery, MailboxKey, Outcome, Reply, Settings, WebhookAnswer, World};
use http::{HeaderMap, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const TENANT: &str = "11111111-1111-4111-8111-111111111111";
pub(crate) const APP: &str = "22222222-2222-4222-8222-222222222222";
pub(crate) const USER: &str = "33333333-3333-4333-8333-000000000001";
pub(crate) const SECRET: &str = "the-right-secret";
const IMMUTABLE: (&str, &str) = ("prefer", "IdType=\"ImmutableId\"");

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
    pub(crate) key: MailboxKey,
    pub(crate) token: String,
    /// What the webhook gets, and whether it is up.
    pub(crate) mail: Vec<Value>,
    pub(crate) webhook_status: u16,
    pub(crate) webhook_took: Duration,
}

/// An answer with its body read.
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) headers: HeaderMap,
}

impl Seen {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or("")
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map(|value| value.to_str().unwrap())
            .unwrap_or_default()
    }

    /// `value` of a collection.
    pub(crate) fn rows(&self) -> &[Value] {
        self.body["value"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    }

    pub(crate) fn next(&self) -> Option<String> {
        self.body["@odata.nextLink"].as_str().map(str::to_owned)
    }

    pub(crate) fn delta_link(&self) -> Option<String> {
        self.body["@odata.deltaLink"].as_str().map(str::to_owned)
    }
}

impl Scene {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let mut world = World::new(settings);
        world.add_app(APP, SECRET);
        world.consent(TENANT, APP);
        let key = world.add_mailbox(TENANT, USER, "ada@contoso.example", "Ada Lovelace");
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let mut scene = Self {
            world,
            now,
            key,
            token: String::new(),
            mail: vec![],
            webhook_status: 202,
            webhook_took: Duration::from_millis(50),
        };
        scene.renew_token();
        scene
    }

    pub(crate) fn sign_in(&mut self, secret: &str) -> Seen {
        let body = format!(
            "client_id={APP}&client_secret={secret}&grant_type=client_credentials&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
        );
        self.sign_in_with(TENANT, &body)
    }

    pub(crate) fn sign_in_with(&mut self, tenant: &str, body: &str) -> Seen {
        let request = Request::post(format!(
            "https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token"
        ))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Bytes::from(body.to_owned()));
        self.seen(request.unwrap())
    }

    /// Gets a new token with the right secret.
    pub(crate) fn renew_token(&mut self) {
        let answer = self.sign_in(SECRET);
        answer.body["access_token"]
            .as_str()
            .unwrap()
            .clone_into(&mut self.token);
    }

    /// Moves the clock.
    pub(crate) fn wait(&mut self, seconds: u64) {
        self.now = ambient::add(self.now, Duration::from_secs(seconds));
    }

    /// A path below the mailbox, as a URL.
    pub(crate) fn at(path: &str) -> String {
        format!("https://graph.microsoft.com/v1.0/users/{USER}{path}")
    }

    pub(crate) fn get(&mut self, url: &str) -> Seen {
        self.send("GET", url, &[IMMUTABLE], None)
    }

    pub(crate) fn post(&mut self, url: &str, body: Value) -> Seen {
        self.send("POST", url, &[IMMUTABLE], Some(body))
    }

    pub(crate) fn patch(&mut self, url: &str, body: Value) -> Seen {
        self.send("PATCH", url, &[IMMUTABLE], Some(body))
    }

    pub(crate) fn delete(&mut self, url: &str) -> Seen {
        self.send("DELETE", url, &[IMMUTABLE], None)
    }

    pub(crate) fn send(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Seen {
        let request = self.request(method, url, headers, body);
        self.seen(request)
    }

    pub(crate) fn request(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<Value>,
    ) -> Request<Bytes> {
        let url = if url.starts_with("https") {
            url.to_owned()
        } else if url.starts_with("/subscriptions") || url.starts_with("/$batch") {
            format!("https://graph.microsoft.com/v1.0{url}")
        } else {
            Self::at(url)
        };
        let mut request = Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        request
            .body(body.map(|body| Bytes::from(body.to_string())).unwrap_or_default())
            .unwrap()
    }

    /// Carries a request through, handshakes included.
    pub(crate) fn seen(&mut self, request: Request<Bytes>) -> Seen {
        let mut reply = self.world.handle(request, self.now);
        while let Outcome::Handshake(handshake) = reply.outcome {
            let answers: Vec<WebhookAnswer> = handshake.calls.iter().map(|call| self.echo(call)).collect();
            reply = self.world.resume(handshake.ticket, &answers, self.now);
        }
        read(answer(reply))
    }

    fn echo(&self, call: &Delivery) -> WebhookAnswer {
        let url = url::Url::parse(&call.url).unwrap();
        let token = url
            .query_pairs()
            .find(|(name, _)| name == "validationToken")
            .unwrap()
            .1
            .into_owned();
        WebhookAnswer::Answered {
            status: if self.webhook_status == 202 {
                200
            } else {
                self.webhook_status
            },
            content_type: "text/plain".to_owned(),
            body: Bytes::from(token),
            took: self.webhook_took,
        }
    }

    /// Delivers what is due, and keeps the items that the webhook accepted.
    pub(crate) fn deliver(&mut self) -> usize {
        let due = self.world.due_notifications(self.now);
        for delivery in &due {
            let answer = WebhookAnswer::Answered {
                status: self.webhook_status,
                content_type: String::new(),
                body: Bytes::new(),
                took: self.webhook_took,
            };
            if self.webhook_status == 202 && self.webhook_took <= delivery.budget {
                let body: Value = serde_json::from_slice(&delivery.body).unwrap();
                self.mail.extend(body["value"].as_array().unwrap().clone());
            }
            self.world.delivered(delivery, &answer, self.now);
        }
        due.len()
    }

    /// What the items in the mail say, in order.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let word = |item: &Value| {
            item["changeType"]
                .as_str()
                .or(item["lifecycleEvent"].as_str())
                .unwrap()
                .to_owned()
        };
        std::mem::take(&mut self.mail).iter().map(word).collect()
    }

    pub(crate) fn create(&mut self, folder: Option<&str>, name: &str) -> String {
        self.world
            .user_creates_contact(&self.key, folder, json!({ "givenName": name }), self.now)
            .unwrap()
    }

    /// A subscription of a folder; none is the default one.
    pub(crate) fn subscribe(&mut self, folder: Option<&str>) -> Seen {
        let resource = match folder {
            Some(folder) => format!("users/{USER}/contactFolders/{folder}/contacts"),
            None => format!("users/{USER}/contacts"),
        };
        let expires = ambient::add(self.now, Duration::from_hours(72)).to_string();
        self.post(
            "/subscriptions",
            json!({
                "changeType": "created,updated,deleted", "resource": resource, "clientState": "secret",
                "notificationUrl": "https://hooks.example/notify?key=1",
                "lifecycleNotificationUrl": "https://hooks.example/life", "expirationDateTime": expires,
            }),
        )
    }

    /// A whole delta round from a link or the start: rows and the delta link.
    pub(crate) fn round(&mut self, from: &str) -> (Vec<Value>, String) {
        let mut rows = Vec::new();
        let mut link = from.to_owned();
        loop {
            let page = self.get(&link);
            assert_eq!(page.status, 200, "{}", page.body);
            rows.extend_from_slice(page.rows());
            assert_ne!(
                page.next().is_some(),
                page.delta_link().is_some(),
                "one link, never both"
            );
            match page.next() {
                Some(next) => link = next,
                None => return (rows, page.delta_link().unwrap()),
            }
        }
    }
}

pub(crate) fn answer(reply: Reply) -> Response<Bytes> {
    let Outcome::Answer(answer) = reply.outcome else {
        panic!("no answer: {:?}", reply.outcome)
    };
    answer
}

pub(crate) fn read(answer: Response<Bytes>) -> Seen {
    let (parts, body) = answer.into_parts();
    let body = serde_json::from_slice(&body).unwrap_or(Value::Null);
    Seen {
        status: parts.status.as_u16(),
        body,
        headers: parts.headers,
    }
}

/// The ids in rows.
pub(crate) fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect()
}
