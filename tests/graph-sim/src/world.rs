//! The simulated Graph: a state, and what one request does to it.
//!
//! Knows neither sockets nor a clock: the moment is an argument, chance comes from the seed, and what can't be done
//! without the outside (a handshake, a hung line) is handed to a face as an [`Outcome`]. Everything modelled here
//! cites the section of the fact sheet that it follows ("facts 4.2").

mod answers;
mod batch;
mod call;
mod conclude;
mod contacts;
mod delta;
mod draft;
mod edits;
mod extras;
mod fields;
mod folders;
mod ids;
mod mailbox;
mod notify;
mod publish;
mod query;
mod seed;
mod serve;
mod settings;
mod setup;
mod shape;
mod subscriptions;
mod throttle;
mod tokens;
mod truth;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use http::{Request, Response};
use jiff::Timestamp;

use answers::{Answer, Refusal, empty_answer};
pub(crate) use call::Call;
pub use call::Operation;
use call::Route;
pub use edits::{Edit, EditError};
pub use mailbox::{Health, MailboxKey};
use notify::Outbox;
pub use notify::{Delivery, Unread, WebhookAnswer};
pub use publish::Lifecycle;
pub use settings::{DeadToken, Limits, Overrun, Settings, Warts};
use subscriptions::Subscription;
pub use throttle::Slot;
use throttle::{Throttle, too_many_at_once};
use tokens::{Caller, Directory};
pub use truth::{FolderTruth, NotQuiet, Snapshot};

use crate::faults::{Fault, Faults, Target};
use crate::journal::Journal;

/// One Microsoft Graph with its tenants.
#[derive(Debug)]
pub struct World {
    settings: Settings,
    directory: Directory,
    subscriptions: BTreeMap<String, Subscription>,
    outbox: Outbox,
    faults: Faults,
    throttle: Throttle,
    journal: Journal,
    pending: BTreeMap<u64, Pending>,
    dice: Rng,
    numbers: u64,
    batch_delay: Duration,
}

/// What a request comes to, for a face to carry out.
#[derive(Debug)]
pub struct Reply {
    /// How long the face waits first.
    pub delay: Duration,
    /// What it does then.
    pub outcome: Outcome,
    /// The places that the request takes among the mailbox's concurrent ones, until [`World::close`].
    pub slot: Slot,
}

/// What a face does with a request.
#[derive(Debug)]
pub enum Outcome {
    /// Give this answer.
    Answer(Response<Bytes>),
    /// Never answer.
    Hang,
    /// Cut the line without an answer.
    Reset,
    /// Make these calls, then ask [`World::resume`].
    Handshake(Handshake),
}

/// Calls that validate notification URLs, inside the request that names them (facts 5.2).
#[derive(Debug)]
pub struct Handshake {
    /// For [`World::resume`].
    pub ticket: u64,
    /// One POST for each URL, in this order.
    pub calls: Vec<Delivery>,
}

/// What serving a request led to, before faults and headers.
enum Done {
    Answer(Answer),
    Handshake { urls: Vec<String>, work: Work },
}

/// What is left to do after a handshake.
#[derive(Debug)]
enum Work {
    Create(Box<Subscription>),
    Renew {
        id: String,
        expires: Option<Timestamp>,
        url: String,
    },
    Batch {
        run: Box<batch::Run>,
        index: usize,
        item: Box<Pending>,
    },
}

/// A request that waits for a handshake. `urls` are those that were called.
#[derive(Debug)]
struct Pending {
    call: Call,
    caller: Option<Caller>,
    key: Option<MailboxKey>,
    fault: Option<Fault>,
    work: Work,
    urls: Vec<(String, String)>,
}

/// A request with its result, before the answer is dressed.
struct Carried {
    result: Result<Done, Refusal>,
    caller: Option<Caller>,
    key: Option<MailboxKey>,
    fault: Option<Fault>,
}

impl World {
    /// The whole of one request, for callers that hold no line open: [`World::open`] and [`World::close`].
    pub fn handle(&mut self, request: Request<Bytes>, now: Timestamp) -> Reply {
        let mut reply = self.open(request, now);
        self.close(std::mem::take(&mut reply.slot));
        reply
    }

    /// Takes a request in. Give the slot back when the answer is out.
    pub fn open(&mut self, request: Request<Bytes>, now: Timestamp) -> Reply {
        self.tick(now);
        let call = Call::read(request);
        let mut slot = Slot::default();
        let carried = self.serve(&call, None, Some(&mut slot), None, now);
        let (outcome, delay) = self.conclude(&call, carried, now);
        Reply { delay, outcome, slot }
    }

    /// Ends a request: its places are free again.
    pub fn close(&mut self, slot: Slot) {
        self.throttle.leave(slot);
    }

