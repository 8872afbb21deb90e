//! `EventBridge` as far as the bundle uses it: a bus without rules, that remembers what was put on it.
//!
//! Knows `PutEvents` on the wire and its limits. It must not know what an event says.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambient::Ambient;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::server::{Answer, Fault, parse};

/// The most entries of a request,
const LARGEST_BATCH: usize = 10;
/// and its most bytes.
const LARGEST_REQUEST: usize = 256 * 1024;

/// An event that was put on the bus.
#[derive(Clone, Debug, PartialEq)]
pub struct BusEvent {
    /// When it was put there.
    pub put_at: Timestamp,
    /// `EventBridge`'s own id of it: another one each time that it is put there.
    pub id: String,
    /// Who says so.
    pub source: String,
    /// What kind of event it is.
    pub detail_type: String,
    /// When its sender says that it happened.
    pub time: Option<Timestamp>,
    /// What it says.
    pub detail: Value,
}

/// What goes wrong with a whole `PutEvents` call. Its caller sees a 500 either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PutFault {
    /// Nothing was stored.
    Refused,
    /// Everything was stored, but the caller isn't told.
    AnswerLost,
}

/// A bus. Clones are handles of the same one.
#[derive(Clone, Debug)]
pub struct LocalBus(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ambient: Ambient,
    name: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    events: Vec<BusEvent>,
    put: u64,
    calls_to_fail: VecDeque<PutFault>,
    entries_to_fail: usize,
}

impl LocalBus {
    pub(super) fn new(ambient: Ambient, name: &str) -> Self {
        Self(Arc::new(Inner {
            ambient,
            name: name.to_owned(),
            state: Mutex::default(),
        }))
    }

    /// What a client names it by.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// All that was put on it and not taken, in that order.
    pub fn events(&self) -> Vec<BusEvent> {
        self.lock().events.clone()
    }

    /// Takes them away.
    pub fn take(&self) -> Vec<BusEvent> {
        std::mem::take(&mut self.lock().events)
    }

    /// Lets the next `count` calls fail.
    pub fn fail_calls(&self, count: usize, fault: PutFault) {
        self.lock()
            .calls_to_fail
            .extend(std::iter::repeat_n(fault, count));
    }

    /// Lets the next `count` entries fail while their calls succeed.
    pub fn fail_entries(&self, count: usize) {
        self.lock().entries_to_fail += count;
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        let mut state = self.lock();
        state.calls_to_fail.clear();
        state.entries_to_fail = 0;
    }

    pub(super) fn answer(&self, action: &str, body: &[u8]) -> Answer {
        match action {
            "PutEvents" => self.put(parse(body)?),
            unknown => Err(Fault::client("UnknownOperationException", unknown)),
        }
    }

    fn put(&self, request: PutEvents) -> Answer {
        let entries = request.entries;
        if entries.is_empty() || entries.len() > LARGEST_BATCH {
            return Err(Fault::client("ValidationException", "1 to 10 entries"));
        }
        if entries.iter().map(Entry::size).sum::<usize>() > LARGEST_REQUEST {
            return Err(Fault::client(
                "ValidationException",
                "Total size of the entries in the request is over the limit.",
            ));
        }
        let mut state = self.lock();
        let fault = state.calls_to_fail.pop_front();
        if fault == Some(PutFault::Refused) {
            return Err(Fault::server("InternalException"));
        }
        let results: Vec<Value> = entries
            .into_iter()
            .map(|entry| match state.put(entry, &self.0) {
                Ok(id) => json!({ "EventId": id }),
                Err(code) => json!({ "ErrorCode": code, "ErrorMessage": "a fault of the test's" }),
            })
            .collect();
        if fault == Some(PutFault::AnswerLost) {
            return Err(Fault::server("InternalException"));
        }
        let failed = results
            .iter()
            .filter(|result| result.get("ErrorCode").is_some())
            .count();
        Ok(json!({ "FailedEntryCount": failed, "Entries": results }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn put(&mut self, entry: Entry, bus: &Inner) -> Result<String, &'static str> {
        if self.entries_to_fail > 0 {
            self.entries_to_fail -= 1;
            return Err("ThrottlingException");
        }
        // An event for a bus that is not there is gone in silence on AWS; here somebody is to notice.
        if entry.event_bus_name != bus.name {
            return Err("ResourceNotFoundException");
        }
        let detail = serde_json::from_str(&entry.detail).map_err(|_| "MalformedDetail")?;
        self.put += 1;
        let id = format!("00000000-0000-4000-8000-{:012x}", self.put);
        self.events.push(BusEvent {
            put_at: bus.ambient.now(),
            id: id.clone(),
            source: entry.source,
            detail_type: entry.detail_type,
            time: entry.time.and_then(timestamp),
            detail,
        });
        Ok(id)
    }
}

/// Seconds since 1970 with a fraction, to the millisecond.
fn timestamp(seconds: f64) -> Option<Timestamp> {
    let since = jiff::SignedDuration::try_from_secs_f64(seconds).ok()?;
    let since = Timestamp::from_duration(since).ok()?;
    since.round(jiff::Unit::Millisecond).ok()
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Entry {
    event_bus_name: String,
    source: String,
    detail_type: String,
    detail: String,
    time: Option<f64>,
}

impl Entry {
    /// What `EventBridge` counts.
    fn size(&self) -> usize {
        let time = self.time.map_or(0, |_| 14);
        time + self.source.len() + self.detail_type.len() + self.detail.len()
    }
}
