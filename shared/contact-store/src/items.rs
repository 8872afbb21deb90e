//! From records to items and back: the schema version, and the attributes that only indexes and TTL need.
//!
//! An item is its record's serde form, its sort key, `schema`, and those attributes. Knows no calls.

use std::collections::HashMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sync_core::ids::{ContactId, MailboxId};

use crate::error::StoreError;
use crate::keys::{FolderKey, StateKey, VersionKey, attr};
use crate::plan::PlanPage;
use crate::shard::{DueKind, Shard};
use crate::state::{Folder, Mailbox, SeenPage, Subscription, Timer};
use crate::{base, size, stamp};

/// An item, or the key of one.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The schema that this version writes, and the newest that it reads. Raise it when a version that knows only the one
/// before would misread an item, or lose what it must not; an attribute more is no reason. 2 has edits, aliases and
/// conflicts.
pub(crate) const SCHEMA: u64 = 2;

/// A record of the table `state`.
pub(crate) trait StateRecord: Serialize + DeserializeOwned {
    fn mailbox(&self) -> &MailboxId;

    fn key(&self) -> StateKey;

    /// The attributes that only an index or TTL needs.
    fn extras(&self) -> Vec<(&'static str, AttributeValue)>;
}

/// A record with a revision.
pub(crate) trait Revised: StateRecord {
    fn rev(&mut self) -> &mut u64;
}

impl StateRecord for Mailbox {
    fn mailbox(&self) -> &MailboxId {
        &self.id
    }

    fn key(&self) -> StateKey {
        StateKey::Mailbox
    }

    fn extras(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(attr::ROSTER_SHARD, s(Shard::of(&self.id).roster()))]
    }
}

impl Revised for Mailbox {
    fn rev(&mut self) -> &mut u64 {
        &mut self.rev
    }
}

impl StateRecord for Folder {
    fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    fn key(&self) -> StateKey {
        StateKey::Folder(FolderKey::of(&self.id))
    }

    fn extras(&self) -> Vec<(&'static str, AttributeValue)> {
        Vec::new()
    }
}

impl Revised for Folder {
    fn rev(&mut self) -> &mut u64 {
        &mut self.rev
    }
}

impl StateRecord for Subscription {
    fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    fn key(&self) -> StateKey {
        StateKey::Subscription(FolderKey::of(&self.folder))
    }

    fn extras(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(attr::DUE_SHARD, s(Shard::of(&self.mailbox).due(DueKind::Renew)))]
    }
}

impl Revised for Subscription {
    fn rev(&mut self) -> &mut u64 {
        &mut self.rev
    }
}

impl StateRecord for Timer {
    fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    fn key(&self) -> StateKey {
        StateKey::Timer(self.kind)
    }

    fn extras(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(attr::DUE_SHARD, s(Shard::of(&self.mailbox).due(self.kind.into())))]
    }
}

impl StateRecord for SeenPage {
    fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    fn key(&self) -> StateKey {
        let (folder, generation, page) = (FolderKey::of(&self.folder), self.generation, self.page);
        StateKey::Seen {
            folder,
            generation,
            page,
        }
    }

    fn extras(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(attr::TTL, n(self.expires_at.as_second()))]
    }
}

impl StateRecord for PlanPage {
    fn mailbox(&self) -> &MailboxId {
        &self.mailbox
    }

    fn key(&self) -> StateKey {
        StateKey::Plan { page: self.page }
    }

    fn extras(&self) -> Vec<(&'static str, AttributeValue)> {
        vec![(attr::TTL, n(self.expires_at.as_second()))]
    }
}

/// Which table, and with it which attributes are the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Contacts,
    State,
    History,
}

impl Table {
    pub(crate) fn sort_key(self) -> &'static str {
        match self {
            Self::Contacts => attr::CONTACT_ID,
            Self::State => attr::SK,
            Self::History => attr::VERSION_KEY,
        }
    }

    /// The primary key of an item.
    pub(crate) fn key_of(self, item: &Item) -> Item {
        let of = |name: &str| item.get(name).map(|value| (name.to_owned(), value.clone()));
        [of(attr::MAILBOX_ID), of(self.sort_key())]
            .into_iter()
            .flatten()
            .collect()
    }

    /// How errors and logs name an item: `contacts/<mailbox>/<contact>`. Ids and hashes only.
    pub(crate) fn label(self, item: &Item) -> String {
        let table = match self {
            Self::Contacts => "contacts",
            Self::State => "state",
            Self::History => "history",
        };
        format!(
            "{table}/{}/{}",
            text(item, attr::MAILBOX_ID),
            text(item, self.sort_key())
        )
    }
}

