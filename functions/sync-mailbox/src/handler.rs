//! One batch: by mailbox, through the engine, and back to the queue.

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use graph_client::Transport;
use jiff::{SignedDuration, Timestamp};
use job_queue::WorkJob;
use lambda_boot::metrics::names;
use lambda_boot::sqs::{self, Message, Outcome};
use lambda_boot::{MetricSink, Metrics};
use sync_core::ids::MailboxId;
use sync_engine::{Ending, Engine, Report, boot};

use crate::FUNCTION;

/// A message that has been put off so often is handed to a timer instead, so that waiting for Graph never makes a
/// dead letter of it. Lower than the queue's `maxReceiveCount`.
const PATIENCE: u32 = 5;

/// A message that can't be read comes again this soon, so that it is a dead letter before long: until then it
/// holds up its mailbox.
const UNREADABLE_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// The function.
pub struct Worker<T> {
    /// Does the work.
    pub engine: Engine<T>,
    /// Takes the metrics.
    pub metrics: MetricSink,
}

impl<T: Transport> Worker<T> {
    /// Handles a batch within a life that ends at `ends_at`.
    pub async fn handle(&self, event: SqsEvent, ends_at: Timestamp) -> SqsBatchResponse {
        let mut report = Report::default();
        let mut outcomes = Vec::new();
        let groups = sqs::by_group(sqs::messages(event));
        let mut waiting = i32::try_from(groups.len()).unwrap_or(i32::MAX);
        for group in groups {
            // Each of the mailboxes that still wait gets its share of the time.
            let now = self.engine.ambient.now();
            let share = boot::work_until(now, ends_at).duration_since(now) / waiting.max(1);
            waiting -= 1;
            let deadline = now.saturating_add(share).unwrap_or(ends_at);
            let outcome = self.group(&group, deadline, &mut report).await;
            outcomes.extend(group.into_iter().map(|message| (message, outcome)));
        }
        self.count(&report);
        sqs::answer(outcomes.iter().map(|(message, outcome)| (message, *outcome)))
    }

    /// The messages of one mailbox: one run answers them all.
    async fn group(&self, messages: &[Message], deadline: Timestamp, report: &mut Report) -> Outcome {
        let parsed: Result<Vec<WorkJob>, _> = messages
            .iter()
            .map(|message| WorkJob::parse(&message.body))
            .collect();
        let now = self.engine.ambient.now();
        let jobs = match parsed {
            Ok(jobs) => jobs,
            Err(error) => {
                tracing::error!(%error, "a message of the work queue can't be read");
                self.postpone(messages, now.saturating_add(UNREADABLE_AGAIN).unwrap_or(now))
                    .await;
                return Outcome::Again;
            }
        };
        let Some(mailbox) = jobs.first().map(|job| job.mailbox().clone()) else {
            return Outcome::Done;
        };
        let receives = messages.iter().map(|message| message.receives).max().unwrap_or(1);
        let outcome = self.engine.work(&mailbox, &jobs, receives, deadline).await;
        if let Some(trouble) = &outcome.trouble {
            tracing::warn!(mailbox.id = %mailbox, error = lambda_boot::chain(trouble), "the mailbox could not be synced");
        }
        *report += outcome.report;
        match outcome.ending {
            Ending::Done => Outcome::Done,
            Ending::Later(until) if receives >= PATIENCE => self.defer(&mailbox, &jobs, until).await,
            Ending::Later(until) | Ending::Retry(until) => {
                self.postpone(messages, until).await;
                Outcome::Again
            }
        }
    }

    async fn defer(&self, mailbox: &MailboxId, jobs: &[WorkJob], until: Timestamp) -> Outcome {
        match self.engine.defer(mailbox, jobs, until).await {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::error!(mailbox.id = %mailbox, error = lambda_boot::chain(&error), "work could not be put off");
                Outcome::Again
            }
        }
    }

    /// All of them, to the same time: SQS holds a group up until the last of its messages in flight is back.
    async fn postpone(&self, messages: &[Message], until: Timestamp) {
        for message in messages {
            let postponed = self
                .engine
                .work
                .postpone(&message.receipt_handle, until, self.engine.ambient.now())
                .await;
            if let Err(error) = postponed {
                // It comes back when its visibility timeout ends.
                tracing::warn!(
                    error = lambda_boot::chain(&error),
                    "a message could not be put off"
                );
            }
        }
    }

    fn count(&self, report: &Report) {
        Metrics::new(FUNCTION)
            .count("Rounds", report.rounds)
            .count("Pages", report.pages)
            .count("Resyncs", report.resyncs)
            .count("ContactsInserted", report.inserted)
            .count("ContactsUpdated", report.updated)
            .count("ContactsBuried", report.buried)
            .count("ContactsUnchanged", report.unchanged)
            .count("ContactsVerified", report.verified)
            .count("ContactsUnreadable", report.unreadable)
            .count("ContactsCreatedInOutlook", report.created)
            .count("ContactsPatchedInOutlook", report.patched)
            .count("ContactsDeletedInOutlook", report.deleted)
            .count("PhotosChecked", report.photos_checked)
            .count("PhotosRead", report.photos_read)
            .count("PhotosWritten", report.photos_written)
            .count("EditsRefused", report.refused)
            .count("Conflicts", report.conflicts)
            .count("ConflictFunctionFailures", report.arbiter_failures)
            .count("Continuations", report.continued)
            .count(names::DELETES_HELD, report.guarded)
            .count(names::DRIFT_REPAIRED, report.drift.values().sum())
            .count(names::GRAPH_THROTTLED, report.throttled)
            .count(names::MAILBOXES_UNAVAILABLE, report.unavailable)
            .emit_to(&self.metrics, self.engine.ambient.now());
    }
}
