//! Conditions of writes, and what became of them.
//!
//! Knows expressions; each write says for itself which race its guard prevents.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::CancellationReason;

use crate::Answer;
use crate::error::StoreError;
use crate::items::{Item, SCHEMA, Table, n, schema};
use crate::keys::attr;

/// What must hold of the stored item for a write to happen.
#[derive(Clone, Copy)]
pub(crate) enum Guard {
    /// There is none.
    Absent,
    /// There is one, a number of it is this, and no newer version has written it.
    Is(&'static str, u64),
    /// The same, or there is none.
    IsOrGone(&'static str, u64),
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
    pub(crate) fn expression(self) -> &'static str {
        match self {
            Self::Absent => "attribute_not_exists(#key)",
            Self::Is(..) => "#number = :number AND #schema <= :schema",
            Self::IsOrGone(..) => "attribute_not_exists(#key) OR (#number = :number AND #schema <= :schema)",
            Self::NotNewer => "attribute_not_exists(#key) OR #schema <= :schema",
        }
    }

    pub(crate) fn names(self) -> HashMap<String, String> {
        let (key, schema) = (("#key", attr::MAILBOX_ID), ("#schema", attr::SCHEMA));
        let names = match self {
            Self::Absent => vec![key],
            Self::Is(number, _) => vec![("#number", number), schema],
            Self::IsOrGone(number, _) => vec![key, ("#number", number), schema],
            Self::NotNewer => vec![key, schema],
        };
        names
            .into_iter()
            .map(|(alias, name)| (alias.to_owned(), name.to_owned()))
            .collect()
    }

    /// `None` where the expression has no values: `DynamoDB` refuses an empty map.
    pub(crate) fn values(self) -> Option<Item> {
        let schema = (":schema".to_owned(), n(SCHEMA));
        match self {
            Self::Absent => None,
            Self::Is(_, number) | Self::IsOrGone(_, number) => {
                Some(Item::from([(":number".to_owned(), n(number)), schema]))
            }
            Self::NotNewer => Some(Item::from([schema])),
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
