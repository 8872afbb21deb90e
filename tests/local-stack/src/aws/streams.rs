//! The event source mapping between a table's stream and a Lambda function, without the function: it reads, filters
//! and batches records in their order, and brings a batch again from where its answer says.
//!
//! Knows the event's form, the filters of the template and the partial batch response. It must not know what a function
//! does with a batch, nor when to poll. A table is one shard here, so one batch at a time is under way.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ambient::{Ambient, add};
use anyhow::Context as _;
use aws_lambda_events::event::dynamodb::{Event, EventRecord};
use aws_lambda_events::event::streams::DynamoDbEventResponse;
use jiff::Timestamp;
use serde_json::Value;

use super::database::Database;
use super::filter::Filter;
use super::{ACCOUNT, REGION};

/// The first wait after a failure; each further one is twice as long,
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// and none longer than this.
const LONGEST_WAIT: Duration = Duration::from_mins(1);

/// How a stream is read, as the template has it.
#[derive(Clone, Debug)]
pub struct StreamSettings {
    /// The table whose stream it is: a logical id.
    pub table: String,
    /// The most records of a batch.
    pub batch_size: usize,
    /// What passes: records that fit one of them; all, where there is none.
    pub filters: Vec<Filter>,
    /// How often a batch is tried again before a record is given up.
    pub max_retries: u32,
}

/// Counts the requests that may have written into the database, so that a stream need not be read where nothing was.
#[derive(Clone, Debug, Default)]
pub(super) struct Writes(Arc<AtomicU64>);

impl Writes {
    pub(super) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// One invocation's worth of records. It is under way until it is [finished](LocalStream::finish): with an error, where
/// the function has crashed.
#[derive(Debug)]
pub struct StreamBatch {
    /// What the function is invoked with.
    pub event: Event,
}

/// A stream with its mapping. Clones are handles of the same one.
#[derive(Clone)]
pub struct LocalStream(Arc<Inner>);

struct Inner {
    ambient: Ambient,
    database: Arc<dyn Database>,
    settings: StreamSettings,
    arn: String,
    /// `None`: somebody may write who doesn't count.
    writes: Option<Writes>,
    state: Mutex<State>,
}

struct State {
    /// How many writes there had been when the stream was last read.
    read_after: Option<u64>,
    /// Up to where the stream has been read.
    place: Option<String>,
    /// Records that have passed the filters and are not dealt with, each with the time from which on it is delivered.
    waiting: VecDeque<(Timestamp, EventRecord)>,
    under_way: bool,
    /// Fewer than the batch size after a failure: a batch is halved until it is known which record it is.
    limit: usize,
    retries: u32,
    not_before: Timestamp,
    delay: Duration,
    batches_again: usize,
    given_up: Vec<String>,
}

impl LocalStream {
    pub(super) fn open(
        ambient: Ambient,
        database: Arc<dyn Database>,
        settings: StreamSettings,
        writes: Option<Writes>,
    ) -> Self {
        let table = &settings.table;
        let arn = format!("arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{table}/stream/local");
        let state = Mutex::new(State {
            read_after: None,
            place: None,
            waiting: VecDeque::new(),
            under_way: false,
            limit: settings.batch_size,
            retries: 0,
            not_before: Timestamp::MIN,
            delay: Duration::ZERO,
            batches_again: 0,
            given_up: Vec::new(),
        });
        Self(Arc::new(Inner {
            ambient,
            database,
            settings,
            arn,
            writes,
            state,
        }))
    }

    /// The table whose stream it is.
    pub fn table(&self) -> &str {
        &self.0.settings.table
    }

    /// Lets records wait for so long from the moment at which they are first looked for. On AWS it is a fraction of a
    /// second; here it is nothing, until a test asks for more.
    pub fn delay(&self, delay: Duration) {
        self.lock().delay = delay;
    }

    /// Delivers the next `count` batches a second time although they were answered well: what happens when Lambda
    /// loses its place in the stream.
    pub fn deliver_again(&self, count: usize) {
        self.lock().batches_again += count;
    }

    /// No batch is delivered again that was answered well.
    pub fn clear_faults(&self) {
        self.lock().batches_again = 0;
    }

    /// How many records are not dealt with.
    pub fn backlog(&self) -> anyhow::Result<usize> {
        let mut state = self.lock();
        self.read(&mut state)?;
        Ok(state.waiting.len())
    }

