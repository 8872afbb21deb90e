//! Timers that are due, turned into jobs.
//!
//! Knows the index of due times. Must not know what a poll or a comparison does.

use std::sync::Arc;
use std::time::Duration;

use ambient::Ambient;
use contact_store::{Shard, Store, Timer, TimerKind};
use jiff::Timestamp;
use job_queue::{JobQueue, WorkJob};
use sync_core::schedule;

use crate::{Settings, Trouble};

/// Timers taken from a shard at each run. What is left is due at the next, a minute later.
const DUE_AT_ONCE: usize = 1000;

/// Over how long the comparisons of all mailboxes are spread when somebody asks for them at once.
const SPREAD: Duration = Duration::from_hours(1);

/// Sends what is due.
#[derive(Debug)]
pub struct Scheduler {
    /// The tables.
    pub store: Arc<Store>,
    /// Where jobs go.
    pub work: Arc<JobQueue>,
    /// Time and chance.
    pub ambient: Ambient,
    /// How often.
    pub settings: Settings,
    /// Where it looks.
    pub shards: Vec<Shard>,
}

/// What was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DueReport {
    /// Polls sent.
    pub polls: u64,
    /// Comparisons sent.
    pub comparisons: u64,
    /// Mailboxes that have had no success for too long.
    pub silent: u64,
}

impl Scheduler {
    /// Sends a job for each timer that is due, and sets the timer on. The worker sets it anew when it has succeeded;
    /// should the job be lost, the timer is due again. Stops at `deadline`.
    pub async fn send_due(&self, deadline: Timestamp) -> Result<DueReport, Trouble> {
        let mut report = DueReport::default();
        for &shard in &self.shards {
            report.polls += self.send(TimerKind::Poll, shard).await?;
            report.comparisons += self.send(TimerKind::Compare, shard).await?;
            let silent = self
                .store
                .due_timers(TimerKind::Silence, shard, self.ambient.now(), DUE_AT_ONCE)
                .await?;
            report.silent += silent.len() as u64;
            if self.ambient.now() >= deadline {
                break;
            }
        }
        Ok(report)
    }

    async fn send(&self, kind: TimerKind, shard: Shard) -> Result<u64, Trouble> {
        let now = self.ambient.now();
        let due = self.store.due_timers(kind, shard, now, DUE_AT_ONCE).await?;
        let (every, job): (_, fn(&Timer, Timestamp) -> WorkJob) = match kind {
            TimerKind::Poll => (self.settings.poll_every, |timer, requested_at| WorkJob::Sync {
                mailbox: timer.mailbox.clone(),
                requested_at,
            }),
            TimerKind::Compare => (self.settings.compare_every, |timer, requested_at| {
                WorkJob::Compare {
                    mailbox: timer.mailbox.clone(),
                    requested_at,
                }
            }),
            TimerKind::Silence => return Ok(0),
        };
        let jobs: Vec<_> = due.iter().map(|timer| job(timer, now)).collect();
        // The jobs first: a crash in between sends them twice, and the second time costs next to nothing.
        self.work.send(&jobs, &self.ambient.uuid().to_string()).await?;
        for timer in &due {
            let due_at = schedule::next_due(now, every, self.ambient.below(1000));
            // A worker that has been faster knows better when it is due next.
            let timer_on = Timer {
                due_at,
                ..timer.clone()
            };
            self.store.set_timer_if(&timer_on, timer.due_at).await?;
        }
        Ok(due.len() as u64)
    }

    /// Makes a comparison of every mailbox due within the next hour. Gives back the cursor to go on from where
    /// `deadline` cut it.
    pub async fn compare_all(
        &self,
        mut after: Option<String>,
        deadline: Timestamp,
    ) -> Result<Option<String>, Trouble> {
        loop {
            let page = self.store.mailboxes(after.as_deref(), 100).await?;
            for mailbox in page.items {
                let due_at = ambient::add(self.ambient.now(), self.ambient.jitter(SPREAD));
                self.store
                    .set_timer(&Timer {
                        mailbox: mailbox.id,
                        kind: TimerKind::Compare,
                        due_at,
                    })
                    .await?;
            }
            match page.next {
                Some(next) if self.ambient.now() >= deadline => return Ok(Some(next)),
                Some(next) => after = Some(next),
                None => return Ok(None),
            }
        }
    }
}
