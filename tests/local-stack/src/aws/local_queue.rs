//! A queue that is running: the model of [`queue`](super::queue) behind a lock, with the clock, its dead-letter
//! queue and the faults that a test asked for.
//!
//! Knows everything that happens between a call and the model. It must not know HTTP.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ambient::Ambient;
use jiff::Timestamp;

use super::queue::{Depth, Message, Outgoing, Queue, QueueSettings, Receive, Received, Refusal, Sent};
use super::{ACCOUNT, REGION};

/// What goes wrong with a whole `SendMessage` or `SendMessageBatch` call. Its caller sees a 500 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendFault {
    /// Nothing was stored.
    Refused,
    /// Everything was stored, but the caller isn't told.
    AnswerLost,
}

/// Why one message was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EntryFailure {
    Refused(Refusal),
    /// The fault of [`LocalQueue::fail_entries`].
    Internal,
}

/// A whole call failed.
#[derive(Debug)]
pub(super) struct Outage;

/// A queue. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct LocalQueue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ambient: Ambient,
    settings: QueueSettings,
    url: String,
    dead_letters: Option<LocalQueue>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    queue: Queue,
    faults: Faults,
}

#[derive(Debug, Default)]
struct Faults {
    sends: VecDeque<SendFault>,
    entries: usize,
    batches_again: usize,
}

impl LocalQueue {
    fn new(
        ambient: Ambient,
        endpoint: &str,
        settings: QueueSettings,
        dead_letters: Option<LocalQueue>,
    ) -> Self {
        let state = Mutex::new(State {
            queue: Queue::new(settings.clone()),
            faults: Faults::default(),
        });
        let url = format!("{endpoint}/{ACCOUNT}/{}", settings.name);
        Self(Arc::new(Inner {
            ambient,
            settings,
            url,
            dead_letters,
            state,
        }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.settings.name
    }

    /// What a client names it by.
    pub fn url(&self) -> &str {
        &self.0.url
    }

    /// Its ARN.
    pub fn arn(&self) -> String {
        format!("arn:aws:sqs:{REGION}:{ACCOUNT}:{}", self.name())
    }

    /// How it behaves.
    pub fn settings(&self) -> &QueueSettings {
        &self.0.settings
    }

    /// True where order and groups count.
    pub fn is_fifo(&self) -> bool {
        self.lock().queue.is_fifo()
    }

    /// How many messages it holds.
    pub fn depth(&self) -> Depth {
        self.lock().queue.depth(self.now())
    }

    /// The first moment at which a poll finds something, past moments included; `None`: the queue is empty. A
    /// simulated clock may jump there.
    pub fn next_visible_at(&self) -> Option<Timestamp> {
        self.lock().queue.next_visible_at()
    }

    /// Its messages, oldest first, whatever their state.
    pub fn messages(&self) -> Vec<Message> {
        self.lock().queue.messages().cloned().collect()
    }

    /// What it gave up on: the messages of its dead-letter queue, oldest first.
    pub fn dead_letters(&self) -> Vec<Message> {
        self.0
            .dead_letters
            .as_ref()
            .map(Self::messages)
            .unwrap_or_default()
    }

    /// Lets the next `count` send calls fail.
    pub fn fail_sends(&self, count: usize, fault: SendFault) {
        self.lock().faults.sends.extend(std::iter::repeat_n(fault, count));
    }

    /// Lets the next `count` entries of `SendMessageBatch` calls fail while the calls succeed.
    pub fn fail_entries(&self, count: usize) {
        self.lock().faults.entries += count;
    }

    /// Delivers the next `count` batches a second time although they were answered well: what happens when their
    /// visibility timeout lapses before they are deleted.
    pub fn deliver_again(&self, count: usize) {
        self.lock().faults.batches_again += count;
    }

    /// Nothing goes wrong any more but what has gone wrong already.
    pub fn clear_faults(&self) {
        self.lock().faults = Faults::default();
    }

    /// Ends the visibility timeout of everything that is in flight now, under its receivers' hands.
    pub fn lapse(&self) {
        let now = self.now();
        self.lock().queue.lapse(now);
    }

    pub(super) fn dead_letter_queue(&self) -> Option<&LocalQueue> {
        self.0.dead_letters.as_ref()
    }

    pub(super) fn send(&self, outgoing: Outgoing) -> Result<Result<Sent, Refusal>, Outage> {
        self.sending(|now, state| state.queue.send(now, outgoing))
    }

    pub(super) fn send_batch(
        &self,
        outgoing: Vec<Outgoing>,
    ) -> Result<Vec<Result<Sent, EntryFailure>>, Outage> {
        self.sending(|now, state| {
            let mut send_one = |outgoing| {
                if state.faults.entries > 0 {
                    state.faults.entries -= 1;
                    return Err(EntryFailure::Internal);
                }
                state.queue.send(now, outgoing).map_err(EntryFailure::Refused)
            };
            outgoing.into_iter().map(&mut send_one).collect()
        })
    }

    pub(super) fn receive(&self, ask: Receive) -> Vec<Message> {
        let now = self.now();
        let Received { messages, dead } = self.lock().queue.receive(now, ask);
        if let Some(dead_letters) = &self.0.dead_letters {
            let mut state = dead_letters.lock();
            for letter in dead {
                state.queue.accept(now, letter);
            }
        }
        messages
    }

    pub(super) fn delete(&self, receipt: &str) -> Result<(), Refusal> {
        let now = self.now();
        self.lock().queue.delete(now, receipt)
    }

    pub(super) fn change_visibility(&self, receipt: &str, timeout: Duration) -> Result<(), Refusal> {
        let now = self.now();
        self.lock().queue.change_visibility(now, receipt, timeout)
    }

    /// True for a batch that is to be delivered again.
    pub(super) fn take_batch_again(&self) -> bool {
        let faults = &mut self.lock().faults;
        let again = faults.batches_again > 0;
        faults.batches_again = faults.batches_again.saturating_sub(1);
        again
    }

    fn sending<R>(&self, store: impl FnOnce(Timestamp, &mut State) -> R) -> Result<R, Outage> {
        let now = self.now();
        let mut state = self.lock();
        match state.faults.sends.pop_front() {
            Some(SendFault::Refused) => Err(Outage),
            Some(SendFault::AnswerLost) => {
                store(now, &mut state);
                Err(Outage)
            }
            None => Ok(store(now, &mut state)),
        }
    }

    fn now(&self) -> Timestamp {
        self.0.ambient.now()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The queues of one account, by name.
#[derive(Clone, Debug)]
pub(super) struct Queues {
    ambient: Ambient,
    endpoint: String,
    by_name: Arc<Mutex<BTreeMap<String, LocalQueue>>>,
}

impl Queues {
    pub(super) fn new(ambient: Ambient, endpoint: &str) -> Self {
        Self {
            ambient,
            endpoint: endpoint.to_owned(),
            by_name: Arc::default(),
        }
    }

    /// Replaces a queue of the same name.
    pub(super) fn create(&self, settings: QueueSettings, dead_letters: Option<&LocalQueue>) -> LocalQueue {
        let queue = LocalQueue::new(
            self.ambient.clone(),
            &self.endpoint,
            settings,
            dead_letters.cloned(),
        );
        self.lock().insert(queue.name().to_owned(), queue.clone());
        queue
    }

    /// A client names a queue by its URL, which ends in the name.
    pub(super) fn by_url(&self, url: &str) -> Option<LocalQueue> {
        let name = url.rsplit('/').next()?;
        self.lock().get(name).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LocalQueue>> {
        self.by_name.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
