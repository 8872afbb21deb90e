//! One SQS queue as a value: which message may be received when, and by whom.
//!
//! Knows the rules of standard and FIFO queues (visibility timeouts, message groups, the deduplication window,
//! receive counts). Every call is told the time; nothing here waits, locks or talks. It must not know HTTP, Lambda
//! or where dead letters go. Nothing expires: retention is days longer than any scenario.

mod message;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use ambient::add;
use jiff::Timestamp;

use message::Receipt;
pub use message::{Message, Outgoing, QueueSettings, Refusal, Sent};

/// A FIFO queue forgets a deduplication id after this long.
const DEDUPLICATION_WINDOW: Duration = Duration::from_mins(5);
/// A message stays in flight this long at most, counted from its receipt, however often that is prolonged.
const LONGEST_FLIGHT: Duration = Duration::from_hours(12);
/// The largest body, and the largest sum of the bodies of a batch, in bytes.
pub(super) const LARGEST_BODY: usize = 1024 * 1024;

/// Whether one receipt may hold messages of several groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Those of one group only.
    One,
    /// Of any, oldest first.
    Many,
}

/// What a receiver asks for.
#[derive(Clone, Copy, Debug)]
pub struct Receive {
    /// At most this many messages.
    pub max: usize,
    /// Of which groups.
    pub groups: Groups,
    /// Instead of the queue's visibility timeout.
    pub visibility_timeout: Option<Duration>,
}

/// What a receiver gets.
#[derive(Debug, Default)]
pub struct Received {
    /// In flight now.
    pub messages: Vec<Message>,
    /// No longer in the queue: they had been received too often.
    pub dead: Vec<Message>,
}

/// How many messages a queue holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth {
    /// Not hidden. In a FIFO queue some of them may wait for their group.
    pub visible: usize,
    /// Received and neither deleted nor visible again.
    pub in_flight: usize,
    /// Sent with a delay that is not over.
    pub delayed: usize,
}

impl Depth {
    /// All of them.
    pub fn total(self) -> usize {
        self.visible + self.in_flight + self.delayed
    }
}

/// One queue.
#[derive(Debug)]
pub struct Queue {
    settings: QueueSettings,
    messages: BTreeMap<u64, Message>,
    sequence: u64,
    known: BTreeMap<DeduplicationKey, Sent>,
    known_since: VecDeque<(Timestamp, DeduplicationKey)>,
}

/// `DeduplicationScope: messageGroup`: the group and the id.
type DeduplicationKey = (String, String);

impl Queue {
    /// An empty one.
    pub fn new(settings: QueueSettings) -> Self {
        Self {
            settings,
            messages: BTreeMap::new(),
            sequence: 0,
            known: BTreeMap::new(),
            known_since: VecDeque::new(),
        }
    }

    /// How it behaves.
    pub fn settings(&self) -> &QueueSettings {
        &self.settings
    }

    /// True where order and groups count.
    pub fn is_fifo(&self) -> bool {
        self.settings.name.strip_suffix(".fifo").is_some()
    }

    /// Its messages, oldest first.
    pub fn messages(&self) -> impl Iterator<Item = &Message> {
        self.messages.values()
    }

    /// Takes a message in; a duplicate is acknowledged and dropped.
    pub fn send(&mut self, now: Timestamp, outgoing: Outgoing) -> Result<Sent, Refusal> {
        self.check(&outgoing)?;
        let key = self.is_fifo().then(|| {
            (
                outgoing.group.clone().unwrap_or_default(),
                outgoing.deduplication.clone().unwrap_or_default(),
            )
        });
        self.forget_old_ids(now);
        if let Some(original) = key.as_ref().and_then(|key| self.known.get(key)) {
            return Ok(original.clone());
        }
        let sequence = self.next_sequence();
        let sent = Sent {
            message_id: format!("{}-{sequence:08}", self.settings.name),
            sequence,
        };
        self.messages.insert(
            sequence,
            Message {
                id: sent.message_id.clone(),
                body: outgoing.body,
                group: outgoing.group,
                deduplication: outgoing.deduplication,
                sequence,
                sent_at: now,
                first_received_at: None,
                receive_count: 0,
                received_at: None,
                visible_at: add(now, outgoing.delay),
            },
        );
        if let Some(key) = key {
            self.known.insert(key.clone(), sent.clone());
            self.known_since.push_back((now, key));
        }
        Ok(sent)
    }

    /// Takes in a dead letter of another queue.
    pub fn accept(&mut self, now: Timestamp, letter: Message) {
        let sequence = self.next_sequence();
        self.messages.insert(
            sequence,
            Message {
                sequence,
                received_at: None,
                visible_at: now,
                ..letter
            },
        );
    }

    /// Hands out what is visible, oldest first. A group of a FIFO queue is closed while one of its messages is in
    /// flight, and within a group nothing overtakes.
    pub fn receive(&mut self, now: Timestamp, ask: Receive) -> Received {
        let flight = ask.visibility_timeout.unwrap_or(self.settings.visibility_timeout);
        let mut received = Received::default();
        for sequence in self.choose(now, ask) {
            let Some(mut message) = self.messages.remove(&sequence) else {
                continue;
            };
            if self.is_exhausted(&message) {
                received.dead.push(message);
                continue;
            }
            message.receive_count += 1;
            message.received_at = Some(now);
            message.first_received_at.get_or_insert(now);
            message.visible_at = add(now, flight);
            received.messages.push(message.clone());
            self.messages.insert(sequence, message);
        }
        received
    }

