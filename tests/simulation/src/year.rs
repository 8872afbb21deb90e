//! A long time of many mailboxes in which nobody edits anything: renewals and polls fail at random, subscriptions get lost,
//! Graph is away for hours, some mailboxes for days. Nobody may be out of sight for longer than is promised, and whoever is
//! out of sight for long must be counted by the alarm.
//!
//! Knows subscriptions as Graph has them, and of a mailbox no more than when it was last seen in order. The functions are the
//! real ones; the clock is in steps, since a year of minutes would take days.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use ambient::Ambient;
use anyhow::{Context as _, ensure};
use contact_store::{Store, Tables};
use fastrand::Rng;
use graph_sim::faults::{Fault, Rule};
use graph_sim::{Lifecycle, MailboxKey, Operation, Settings as GraphSettings, World};
use jiff::Timestamp;
use lambda_boot::MetricSink;
use local_stack::aws::{CONTACTS_TABLE, DatabaseKind, LocalAws, STATE_TABLE};
use local_stack::{APP, LocalStack, Photos, RENEW};
use resync_mailboxes::Task;
use serde_json::json;
use sync_core::ids::MailboxId;
use sync_engine::Settings;

use crate::scene::{answer, finish, request};
use crate::tap::Wiretap;

/// The clock's step: the schedules' ticks.
const STEP: Duration = Duration::from_hours(1);
const STEPS_A_DAY: u32 = 24;
/// Mailboxes are looked at once a day rather than once an hour: what is tried is the same, and a year can be played.
const POLL_EVERY: Duration = Duration::from_hours(24);
const SILENT_AFTER: Duration = Duration::from_hours(72);
/// Graph is away from everybody for so long at most.
const OUTAGE_HOURS: u64 = 12;
/// A mailbox that nobody can reach is so for so many days.
const AWAY_DAYS: std::ops::Range<u32> = 5..12;
/// So long at most nothing is heard of a mailbox that can be reached: a poll's latest time, an outage that it meets, and the
/// hour until it is tried again; twice, since one may be lost to chance.
const SIGHT: Duration = Duration::from_hours(2 * 29 + OUTAGE_HOURS + 2);
/// So long at most a mailbox is without a subscription that Graph has dropped without a word: until its renewal is due, with
/// an outage and what failing renewals take.
const GAP: Duration = Duration::from_hours(101 + OUTAGE_HOURS + 2);

const TENANTS: usize = 4;

/// How long, how many, and by which chance.
#[derive(Clone, Copy, Debug)]
pub struct Year {
    /// The seed.
    pub seed: u64,
    /// Mailboxes.
    pub mailboxes: usize,
    /// Days.
    pub days: u32,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// What was counted, by name.
    pub counts: BTreeMap<&'static str, u64>,
    /// The longest time, in hours, without a successful round of a mailbox that could be reached.
    pub longest_unseen: u64,
    /// The longest time, in hours, that a mailbox was without any subscription at Graph.
    pub longest_gap: u64,
}

struct Mailbox {
    key: MailboxKey,
    id: MailboxId,
    /// Nobody reaches it before.
    away_until: Option<Timestamp>,
    /// It has no subscription since.
    gap_since: Option<Timestamp>,
    /// It can be reached again since.
    back_since: Timestamp,
}

struct Played {
    dice: Rng,
    stack: LocalStack,
    looker: Store,
    mailboxes: Vec<Mailbox>,
    outage_until: Option<Timestamp>,
    seen: Seen,
}

/// Plays it. Fails where a promise is broken, and tells after each month how it stands.
pub fn year(year: Year, mut tell: impl FnMut(u32, &Seen)) -> anyhow::Result<Seen> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    let _inside = runtime.enter();
    let mut played = Played::set(year)?;
    for day in 0..year.days {
        played.day()?;
        if (day + 1) % 30 == 0 {
            tell(day + 1, &played.seen);
        }
    }
    Ok(played.seen)
}

impl Played {
    fn set(year: Year) -> anyhow::Result<Self> {
        let start: Timestamp = "2026-03-02T08:00:00Z".parse()?;
        let ambient = Ambient::simulated(start, year.seed);
        let aws = LocalAws::in_process(
            &ambient,
            DatabaseKind::Model,
            Arc::new(Wiretap::new(year.seed, false)),
        )?;
        let tables = Tables {
            contacts: CONTACTS_TABLE.to_owned(),
            state: STATE_TABLE.to_owned(),
        };
        let looker = Store::new(aws.dynamodb(), tables);
        let world = World::new(GraphSettings {
            seed: year.seed,
            log_kept: 100,
            ..GraphSettings::default()
        });
        let settings = Settings {
            poll_every: POLL_EVERY,
            // Comparisons are beside the point, and cost the most.
            compare_every: Duration::from_hours(24 * 400),
            silent_after: SILENT_AFTER,
            ..Settings::default()
        };
        let stack = finish(LocalStack::upon(aws, ambient, world, settings, Photos::Off))??;
        let mut played = Self {
            dice: Rng::with_seed(year.seed),
            mailboxes: Vec::new(),
            outage_until: None,
            seen: Seen::default(),
            stack,
            looker,
        };
        for index in 0..year.mailboxes {
            played.enrol(index)?;
        }
        played.carry_on(Timestamp::MAX)?;
        Ok(played)
    }

