//! What goes into a queue, what comes out of it, and why it says no.
//!
//! Knows the values; it must not know the rules that decide over them.

use std::time::Duration;

use jiff::Timestamp;

/// How a queue behaves.
#[derive(Clone, Debug)]
pub struct QueueSettings {
    /// Its name. As in AWS, one that ends in `.fifo` makes it a FIFO queue; its deduplication scope is the
    /// message group.
    pub name: String,
    /// How long a received message is hidden from other receivers.
    pub visibility_timeout: Duration,
    /// After this many receipts a message becomes a dead letter; `None`: never.
    pub max_receive_count: Option<u32>,
}

/// A message to be sent.
#[derive(Clone, Debug, Default)]
pub struct Outgoing {
    /// 1 byte to 1 MiB.
    pub body: String,
    /// The message group: required by FIFO, without effect on a standard queue.
    pub group: Option<String>,
    /// Required by FIFO, refused by a standard queue.
    pub deduplication: Option<String>,
    /// Hides the message at first. Standard queues only, 15 minutes at most.
    pub delay: Duration,
}

/// The receipt for a sent message; a duplicate gets that of its original.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The message's id.
    pub message_id: String,
    /// Its place in the queue.
    pub sequence: u64,
}

/// A message in the queue.
#[derive(Clone, Debug)]
pub struct Message {
    /// Unique; kept by a dead letter.
    pub id: String,
    /// What was sent.
    pub body: String,
    /// Its message group.
    pub group: Option<String>,
    /// Its deduplication id.
    pub deduplication: Option<String>,
    /// Its place in the queue.
    pub sequence: u64,
    /// When it was sent.
    pub sent_at: Timestamp,
    /// When it was received for the first time.
    pub first_received_at: Option<Timestamp>,
    /// How often it was received.
    pub receive_count: u32,
    pub(super) received_at: Option<Timestamp>,
    pub(super) visible_at: Timestamp,
}

impl Message {
    /// The handle that the latest receiver deletes it with; every receipt has another.
    pub fn receipt(&self) -> String {
        Receipt {
            sequence: self.sequence,
            count: self.receive_count,
        }
        .to_string()
    }

    pub(super) fn in_flight(&self, now: Timestamp) -> bool {
        self.received_at.is_some() && self.visible_at > now
    }
}

/// Why the queue refused a call; the names are those of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// FIFO needs a group.
    #[error("the request must contain the parameter MessageGroupId")]
    MissingGroup,
    /// FIFO without content-based deduplication needs an id.
    #[error("the request must contain the parameter MessageDeduplicationId")]
    MissingDeduplication,
    /// A deduplication id on a standard queue, or a delay of one message on a FIFO queue or over 15 minutes.
    #[error("the request includes a parameter that is not valid for this queue type")]
    WrongQueueType,
    /// The body is empty.
    #[error("the request must contain the parameter MessageBody")]
    EmptyBody,
    /// The body is over 1 MiB.
    #[error("the message is larger than 1048576 bytes")]
    TooLong,
    /// Not a receipt of this queue.
    #[error("the receipt handle is not valid")]
    UnknownReceipt,
    /// FIFO: the visibility timeout has lapsed, the message may be somebody else's by now.
    #[error("the receipt handle has expired")]
    ExpiredReceipt,
    /// Its visibility can't be changed: it is in nobody's hands.
    #[error("the message is not in flight")]
    NotInFlight,
    /// Over 12 hours, counted from the receipt.
    #[error("the total visibility timeout is beyond 43200 seconds")]
    VisibilityTooLong,
}

/// Names a message and which of its receipts it was handed out with.
pub(super) struct Receipt {
    pub(super) sequence: u64,
    pub(super) count: u32,
}

impl Receipt {
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let (sequence, count) = text.split_once('.').ok_or(Refusal::UnknownReceipt)?;
        match (sequence.parse(), count.parse()) {
            (Ok(sequence), Ok(count)) => Ok(Self { sequence, count }),
            _ => Err(Refusal::UnknownReceipt),
        }
    }
}

impl std::fmt::Display for Receipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}", self.sequence, self.count)
    }
}