    /// The sequence numbers of records that were given up.
    pub fn given_up(&self) -> Vec<String> {
        self.lock().given_up.clone()
    }

    /// When the next batch can be had, past moments included; `None`: nothing is waiting that was seen by a
    /// [poll](Self::poll), or its batch is under way.
    pub fn next_due(&self) -> Option<Timestamp> {
        let state = self.lock();
        let (due, _) = state.waiting.front().filter(|_| !state.under_way)?;
        Some((*due).max(state.not_before))
    }

    /// True where nothing that a [poll](Self::poll) has seen is left to do, and no batch is under way.
    pub fn is_idle(&self) -> bool {
        self.lock().waiting.is_empty()
    }

    /// The next batch, if there is one and none is under way.
    pub fn poll(&self) -> anyhow::Result<Option<StreamBatch>> {
        let now = self.0.ambient.now();
        let mut state = self.lock();
        self.read(&mut state)?;
        if state.under_way || state.not_before > now {
            return Ok(None);
        }
        let mut event = Event::default();
        let due = state.waiting.iter().take_while(|(due, _)| *due <= now);
        event.records = due.take(state.limit).map(|(_, record)| record.clone()).collect();
        state.under_way = !event.records.is_empty();
        Ok(state.under_way.then_some(StreamBatch { event }))
    }

    /// Takes the function's answer: without a failure, the batch is done with. Otherwise it comes again, from the first
    /// record that the answer names, after a while. An error, and an answer that names no record of the batch, fail the
    /// whole batch.
    pub fn finish<E>(&self, batch: StreamBatch, answer: Result<DynamoDbEventResponse, E>) {
        let records = batch.event.records;
        let mut state = self.lock();
        state.under_way = false;
        match failure(&records, answer) {
            None if state.batches_again > 0 => state.batches_again -= 1,
            None => {
                state.waiting.drain(..records.len());
                state.begin_anew(self.0.settings.batch_size);
            }
            Some(at) => {
                state.waiting.drain(..at);
                if at > 0 {
                    state.begin_anew(self.0.settings.batch_size);
                } else {
                    // Smaller batches: in the end a record that can't be dealt with is alone.
                    state.limit = records.len().div_ceil(2);
                }
                state.retries += 1;
                if state.retries > self.0.settings.max_retries {
                    let lost = state
                        .waiting
                        .pop_front()
                        .map(|(_, record)| record.change.sequence_number);
                    state.given_up.extend(lost.flatten());
                    state.begin_anew(self.0.settings.batch_size);
                }
                let doubled = FIRST_WAIT * 2_u32.saturating_pow(state.retries.min(10));
                state.not_before = add(self.0.ambient.now(), doubled.min(LONGEST_WAIT));
            }
        }
    }

    /// Reads what was written since.
    fn read(&self, state: &mut State) -> anyhow::Result<()> {
        let writes = self.0.writes.as_ref().map(Writes::so_far);
        if writes.is_some() && writes == state.read_after {
            return Ok(());
        }
        let table = &self.0.settings.table;
        let due = add(self.0.ambient.now(), state.delay);
        for mut record in self.0.database.records(table, &mut state.place)? {
            record["eventSourceARN"] = Value::from(self.0.arn.as_str());
            let filters = &self.0.settings.filters;
            if filters.is_empty() || filters.iter().any(|filter| filter.passes(&record)) {
                let record = serde_json::from_value(record).context("read a stream record")?;
                state.waiting.push_back((due, record));
            }
        }
        state.read_after = writes;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn begin_anew(&mut self, batch_size: usize) {
        self.limit = batch_size;
        self.retries = 0;
        self.not_before = Timestamp::MIN;
    }
}

/// The place of the first record that is to come again.
fn failure<E>(records: &[EventRecord], answer: Result<DynamoDbEventResponse, E>) -> Option<usize> {
    let Ok(answer) = answer else {
        return Some(0);
    };
    let place = |number: Option<String>| {
        let place = records
            .iter()
            .position(|record| number.is_some() && record.change.sequence_number == number);
        place.unwrap_or(0)
    };
    let failures = answer.batch_item_failures.into_iter();
    failures.map(|failure| place(failure.item_identifier)).min()
}