    /// Goes on after a handshake, with one answer for each of its calls. An unknown ticket is a 500.
    pub fn resume(&mut self, ticket: u64, answers: &[WebhookAnswer], now: Timestamp) -> Reply {
        let Some(pending) = self.pending.remove(&ticket) else {
            return Reply {
                delay: Duration::ZERO,
                outcome: Outcome::Answer(empty_answer(500)),
                slot: Slot::default(),
            };
        };
        let Pending {
            call,
            caller,
            key,
            fault,
            work,
            urls,
        } = pending;
        let valid = conclude::check_handshake(&urls, answers);
        let result = self.go_on_with(work, valid, now);
        let (outcome, delay) = self.conclude(
            &call,
            Carried {
                result,
                caller,
                key,
                fault,
            },
            now,
        );
        Reply {
            delay,
            outcome,
            slot: Slot::default(),
        }
    }

    fn go_on_with(
        &mut self,
        work: Work,
        valid: Result<(), Refusal>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        match work {
            Work::Create(draft) => valid.and_then(|()| self.end_subscription(*draft)),
            Work::Renew { id, expires, url } => {
                valid.and_then(|()| self.end_renewal(&id, expires, Some(url), now))
            }
            Work::Batch { run, index, item } => {
                let Pending {
                    call,
                    caller,
                    key,
                    fault,
                    work,
                    ..
                } = *item;
                let result = self.go_on_with(work, valid, now);
                Ok(self.resume_batch(
                    *run,
                    index,
                    &call,
                    Carried {
                        result,
                        caller,
                        key,
                        fault,
                    },
                    now,
                ))
            }
        }
    }

    /// Serves one request, outer or in a batch: faults first, then who, how much, what. `known` is the caller of the
    /// batch; `slot` is for outer requests; `refused` is a refusal that is already certain.
    fn serve(
        &mut self,
        call: &Call,
        known: Option<&Caller>,
        slot: Option<&mut Slot>,
        refused: Option<Refusal>,
        now: Timestamp,
    ) -> Carried {
        let caller = match known {
            Some(caller) => Ok(caller.clone()),
            None => self.directory.caller(call, now),
        };
        let key = self.mailbox_of(caller.as_ref().ok(), call);
        let target = call.target();
        let aim = Target {
            operation: call.operation,
            method: call.method.as_str(),
            path_and_query: &target,
            mailbox: key.as_ref(),
        };
        let fault = self.faults.strike(&aim, &mut self.dice);
        let result = if fault.as_ref().is_some_and(|fault| !fault.commits()) {
            Ok(Done::Answer(empty_answer(500)))
        } else if let Route::Token { tenant } = &call.route {
            let life = self.settings.token_life;
            Ok(Done::Answer(self.directory.issue(
                tenant,
                call,
                self.settings.seed,
                life,
                now,
            )))
        } else {
            refused.map_or_else(|| caller.clone(), Err).and_then(|caller| {
                self.admit(&caller, call, key.as_ref(), now)?;
                self.enter(&caller, call, key.as_ref(), slot, now)
            })
        };
        Carried {
            result,
            caller: caller.ok(),
            key,
            fault,
        }
    }

    fn admit(
        &mut self,
        caller: &Caller,
        call: &Call,
        key: Option<&MailboxKey>,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let writes = ["PATCH", "POST", "PUT"].contains(&call.method.as_str());
        let upload = if writes { call.body.len() as u64 } else { 0 };
        let limits = self.settings.limits;
        self.throttle
            .count(&limits, caller, key, call.operation, upload, now)
    }

    fn enter(
        &mut self,
        caller: &Caller,
        call: &Call,
        key: Option<&MailboxKey>,
        slot: Option<&mut Slot>,
        now: Timestamp,
    ) -> Result<Done, Refusal> {
        let mut spare = Slot::default();
        let outer = slot.is_some();
        let slot = slot.unwrap_or(&mut spare);
        if let (Some(key), true) = (key, outer)
            && self.throttle.enter(slot, &self.settings.limits, caller, key, 1) == 0
        {
            return Err(too_many_at_once());
        }
        match &call.route {
            Route::Batch => self.begin_batch(caller, call, slot, now),
            Route::Subscriptions | Route::Subscription(_) | Route::Reauthorize(_) | Route::VapidKey => {
                let asks_immutable =
                    call.prefer.immutable_ids || call.operation != Operation::CreateSubscription;
                self.complain(
                    !asks_immutable,
                    "a subscription was created without immutable ids (facts 5.1)",
                );
                self.serve_subscriptions(caller, call, now)
            }
            Route::Mailbox { user, folders, place } => {
                self.serve_mailbox(caller, call, user, folders, place, now)
            }
            Route::Me => Err(Refusal::bad_request(
                "/me request is only valid with delegated authentication flow.",
            )),
            Route::Token { .. } | Route::Nowhere => {
                Err(Refusal::bad_request("Resource not found for the segment."))
            }
        }
    }

    /// The mailbox that a path names, where there is one.
    fn mailbox_of(&self, caller: Option<&Caller>, call: &Call) -> Option<MailboxKey> {
        let Route::Mailbox { user, .. } = &call.route else {
            return None;
        };
        self.directory.find(&caller?.tenant, user)
    }
}
