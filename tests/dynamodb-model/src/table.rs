//! A table: its items in the order of their keys, its indexes, its stream.
//!
//! Knows keys that are texts. An index holds the same items under other keys, those that have them. Must not know requests.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::expression::text;
use crate::{Item, Refusal};

/// What orders the items of a partition: the sort key, and in an index the table's own keys behind it.
pub(crate) type Place = Vec<String>;

/// One partition of a table or of an index.
pub(crate) type Partition = BTreeMap<Place, Arc<Item>>;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Parameters {
    table_name: String,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<IndexParameters>,
    attribute_definitions: Vec<Attribute>,
    #[serde(default)]
    stream_specification: Option<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct IndexParameters {
    index_name: String,
    key_schema: Vec<Key>,
    projection: ProjectionParameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ProjectionParameters {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

/// A change of an item, as the stream tells it.
#[derive(Clone, Debug)]
pub struct Record {
    number: u64,
    at: Timestamp,
    keys: Arc<Item>,
    old: Option<Arc<Item>>,
    new: Option<Arc<Item>>,
    /// The service itself has taken it away, when its time was over.
    expired: bool,
}

impl Record {
    /// As a function is told of it.
    pub fn event(&self) -> Value {
        let name = match (&self.old, &self.new) {
            (None, _) => "INSERT",
            (Some(_), Some(_)) => "MODIFY",
            (Some(_), None) => "REMOVE",
        };
        let number = format!("{:021}", self.number);
        let mut change = json!({
            "ApproximateCreationDateTime": self.at.as_second(),
            "Keys": *self.keys,
            "SequenceNumber": number,
            "SizeBytes": 0,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        });
        for (name, image) in [("OldImage", &self.old), ("NewImage", &self.new)] {
            if let Some(image) = image {
                change[name] = Value::Object((**image).clone());
            }
        }
        let mut event = json!({
            "awsRegion": "us-east-1",
            "eventID": number,
            "eventName": name,
            "eventSource": "aws:dynamodb",
            "eventVersion": "1.1",
        });
        event["dynamodb"] = change;
        if self.expired {
            event["userIdentity"] = json!({ "type": "Service", "principalId": "dynamodb.amazonaws.com" });
        }
        event
    }
}

/// Keys of a table or an index: one that parts, one that orders.
struct Keys {
    partition: String,
    sort: String,
}

impl Keys {
    fn new(schema: &[Key], texts: &BTreeSet<&str>) -> Result<Self, Refusal> {
        let [partition, sort] = schema else {
            return Err(Refusal::NotModelled(
                "a key of anything but two attributes".to_owned(),
            ));
        };
        let name = |key: &Key| {
            let name = key.attribute_name.as_str();
            if texts.contains(name) {
                Ok(name.to_owned())
            } else {
                Err(Refusal::NotModelled(format!("a key {name} that is no text")))
            }
        };
        Ok(Self {
            partition: name(partition)?,
            sort: name(sort)?,
        })
    }

    /// An item's values of them; `None` where it lacks one.
    fn of<'i>(&self, item: &'i Item) -> Option<(&'i str, &'i str)> {
        Some((text(item.get(&self.partition)?)?, text(item.get(&self.sort)?)?))
    }

    fn names(&self) -> [&str; 2] {
        [&self.partition, &self.sort]
    }
}

/// An index, or the table itself as one.
pub(crate) struct Index {
    keys: Keys,
    partitions: BTreeMap<String, Partition>,
    /// What its items show; `None`: all of them.
    shows: Option<BTreeSet<String>>,
}

impl Index {
    pub(crate) fn partition(&self, key: &str) -> Option<&Partition> {
        self.partitions.get(key)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Item>> {
        self.partitions.values().flat_map(BTreeMap::values)
    }

    pub(crate) fn partition_key(&self) -> &str {
        &self.keys.partition
    }

    /// What is shown of its items.
    pub(crate) fn shows(&self) -> Option<&BTreeSet<String>> {
        self.shows.as_ref()
    }

    fn remove(&mut self, item: &Item, own: (&str, &str)) {
        let Some((partition, sort)) = self.keys.of(item) else {
            return;
        };
        if let Some(items) = self.partitions.get_mut(partition) {
            items.remove(&place(sort, own));
            if items.is_empty() {
                self.partitions.remove(partition);
            }
        }
    }

    fn insert(&mut self, item: &Arc<Item>, own: (&str, &str)) {
        let Some((partition, sort)) = self.keys.of(item) else {
            return;
        };
        let place = place(sort, own);
        if let Some(items) = self.partitions.get_mut(partition) {
            items.insert(place, item.clone());
        } else {
            let items = Partition::from([(place, item.clone())]);
            self.partitions.insert(partition.to_owned(), items);
        }
    }
}

fn place(sort: &str, own: (&str, &str)) -> Place {
    vec![sort.to_owned(), own.0.to_owned(), own.1.to_owned()]
}

/// A table.
pub(crate) struct Table {
    name: String,
    items: Index,
    indexes: BTreeMap<String, Index>,
    expires_by: Option<String>,
    /// `None`: nobody reads it.
    stream: Option<VecDeque<Record>>,
    last_record: u64,
}

impl Table {
    pub(crate) fn new(parameters: &Value) -> Result<Self, Refusal> {
        let parameters: Parameters = serde::Deserialize::deserialize(parameters)
            .map_err(|error| Refusal::Invalid(error.to_string()))?;
        let attributes = parameters.attribute_definitions.iter();
        let texts = attributes.filter(|attribute| attribute.attribute_type == "S");
        let texts: BTreeSet<&str> = texts.map(|attribute| attribute.attribute_name.as_str()).collect();
        let keys = Keys::new(&parameters.key_schema, &texts)?;
        let mut indexes = BTreeMap::new();
        for index in parameters.global_secondary_indexes {
            let own = Keys::new(&index.key_schema, &texts)?;
            let shows = match index.projection.projection_type.as_str() {
                "ALL" => None,
                "KEYS_ONLY" | "INCLUDE" => {
                    let named = index.projection.non_key_attributes.into_iter();
                    let keys = keys.names().into_iter().chain(own.names());
                    Some(named.chain(keys.map(str::to_owned)).collect())
                }
                other => return Err(Refusal::NotModelled(format!("the projection {other}"))),
            };
            let empty = Index {
                keys: own,
                partitions: BTreeMap::new(),
                shows,
            };
            indexes.insert(index.index_name, empty);
        }
        Ok(Self {
            name: parameters.table_name,
            items: Index {
                keys,
                partitions: BTreeMap::new(),
                shows: None,
            },
            indexes,
            expires_by: None,
            stream: parameters.stream_specification.map(|_| VecDeque::new()),
            last_record: 0,
        })
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn expire_by(&mut self, attribute: &str) {
        self.expires_by = Some(attribute.to_owned());
    }

    /// The table itself.
    pub(crate) fn items(&self) -> &Index {
        &self.items
    }

    pub(crate) fn index(&self, name: &str) -> Result<&Index, Refusal> {
        let index = self.indexes.get(name);
        index.ok_or_else(|| Refusal::Invalid(format!("The table does not have the specified index: {name}")))
    }

    /// The keys of an item, which has to have them.
    pub(crate) fn keys<'i>(&self, item: &'i Item) -> Result<(&'i str, &'i str), Refusal> {
        let keys = self.items.keys.of(item);
        let keys = keys.filter(|(partition, sort)| !partition.is_empty() && !sort.is_empty());
        keys.ok_or_else(|| Refusal::Invalid("The provided key element does not match the schema".to_owned()))
    }

    /// A key that was asked for: the item's keys and nothing else.
    pub(crate) fn key<'i>(&self, key: &'i Item) -> Result<(&'i str, &'i str), Refusal> {
        if key.len() > 2 {
            return Err(Refusal::Invalid(
                "The provided key element does not match the schema".to_owned(),
            ));
        }
        self.keys(key)
    }

    pub(crate) fn get(&self, key: (&str, &str)) -> Option<&Arc<Item>> {
        self.items.partition(key.0)?.get(&place(key.1, key))
    }

    /// Puts an item whose keys have been [looked at](Self::keys).
    pub(crate) fn put(&mut self, item: Item, now: Timestamp) -> Result<(), Refusal> {
        let own = self.keys(&item)?;
        for (name, index) in &self.indexes {
            for key in index.keys.names() {
                if item
                    .get(key)
                    .is_some_and(|value| text(value).is_none_or(str::is_empty))
                {
                    return Err(Refusal::Invalid(format!("{key}, a key of {name}, is no text")));
                }
            }
        }
        let old = self.get(own).cloned();
        if old.as_deref() == Some(&item) {
            // A write that changes nothing is in no stream.
            return Ok(());
        }
        let item = Arc::new(item);
        let own = self.keys(&item)?;
        for index in self.indexes.values_mut() {
            if let Some(old) = &old {
                index.remove(old, own);
            }
            index.insert(&item, own);
        }
        self.items.insert(&item, own);
        self.record(old, Some(item.clone()), now, false);
        Ok(())
    }

    /// Takes away what is under a key, if anything is.
    pub(crate) fn delete(&mut self, key: (&str, &str), now: Timestamp, expired: bool) {
        let Some(old) = self.get(key).cloned() else {
            return;
        };
        for index in self.indexes.values_mut() {
            index.remove(&old, key);
        }
        self.items.remove(&old, key);
        self.record(Some(old), None, now, expired);
    }

    fn record(&mut self, old: Option<Arc<Item>>, new: Option<Arc<Item>>, now: Timestamp, expired: bool) {
        let (Some(stream), Some(item)) = (&mut self.stream, new.as_ref().or(old.as_ref())) else {
            return;
        };
        let keys = self.items.keys.names().into_iter();
        let keys = keys.filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())));
        self.last_record += 1;
        stream.push_back(Record {
            number: self.last_record,
            at: now,
            keys: Arc::new(keys.collect()),
            old,
            new,
            expired,
        });
    }

    pub(crate) fn records(&mut self, behind: u64) -> (Vec<Record>, u64) {
        let Some(stream) = &mut self.stream else {
            return (Vec::new(), behind);
        };
        while stream.front().is_some_and(|record| record.number <= behind) {
            stream.pop_front();
        }
        (stream.iter().cloned().collect(), self.last_record)
    }

    pub(crate) fn sweep(&mut self, now: Timestamp) -> usize {
        let Some(attribute) = &self.expires_by else {
            return 0;
        };
        let is_over = |item: &&Arc<Item>| {
            let second = item.get(attribute).and_then(|value| value.get("N"));
            let second = second
                .and_then(Value::as_str)
                .and_then(|it| it.parse::<i64>().ok());
            second.is_some_and(|second| second < now.as_second())
        };
        let over: Vec<Arc<Item>> = self.items.all().filter(is_over).cloned().collect();
        for item in &over {
            if let Some(key) = self.items.keys.of(item) {
                self.delete(key, now, true);
            }
        }
        over.len()
    }
}

