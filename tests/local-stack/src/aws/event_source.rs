//! The event source mapping between a queue and a Lambda function, without the function: it forms batches and acts
//! on their answers as AWS does.
//!
//! Knows the event's form and the partial batch response (`ReportBatchItemFailures`). It must not know what a
//! function does with a batch, nor when to poll: whoever drives the stack decides that.

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

use super::REGION;
use super::local_queue::LocalQueue;
use super::queue::{Groups, Message, Receive};

/// The largest batch of a FIFO queue, and the default of a standard one.
const BATCH_SIZE: usize = 10;

/// One invocation's worth of messages. They stay in flight until the batch is [finished](LocalQueue::finish) or
/// their visibility timeout lapses; a batch that is dropped is a function that crashed.
#[derive(Debug)]
pub struct Batch {
    /// What the function is invoked with.
    pub event: SqsEvent,
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Messages that are gone for good.
    pub deleted: usize,
    /// Messages that will come back.
    pub kept: usize,
}

impl LocalQueue {
    /// The next batch, if there is one: at most 10 messages, of a FIFO queue those of one message group.
    ///
    /// AWS may mix groups in one batch ([`LocalQueue::poll_mixed`]). One group a batch is its busiest case: as many
    /// functions run at once as there are groups, and so may as many batches be polled here before one is finished.
    pub fn poll(&self) -> Option<Batch> {
        self.batch(Groups::One)
    }

    /// The next batch, with messages of as many groups as are open.
    pub fn poll_mixed(&self) -> Option<Batch> {
        self.batch(Groups::Many)
    }

    /// Takes the function's answer. Messages that it reports as failed stay in flight until their visibility
    /// timeout, or what `ChangeMessageVisibility` has made of it; the others are deleted. An error, and an answer that
    /// names a message which is not of the batch, fail the whole batch.
    ///
    /// As in AWS a FIFO message that follows a failed one of its group is deleted unless it is reported too: to
    /// report it is the function's duty.
    pub fn finish<E>(&self, batch: Batch, answer: Result<SqsBatchResponse, E>) -> Finished {
        let again = self.take_batch_again();
        let records = batch.event.records;
        let mut finished = Finished {
            deleted: 0,
            kept: records.len(),
        };
        let Some(failed) = answer.ok().and_then(|answer| failures(&records, answer)) else {
            return finished;
        };
        for record in records {
            let receipt = record.receipt_handle.unwrap_or_default();
            if record.message_id.is_some_and(|id| failed.contains(&id)) {
                continue;
            }
            let gone = if again {
                // Its failure is that of a message whose time has lapsed already: it comes back as well.
                let _ = self.change_visibility(&receipt, Duration::ZERO);
                false
            } else {
                self.delete(&receipt).is_ok()
            };
            if gone {
                finished.deleted += 1;
                finished.kept -= 1;
            }
        }
        finished
    }

    fn batch(&self, groups: Groups) -> Option<Batch> {
        let messages = self.receive(Receive {
            max: BATCH_SIZE,
            groups,
            visibility_timeout: None,
        });
        if messages.is_empty() {
            return None;
        }
        let mut event = SqsEvent::default();
        event.records = messages.iter().map(|message| self.record(message)).collect();
        Some(Batch { event })
    }

    fn record(&self, message: &Message) -> SqsMessage {
        let mut record = SqsMessage::default();
        record.message_id = Some(message.id.clone());
        record.receipt_handle = Some(message.receipt());
        record.body = Some(message.body.clone());
        record.attributes = attributes(message)
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        record.event_source_arn = Some(self.arn());
        record.event_source = Some("aws:sqs".to_owned());
        record.aws_region = Some(REGION.to_owned());
        record
    }
}

/// The system attributes that a message has; times are milliseconds since 1970.
pub(super) fn attributes(message: &Message) -> impl Iterator<Item = (&'static str, String)> {
    let fifo = message.deduplication.is_some();
    [
        (
            "SentTimestamp",
            Some(message.sent_at.as_millisecond().to_string()),
        ),
        ("ApproximateReceiveCount", Some(message.receive_count.to_string())),
        (
            "ApproximateFirstReceiveTimestamp",
            message
                .first_received_at
                .map(|at| at.as_millisecond().to_string()),
        ),
        ("MessageGroupId", message.group.clone()),
        ("MessageDeduplicationId", message.deduplication.clone()),
        ("SequenceNumber", fifo.then(|| sequence_number(message.sequence))),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name, value?)))
}

/// A sequence number as AWS writes it: 20 digits, so that it sorts as text.
pub(super) fn sequence_number(sequence: u64) -> String {
    format!("{sequence:020}")
}

/// The ids that the answer names; `None` where one of them is no message of the batch.
fn failures(records: &[SqsMessage], answer: SqsBatchResponse) -> Option<Vec<String>> {
    let known = |id: &String| {
        records
            .iter()
            .any(|record| record.message_id.as_ref() == Some(id))
    };
    let failed: Vec<String> = answer
        .batch_item_failures
        .into_iter()
        .map(|failure| failure.item_identifier)
        .collect();
    failed.iter().all(known).then_some(failed)
}