    fn enrol(&mut self, index: usize) -> anyhow::Result<()> {
        let tenant = format!("3f2504e0-4f89-41d3-9a0c-{:012x}", index % TENANTS);
        let key = {
            let mut world = self.stack.world();
            if index < TENANTS {
                world.consent(&tenant, APP);
            }
            let object_id = format!("00000000-0000-4000-8000-{index:012x}");
            let name = format!("user{index}");
            world.add_mailbox(&tenant, &object_id, &format!("{name}@contoso.example"), &name)
        };
        let form = json!({ "tenant": key.tenant, "user": key.user });
        let request = request("POST", "/v1/mailboxes", &[], Some(&form))?;
        let (status, answer) = finish(answer(&self.stack, request))??;
        ensure!(status == 201, "a mailbox was not enrolled: {answer}");
        let id = answer["id"].as_str().context("no id")?.parse()?;
        self.mailboxes.push(Mailbox {
            key,
            id,
            away_until: None,
            gap_since: None,
            back_since: self.stack.ambient.now(),
        });
        if index % 100 == 99 {
            // As a roll-out would do it.
            self.carry_on(Timestamp::MAX)?;
            self.stack.ambient.advance(Duration::from_mins(1));
        }
        Ok(())
    }

    fn day(&mut self) -> anyhow::Result<()> {
        self.trouble();
        for step in 0..STEPS_A_DAY {
            let until = ambient::add(self.stack.ambient.now(), STEP);
            self.set_faults();
            // A tick that fails is made up for by the next one.
            drop(finish(self.stack.tick(RENEW))?);
            let ends_at = ambient::add(self.stack.ambient.now(), Duration::from_mins(1));
            let due = finish(self.stack.resync.handle(Task::Due, ends_at))?.unwrap_or_default();
            if step + 1 == STEPS_A_DAY {
                self.look(due.silent)?;
            }
            self.carry_on(until)?;
            let left = until.duration_since(self.stack.ambient.now());
            if left.is_positive() {
                self.stack.ambient.advance(left.unsigned_abs());
            }
        }
        self.forget();
        Ok(())
    }

    /// What waits is worked on, until the next tick at most: waiting for Graph takes time, too.
    fn carry_on(&mut self, until: Timestamp) -> anyhow::Result<()> {
        while self.stack.ambient.now() < until {
            let stack = &self.stack;
            let mut did = finish(stack.transport.deliver_due())? > 0;
            if let Some(batch) = stack.lifecycle.poll() {
                did = true;
                finish(stack.renew_by(batch))?;
            }
            if let Some(batch) = stack.work.poll() {
                did = true;
                let answer = finish(stack.work_on(&batch))?;
                stack.work.finish(batch, Ok::<_, ()>(answer));
            }
            for stream in [&stack.contact_changes, &stack.mailbox_changes] {
                if let Some(batch) = stream.poll()? {
                    did = true;
                    let answer = finish(stack.propagate.handle(batch.event.clone()))?;
                    stream.finish(batch, Ok::<_, ()>(answer));
                }
            }
            if !did {
                break;
            }
        }
        Ok(())
    }

    /// What this day brings: some subscriptions get lost, some mailboxes can't be reached for days, and Graph may be away.
    fn trouble(&mut self) {
        let now = self.stack.ambient.now();
        let of_all = |dice: &mut Rng, one_in: usize, all: usize| dice.usize(0..=2 * all.div_ceil(one_in));
        let all = self.mailboxes.len();
        for (one_in, event) in [
            (180, None),
            (365, Some(Lifecycle::SubscriptionRemoved)),
            (180, Some(Lifecycle::ReauthorizationRequired)),
        ] {
            for _ in 0..of_all(&mut self.dice, one_in, all) {
                let key = self.mailboxes[self.dice.usize(0..all)].key.clone();
                let mut world = self.stack.world();
                let count = match event {
                    None => world.drop_subscriptions(&key),
                    Some(event) => world.announce(&key, event, now),
                };
                drop(world);
                let name = match event {
                    None => "subscriptions lost without a word",
                    Some(_) => "lifecycle notifications",
                };
                self.count(name, count as u64);
            }
        }
        for _ in 0..of_all(&mut self.dice, 2_000, all) {
            let days = self.dice.u32(AWAY_DAYS);
            let until = ambient::add(now, Duration::from_hours(24) * days);
            let mailbox = &mut self.mailboxes[self.dice.usize(0..all)];
            if mailbox.away_until.is_none() {
                mailbox.away_until = Some(until);
                self.count("mailboxes out of reach for days", 1);
            }
        }
        if self.dice.u8(0..20) == 0 {
            let hours = self.dice.u64(1..OUTAGE_HOURS);
            self.outage_until = Some(ambient::add(now, Duration::from_hours(hours)));
            self.count("outages of Graph", 1);
        }
    }

