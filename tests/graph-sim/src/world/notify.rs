//! Delivery of notifications with Graph's contract (facts 5.4): budgets, backoff, slow and dropped endpoints.
//!
//! Knows URLs and items. Must not know what an item says, nor open a socket: it hands out [`Delivery`]s and is told
//! what became of them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Budget of a first attempt.
pub(crate) const FIRST_BUDGET: Duration = Duration::from_secs(3);
/// Budget of a retry, and of a handshake (facts 5.2).
pub(crate) const RETRY_BUDGET: Duration = Duration::from_secs(10);
/// How long a notification is tried.
const GIVE_UP: Duration = Duration::from_hours(4);
/// The window in which an endpoint is judged, and the time that a judgement holds.
const JUDGED: Duration = Duration::from_mins(10);
/// Fewer answers than this are no ground for a judgement (inferred).
const ENOUGH: usize = 10;
/// The first wait of the backoff, which doubles (inferred), and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(10), Duration::from_mins(30));

/// One POST to a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// For `World::delivered`; 0 for a handshake.
    pub id: u64,
    /// Where to. A handshake's carries the validation token.
    pub url: String,
    /// What the body is.
    pub content_type: &'static str,
    /// The body; empty for a handshake.
    pub body: Bytes,
    /// 1 for the first attempt.
    pub attempt: u32,
    /// An answer after this is too late.
    pub budget: Duration,
}

/// What became of a delivery.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// There was an answer.
    Answered {
        /// Its status.
        status: u16,
        /// Its content type, empty where there was none.
        content_type: String,
        /// Its body.
        body: Bytes,
        /// How long it took.
        took: Duration,
    },
    /// There was none.
    Unreachable,
}

/// One item on its way.
#[derive(Clone, Debug)]
pub(crate) struct Letter {
    pub(crate) url: String,
    pub(crate) subscription: String,
    pub(crate) lifecycle: bool,
    pub(crate) item: Value,
    pub(crate) born: Timestamp,
    pub(crate) attempt: u32,
}

/// Notifications that are not delivered: what a test must account for at its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Unread {
    /// Items that wait for their time.
    pub waiting: usize,
    /// Items that were handed out and not reported back.
    pub in_flight: usize,
    /// Items that Graph gave up on, dropped, or lost by a fault.
    pub lost: u64,
    /// Items that arrived.
    pub delivered: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: BTreeMap<(Timestamp, u64), Letter>,
    in_flight: BTreeMap<u64, Vec<Letter>>,
    endpoints: BTreeMap<String, Endpoint>,
    number: u64,
    pub(crate) lost: u64,
    delivered: u64,
}

#[derive(Debug, Default)]
struct Endpoint {
    answers: VecDeque<(Timestamp, Duration)>,
    slow_until: Option<Timestamp>,
    drop_until: Option<Timestamp>,
}

/// What the world knows of a subscription when its mail is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    Good,
    /// Its authorization has lapsed: mail is kept (facts 5.4).
    Lapsed,
    Gone,
}

impl Outbox {
    /// Takes an item to be sent at `due`. A slow endpoint gets it 10 min late, a dropped one never (facts 5.4).
    pub(crate) fn post(&mut self, letter: Letter, due: Timestamp, now: Timestamp) {
        let endpoint = self.endpoints.entry(letter.url.clone()).or_default();
        if endpoint.drop_until.is_some_and(|until| until > now) {
            self.lost += 1;
            return;
        }
        let slow = endpoint.slow_until.is_some_and(|until| until > now);
        self.enqueue(letter, if slow { ambient::add(due, JUDGED) } else { due });
    }