pub(crate) fn state_key(mailbox: &MailboxId, key: &StateKey) -> Item {
    Item::from([
        (attr::MAILBOX_ID.to_owned(), s(mailbox)),
        (attr::SK.to_owned(), s(key)),
    ])
}

pub(crate) fn contact_key(mailbox: &MailboxId, contact: &ContactId) -> Item {
    Item::from([
        (attr::MAILBOX_ID.to_owned(), s(mailbox)),
        (attr::CONTACT_ID.to_owned(), s(contact)),
    ])
}

pub(crate) fn history_key(mailbox: &MailboxId, version: &VersionKey) -> Item {
    Item::from([
        (attr::MAILBOX_ID.to_owned(), s(mailbox)),
        (attr::VERSION_KEY.to_owned(), s(version)),
    ])
}

pub(crate) fn state_item(record: &impl StateRecord) -> Result<Item, StoreError> {
    let key = state_key(record.mailbox(), &record.key());
    let mut item = written(Table::State, record, &key)?;
    item.extend(key);
    item.extend(
        record
            .extras()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value)),
    );
    limited(Table::State, item)
}

pub(crate) fn written(table: Table, record: &impl Serialize, key: &Item) -> Result<Item, StoreError> {
    let mut item: Item = serde_dynamo::to_item(record).map_err(|source| StoreError::Unwritable {
        key: table.label(key),
        source: source.into(),
    })?;
    item.insert(attr::SCHEMA.to_owned(), n(SCHEMA));
    Ok(item)
}

pub(crate) fn limited(table: Table, item: Item) -> Result<Item, StoreError> {
    let bytes = size::of_item(&item);
    if bytes > size::limit_of(&item) {
        Err(StoreError::TooLarge {
            key: table.label(&item),
            bytes,
        })
    } else {
        Ok(item)
    }
}

/// Reads an item, or a row of an index that holds enough of it.
pub(crate) fn read<T: DeserializeOwned>(table: Table, item: Item) -> Result<T, StoreError> {
    let key = table.label(&item);
    match schema(&item) {
        Some(schema) if schema > SCHEMA => Err(StoreError::NewerSchema { key, schema }),
        Some(_) => serde_dynamo::from_item(base::restored(item)).map_err(|source| StoreError::Corrupt {
            key,
            source: source.into(),
        }),
        None => Err(StoreError::Corrupt {
            key,
            source: "no schema".into(),
        }),
    }
}

/// Reads what can be read, and counts the rest: one odd item must not hide the others.
pub(crate) fn read_all<T: DeserializeOwned>(table: Table, items: Vec<Item>) -> (Vec<T>, u64) {
    let mut unreadable = 0;
    let records = items.into_iter().filter_map(|item| match read(table, item) {
        Ok(record) => Some(record),
        Err(error) => {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "an item was passed over"
            );
            unreadable += 1;
            None
        }
    });
    let records = records.collect();
    (records, unreadable)
}

pub(crate) fn schema(item: &Item) -> Option<u64> {
    item.get(attr::SCHEMA)?.as_n().ok()?.parse().ok()
}

/// An attribute's text; empty where there is none.
pub(crate) fn text<'a>(item: &'a Item, name: &str) -> &'a str {
    item.get(name)
        .and_then(|value| value.as_s().ok())
        .map_or("", String::as_str)
}

#[expect(clippy::needless_pass_by_value, reason = "for values and references alike")]
pub(crate) fn s(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "for values and references alike")]
pub(crate) fn n(value: impl ToString) -> AttributeValue {
    AttributeValue::N(value.to_string())
}

pub(crate) fn time(time: Timestamp) -> AttributeValue {
    s(stamp::text(time))
}

pub(crate) fn seconds_after(time: Timestamp, duration: Duration) -> i64 {
    time.as_second()
        .saturating_add(i64::try_from(duration.as_secs()).unwrap_or(i64::MAX))
}