    /// Whom Graph answers from now on.
    fn set_faults(&mut self) {
        let now = self.stack.ambient.now();
        for mailbox in &mut self.mailboxes {
            if mailbox.away_until.is_some_and(|until| until <= now) {
                mailbox.away_until = None;
                mailbox.back_since = now;
            }
        }
        let gone = Fault::Unavailable { retry_after: None };
        let mut world = self.stack.world();
        world.clear_faults();
        if self.outage_until.is_some_and(|until| until > now) {
            world.add_fault(Rule::new(gone));
            return;
        }
        for mailbox in self.mailboxes.iter().filter(|it| it.away_until.is_some()) {
            world.add_fault(Rule::new(gone.clone()).for_user(&mailbox.key.user));
        }
        for operation in [Operation::UpdateSubscription, Operation::CreateSubscription] {
            world.add_fault(Rule::new(gone.clone()).on(operation).percent(10));
        }
        world.add_fault(Rule::new(Fault::GatewayTimeout { committed: true }).percent(1));
        world.add_fault(Rule::new(gone).percent(3));
    }

    /// How it stands with each mailbox, and whether the alarm counts those of whom nothing was heard.
    fn look(&mut self, counted: u64) -> anyhow::Result<()> {
        let now = self.stack.ambient.now();
        let subscribed: BTreeSet<MailboxKey> = self.stack.world().subscribed().into_iter().cloned().collect();
        let mut silent = 0;
        for mailbox in &mut self.mailboxes {
            let state = finish(self.looker.mailbox(&mailbox.id))??.context("a mailbox is gone")?;
            let last = state.last_success_at.unwrap_or(state.enrolled_at);
            let unseen = now.duration_since(last).unsigned_abs();
            silent += u64::from(unseen >= SILENT_AFTER);
            if mailbox.away_until.is_none() {
                let since = last.max(mailbox.back_since);
                let unseen = now.duration_since(since).unsigned_abs();
                ensure!(
                    unseen <= SIGHT,
                    "nothing was heard of {} since {last}, and it is {now}; {:?}",
                    mailbox.id,
                    state.last_error
                );
                self.seen.longest_unseen = self.seen.longest_unseen.max(unseen.as_secs() / 3_600);
            }
            if subscribed.contains(&mailbox.key) {
                mailbox.gap_since = None;
            } else {
                let since = *mailbox.gap_since.get_or_insert(now);
                if mailbox.away_until.is_none() {
                    let gap = now.duration_since(since.max(mailbox.back_since)).unsigned_abs();
                    ensure!(
                        gap <= GAP,
                        "{} has no subscription since {since}, and it is {now}",
                        mailbox.id
                    );
                    self.seen.longest_gap = self.seen.longest_gap.max(gap.as_secs() / 3_600);
                }
            }
        }
        ensure!(
            silent == counted,
            "{silent} mailboxes are silent, the alarm counts {counted}"
        );
        self.count("silent mailboxes, counted by the alarm each day", silent);
        Ok(())
    }

    /// What would fill the memory in the course of a year.
    fn forget(&mut self) {
        let metrics = [
            ("renewals", "SubscriptionsRenewed"),
            ("subscriptions made", "SubscriptionsCreated"),
            (
                "renewals that failed",
                lambda_boot::metrics::names::RENEWALS_FAILED,
            ),
        ];
        for (name, metric) in metrics {
            let count = self.stack.renewer.metrics.total(metric);
            self.count(name, count);
        }
        let polls = self.stack.resync.metrics.total("PollsSent");
        self.count("polls", polls);
        self.stack.renewer.metrics = MetricSink::memory();
        self.stack.resync.metrics = MetricSink::memory();
        self.stack.worker.metrics = MetricSink::memory();
        self.stack.bus.take();
    }

    fn count(&mut self, what: &'static str, by: u64) {
        *self.seen.counts.entry(what).or_default() += by;
    }
}
