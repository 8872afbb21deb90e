//! The socket-free face: `graph_client::Transport` straight into a world.
//!
//! Knows which hosts are the simulated ones. A request to any other host is not sent but remembered, with whether it
//! carried a token: that is how a test sees a leak.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use graph_client::{Transport, TransportError};
use http::{Request, Response};

use crate::face::{Clock, Served, Webhook, carry, deliver_due, lock, no_webhook};
use crate::world::World;

/// The total time-out of a careful client: a hung or slow request fails after it.
const HUNG: Duration = Duration::from_mins(1);
/// The login host of the global cloud (facts 9.7).
const LOGIN_HOST: &str = "login.microsoftonline.com";

/// A client's way into a [`World`]. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct SimTransport {
    world: Arc<Mutex<World>>,
    clock: Clock,
    webhook: Webhook,
    strangers: Arc<Mutex<Vec<Stranger>>>,
}

/// A request to a host that isn't simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Stranger {
    host: String,
    with_token: bool,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Simulated(&'static str);

impl SimTransport {
    /// A way in without webhooks: subscriptions can't be made.
    pub fn new(world: Arc<Mutex<World>>, ambient: Ambient) -> Self {
        Self {
            world,
            clock: Clock::new(ambient),
            webhook: no_webhook(),
            strangers: Arc::default(),
        }
    }

    /// Handshakes and notifications go to `webhook`.
    #[must_use]
    pub fn with_webhook(self, webhook: Webhook) -> Self {
        Self { webhook, ..self }
    }

    /// The world behind it.
    pub fn world(&self) -> &Arc<Mutex<World>> {
        &self.world
    }

    /// Delivers the notifications that are due now. Gives the number of POSTs.
    pub async fn deliver_due(&self) -> usize {
        deliver_due(&self.world, &self.clock, &self.webhook).await
    }

    /// How many requests went to hosts that aren't simulated, and how many of them carried a token.
    pub fn strangers(&self) -> (usize, usize) {
        let strangers = self
            .strangers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        (
            strangers.len(),
            strangers.iter().filter(|it| it.with_token).count(),
        )
    }

    fn is_simulated(&self, request: &Request<Bytes>) -> bool {
        let host = request
            .uri()
            .authority()
            .map(http::uri::Authority::as_str)
            .unwrap_or_default();
        let graph = lock(&self.world).settings().graph_url.clone();
        host == LOGIN_HOST || graph.split_once("://").is_some_and(|(_, graph)| graph == host)
    }

    fn remember(&self, request: &Request<Bytes>) {
        let stranger = Stranger {
            host: request.uri().host().unwrap_or_default().to_owned(),
            with_token: request.headers().contains_key("authorization"),
        };
        self.strangers
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(stranger);
    }
}

impl Transport for SimTransport {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if !self.is_simulated(&request) {
            self.remember(&request);
            return Err(TransportError::Connect(
                Simulated("the host is not simulated").into(),
            ));
        }
        let started = self.clock.now();
        // Whoever polls the caller decides what happens before Graph sees the request, and before the answer is seen.
        tokio::task::yield_now().await;
        let served = carry(&self.world, &self.clock, &self.webhook, request).await;
        tokio::task::yield_now().await;
        match served {
            Served::Answer(_) if self.clock.since(started) > HUNG => Err(TransportError::Timeout(
                Simulated("the answer came too late").into(),
            )),
            Served::Answer(answer) => Ok(answer),
            Served::Reset => Err(TransportError::Interrupted(Simulated("the line was cut").into())),
            Served::Hang => {
                self.clock.sleep(HUNG).await;
                Err(TransportError::Timeout(Simulated("the answer never came").into()))
            }
        }
    }
}
