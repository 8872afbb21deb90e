//! Metrics: one wide event per invocation, in Amazon's embedded metric format (EMF), on standard output.
//!
//! Knows the format, and nothing of what is counted. Our own instead of `metrique`: that crate wants a struct per
//! event known at compile time and brings a pipeline of writers, where a function adds up what it happened to do and
//! needs one line of JSON.

use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The namespace of every metric; the template's alarms and dashboard name it.
pub const NAMESPACE: &str = "OutlookContactSync";

/// Names that the template's alarms use.
pub mod names {
    /// Mailboxes without a successful round for too long.
    pub const MAILBOXES_SILENT: &str = "MailboxesSilent";
    /// Mailboxes that Graph says can't be synced.
    pub const MAILBOXES_UNAVAILABLE: &str = "MailboxesUnavailable";
    /// Subscriptions that could not be renewed.
    pub const RENEWALS_FAILED: &str = "RenewalsFailed";
    /// Answers of Graph that asked us to wait.
    pub const GRAPH_THROTTLED: &str = "GraphThrottled";
    /// Contacts that a comparison had to repair.
    pub const DRIFT_REPAIRED: &str = "DriftRepaired";
    /// Deletes that the guard holds until a person has decided.
    pub const DELETES_HELD: &str = "DeletesHeld";
    /// Notifications whose `clientState` is not ours.
    pub const NOTIFICATIONS_FORGED: &str = "NotificationsForged";
    /// Notifications that make no sense.
    pub const NOTIFICATIONS_DROPPED: &str = "NotificationsDropped";
}

/// Where events go. Clones share the same place.
#[derive(Clone, Debug)]
pub enum MetricSink {
    /// Standard output, where Lambda's log agent finds them.
    Stdout {
        /// The dimension `Stack`, so that two stacks in one account don't share their alarms.
        stack: String,
    },
    /// A list, for processes that have a person or a test in front.
    Memory(Arc<Mutex<Vec<Value>>>),
}

impl MetricSink {
    /// Standard output, for the stack that the variable `STACK` names.
    pub fn stdout(lookup: impl Fn(&str) -> Option<String>) -> Self {
        Self::Stdout {
            stack: lookup("STACK").unwrap_or_else(|| "unnamed".to_owned()),
        }
    }

    /// A new, empty list.
    pub fn memory() -> Self {
        Self::Memory(Arc::default())
    }

    /// The sum of a metric over all events of the list; 0 for standard output.
    pub fn total(&self, name: &str) -> u64 {
        match self {
            Self::Stdout { .. } => 0,
            Self::Memory(events) => {
                let events = events.lock().unwrap_or_else(PoisonError::into_inner);
                events.iter().filter_map(|event| event.get(name)?.as_u64()).sum()
            }
        }
    }

    fn write(&self, mut event: Value) {
        match self {
            Self::Memory(events) => events.lock().unwrap_or_else(PoisonError::into_inner).push(event),
            Self::Stdout { stack } => {
                event["Stack"] = stack.as_str().into();
                // One write, so that no other line gets in between. A metric that can't be written is no reason to
                // fail the work that it counts.
                let _ = std::io::stdout()
                    .lock()
                    .write_all(format!("{event}\n").as_bytes());
            }
        }
    }
}

/// The event of one invocation. Adding to a name twice adds up.
#[derive(Clone, Debug)]
#[must_use = "nothing is written until `emit`"]
pub struct Metrics {
    function: &'static str,
    values: Map<String, Value>,
    units: Map<String, Value>,
}

impl Metrics {
    /// An empty event; `function` is its dimension `Function`.
    pub fn new(function: &'static str) -> Self {
        Self {
            function,
            values: Map::new(),
            units: Map::new(),
        }
    }

    /// Adds to a count. Zero is a value too: an alarm on a metric without data can't tell health from death.
    pub fn count(self, name: &str, value: u64) -> Self {
        self.add(name, value, "Count")
    }

    /// Adds a duration in milliseconds.
    pub fn millis(self, name: &str, value: u64) -> Self {
        self.add(name, value, "Milliseconds")
    }

    /// Writes the event, unless it is empty.
    pub fn emit_to(self, sink: &MetricSink, now: Timestamp) {
        if !self.values.is_empty() {
            sink.write(self.event(now));
        }
    }

    fn add(mut self, name: &str, value: u64, unit: &str) -> Self {
        let before = self.values.get(name).and_then(Value::as_u64).unwrap_or_default();
        self.values
            .insert(name.to_owned(), before.saturating_add(value).into());
        self.units.insert(name.to_owned(), unit.into());
        self
    }

    fn event(self, now: Timestamp) -> Value {
        let metrics: Vec<_> = self
            .units
            .iter()
            .map(|(name, unit)| json!({ "Name": name, "Unit": unit }))
            .collect();
        let mut event = self.values;
        event.insert("Function".to_owned(), self.function.into());
        let directive =
            json!({ "Namespace": NAMESPACE, "Dimensions": [["Stack", "Function"]], "Metrics": metrics });
        let head = json!({ "Timestamp": now.as_millisecond(), "CloudWatchMetrics": [directive] });
        event.insert("_aws".to_owned(), head);
        Value::Object(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invocation_is_one_event_that_cloudwatch_understands() {
        let sink = MetricSink::memory();
        let now = Timestamp::from_millisecond(1_763_880_000_123).unwrap();
        let metrics = Metrics::new("sync-mailbox")
            .count("ContactsWritten", 3)
            .millis("RoundMs", 12);
        metrics.count("ContactsWritten", 2).emit_to(&sink, now);
        Metrics::new("sync-mailbox").emit_to(&sink, now);

        let MetricSink::Memory(events) = &sink else {
            unreachable!()
        };
        assert_eq!(
            *events.lock().unwrap(),
            [json!({
                "_aws": {
                    "Timestamp": 1_763_880_000_123_u64,
                    "CloudWatchMetrics": [{
                        "Namespace": "OutlookContactSync",
                        "Dimensions": [["Stack", "Function"]],
                        "Metrics": [
                            { "Name": "ContactsWritten", "Unit": "Count" },
                            { "Name": "RoundMs", "Unit": "Milliseconds" },
                        ],
                    }],
                },
                "Function": "sync-mailbox",
                "ContactsWritten": 5,
                "RoundMs": 12,
            })]
        );
        assert_eq!(sink.total("ContactsWritten"), 5);
    }
}
