//! A stage for the client: a transport that answers from a script and writes down what it was asked, on a clock that
//! moves only when somebody sleeps.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use graph_client::{
    Cloud, Credential, CredentialError, CredentialFuture, CredentialSource, Endpoints, Freshness,
    GraphClient, Transport, TransportError,
};
use http::{HeaderMap, HeaderValue, Request, Response};
use jiff::Timestamp;
use serde_json::{Value, json};

pub(crate) const GRAPH: &str = "https://graph.microsoft.com/v1.0";

/// One answer of the script.
pub(crate) type Line = Result<Response<Bytes>, TransportError>;

pub(crate) struct Stage {
    pub(crate) ambient: Ambient,
    pub(crate) vault: Arc<Vault>,
    script: Arc<Script>,
}

/// A request as it was made.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
    /// On the stage's clock, since it began.
    pub(crate) at: Duration,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

struct Script {
    ambient: Ambient,
    /// Lines of Graph, in order. None left: the test fails.
    graph: Mutex<VecDeque<Line>>,
    /// Lines of the token endpoint. None left: it grants tokens named `token-1`, `token-2`, ...
    login: Mutex<VecDeque<Line>>,
    seen: Mutex<Vec<Seen>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let ambient = Ambient::simulated(Timestamp::UNIX_EPOCH, 7);
        let script = Script {
            ambient: ambient.clone(),
            graph: Mutex::default(),
            login: Mutex::default(),
            seen: Mutex::default(),
        };
        Self {
            ambient,
            vault: Arc::new(Vault::holding("right")),
            script: Arc::new(script),
        }
    }

    /// A stage on which Graph says these lines.
    pub(crate) fn with(lines: impl IntoIterator<Item = Line>) -> Self {
        let stage = Self::new();
        stage.graph(lines);
        stage
    }

    pub(crate) fn graph(&self, lines: impl IntoIterator<Item = Line>) {
        self.script.graph.lock().unwrap().extend(lines);
    }

    pub(crate) fn login(&self, lines: impl IntoIterator<Item = Line>) {
        self.script.login.lock().unwrap().extend(lines);
    }

    pub(crate) fn client(&self) -> GraphClient<impl Transport + 'static> {
        GraphClient::new(
            Arc::clone(&self.script),
            Endpoints::from_cloud(Cloud::Global),
            Arc::clone(&self.vault) as Arc<dyn CredentialSource>,
            self.ambient.clone(),
            HeaderValue::from_static("stage/1"),
        )
    }

    /// What Graph was asked.
    pub(crate) fn asked(&self) -> Vec<Seen> {
        self.seen(false)
    }

    /// What the token endpoint was asked.
    pub(crate) fn logins(&self) -> Vec<Seen> {
        self.seen(true)
    }

    fn seen(&self, login: bool) -> Vec<Seen> {
        let seen = self.script.seen.lock().unwrap();
        seen.iter()
            .filter(|seen| is_login(&seen.url) == login)
            .cloned()
            .collect()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        elapsed(&self.ambient)
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(
                self.script.graph.lock().unwrap().len(),
                0,
                "lines of Graph were never asked for"
            );
            assert_eq!(
                self.script.login.lock().unwrap().len(),
                0,
                "lines of the login were never asked for"
            );
        }
    }
}

impl Transport for Script {
    async fn send(&self, request: Request<Bytes>) -> Line {
        // So that calls really overlap.
        tokio::task::yield_now().await;
        let url = request.uri().to_string();
        let mut seen = self.seen.lock().unwrap();
        seen.push(Seen {
            method: request.method().to_string(),
            url: url.clone(),
            headers: request.headers().clone(),
            body: String::from_utf8(request.body().to_vec()).unwrap(),
            at: elapsed(&self.ambient),
        });
        if is_login(&url) {
            let number = seen.iter().filter(|seen| is_login(&seen.url)).count();
            self.login
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or_else(|| token(&format!("token-{number}"), 3599))
        } else {
            self.graph
                .lock()
                .unwrap()
                .pop_front()
                .unwrap_or_else(|| panic!("nobody expected a request to {url}"))
        }
    }
}

fn is_login(url: &str) -> bool {
    url.starts_with("https://login.microsoftonline.com/")
}

fn elapsed(ambient: &Ambient) -> Duration {
    ambient
        .now()
        .duration_since(Timestamp::UNIX_EPOCH)
        .try_into()
        .unwrap()
}

/// A store of one secret, which gives out a remembered one until it is asked to reread.
pub(crate) struct Vault {
    stored: Mutex<String>,
    remembered: Mutex<String>,
    /// Reads of this freshness fail.
    pub(crate) broken: Mutex<Option<Freshness>>,
}

impl Vault {
    fn holding(secret: &str) -> Self {
        Self {
            stored: Mutex::new(secret.to_owned()),
            remembered: Mutex::new(secret.to_owned()),
            broken: Mutex::default(),
        }
    }

    pub(crate) fn rotate(&self, secret: &str) {
        secret.clone_into(&mut self.stored.lock().unwrap());
    }
}

impl CredentialSource for Vault {
    fn credential<'a>(&'a self, _tenant: &'a str, freshness: Freshness) -> CredentialFuture<'a> {
        if *self.broken.lock().unwrap() == Some(freshness) {
            return Box::pin(async { Err(CredentialError::Unavailable("the store is down".into())) });
        }
        let mut remembered = self.remembered.lock().unwrap();
        if freshness == Freshness::Reread {
            remembered.clone_from(&self.stored.lock().unwrap());
        }
        let secret = remembered.as_str().into();
        Box::pin(async {
            Ok(Credential::ClientSecret {
                client_id: "app".to_owned(),
                secret,
            })
        })
    }
}

pub(crate) fn ok(body: &Value) -> Line {
    answer(200, &[], &body.to_string())
}

pub(crate) fn status(status: u16) -> Line {
    answer(status, &[], "")
}

pub(crate) fn retry_after(status: u16, seconds: &str) -> Line {
    answer(status, &[("retry-after", seconds)], "")
}

pub(crate) fn error(status: u16, code: &str) -> Line {
    answer(
        status,
        &[("request-id", "r-1")],
        &json!({ "error": { "code": code, "message": "Ada" } }).to_string(),
    )
}

pub(crate) fn token(value: &str, seconds: u64) -> Line {
    ok(&json!({ "token_type": "Bearer", "expires_in": seconds, "access_token": value }))
}

pub(crate) fn refused(status: u16, error: &str) -> Line {
    let body = json!({ "error": error, "error_description": "AADSTS1: no", "error_codes": [1] });
    answer(status, &[], &body.to_string())
}

pub(crate) fn cut() -> Line {
    Err(TransportError::Interrupted("cut".into()))
}

pub(crate) fn hung() -> Line {
    Err(TransportError::Timeout("hung".into()))
}

pub(crate) fn unreachable() -> Line {
    Err(TransportError::Connect("no route".into()))
}

#[expect(
    clippy::unnecessary_wraps,
    reason = "one line of the script among others, some of which are errors"
)]
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Line {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    Ok(response.body(Bytes::from(body.to_owned())).unwrap())
}
