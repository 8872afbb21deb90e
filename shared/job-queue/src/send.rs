//! Sending jobs, and putting a received one off.
//!
//! Knows SQS: batches of ten, message groups, deduplication, visibility. Must not know what a job does, nor decide
//! whether to send one.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{BatchResultErrorEntry, SendMessageBatchRequestEntry};
use jiff::Timestamp;
use sync_core::ids::MailboxId;

use crate::{LifecycleJob, WorkJob};

/// SQS takes at most this many messages in one `SendMessageBatch`.
const BATCH: usize = 10;

/// SQS keeps a message hidden for at most 12 hours **counted from its receipt**, and refuses a longer request
/// instead of shortening it. The receipt was up to one Lambda's life (15 minutes) ago.
const LONGEST_POSTPONEMENT_S: i64 = 43_200 - 900;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why jobs were not stored, or a message not put off. Jobs are idempotent, so the remedy is always the same: fail
/// the event, and let whoever sent it send it again.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// SQS took the batch, but refused some of its messages, twice.
    #[error("SQS refused {refused} of {sent} messages: {code}")]
    Refused {
        /// How many were sent in that batch.
        sent: usize,
        /// How many of them are not stored.
        refused: usize,
        /// SQS's code for the first of them.
        code: String,
    },
    /// No answer, or an error for the request as a whole, after the SDK's own retries.
    #[error("SQS did not accept the request")]
    Unavailable(#[source] BoxError),
    /// The job could not be written as a message.
    #[error("the job could not be written as a message")]
    Unwritable(#[source] BoxError),
}

/// The FIFO queue `work`: one message group per mailbox.
#[derive(Debug)]
pub struct JobQueue {
    queue: Queue,
    sent: AtomicU64,
}

impl JobQueue {
    /// The queue at `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            queue: Queue {
                client,
                url: url.into(),
            },
            sent: AtomicU64::new(0),
        }
    }

    /// Stores every job, or fails; after a failure some of them may be stored. A job that SQS refuses at first comes
    /// after its successors: jobs are hints, and bear any order.
    ///
    /// `id_seed` sets this process's messages apart from any other's: the Lambda request id, at most 100 letters,
    /// digits and hyphens.
    pub async fn send(&self, jobs: &[WorkJob], id_seed: &str) -> Result<(), QueueError> {
        let messages = jobs
            .iter()
            .map(|job| self.message(job, id_seed))
            .collect::<Result<Vec<_>, QueueError>>()?;
        self.queue.send(messages).await
    }

    /// Hides a received message until `until`, twelve hours at most, and with it every later one of its mailbox.
    pub async fn postpone(
        &self,
        receipt_handle: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.queue.postpone(receipt_handle, until, now).await
    }

    /// The deduplication id must tell *sendings* apart, not contents: SQS drops a message whose id it has seen
    /// within the last five minutes, even when the first one has been received and answered. A hash of the content
    /// would so drop the hint of a second change that came after the worker's look at the mailbox. The count never
    /// starts again in this process, so that two calls with one seed don't drop each other's messages either.
    fn message(&self, job: &WorkJob, id_seed: &str) -> Result<Message, QueueError> {
        let count = self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(Message {
            body: job
                .to_message()
                .map_err(|error| QueueError::Unwritable(error.into()))?,
            fifo: Some((job.mailbox().clone(), format!("{id_seed}-{count}"))),
        })
    }
}

/// The standard queue `lifecycle`: work on subscriptions, in any order.
#[derive(Debug)]
pub struct LifecycleQueue {
    queue: Queue,
}

impl LifecycleQueue {
    /// The queue at `url`.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self {
            queue: Queue {
                client,
                url: url.into(),
            },
        }
    }

    /// Stores every job, or fails; after a failure some of them may be stored. A standard queue knows no groups and
    /// no deduplication, so it takes no seed.
    pub async fn send(&self, jobs: &[LifecycleJob]) -> Result<(), QueueError> {
        let message = |job: &LifecycleJob| {
            let body = job
                .to_message()
                .map_err(|error| QueueError::Unwritable(error.into()))?;
            Ok(Message { body, fifo: None })
        };
        self.queue
            .send(jobs.iter().map(message).collect::<Result<Vec<_>, QueueError>>()?)
            .await
    }

    /// Hides a received message until `until`, twelve hours at most.
    pub async fn postpone(
        &self,
        receipt_handle: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        self.queue.postpone(receipt_handle, until, now).await
    }
}

#[derive(Debug)]
struct Queue {
    client: Client,
    url: String,
}

struct Message {
    body: String,
    /// The message group and the deduplication id.
    fifo: Option<(MailboxId, String)>,
}

impl Queue {
    async fn send(&self, messages: Vec<Message>) -> Result<(), QueueError> {
        for batch in messages.chunks(BATCH) {
            let entries = batch
                .iter()
                .enumerate()
                .map(|(index, message)| message.entry(index));
            let entries = entries.collect::<Result<Vec<_>, QueueError>>()?;
            let (left, _) = self.send_batch(entries).await?;
            if left.is_empty() {
                continue;
            }
            tracing::warn!(
                queue.refused = left.len(),
                "SQS refused messages of a batch; sending them once more"
            );
            let (left, code) = self.send_batch(left).await?;
            if !left.is_empty() {
                return Err(QueueError::Refused {
                    sent: batch.len(),
                    refused: left.len(),
                    code,
                });
            }
        }
        Ok(())
    }

    /// Sends one batch; returns the entries that SQS does not say it has stored, and its code for the first one.
    async fn send_batch(
        &self,
        mut entries: Vec<SendMessageBatchRequestEntry>,
    ) -> Result<(Vec<SendMessageBatchRequestEntry>, String), QueueError> {
        let request = self
            .client
            .send_message_batch()
            .queue_url(&self.url)
            .set_entries(Some(entries.clone()));
        let answer = request
            .send()
            .await
            .map_err(|error| QueueError::Unavailable(error.into()))?;
        entries.retain(|entry| answer.successful().iter().all(|stored| stored.id() != entry.id()));
        let code = answer
            .failed()
            .first()
            .map_or("not mentioned in the answer", BatchResultErrorEntry::code);
        Ok((entries, code.to_owned()))
    }

    async fn postpone(
        &self,
        receipt_handle: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<(), QueueError> {
        let request = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt_handle);
        let request = request.visibility_timeout(seconds_until(until, now));
        request
            .send()
            .await
            .map_err(|error| QueueError::Unavailable(error.into()))?;
        Ok(())
    }
}

impl Message {
    fn entry(&self, index: usize) -> Result<SendMessageBatchRequestEntry, QueueError> {
        let (group, deduplication) = match &self.fifo {
            Some((mailbox, id)) => (Some(mailbox.as_str().to_owned()), Some(id.clone())),
            None => (None, None),
        };
        SendMessageBatchRequestEntry::builder()
            .id(index.to_string())
            .message_body(&self.body)
            .set_message_group_id(group)
            .set_message_deduplication_id(deduplication)
            .build()
            .map_err(|error| QueueError::Unwritable(error.into()))
    }
}

/// Whole seconds, rounded up: a message that comes back before Retry-After is over is throttled again.
fn seconds_until(until: Timestamp, now: Timestamp) -> i32 {
    let wait = until.duration_since(now);
    let seconds = wait.as_secs() + i64::from(wait.subsec_nanos() > 0);
    i32::try_from(seconds.clamp(0, LONGEST_POSTPONEMENT_S)).unwrap_or_default()
}
