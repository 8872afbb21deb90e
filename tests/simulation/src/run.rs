//! One seed's run: who does what next, what is under way meanwhile, and how it dies.
//!
//! Knows the functions as futures that anybody may poll, and let fall, whenever chance says so. What people do is
//! `people.rs`, what platforms do `platform.rs`; what must be true afterwards is `checks.rs`.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use anyhow::Context as _;
use aws_lambda_events::event::sqs::SqsBatchResponse;
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use fastrand::Rng;
use jiff::Timestamp;
use local_stack::aws::{Batch, LocalStream, StreamBatch};
use local_stack::{Due, RENEW, RESYNC};
use renew_subscriptions::Trigger;
use resync_mailboxes::Task;
use serde_json::Value;

use crate::history::History;
use crate::plan::{Cuts, Death, Fault};
use crate::platform::Call;
use crate::scene::Scene;

const FUNCTION_LIFE: Duration = Duration::from_mins(1);
const RENEW_EVERY: Duration = Duration::from_mins(5);
const RESYNC_EVERY: Duration = Duration::from_mins(1);
/// Nobody who is not waiting for somebody else is polled so often.
const LONG: u32 = 5_000;
/// So often whatever is under way is gone on with when the faults have stopped.
const ROUNDS: usize = 1_000;
/// So many things at most are under way at once.
const MOST_AT_ONCE: usize = 6;

/// What was done, and how often, by name.
pub type Figures = BTreeMap<&'static str, u64>;

/// How often each function has waited for somebody else: each of these is a place to die at.
pub type Awaits = BTreeMap<&'static str, u64>;

/// Something that is under way.
struct Activity<'s> {
    name: &'static str,
    future: Pin<Box<dyn Future<Output = anyhow::Result<Ended>> + 's>>,
    what: What,
    /// From then on it is never gone on with.
    ends_at: Timestamp,
}

enum What {
    Work(Batch),
    Lifecycle(Batch),
    Stream(LocalStream, StreamBatch),
    Notices,
    Tick,
    Call(Box<Call>),
}

enum Ended {
    Work(SqsBatchResponse),
    Lifecycle(Option<SqsBatchResponse>),
    Stream(DynamoDbEventResponse),
    Call(u16, Value),
    Nothing,
}

/// The part of a run in which things go wrong.
pub(crate) struct Run<'s> {
    pub(crate) scene: &'s Scene,
    pub(crate) history: &'s mut History,
    pub(crate) figures: &'s mut Figures,
    pub(crate) memory: crate::people::Memory,
    under_way: Vec<Activity<'s>>,
    next_renewal: Timestamp,
    next_resync: Timestamp,
    /// What the schedules would find, as it was after so many writes.
    first_due: Option<(u64, Due)>,
    requests_told: usize,
    /// How often each function has waited for somebody else.
    awaits: Awaits,
    death: Option<Death>,
    aloud: bool,
}

impl<'s> Run<'s> {
    pub(crate) fn new(
        scene: &'s Scene,
        history: &'s mut History,
        figures: &'s mut Figures,
        death: Option<Death>,
        aloud: bool,
    ) -> Self {
        let now = scene.now();
        Self {
            memory: crate::people::Memory::default(),
            under_way: Vec::new(),
            next_renewal: now,
            next_resync: now,
            first_due: None,
            requests_told: 0,
            awaits: Awaits::new(),
            death,
            scene,
            history,
            figures,
            aloud,
        }
    }

    /// All steps of the plan.
    pub(crate) fn steps(&mut self, cuts: &Cuts) -> anyhow::Result<()> {
        self.scene.tap.break_some(self.scene.plan.database_percent);
        for step in 0..self.scene.plan.steps {
            if cuts.skip.contains(&step) {
                continue;
            }
            let mut dice = self.scene.plan.chance(step);
            self.say(format_args!("step {step} at {}", self.scene.now()));
            self.step(&mut dice)?;
        }
        Ok(())
    }

    fn step(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        if dice.u32(0..10) < self.scene.plan.edits_of_ten {
            if dice.bool() {
                self.person_edits(dice)?;
            } else {
                self.platform_calls(dice)?;
            }
        }
        if dice.u8(0..100) < 15 {
            self.trouble(dice);
        }
        if !self.scene.has(Fault::Interleaved) {
            return self.one_after_the_other(dice);
        }
        if self.under_way.len() < MOST_AT_ONCE {
            self.begin(dice)?;
        }
        for _ in 0..dice.u8(1..6) {
            if self.under_way.is_empty() {
                break;
            }
            let index = dice.usize(0..self.under_way.len());
            let polls = match dice.u8(0..4) {
                0 => 1,
                1 | 2 => dice.u32(2..30),
                _ => u32::MAX,
            };
            self.poll(index, polls)?;
            let working = self.under_way.get(index);
            if working.is_some_and(|it| matches!(it.what, What::Work(_))) && dice.u8(0..4) == 0 {
                self.goes_on_meanwhile(dice)?;
            }
            if !self.under_way.is_empty() && self.scene.has(Fault::Deaths) && dice.u8(0..100) < 6 {
                let index = dice.usize(0..self.under_way.len());
                self.kill(index);
            }
        }
        self.pass_time(dice);
        Ok(())
    }