/// The items of a partition behind a place, or before it where they are read backwards.
pub(crate) fn behind<'p>(
    partition: &'p Partition,
    start: Option<&Place>,
    forward: bool,
) -> Box<dyn Iterator<Item = &'p Arc<Item>> + 'p> {
    let start = start.map_or(Bound::Unbounded, Bound::Excluded);
    if forward {
        let items = partition.range::<Place, _>((start, Bound::Unbounded));
        Box::new(items.map(|(_, item)| item))
    } else {
        let items = partition.range::<Place, _>((Bound::Unbounded, start));
        Box::new(items.rev().map(|(_, item)| item))
    }
}

/// The place of a key that an answer has ended at.
pub(crate) fn place_of(start: &Item, index: &Index, table: &Index) -> Result<Place, Refusal> {
    let sort = index.keys.of(start).map(|(_, sort)| sort);
    match (sort, table.keys.of(start)) {
        (Some(sort), Some(own)) => Ok(place(sort, own)),
        _ => Err(Refusal::Invalid(
            "The provided starting key is invalid".to_owned(),
        )),
    }
}

/// The key of an item, for who goes on behind it.
pub(crate) fn key_of(item: &Item, index: &Index, table: &Index) -> Item {
    let names = table.keys.names().into_iter().chain(index.keys.names());
    names
        .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
        .collect()
}