    /// Deletes a received message; one that is gone already counts as deleted.
    pub fn delete(&mut self, now: Timestamp, receipt: &str) -> Result<(), Refusal> {
        let receipt = Receipt::parse(receipt)?;
        let fifo = self.is_fifo();
        let Some(message) = self.messages.get(&receipt.sequence) else {
            return Ok(());
        };
        let latest = message.receive_count == receipt.count;
        if fifo && !(latest && message.in_flight(now)) {
            return Err(Refusal::ExpiredReceipt);
        }
        // A standard queue says yes to an outdated receipt and deletes nothing.
        if latest {
            self.messages.remove(&receipt.sequence);
        }
        Ok(())
    }

    /// Hides a message in flight for `timeout` from now on; zero shows it at once.
    pub fn change_visibility(
        &mut self,
        now: Timestamp,
        receipt: &str,
        timeout: Duration,
    ) -> Result<(), Refusal> {
        let receipt = Receipt::parse(receipt)?;
        let message = self
            .messages
            .get_mut(&receipt.sequence)
            .filter(|message| message.receive_count == receipt.count && message.in_flight(now))
            .ok_or(Refusal::NotInFlight)?;
        let until = add(now, timeout);
        if until > add(message.received_at.unwrap_or(now), LONGEST_FLIGHT) {
            return Err(Refusal::VisibilityTooLong);
        }
        message.visible_at = until;
        Ok(())
    }

    /// Ends the visibility timeout of everything in flight, as if that had been too short.
    pub fn lapse(&mut self, now: Timestamp) {
        for message in self
            .messages
            .values_mut()
            .filter(|message| message.in_flight(now))
        {
            message.visible_at = now;
        }
    }

    /// The first moment at which a receiver finds something, past moments included; `None`: the queue is empty.
    pub fn next_visible_at(&self) -> Option<Timestamp> {
        if !self.is_fifo() {
            return self.messages.values().map(|message| message.visible_at).min();
        }
        let mut opens = BTreeMap::<Option<&str>, Timestamp>::new();
        for message in self.messages.values() {
            let open = opens
                .entry(message.group.as_deref())
                .or_insert(message.visible_at);
            *open = message.visible_at.max(*open);
        }
        opens.into_values().min()
    }

    /// How many messages it holds.
    pub fn depth(&self, now: Timestamp) -> Depth {
        let mut depth = Depth::default();
        for message in self.messages.values() {
            let count = match (message.visible_at > now, message.received_at.is_some()) {
                (false, _) => &mut depth.visible,
                (true, true) => &mut depth.in_flight,
                (true, false) => &mut depth.delayed,
            };
            *count += 1;
        }
        depth
    }

    fn check(&self, outgoing: &Outgoing) -> Result<(), Refusal> {
        let delayed = !outgoing.delay.is_zero();
        match (self.is_fifo(), &outgoing.group, &outgoing.deduplication) {
            (true, None, _) => Err(Refusal::MissingGroup),
            (true, Some(_), None) => Err(Refusal::MissingDeduplication),
            (true, ..) if delayed => Err(Refusal::WrongQueueType),
            (false, _, Some(_)) => Err(Refusal::WrongQueueType),
            (false, ..) if outgoing.delay > Duration::from_mins(15) => Err(Refusal::WrongQueueType),
            _ if outgoing.body.is_empty() => Err(Refusal::EmptyBody),
            _ if outgoing.body.len() > LARGEST_BODY => Err(Refusal::TooLong),
            _ => Ok(()),
        }
    }

    fn choose(&self, now: Timestamp, ask: Receive) -> Vec<u64> {
        let closed = self.closed_groups(now);
        let mut only = None;
        let (mut chosen, mut alive) = (Vec::new(), 0);
        for message in self.messages.values().filter(|message| message.visible_at <= now) {
            if alive == ask.max {
                break;
            }
            let group = message.group.as_deref();
            let elsewhere = ask.groups == Groups::One && only.is_some_and(|only| only != group);
            if self.is_fifo() && (elsewhere || closed.contains(&group)) {
                continue;
            }
            chosen.push(message.sequence);
            if !self.is_exhausted(message) {
                only = Some(group);
                alive += 1;
            }
        }
        chosen
    }

    fn closed_groups(&self, now: Timestamp) -> BTreeSet<Option<&str>> {
        self.messages
            .values()
            .filter(|message| message.visible_at > now)
            .map(|message| message.group.as_deref())
            .collect()
    }

    fn is_exhausted(&self, message: &Message) -> bool {
        self.settings
            .max_receive_count
            .is_some_and(|max| message.receive_count >= max)
    }

    fn next_sequence(&mut self) -> u64 {
        self.sequence += 1;
        self.sequence
    }

    fn forget_old_ids(&mut self, now: Timestamp) {
        while let Some((since, _)) = self.known_since.front() {
            if add(*since, DEDUPLICATION_WINDOW) > now {
                return;
            }
            if let Some((_, key)) = self.known_since.pop_front() {
                self.known.remove(&key);
            }
        }
    }
}
