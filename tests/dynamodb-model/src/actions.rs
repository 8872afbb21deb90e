//! The actions: what each reads and writes, and what it answers.
//!
//! Knows requests and tables. Each is carried out as a whole or not at all, and nobody sees it halfway.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use crate::expression::{Aliases, Condition};
use crate::request::{
    BatchGet, BatchWrite, BatchedWrite, Get, Query, TransactItem, TransactWrite, Write, names, read,
};
use crate::table::{Index, behind, key_of, place_of};
use crate::{Item, Refusal, State, Verdict};

/// For so long a transaction's token is remembered: seconds.
const TOKENS_FOR: i64 = 600;

/// Tokens of transactions, with what they came with.
#[derive(Default)]
pub(crate) struct Tokens(BTreeMap<String, (Timestamp, Value)>);

/// What becomes of a write.
enum Decision {
    Put(Item),
    Delete(String, String),
    /// Its condition does not hold. With the item that is stored, where it was asked for.
    Refused(Option<Arc<Item>>),
}

/// An item as far as it is shown.
struct Shown<'a> {
    item: &'a Item,
    names: Option<&'a BTreeSet<String>>,
}

impl Serialize for Shown<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.names {
            None => self.item.serialize(serializer),
            Some(names) => {
                let attributes = self.item.iter();
                serializer.collect_map(attributes.filter(|(name, _)| names.contains(*name)))
            }
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Found<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    items: Option<Vec<Shown<'a>>>,
    count: usize,
    scanned_count: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_evaluated_key: Option<Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Got<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    item: Option<&'a Item>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GotMany<'a> {
    responses: BTreeMap<&'a str, Vec<&'a Item>>,
    unprocessed_keys: Item,
}

impl State {
    pub(crate) fn answer(&mut self, action: &str, body: &[u8], now: Timestamp) -> Result<String, Refusal> {
        match action {
            "GetItem" => self.get(&read(body)?),
            "Query" => self.query(&read(body)?),
            "BatchGetItem" => self.batch_get(&read(body)?),
            "PutItem" | "DeleteItem" => self.write(read(body)?, now),
            "BatchWriteItem" => self.batch_write(read(body)?, now),
            "TransactWriteItems" => self.transact(read(body)?, now),
            other => Err(Refusal::NotModelled(other.to_owned())),
        }
    }

    fn get(&mut self, get: &Get) -> Result<String, Refusal> {
        let table = self.table(&get.table_name)?;
        let item = table.get(table.key(&get.key)?).map(Arc::as_ref);
        written(&Got { item })
    }

    fn batch_get(&mut self, get: &BatchGet) -> Result<String, Refusal> {
        let mut responses = BTreeMap::new();
        for (name, asked) in &get.request_items {
            let table = self.tables.get(name).ok_or(Refusal::NoTable)?;
            let keys = asked.keys.iter().map(|key| table.key(key));
            let keys: Vec<_> = keys.collect::<Result<_, _>>()?;
            if keys.iter().collect::<BTreeSet<_>>().len() < keys.len() {
                return Err(Refusal::Invalid(
                    "Provided list of item keys contains duplicates".to_owned(),
                ));
            }
            let found = keys.into_iter().filter_map(|key| table.get(key));
            responses.insert(name.as_str(), found.map(Arc::as_ref).collect());
        }
        let unprocessed_keys = Item::new();
        written(&GotMany {
            responses,
            unprocessed_keys,
        })
    }

    fn query(&mut self, query: &Query) -> Result<String, Refusal> {
        let aliases = Aliases {
            names: &query.expression_attribute_names,
            values: &query.expression_attribute_values,
        };
        let table = self.table(&query.table_name)?;
        let index = match &query.index_name {
            None => table.items(),
            Some(_) if query.consistent_read == Some(true) => {
                let why = "Consistent reads are not supported on global secondary indexes";
                return Err(Refusal::Invalid(why.to_owned()));
            }
            Some(name) => table.index(name)?,
        };
        let counts = match query.select.as_deref() {
            None => false,
            Some("COUNT") => true,
            Some(other) => return Err(Refusal::NotModelled(format!("Select {other}"))),
        };
        let (partition, of_keys) = key_condition(&query.key_condition_expression, aliases, index)?;
        let filter = query.filter_expression.as_deref();
        let filter = filter
            .map(|filter| Condition::parse(filter, aliases))
            .transpose()?;
        let projection = query.projection_expression.as_deref().map(|expression| {
            let names = names(expression).map(|name| aliases.name(name).map(str::to_owned));
            names.collect::<Result<BTreeSet<_>, _>>()
        });
        let projection = projection.transpose()?;
        let start = query.exclusive_start_key.as_ref();
        let start = start
            .map(|start| place_of(start, index, table.items()))
            .transpose()?;
        let forward = query.scan_index_forward != Some(false);
        let most = query.limit.unwrap_or(usize::MAX);
        let mut scanned = 0;
        let mut found = Vec::new();
        let mut last = None;
        if let Some(partition) = index.partition(partition) {
            // What a key condition fits lies together.
            let fits = |item: &&Arc<Item>| of_keys.holds(Some(item));
            let items = behind(partition, start.as_ref(), forward);
            for item in items.skip_while(|item| !fits(item)).take_while(fits) {
                scanned += 1;
                if filter.as_ref().is_none_or(|filter| filter.holds(Some(item))) {
                    found.push(Shown {
                        item,
                        names: projection.as_ref().or(index.shows()),
                    });
                }
                if scanned == most {
                    // There may be no more behind it: the service doesn't look.
                    last = Some(key_of(item, index, table.items()));
                    break;
                }
            }
        }
        written(&Found {
            count: found.len(),
            scanned_count: scanned,
            items: (!counts).then_some(found),
            last_evaluated_key: last,
        })
    }