    /// While a worker has something in hand, a platform goes on with an edit, and is told that it is done.
    fn goes_on_meanwhile(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        let before = self.under_way.len();
        let index = dice.usize(0..self.scene.people.len());
        self.patches(index, dice)?;
        if self.under_way.len() > before {
            self.poll(before, u32::MAX)?;
        }
        Ok(())
    }

    /// Begins something, and ends it or lets it die, before anything else.
    fn one_after_the_other(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        self.begin(dice)?;
        for _ in 0..100 {
            if self.under_way.is_empty() {
                break;
            }
            let index = dice.usize(0..self.under_way.len());
            if self.scene.has(Fault::Deaths) && dice.u8(0..100) < 15 {
                self.poll(index, dice.u32(1..60))?;
                if index < self.under_way.len() {
                    self.kill(index);
                }
            } else {
                self.poll(index, u32::MAX)?;
            }
        }
        self.pass_time(dice);
        Ok(())
    }

    fn pass_time(&mut self, dice: &mut Rng) {
        let by = match dice.u8(0..20) {
            0..=8 => return,
            9..=14 => Duration::from_millis(dice.u64(1..2000)),
            15..=17 => Duration::from_secs(dice.u64(1..60)),
            18 => Duration::from_secs(dice.u64(60..900)),
            _ if self.scene.has(Fault::Jumps) => Duration::from_secs(dice.u64(900..30_000)),
            _ => Duration::from_secs(dice.u64(1..120)),
        };
        self.scene.stack.ambient.advance(by);
        self.say(format_args!("  {by:?} pass"));
    }

    /// Begins something of what can be begun now.
    fn begin(&mut self, dice: &mut Rng) -> anyhow::Result<()> {
        let now = self.scene.now();
        let first = dice.u8(0..6);
        for choice in 0..6 {
            let begun = match (first + choice) % 6 {
                0 | 1 => self.begin_work(dice),
                2 => self.begin_stream(dice)?,
                3 => self.begin_notices(),
                4 => self.begin_lifecycle(),
                _ => self.begin_tick(now)?,
            };
            if begun {
                return Ok(());
            }
        }
        Ok(())
    }

    fn begin_work(&mut self, dice: &mut Rng) -> bool {
        let stack = &self.scene.stack;
        let working = self.under_way.iter().any(|it| matches!(it.what, What::Work(_)));
        if working && self.scene.has(Fault::Overlap) && dice.u8(0..4) == 0 {
            stack.work.lapse();
            self.count("visibility lapses");
        }
        if self.scene.has(Fault::Doubled) && dice.u8(0..8) == 0 {
            stack.work.deliver_again(1);
        }
        let batch = if dice.bool() {
            stack.work.poll()
        } else {
            stack.work.poll_mixed()
        };
        let Some(batch) = batch else { return false };
        let ends_at = ambient::add(stack.ambient.now(), self.scene.plan.worker_life);
        let event = batch.event.clone();
        let future = async move {
            let answer = Box::pin(stack.worker.handle(event, ends_at)).await;
            Ok(Ended::Work(answer))
        };
        self.add("sync-mailbox", Box::pin(future), What::Work(batch));
        true
    }

    fn begin_stream(&mut self, dice: &mut Rng) -> anyhow::Result<bool> {
        let stack = &self.scene.stack;
        for stream in [&stack.contact_changes, &stack.mailbox_changes] {
            if self.scene.has(Fault::Doubled) && dice.u8(0..8) == 0 {
                stream.deliver_again(1);
            }
            let Some(batch) = stream.poll()? else { continue };
            let event = batch.event.clone();
            let future = async move { Ok(Ended::Stream(stack.propagate.handle(event).await)) };
            let what = What::Stream(stream.clone(), batch);
            self.add("propagate-changes", Box::pin(future), what);
            return Ok(true);
        }
        Ok(false)
    }