    fn enqueue(&mut self, letter: Letter, due: Timestamp) {
        self.number += 1;
        self.waiting.insert((due, self.number), letter);
    }

    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.keys().next().map(|(due, _)| *due)
    }

    /// What is to be sent now: items for one URL share a POST (facts 5.3). The second list names the
    /// subscriptions whose items were given up.
    pub(crate) fn due(
        &mut self,
        now: Timestamp,
        most: usize,
        standing: impl Fn(&str) -> Standing,
    ) -> (Vec<Delivery>, Vec<String>) {
        let later = self.waiting.split_off(&(now, u64::MAX));
        let due = std::mem::replace(&mut self.waiting, later);
        let mut posts: BTreeMap<(String, u32), Vec<Letter>> = BTreeMap::new();
        let mut given_up = Vec::new();
        for letter in due.into_values() {
            let old = ambient::add(letter.born, GIVE_UP) < now;
            match standing(&letter.subscription) {
                Standing::Gone if !letter.lifecycle => self.lost += 1,
                _ if old => {
                    self.lost += 1;
                    given_up.push(letter.subscription);
                }
                Standing::Lapsed if !letter.lifecycle => {
                    self.enqueue(letter, ambient::add(now, Duration::from_mins(1)));
                }
                Standing::Good | Standing::Lapsed | Standing::Gone => {
                    posts
                        .entry((letter.url.clone(), letter.attempt))
                        .or_default()
                        .push(letter);
                }
            }
        }
        let mut deliveries = Vec::new();
        for ((url, attempt), letters) in posts {
            for letters in letters.chunks(most.max(1)) {
                deliveries.push(self.hand_out(&url, attempt, letters));
            }
        }
        (deliveries, given_up)
    }

    fn hand_out(&mut self, url: &str, attempt: u32, letters: &[Letter]) -> Delivery {
        self.number += 1;
        let items: Vec<&Value> = letters.iter().map(|letter| &letter.item).collect();
        let body = json!({ "value": items }).to_string();
        self.in_flight.insert(self.number, letters.to_vec());
        Delivery {
            id: self.number,
            url: url.to_owned(),
            content_type: "application/json; charset=utf-8",
            body: Bytes::from(body),
            attempt: attempt + 1,
            budget: if attempt == 0 { FIRST_BUDGET } else { RETRY_BUDGET },
        }
    }

    /// Any 2xx within the budget is delivered; anything else is tried again, with backoff.
    pub(crate) fn delivered(&mut self, delivery: &Delivery, answer: &WebhookAnswer, now: Timestamp) {
        let Some(letters) = self.in_flight.remove(&delivery.id) else {
            return;
        };
        let (good, took) = match answer {
            WebhookAnswer::Answered { status, took, .. } => {
                ((200..300).contains(status) && *took <= delivery.budget, *took)
            }
            WebhookAnswer::Unreachable => (false, RETRY_BUDGET + Duration::from_secs(1)),
        };
        self.endpoints
            .entry(delivery.url.clone())
            .or_default()
            .judge(took, now);
        if good {
            self.delivered += letters.len() as u64;
            return;
        }
        let (first, longest) = BACKOFF;
        let wait = first
            .saturating_mul(2_u32.saturating_pow(delivery.attempt - 1))
            .min(longest);
        for letter in letters {
            self.enqueue(
                Letter {
                    attempt: delivery.attempt,
                    ..letter
                },
                ambient::add(now, wait),
            );
        }
    }

    pub(crate) fn unread(&self) -> Unread {
        Unread {
            waiting: self.waiting.len(),
            in_flight: self.in_flight.values().map(Vec::len).sum(),
            lost: self.lost,
            delivered: self.delivered,
        }
    }
}

impl Endpoint {
    /// Over 10 % of the answers slower than 3 s: late; over 15 % slower than 10 s: dropped (facts 5.4).
    fn judge(&mut self, took: Duration, now: Timestamp) {
        self.answers.push_back((now, took));
        while self
            .answers
            .front()
            .is_some_and(|(at, _)| ambient::add(*at, JUDGED) <= now)
        {
            self.answers.pop_front();
        }
        let over = |budget| self.answers.iter().filter(|(_, took)| *took > budget).count();
        let all = self.answers.len();
        if all < ENOUGH {
            return;
        }
        if over(RETRY_BUDGET) * 100 > all * 15 {
            self.drop_until = Some(ambient::add(now, JUDGED));
        } else if over(FIRST_BUDGET) * 100 > all * 10 {
            self.slow_until = Some(ambient::add(now, JUDGED));
        }
    }
}
