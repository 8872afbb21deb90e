//! The event bus: events out, in batches, and which of them didn't get through.
//!
//! Knows `PutEvents` and its limits. Must not know what an event says.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::error::ProvideErrorMetadata as _;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;

use crate::event::Event;

/// The `source` of every event, for the patterns of rules.
pub const SOURCE: &str = "outlook-contact-sync";

/// `EventBridge` takes at most so many events in one `PutEvents`,
const BATCH: usize = 10;
/// and so many bytes: 256 KB. Newer limits are higher, but not those of whoever the events are passed on to.
const BATCH_BYTES: usize = 256_000;
/// What `EventBridge` counts for the time of an event.
const TIME_BYTES: usize = 14;

/// A bus of `EventBridge`.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: Client,
    name: String,
}

/// Events did not get through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsent {
    /// The place of the first that did not; some behind it may have.
    pub(crate) first: usize,
}

impl EventBus {
    /// The bus of this name or ARN.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// Sends events in their order. `EventBridge` promises no order to those who receive them.
    pub(crate) async fn put(&self, events: &[Event]) -> Result<(), Unsent> {
        let entries: Vec<_> = events.iter().map(|event| self.entry(event)).collect();
        let mut begin = 0;
        while begin < entries.len() {
            let end = begin + batch(entries[begin..].iter().map(size));
            self.put_batch(&entries[begin..end])
                .await
                .map_err(|unsent| Unsent {
                    first: begin + unsent.first,
                })?;
            begin = end;
        }
        Ok(())
    }

    /// What is refused of a batch is sent once more, and nothing else of it.
    async fn put_batch(&self, batch: &[PutEventsRequestEntry]) -> Result<(), Unsent> {
        let mut left: Vec<usize> = (0..batch.len()).collect();
        for attempt in 1..=2 {
            let entries = left.iter().map(|place| batch[*place].clone()).collect();
            let request = self.client.put_events().set_entries(Some(entries));
            let answer = match request.send().await {
                Ok(answer) => answer,
                Err(error) => {
                    let code = error.code().unwrap_or("no answer").to_owned();
                    tracing::error!(code, attempt, "the event bus did not take a batch");
                    break;
                }
            };
            let results = answer.entries();
            // An entry that the answer is silent about counts as refused.
            let is_stored = |index: usize| {
                results
                    .get(index)
                    .is_some_and(|result| result.event_id().is_some())
            };
            let code = results.iter().find_map(|result| result.error_code());
            left = left
                .iter()
                .enumerate()
                .filter(|(index, _)| !is_stored(*index))
                .map(|(_, place)| *place)
                .collect();
            if left.is_empty() {
                return Ok(());
            }
            tracing::warn!(
                code,
                attempt,
                events.refused = left.len(),
                "the event bus refused events"
            );
        }
        Err(Unsent {
            first: left.first().copied().unwrap_or_default(),
        })
    }

    fn entry(&self, event: &Event) -> PutEventsRequestEntry {
        PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(SOURCE)
            .detail_type(event.kind.name())
            .time(aws_sdk_eventbridge::primitives::DateTime::from_millis(
                event.time.as_millisecond(),
            ))
            .detail(event.detail().to_string())
            .build()
    }
}

/// How many of these sizes go into one request: one at least, since an event by itself is never too large.
fn batch(sizes: impl Iterator<Item = usize>) -> usize {
    let mut total = 0;
    let fitting = sizes.take(BATCH).take_while(|size| {
        total += size;
        total <= BATCH_BYTES
    });
    fitting.count().max(1)
}

fn size(entry: &PutEventsRequestEntry) -> usize {
    let texts = [entry.source(), entry.detail_type(), entry.detail()];
    TIME_BYTES + texts.into_iter().flatten().map(str::len).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_ten_events_or_as_many_as_fit() {
        for (sizes, expected) in [
            (vec![1; 25], 10),
            (vec![1; 3], 3),
            (vec![100_000; 5], 2),
            (vec![300_000, 1], 1),
            (vec![128_000, 128_000, 1], 2),
        ] {
            assert_eq!(batch(sizes.iter().copied()), expected, "{sizes:?}");
        }
    }
}