    fn begin_notices(&mut self) -> bool {
        let stack = &self.scene.stack;
        let next = stack.world().next_notification();
        let busy = self.under_way.iter().any(|it| matches!(it.what, What::Notices));
        if busy || next.is_none_or(|next| next > stack.ambient.now()) {
            return false;
        }
        let future = async move {
            stack.transport.deliver_due().await;
            Ok(Ended::Nothing)
        };
        self.add("receive-notifications", Box::pin(future), What::Notices);
        true
    }

    fn begin_lifecycle(&mut self) -> bool {
        let stack = &self.scene.stack;
        let Some(batch) = stack.lifecycle.poll() else {
            return false;
        };
        let ends_at = ambient::add(stack.ambient.now(), FUNCTION_LIFE);
        let trigger = Trigger::Lifecycle(batch.event.clone());
        let future = async move {
            Ok(Ended::Lifecycle(
                stack.renewer.handle(trigger, ends_at).await.ok(),
            ))
        };
        self.add("renew-subscriptions", Box::pin(future), What::Lifecycle(batch));
        true
    }

    fn begin_tick(&mut self, now: Timestamp) -> anyhow::Result<bool> {
        let stack = &self.scene.stack;
        let ends_at = ambient::add(now, FUNCTION_LIFE);
        if self.next_resync > now && self.next_renewal > now {
            return Ok(false);
        }
        // Ticks that would find nothing are left out: each is of some fifty queries.
        let writes = self.scene.tap.writes();
        if self.first_due.is_none_or(|(then, _)| then != writes) {
            self.first_due = Some((writes, stack.first_due()?));
        }
        let finds = |schedule: &str| self.first_due.is_some_and(|(_, due)| due.has(schedule, now));
        let (renews, polls) = (finds(RENEW), finds(RESYNC));
        if polls && self.next_resync <= now {
            self.next_resync = ambient::add(now, RESYNC_EVERY);
            let future = async move {
                // A tick that fails is made up for by the next one.
                drop(stack.resync.handle(Task::Due, ends_at).await);
                Ok(Ended::Nothing)
            };
            self.add("resync-mailboxes", Box::pin(future), What::Tick);
            return Ok(true);
        }
        if renews && self.next_renewal <= now {
            self.next_renewal = ambient::add(now, RENEW_EVERY);
            let trigger = serde_json::from_str(r#"{"task":"renew"}"#)?;
            let future = async move {
                drop(stack.renewer.handle(trigger, ends_at).await);
                Ok(Ended::Nothing)
            };
            self.add("renew-subscriptions", Box::pin(future), What::Tick);
            return Ok(true);
        }
        Ok(false)
    }

    /// A request to the API is under way.
    pub(crate) fn call(&mut self, call: Call) -> anyhow::Result<()> {
        let headers: Vec<(&str, &str)> = call
            .headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let request = crate::scene::request(call.method, &call.path, &headers, call.body.as_ref())?;
        self.say(format_args!(
            "  platform: {} {} {:?} {}",
            call.method,
            call.path,
            call.headers,
            call.body.as_ref().unwrap_or(&Value::Null)
        ));
        self.count("calls of the API");
        let stack = &self.scene.stack;
        let future = async move {
            let (status, answer) = crate::scene::answer(stack, request).await?;
            Ok(Ended::Call(status, answer))
        };
        self.add("contacts-api", Box::pin(future), What::Call(Box::new(call)));
        Ok(())
    }

    fn add(
        &mut self,
        name: &'static str,
        future: Pin<Box<dyn Future<Output = anyhow::Result<Ended>> + 's>>,
        what: What,
    ) {
        self.say(format_args!("  begins {name}"));
        let life = match what {
            What::Work(_) => self.scene.plan.worker_life,
            What::Lifecycle(_) | What::Stream(..) | What::Tick | What::Call(_) => FUNCTION_LIFE,
            What::Notices => Duration::MAX,
        };
        self.under_way.push(Activity {
            name,
            future,
            what,
            ends_at: ambient::add(self.scene.now(), life),
        });
    }

    /// Polls one of those that are under way, so often or to its end.
    fn poll(&mut self, index: usize, polls: u32) -> anyhow::Result<()> {
        let mut context = Context::from_waker(Waker::noop());
        let mut left = polls.min(LONG);
        self.say(format_args!(
            "  goes on with {} for {polls}",
            self.under_way[index].name
        ));
        while left > 0 {
            left -= 1;
            if self.scene.now() >= self.under_way[index].ends_at {
                self.let_die(index);
                return Ok(());
            }
            self.look_before_a_write(index)?;
            let activity = &mut self.under_way[index];
            let ended = activity.future.as_mut().poll(&mut context);
            self.tell_requests();
            if let Poll::Ready(ended) = ended {
                let activity = self.under_way.remove(index);
                let ended = ended.with_context(|| format!("{} failed", activity.name))?;
                self.say(format_args!("  {} has ended", activity.name));
                return self.ended(activity.what, ended);
            }
            if self.is_its_death(index) {
                self.let_die(index);
                return Ok(());
            }
        }
        // It may wait for another one: functions of one kind share their tokens.
        Ok(())
    }

    /// Counts an await, and tells whether it is the one at which the run has somebody die.
    fn is_its_death(&mut self, index: usize) -> bool {
        let name = self.under_way[index].name;
        let count = self.awaits.entry(name).or_default();
        *count += 1;
        let death = self.death.as_ref();
        death.is_some_and(|death| death.function == name && death.at == *count)
    }

    /// What a call of the API may be about to write over.
    fn look_before_a_write(&mut self, index: usize) -> anyhow::Result<()> {
        let writes = self.scene.tap.writes();
        if let What::Call(call) = &mut self.under_way[index].what
            && call.looked_at != Some(writes)
        {
            call.looked_at = Some(writes);
            call.look(self.scene, self.history)?;
        }
        Ok(())
    }

    fn ended(&mut self, what: What, ended: Ended) -> anyhow::Result<()> {
        let stack = &self.scene.stack;
        match (what, ended) {
            (What::Work(batch), Ended::Work(answer)) => {
                stack.work.finish(batch, Ok::<_, ()>(answer));
            }
            (What::Lifecycle(batch), Ended::Lifecycle(answer)) => {
                stack.lifecycle.finish(batch, answer.ok_or(()));
            }
            (What::Stream(stream, batch), Ended::Stream(answer)) => {
                stream.finish(batch, Ok::<_, ()>(answer));
            }
            (What::Call(call), Ended::Call(status, answer)) => {
                self.say(format_args!("  platform is told {status} {answer}"));
                self.answered(*call, status, &answer)?;
            }
            (What::Notices | What::Tick, _) => {}
            (What::Work(_) | What::Lifecycle(_) | What::Stream(..) | What::Call(_), _) => {
                anyhow::bail!("a function has ended as another one");
            }
        }
        Ok(())
    }

    /// One of those that are under way dies where it is.
    fn kill(&mut self, index: usize) {
        if matches!(self.under_way[index].what, What::Notices) {
            // Graph itself doesn't die.
            return;
        }
        self.let_die(index);
    }

    fn let_die(&mut self, index: usize) {
        let Activity {
            name, future, what, ..
        } = self.under_way.remove(index);
        drop(future);
        self.say(format_args!("  {name} dies"));
        self.count("deaths");
        match what {
            What::Stream(stream, batch) => stream.finish(batch, Err::<DynamoDbEventResponse, ()>(())),
            What::Call(call) => self.unanswered(*call),
            What::Work(_) | What::Lifecycle(_) | What::Notices | What::Tick => {}
        }
    }

    /// The end of the faults: what is under way comes to its end.
    /// How often each function has waited for somebody else, by then.
    pub(crate) fn wind_up(mut self) -> anyhow::Result<Awaits> {
        self.say(format_args!("the faults stop"));
        let stack = &self.scene.stack;
        self.scene.tap.break_some(0);
        stack.world().clear_faults();
        stack.work.clear_faults();
        stack.lifecycle.clear_faults();
        stack.bus.clear_faults();
        stack.contact_changes.clear_faults();
        stack.mailbox_changes.clear_faults();
        for turn in 0..ROUNDS {
            if self.under_way.is_empty() {
                break;
            }
            self.poll(turn % self.under_way.len(), u32::MAX)?;
        }
        let names: Vec<&str> = self.under_way.iter().map(|it| it.name).collect();
        anyhow::ensure!(names.is_empty(), "{} don't come to their end", names.join(", "));
        Ok(self.awaits)
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.figures.entry(what).or_default() += 1;
    }

    /// A line of the trace.
    pub(crate) fn say(&self, what: std::fmt::Arguments<'_>) {
        if self.aloud {
            crate::say(&what.to_string());
        }
        // The steps are the same wherever the requests are; what was asked is in the trace by itself.
    }

    /// Shows what Graph was asked since.
    fn tell_requests(&mut self) {
        if !self.aloud {
            return;
        }
        let world = self.scene.stack.world();
        let entries = world.requests().skip(self.requests_told);
        let mut told = 0;
        for entry in entries {
            told += 1;
            crate::say(&format!(
                "      graph: {} {} -> {:?} {}",
                entry.method,
                entry.target,
                entry.status,
                entry.fault.as_deref().unwrap_or_default()
            ));
        }
        drop(world);
        self.requests_told += told;
    }
}
