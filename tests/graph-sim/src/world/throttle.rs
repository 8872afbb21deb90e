//! Throttling (facts 7): exact sliding windows, and requests in flight per app and mailbox.
//!
//! Knows limits and time. A request that is refused counts all the same, so hammering prolongs the wait.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::answers::Refusal;
use super::call::Operation;
use super::mailbox::MailboxKey;
use super::settings::Limits;
use super::tokens::Caller;

/// The window of the subscription limits.
const SUBSCRIPTION_WINDOW: Duration = Duration::from_secs(20);
/// The window of the limit over everything.
const GLOBAL_WINDOW: Duration = Duration::from_secs(10);
/// The window of uploads.
const UPLOAD_WINDOW: Duration = Duration::from_mins(5);

/// What is counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Meter {
    App {
        app: String,
    },
    Mailbox {
        app: String,
        mailbox: MailboxKey,
    },
    Upload {
        app: String,
        mailbox: MailboxKey,
    },
    Subscriptions {
        kind: Kind,
        app: String,
        tenant: Option<String>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Write,
    Reauthorize,
    Read,
    List,
}

#[derive(Debug, Default)]
pub(crate) struct Throttle {
    windows: BTreeMap<Meter, Window>,
    in_flight: BTreeMap<(String, MailboxKey), u32>,
}

/// Holds places of a mailbox's concurrency; give it back with `World::close`.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "a slot that isn't given back blocks the mailbox"]
pub struct Slot {
    held: Vec<((String, MailboxKey), u32)>,
}

#[derive(Debug, Default)]
struct Window {
    entries: VecDeque<(Timestamp, u64)>,
    sum: u64,
}

impl Window {
    /// Counts `weight` and says how long to wait where that is too much.
    fn count(&mut self, weight: u64, limit: u64, span: Duration, now: Timestamp) -> Option<Duration> {
        while let Some((at, weight)) = self.entries.front().copied()
            && ambient::add(at, span) <= now
        {
            self.entries.pop_front();
            self.sum -= weight;
        }
        self.entries.push_back((now, weight));
        self.sum += weight;
        let mut excess = self.sum.checked_sub(limit).filter(|excess| *excess > 0)?;
        for (at, weight) in &self.entries {
            excess = excess.saturating_sub(*weight);
            if excess == 0 {
                return Duration::try_from(ambient::add(*at, span).duration_since(now)).ok();
            }
        }
        Some(span)
    }
}

impl Throttle {
    /// Counts one request, outer or in a batch: a batch saves no quota (facts 6).
    pub(crate) fn count(
        &mut self,
        limits: &Limits,
        caller: &Caller,
        mailbox: Option<&MailboxKey>,
        operation: Operation,
        upload: u64,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let app = || caller.app.clone();
        let mut due = vec![(Meter::App { app: app() }, 1, limits.app_requests, GLOBAL_WINDOW)];
        if let Some(mailbox) = mailbox {
            let meter = Meter::Mailbox {
                app: app(),
                mailbox: mailbox.clone(),
            };
            due.push((meter, 1, limits.mailbox_requests, limits.mailbox_window));
            if upload > 0 {
                let meter = Meter::Upload {
                    app: app(),
                    mailbox: mailbox.clone(),
                };
                due.push((meter, upload, limits.mailbox_upload, UPLOAD_WINDOW));
            }
        }
        if let Some((kind, (all, tenant))) = subscription_limits(limits, operation) {
            let meter = |tenant| Meter::Subscriptions {
                kind,
                app: app(),
                tenant,
            };
            due.push((meter(None), 1, all, SUBSCRIPTION_WINDOW));
            due.push((meter(Some(caller.tenant.clone())), 1, tenant, SUBSCRIPTION_WINDOW));
        }
        let mut wait = None;
        for (meter, weight, limit, span) in due {
            wait = wait.max(
                self.windows
                    .entry(meter)
                    .or_default()
                    .count(weight, limit, span, now),
            );
        }
        match wait {
            Some(wait) => Err(Refusal::throttled(
                "TooManyRequests",
                "Please retry again later.",
                wait,
            )),
            None => Ok(()),
        }
    }

    /// Takes up to `wanted` places of a mailbox and says how many there were.
    pub(crate) fn enter(
        &mut self,
        slot: &mut Slot,
        limits: &Limits,
        caller: &Caller,
        mailbox: &MailboxKey,
        wanted: u32,
    ) -> u32 {
        let key = (caller.app.clone(), mailbox.clone());
        let used = self.in_flight.entry(key.clone()).or_default();
        let taken = wanted.min(limits.mailbox_concurrency.saturating_sub(*used));
        *used += taken;
        slot.held.push((key, taken));
        taken
    }

    pub(crate) fn leave(&mut self, slot: Slot) {
        for (key, taken) in slot.held {
            if let Some(used) = self.in_flight.get_mut(&key) {
                *used = used.saturating_sub(taken);
            }
        }
    }
}

fn subscription_limits(limits: &Limits, operation: Operation) -> Option<(Kind, (u64, u64))> {
    let of = [
        (
            Operation::CreateSubscription,
            Kind::Write,
            limits.subscription_writes,
        ),
        (
            Operation::UpdateSubscription,
            Kind::Write,
            limits.subscription_writes,
        ),
        (
            Operation::DeleteSubscription,
            Kind::Write,
            limits.subscription_writes,
        ),
        (
            Operation::ReauthorizeSubscription,
            Kind::Reauthorize,
            limits.reauthorizations,
        ),
        (Operation::GetSubscription, Kind::Read, limits.subscription_reads),
        (
            Operation::ListSubscriptions,
            Kind::List,
            limits.subscription_lists,
        ),
    ];
    of.into_iter()
        .find(|(known, ..)| *known == operation)
        .map(|(_, kind, limits)| (kind, limits))
}

/// facts 7: the fifth request beside four others.
pub(crate) fn too_many_at_once() -> Refusal {
    Refusal::throttled(
        "ApplicationThrottled",
        "Application is over its MailboxConcurrency limit.",
        Duration::from_secs(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_slides_and_refused_requests_count_too() {
        let start = Timestamp::UNIX_EPOCH;
        let at = |seconds| ambient::add(start, Duration::from_secs(seconds));
        let mut window = Window::default();
        let mut count = |seconds| window.count(1, 2, Duration::from_secs(10), at(seconds));
        assert_eq!(count(0), None);
        assert_eq!(count(4), None);
        assert_eq!(
            count(5),
            Some(Duration::from_secs(5)),
            "the first entry leaves at 10"
        );
        assert_eq!(
            count(10),
            Some(Duration::from_secs(4)),
            "the refused one still counts"
        );
        assert_eq!(count(30), None);
    }
}