    fn write(&mut self, write: Write, now: Timestamp) -> Result<String, Refusal> {
        let name = write.table_name.clone();
        let decision = self.decide(write)?;
        self.carry_out(&name, decision, now)?;
        Ok("{}".to_owned())
    }

    fn batch_write(&mut self, batch: BatchWrite, now: Timestamp) -> Result<String, Refusal> {
        for (name, writes) in batch.request_items {
            let table = self.table(&name)?;
            let mut keys = BTreeSet::new();
            for write in &writes {
                let (BatchedWrite::Put { item: key } | BatchedWrite::Delete { key }) = write;
                if !keys.insert(table.keys(key)?) {
                    return Err(Refusal::Invalid(
                        "Provided list of item keys contains duplicates".to_owned(),
                    ));
                }
            }
            for write in writes {
                match write {
                    BatchedWrite::Put { item } => table.put(item, now)?,
                    BatchedWrite::Delete { key } => table.delete(table.key(&key)?, now, false),
                }
            }
        }
        Ok(r#"{"UnprocessedItems":{}}"#.to_owned())
    }

    fn transact(&mut self, transaction: TransactWrite, now: Timestamp) -> Result<String, Refusal> {
        let asked = &transaction.transact_items;
        let tokens = &mut self.tokens.0;
        tokens.retain(|_, (at, _)| now.as_second() - at.as_second() < TOKENS_FOR);
        let token = transaction.client_request_token.as_ref();
        if let Some((_, earlier)) = token.and_then(|token| tokens.get(token)) {
            if earlier != asked {
                return Err(Refusal::Token);
            }
            return Ok("{}".to_owned());
        }
        let items: Vec<TransactItem> =
            Vec::deserialize(asked).map_err(|error| Refusal::NotModelled(error.to_string()))?;
        let mut decisions = Vec::new();
        let mut keys = BTreeSet::new();
        for item in items {
            let (TransactItem::Put(write) | TransactItem::Delete(write)) = item;
            let name = write.table_name.clone();
            let (partition, sort) = self.table(&name)?.keys(write.about()?)?;
            if !keys.insert((name.clone(), partition.to_owned(), sort.to_owned())) {
                return Err(Refusal::Invalid(
                    "Transaction request cannot include multiple operations on one item".to_owned(),
                ));
            }
            decisions.push((name, self.decide(write)?));
        }
        if decisions.iter().any(|(_, it)| matches!(it, Decision::Refused(_))) {
            let verdict = |(_, decision)| match decision {
                Decision::Refused(stored) => Verdict::Fails(stored),
                Decision::Put(_) | Decision::Delete(..) => Verdict::Holds,
            };
            return Err(Refusal::Transaction(decisions.into_iter().map(verdict).collect()));
        }
        for (name, decision) in decisions {
            self.carry_out(&name, decision, now)?;
        }
        if let Some(token) = transaction.client_request_token {
            self.tokens.0.insert(token, (now, transaction.transact_items));
        }
        Ok("{}".to_owned())
    }

    fn decide(&mut self, write: Write) -> Result<Decision, Refusal> {
        let table = self.table(&write.table_name)?;
        let about = match &write.key {
            Some(key) => table.key(key)?,
            None => table.keys(write.about()?)?,
        };
        let stored = table.get(about);
        if let Some(expression) = &write.condition_expression {
            let aliases = Aliases {
                names: &write.expression_attribute_names,
                values: &write.expression_attribute_values,
            };
            let condition = Condition::parse(expression, aliases)?;
            if !condition.holds(stored.map(Arc::as_ref)) {
                let is_asked = write.return_values_on_condition_check_failure.as_deref() == Some("ALL_OLD");
                return Ok(Decision::Refused(stored.filter(|_| is_asked).cloned()));
            }
        }
        let about = (about.0.to_owned(), about.1.to_owned());
        Ok(match write.item {
            Some(item) => Decision::Put(item),
            None => Decision::Delete(about.0, about.1),
        })
    }

    fn carry_out(&mut self, table: &str, decision: Decision, now: Timestamp) -> Result<(), Refusal> {
        let table = self.table(table)?;
        match decision {
            Decision::Put(item) => table.put(item, now),
            Decision::Delete(partition, sort) => {
                table.delete((&partition, &sort), now, false);
                Ok(())
            }
            Decision::Refused(stored) => Err(Refusal::Condition(stored)),
        }
    }
}

/// The partition that a key condition names, and all of the condition.
fn key_condition<'a>(
    expression: &'a str,
    aliases: Aliases<'a>,
    index: &Index,
) -> Result<(&'a str, Condition<'a>), Refusal> {
    let condition = Condition::parse(expression, aliases)?;
    let partition = condition.text_of(index.partition_key());
    let partition =
        partition.ok_or_else(|| Refusal::Invalid("Query condition missed key schema element".to_owned()))?;
    Ok((partition, condition))
}

fn written(answer: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(answer).map_err(|error| Refusal::Invalid(error.to_string()))
}
