//! SQS on the wire: the AWS JSON 1.0 protocol of `aws-sdk-sqs`.
//!
//! Knows requests, answers and error codes. It must not know how a queue decides. MD5 digests are left out, since
//! the SDK for Rust doesn't check them; a receive never waits, whatever `WaitTimeSeconds` says; message attributes
//! are not modelled, and a request with some is refused.

use std::time::Duration;

use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::event_source::{attributes, sequence_number};
use super::local_queue::{EntryFailure, LocalQueue, Outage, Queues};
use super::queue::{Groups, LARGEST_BODY, Message, Outgoing, Receive, Refusal, Sent};
use super::server::{Answer, Fault, parse};

/// The most entries of a batch, and the most messages of a receive.
const LARGEST_BATCH: usize = 10;

pub(super) fn answer(queues: &Queues, action: &str, body: &[u8]) -> Answer {
    match action {
        "SendMessage" => send(queues, parse(body)?),
        "SendMessageBatch" => send_batch(queues, parse(body)?),
        "ReceiveMessage" => receive(queues, &parse(body)?),
        "DeleteMessage" => delete(queues, &parse(body)?),
        "DeleteMessageBatch" => delete_batch(queues, parse(body)?),
        "ChangeMessageVisibility" => change_visibility(queues, &parse(body)?),
        "ChangeMessageVisibilityBatch" => change_visibility_batch(queues, parse(body)?),
        "GetQueueAttributes" => queue_attributes(queues, &parse(body)?),
        unknown => Err(Fault::client(
            "AWS.SimpleQueueService.UnsupportedOperation",
            unknown,
        )),
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendMessage {
    queue_url: String,
    message_body: String,
    #[serde(default)]
    delay_seconds: u64,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

fn send(queues: &Queues, request: SendMessage) -> Answer {
    let outgoing = Outgoing {
        body: request.message_body,
        group: request.message_group_id,
        deduplication: request.message_deduplication_id,
        delay: Duration::from_secs(request.delay_seconds),
    };
    let queue = find(queues, &request.queue_url)?;
    let sent = queue.send(outgoing).map_err(outage)?.map_err(refused)?;
    Ok(told(&queue, &sent))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Batch<E> {
    queue_url: String,
    entries: Vec<E>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct SendEntry {
    id: String,
    message_body: String,
    #[serde(default)]
    delay_seconds: u64,
    message_deduplication_id: Option<String>,
    message_group_id: Option<String>,
}

fn send_batch(queues: &Queues, request: Batch<SendEntry>) -> Answer {
    let queue = find(queues, &request.queue_url)?;
    check_ids(request.entries.iter().map(|entry| &entry.id))?;
    if request
        .entries
        .iter()
        .map(|entry| entry.message_body.len())
        .sum::<usize>()
        > LARGEST_BODY
    {
        return Err(Fault::client(
            "AWS.SimpleQueueService.BatchRequestTooLong",
            "the batch is over 1 MiB",
        ));
    }
    let (ids, outgoing): (Vec<String>, Vec<Outgoing>) = request
        .entries
        .into_iter()
        .map(|entry| {
            let outgoing = Outgoing {
                body: entry.message_body,
                group: entry.message_group_id,
                deduplication: entry.message_deduplication_id,
                delay: Duration::from_secs(entry.delay_seconds),
            };
            (entry.id, outgoing)
        })
        .unzip();
    let sent = queue.send_batch(outgoing).map_err(outage)?;
    Ok(batch_answer(ids.into_iter().zip(sent).map(|(id, sent)| {
        let answer = sent
            .map(|sent| told(&queue, &sent))
            .map_err(|failure| match failure {
                EntryFailure::Refused(refusal) => refused(refusal),
                EntryFailure::Internal => Fault::server("InternalError"),
            });
        (id, answer)
    })))
}

/// What a sender is told.
fn told(queue: &LocalQueue, sent: &Sent) -> Value {
    let mut told = json!({ "MessageId": sent.message_id });
    if queue.is_fifo() {
        told["SequenceNumber"] = json!(sequence_number(sent.sequence));
    }
    told
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default, rename = "WaitTimeSeconds")]
    _wait_time_seconds: u64,
}

fn receive(queues: &Queues, request: &ReceiveMessage) -> Answer {
    let max = request.max_number_of_messages.unwrap_or(1);
    if !(1..=LARGEST_BATCH).contains(&max) {
        return Err(Fault::client(
            "InvalidParameterValue",
            "MaxNumberOfMessages must be between 1 and 10",
        ));
    }
    let wanted = [
        &request.attribute_names[..],
        &request.message_system_attribute_names[..],
    ]
    .concat();
    let visibility_timeout = request.visibility_timeout.map(Duration::from_secs);
    let ask = Receive {
        max,
        groups: Groups::Many,
        visibility_timeout,
    };
    let messages = find(queues, &request.queue_url)?.receive(ask);
    Ok(json!({ "Messages": messages.iter().map(|message| delivered(message, &wanted)).collect::<Vec<_>>() }))
}

fn delivered(message: &Message, wanted: &[String]) -> Value {
    json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt(),
        "Body": message.body,
        "Attributes": only(wanted, attributes(message)),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteMessage {
    queue_url: String,
    receipt_handle: String,
}

fn delete(queues: &Queues, request: &DeleteMessage) -> Answer {
    find(queues, &request.queue_url)?
        .delete(&request.receipt_handle)
        .map_err(refused)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeleteEntry {
    id: String,
    receipt_handle: String,
}

fn delete_batch(queues: &Queues, request: Batch<DeleteEntry>) -> Answer {
    let queue = find(queues, &request.queue_url)?;
    check_ids(request.entries.iter().map(|entry| &entry.id))?;
    Ok(batch_answer(request.entries.into_iter().map(|entry| {
        let answer = queue
            .delete(&entry.receipt_handle)
            .map(|()| json!({}))
            .map_err(refused);
        (entry.id, answer)
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct ChangeMessageVisibility {
    queue_url: String,
    receipt_handle: String,
    visibility_timeout: u64,
}

fn change_visibility(queues: &Queues, request: &ChangeMessageVisibility) -> Answer {
    let timeout = Duration::from_secs(request.visibility_timeout);
    let queue = find(queues, &request.queue_url)?;
    queue
        .change_visibility(&request.receipt_handle, timeout)
        .map_err(refused)?;
    Ok(json!({}))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct VisibilityEntry {
    id: String,
    receipt_handle: String,
    visibility_timeout: u64,
}

fn change_visibility_batch(queues: &Queues, request: Batch<VisibilityEntry>) -> Answer {
    let queue = find(queues, &request.queue_url)?;
    check_ids(request.entries.iter().map(|entry| &entry.id))?;
    Ok(batch_answer(request.entries.into_iter().map(|entry| {
        let timeout = Duration::from_secs(entry.visibility_timeout);
        let answer = queue.change_visibility(&entry.receipt_handle, timeout);
        (entry.id, answer.map(|()| json!({})).map_err(refused))
    })))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

fn queue_attributes(queues: &Queues, request: &GetQueueAttributes) -> Answer {
    let queue = find(queues, &request.queue_url)?;
    let depth = queue.depth();
    let redrive = queue
        .dead_letter_queue()
        .zip(queue.settings().max_receive_count)
        .map(|(letters, max)| {
            json!({ "deadLetterTargetArn": letters.arn(), "maxReceiveCount": max }).to_string()
        });
    let attributes = [
        ("QueueArn", Some(queue.arn())),
        (
            "VisibilityTimeout",
            Some(queue.settings().visibility_timeout.as_secs().to_string()),
        ),
        ("ApproximateNumberOfMessages", Some(depth.visible.to_string())),
        (
            "ApproximateNumberOfMessagesNotVisible",
            Some(depth.in_flight.to_string()),
        ),
        (
            "ApproximateNumberOfMessagesDelayed",
            Some(depth.delayed.to_string()),
        ),
        ("FifoQueue", queue.is_fifo().then(|| "true".to_owned())),
        (
            "DeduplicationScope",
            queue.is_fifo().then(|| "messageGroup".to_owned()),
        ),
        ("RedrivePolicy", redrive),
    ];
    let present = attributes
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)));
    Ok(json!({ "Attributes": only(&request.attribute_names, present) }))
}

fn find(queues: &Queues, url: &str) -> Result<LocalQueue, Fault> {
    queues.by_url(url).ok_or_else(|| {
        Fault::client(
            "AWS.SimpleQueueService.NonExistentQueue",
            "The specified queue does not exist.",
        )
    })
}

/// The attributes that were asked for by name.
fn only(wanted: &[String], attributes: impl Iterator<Item = (&'static str, String)>) -> Map<String, Value> {
    attributes
        .filter(|(name, _)| wanted.iter().any(|wanted| wanted == "All" || wanted == name))
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect()
}

/// One to ten entries, each with an id of its own.
fn check_ids<'a>(ids: impl Iterator<Item = &'a String>) -> Result<(), Fault> {
    let mut ids: Vec<&String> = ids.collect();
    let count = ids.len();
    ids.sort();
    ids.dedup();
    let code = match count {
        0 => "AWS.SimpleQueueService.EmptyBatchRequest",
        count if count > LARGEST_BATCH => "AWS.SimpleQueueService.TooManyEntriesInBatchRequest",
        count if count > ids.len() => "AWS.SimpleQueueService.BatchEntryIdsNotDistinct",
        _ => return Ok(()),
    };
    Err(Fault::client(
        code,
        "a batch has 1 to 10 entries with different ids",
    ))
}

fn batch_answer(entries: impl Iterator<Item = (String, Answer)>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (id, answer) in entries {
        match answer {
            Ok(mut told) => {
                told["Id"] = json!(id);
                successful.push(told);
            }
            Err(Fault {
                status,
                code,
                message,
            }) => {
                let sender = status == StatusCode::BAD_REQUEST;
                failed.push(json!({ "Id": id, "SenderFault": sender, "Code": code, "Message": message }));
            }
        }
    }
    json!({ "Successful": successful, "Failed": failed })
}

fn outage(_: Outage) -> Fault {
    Fault::server("InternalFailure")
}

fn refused(refusal: Refusal) -> Fault {
    let code = match refusal {
        Refusal::MissingGroup | Refusal::EmptyBody => "MissingParameter",
        Refusal::UnknownReceipt => "ReceiptHandleIsInvalid",
        Refusal::NotInFlight => "AWS.SimpleQueueService.MessageNotInflight",
        Refusal::MissingDeduplication
        | Refusal::WrongQueueType
        | Refusal::TooLong
        | Refusal::ExpiredReceipt
        | Refusal::VisibilityTooLong => "InvalidParameterValue",
    };
    Fault::client(code, refusal.to_string())
}
