//! What both faces do: carry a request through the world, wait, make the handshakes, deliver what is due.
//!
//! Knows time through `Ambient` and webhooks through a callback. Must not know sockets.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use http::{Request, Response};
use jiff::Timestamp;

use crate::world::{Delivery, Outcome, Slot, WebhookAnswer, World};

/// Sends one POST to a webhook and says what came back. It measures the time itself.
pub type Webhook = Arc<dyn Fn(Delivery) -> Pin<Box<dyn Future<Output = WebhookAnswer> + Send>> + Send + Sync>;

/// A webhook that nobody answers, for worlds without subscriptions.
pub fn no_webhook() -> Webhook {
    Arc::new(|_| Box::pin(async { WebhookAnswer::Unreachable }))
}

/// The time that a world is shown: that of its `Ambient`, put forward by what an operator asks for.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    ambient: Ambient,
    ahead: Arc<Mutex<Duration>>,
}

impl Clock {
    pub(crate) fn new(ambient: Ambient) -> Self {
        Self {
            ambient,
            ahead: Arc::default(),
        }
    }

    pub(crate) fn now(&self) -> Timestamp {
        ambient::add(
            self.ambient.now(),
            *self.ahead.lock().unwrap_or_else(PoisonError::into_inner),
        )
    }

    pub(crate) async fn sleep(&self, duration: Duration) {
        self.ambient.sleep(duration).await;
    }

    pub(crate) fn put_forward(&self, by: Duration) {
        *self.ahead.lock().unwrap_or_else(PoisonError::into_inner) += by;
    }

    /// The time since an earlier moment.
    pub(crate) fn since(&self, earlier: Timestamp) -> Duration {
        Duration::try_from(self.now().duration_since(earlier)).unwrap_or_default()
    }
}

/// How a request ended.
pub(crate) enum Served {
    Answer(Response<Bytes>),
    Hang,
    Reset,
}

/// A poisoned lock is taken all the same: the world is plain data, and the test that broke it has failed already.
pub(crate) fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The life of one request.
pub(crate) async fn carry(
    world: &Mutex<World>,
    clock: &Clock,
    webhook: &Webhook,
    request: Request<Bytes>,
) -> Served {
    let mut reply = lock(world).open(request, clock.now());
    let _places = Places {
        world,
        slot: std::mem::take(&mut reply.slot),
    };
    loop {
        if !reply.delay.is_zero() {
            clock.sleep(reply.delay).await;
        }
        match reply.outcome {
            Outcome::Answer(answer) => return Served::Answer(answer),
            Outcome::Hang => return Served::Hang,
            Outcome::Reset => return Served::Reset,
            Outcome::Handshake(handshake) => {
                let mut answers = Vec::new();
                for call in handshake.calls {
                    answers.push(webhook(call).await);
                }
                reply = lock(world).resume(handshake.ticket, &answers, clock.now());
            }
        }
    }
}

/// A request's places among the concurrent ones. They are free again when it ends, also where its client has died.
struct Places<'a> {
    world: &'a Mutex<World>,
    slot: Slot,
}

impl Drop for Places<'_> {
    fn drop(&mut self) {
        lock(self.world).close(std::mem::take(&mut self.slot));
    }
}

/// Delivers the notifications that are due now, one after the other. Gives the number of POSTs.
pub(crate) async fn deliver_due(world: &Mutex<World>, clock: &Clock, webhook: &Webhook) -> usize {
    let due = lock(world).due_notifications(clock.now());
    let count = due.len();
    for delivery in due {
        let answer = webhook(delivery.clone()).await;
        lock(world).delivered(&delivery, &answer, clock.now());
    }
    count
}
