//! Conditions of writes, and what became of them.
//!
//! Knows expressions; each write says for itself which race its guard prevents.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason};

use crate::Answer;
use crate::error::StoreError;
use crate::items::{Item, SCHEMA, Table, n, schema};
use crate::keys::attr;

/// What must hold of the stored item for a write to happen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Guard {
    /// There is none.
    Absent,
    /// There is one, an attribute of it is this, and no newer version has written it.
    Is(&'static str, AttributeValue),
    /// The same, or there is none.
    IsOrGone(&'static str, AttributeValue),
    /// There is one, it lacks this attribute, and no newer version has written it.
    Lacks(&'static str),
    /// No newer version has written it.
    NotNewer,
}

/// What became of a guarded write.
#[must_use]
pub(crate) enum Outcome {
    Done,
    /// The guard did not hold; the stored item, where there is one.
    Refused(Option<Item>),
}

/// A write that is guarded.
#[derive(Clone)]
pub(crate) enum Write {
    /// Puts an item.
    Put(Item, Guard),
    /// Deletes the item of a key.
    Delete(Item, Guard),
}

impl Write {
    pub(crate) fn key(&self, table: Table) -> Item {
        match self {
            Self::Put(item, _) | Self::Delete(item, _) => table.key_of(item),
        }
    }

    pub(crate) fn guard(&self) -> &Guard {
        match self {
            Self::Put(_, guard) | Self::Delete(_, guard) => guard,
        }
    }

    pub(crate) fn guarded_by(self, guard: Guard) -> Self {
        match self {
            Self::Put(item, _) => Self::Put(item, guard),
            Self::Delete(key, _) => Self::Delete(key, guard),
        }
    }
}

impl Outcome {
    /// A refusal as an error.
    pub(crate) fn or_conflict(self, table: Table, key: &Item) -> Answer<()> {
        match self {
            Self::Done => Ok(()),
            Self::Refused(stored) => Err(conflict(table, key, stored.as_ref())),
        }
    }
}

fn conflict(table: Table, key: &Item, stored: Option<&Item>) -> StoreError {
    let key = table.label(key);
    match stored.and_then(schema) {
        Some(schema) if schema > SCHEMA => StoreError::NewerSchema { key, schema },
        Some(_) | None => StoreError::Conflict { key },
    }
}

impl Guard {
    pub(crate) fn expression(&self) -> &'static str {
        match self {
            Self::Absent => "attribute_not_exists(#key)",
            Self::Is(..) => "#name = :value AND #schema <= :schema",
            Self::IsOrGone(..) => "attribute_not_exists(#key) OR (#name = :value AND #schema <= :schema)",
            Self::Lacks(_) => "attribute_not_exists(#name) AND #schema <= :schema",
            Self::NotNewer => "attribute_not_exists(#key) OR #schema <= :schema",
        }
    }

    pub(crate) fn names(&self) -> HashMap<String, String> {
        let (key, schema) = (("#key", attr::MAILBOX_ID), ("#schema", attr::SCHEMA));
        let names = match self {
            Self::Absent => vec![key],
            Self::Is(name, _) | Self::Lacks(name) => vec![("#name", *name), schema],
            Self::IsOrGone(name, _) => vec![key, ("#name", *name), schema],
            Self::NotNewer => vec![key, schema],
        };
        names
            .into_iter()
            .map(|(alias, name)| (alias.to_owned(), name.to_owned()))
            .collect()
    }

    /// `None` where the expression has no values: `DynamoDB` refuses an empty map.
    pub(crate) fn values(&self) -> Option<Item> {
        let schema = (":schema".to_owned(), n(SCHEMA));
        match self {
            Self::Absent => None,
            Self::Is(_, value) | Self::IsOrGone(_, value) => {
                Some(Item::from([(":value".to_owned(), value.clone()), schema]))
            }
            Self::Lacks(_) | Self::NotNewer => Some(Item::from([schema])),
        }
    }
}

/// What a cancelled transaction says of one of its writes.
pub(crate) fn outcome_of(reason: &CancellationReason) -> Answer<Outcome> {
    match reason.code() {
        None | Some("None") => Ok(Outcome::Done),
        Some("ConditionalCheckFailed" | "TransactionConflict") => {
            Ok(Outcome::Refused(reason.item().cloned()))
        }
        Some("ThrottlingError" | "ProvisionedThroughputExceeded") => Err(StoreError::Throttled),
        Some(code) => Err(StoreError::Unavailable(
            format!("the transaction was cancelled: {code}").into(),
        )),
    }
}
