//! Records of the tables' streams, as Lambda delivers them to propagate-changes.

use aws_lambda_events::event::dynamodb::Event;
use contact_store::{StoreError, Tables};
use propagate_changes::{Change, outcome};
use serde_json::Value;

/// What the event bus takes of one event.
const LARGEST_EVENT: usize = 256 * 1024;

/// Newer than what this code writes, in any sense.
const FUTURE: u64 = 1_000;

/// Reads a batch, record by record, and what follows from each.
///
/// # Panics
/// Where an event is larger than the bus takes, or an item of a newer schema is read.
pub fn run(data: &[u8]) {
    let Ok(text) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let Ok(event) = serde_json::from_value::<Event>(text.clone()) else {
        return;
    };
    let tables = Tables {
        contacts: "contacts".to_owned(),
        state: "state".to_owned(),
    };
    for (at, record) in event.records.into_iter().enumerate() {
        let is_future = |image: &str| {
            let schema = text.pointer(&format!("/Records/{at}/dynamodb/{image}/schema/N"));
            let schema = schema.and_then(Value::as_str).and_then(|text| text.parse().ok());
            schema.is_some_and(|schema: u64| schema >= FUTURE)
        };
        let future = is_future("OldImage") || is_future("NewImage");
        match Change::read(record, &tables) {
            Ok(change) => {
                assert!(!future, "an item of a newer schema was read: {change:?}");
                let outcome = outcome(&change);
                let detail = outcome.event.map(|event| event.detail().to_string());
                assert!(detail.is_none_or(|detail| detail.len() <= LARGEST_EVENT));
            }
            Err(StoreError::NewerSchema { schema, .. }) => assert!(schema > 0),
            Err(_) => {}
        }
    }
}
