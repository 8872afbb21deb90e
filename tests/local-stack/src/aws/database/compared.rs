//! Both at once. Whoever asks sees the model's answer, and a panic where the whole one says anything else.
//!
//! Knows in what they may differ: the wording of errors, the order of a batch, consumed capacity, the numbers of records.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::Database;
use super::embedded::Embedded;
use super::modelled::Modelled;

pub(super) struct Compared {
    whole: Embedded,
    model: Modelled,
}

impl Compared {
    pub(super) fn new(whole: Embedded, model: Modelled) -> Self {
        Self { whole, model }
    }
}

impl Database for Compared {
    fn answer(&self, action: &str, body: &[u8]) -> (u16, String) {
        let (expected, answer) = (self.whole.answer(action, body), self.model.answer(action, body));
        let asked = || format!("{action} {}", String::from_utf8_lossy(body));
        same(&essence(&expected), &essence(&answer), &asked);
        answer
    }

    fn records(&self, table: &str, place: &mut Option<String>) -> anyhow::Result<Vec<Value>> {
        // A place here is that of both.
        let (mut of_whole, mut of_model) = match place.as_deref().and_then(|place| place.split_once(' ')) {
            Some((whole, model)) => (Some(whole.to_owned()), Some(model.to_owned())),
            None => (None, None),
        };
        let expected = self.whole.records(table, &mut of_whole)?;
        let records = self.model.records(table, &mut of_model)?;
        *place = of_whole
            .zip(of_model)
            .map(|(whole, model)| format!("{whole} {model}"));
        let told = |records: &[Value]| {
            let changes = records.iter().map(change);
            // dynoxide tells of a write that changes nothing; DynamoDB doesn't.
            changes.filter(|it| it["old"] != it["new"]).collect::<Vec<_>>()
        };
        same(&told(&expected), &told(&records), &|| {
            format!("the stream of {table}")
        });
        Ok(records)
    }

    fn items_of_index(&self, table: &str, index: &str) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        self.model.items_of_index(table, index)
    }

    fn sweep_expired(&self) -> anyhow::Result<usize> {
        let expected = self.whole.sweep_expired()?;
        let swept = self.model.sweep_expired()?;
        same(&expected, &swept, &|| "what has expired".to_owned());
        Ok(swept)
    }
}

#[track_caller]
fn same<T: PartialEq + std::fmt::Debug>(expected: &T, answer: &T, about: &dyn Fn() -> String) {
    assert!(
        expected == answer,
        "the model differs from DynamoDB in {}\n  DynamoDB: {expected:?}\n  the model: {answer:?}",
        about()
    );
}

/// A record without the numbers that are its stream's own.
fn change(record: &Value) -> Value {
    let change = &record["dynamodb"];
    json!({
        "name": record["eventName"],
        "by": record["userIdentity"]["principalId"],
        "keys": change["Keys"],
        "old": change["OldImage"],
        "new": change["NewImage"],
        "at": change["ApproximateCreationDateTime"].as_f64(),
    })
}

/// What an answer says: of a refusal its kind and what is stored, of a success all but the capacity.
fn essence((status, body): &(u16, String)) -> (u16, Value) {
    let mut body: Value = serde_json::from_str(body).unwrap_or_default();
    if let Value::Object(members) = &mut body {
        for name in ["ConsumedCapacity", "ItemCollectionMetrics", "message", "Message"] {
            members.remove(name);
        }
        if let Some(Value::Object(tables)) = members.get_mut("Responses") {
            tables.values_mut().for_each(sort);
        }
        if let Some(Value::Array(reasons)) = members.get_mut("CancellationReasons") {
            let reasons = reasons.iter_mut().filter_map(Value::as_object_mut);
            reasons.for_each(|reason: &mut Map<_, _>| drop(reason.remove("Message")));
        }
    }
    (*status, body)
}

fn sort(items: &mut Value) {
    if let Value::Array(items) = items {
        items.sort_by_cached_key(Value::to_string);
    }
}
