//! The whole one: dynoxide in memory, which can be put behind a port of its own.
//!
//! Knows how tables get from the template into it, and the actions that the store uses.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Ambient;
use anyhow::{Context as _, anyhow};
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use dynoxide::actions::scan::ScanRequest;
use dynoxide::storage_backend::Clock;
use dynoxide::{AttributeValue, Database as Dynoxide, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::server::{Loopback, free_port, stopped};
use super::super::template::TableSpec;
use super::Database;

/// The stack's clock, for stream records and times to live.
struct AmbientClock(Ambient);

impl Clock for AmbientClock {
    fn now_unix_secs(&self) -> u64 {
        u64::try_from(self.0.now().as_second()).unwrap_or_default()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.0.now().as_duration().as_secs_f64()
    }
}

/// One, with the iterators of its streams.
pub(super) struct Embedded(Dynoxide);

impl Embedded {
    pub(super) fn new(ambient: &Ambient, tables: Vec<TableSpec>) -> anyhow::Result<Self> {
        Ok(Self(create(ambient, tables)?))
    }

    fn begin(&self, table: &str) -> anyhow::Result<String> {
        let list = ListStreamsRequest {
            table_name: Some(table.to_owned()),
            ..Default::default()
        };
        let streams = self.0.list_streams(list).map_err(|error| failed(&error))?.streams;
        let stream = streams.into_iter().next();
        let begin = GetShardIteratorRequest {
            stream_arn: stream
                .with_context(|| format!("{table} has no stream"))?
                .stream_arn,
            shard_id: dynoxide::streams::shard_id(table),
            shard_iterator_type: "TRIM_HORIZON".to_owned(),
            sequence_number: None,
        };
        let begin = self.0.get_shard_iterator(begin).map_err(|error| failed(&error))?;
        begin.shard_iterator.context("a stream without an iterator")
    }

    /// The actions that the store uses.
    fn carry_out(&self, action: &str, body: &[u8]) -> Result<String, DynoxideError> {
        let database = &self.0;
        match action {
            "GetItem" => write(&database.get_item(read(body)?)?),
            "PutItem" => write(&database.put_item(read(body)?)?),
            "DeleteItem" => write(&database.delete_item(read(body)?)?),
            "UpdateItem" => write(&database.update_item(read(body)?)?),
            "Query" => write(&database.query(read(body)?)?),
            "Scan" => write(&database.scan(read(body)?)?),
            "BatchGetItem" => write(&database.batch_get_item(read(body)?)?),
            "BatchWriteItem" => write(&database.batch_write_item(read(body)?)?),
            "TransactWriteItems" => write(&database.transact_write_items(read(body)?)?),
            "TransactGetItems" => write(&database.transact_get_items(read(body)?)?),
            unknown => Err(DynoxideError::InternalServerError(format!(
                "{unknown} has no wire: add it here"
            ))),
        }
    }
}

impl Database for Embedded {
    fn answer(&self, action: &str, body: &[u8]) -> (u16, String) {
        match self.carry_out(action, body) {
            Ok(answer) => (200, answer),
            Err(error) => (error.status_code(), error.to_json()),
        }
    }

    fn records(&self, table: &str, place: &mut Option<String>) -> anyhow::Result<Vec<Value>> {
        let mut records = Vec::new();
        let mut iterator = match place.take() {
            Some(iterator) => iterator,
            None => self.begin(table)?,
        };
        loop {
            let ask = GetRecordsRequest {
                shard_iterator: iterator,
                limit: None,
            };
            let answer = self.0.get_records(ask).map_err(|error| failed(&error))?;
            let next = answer.next_shard_iterator;
            iterator = next.context("a stream without an iterator")?;
            if answer.records.is_empty() {
                *place = Some(iterator);
                return Ok(records);
            }
            for record in answer.records {
                records.push(serde_json::to_value(record).context("write a stream record")?);
            }
        }
    }

    fn items_of_index(&self, table: &str, index: &str) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        let mut items = Vec::new();
        let mut from = None;
        loop {
            let scan = ScanRequest {
                table_name: table.to_owned(),
                index_name: Some(index.to_owned()),
                exclusive_start_key: from,
                ..ScanRequest::default()
            };
            let page = self.0.scan(scan).map_err(|error| failed(&error))?;
            for item in page.items.into_iter().flatten() {
                let text = |(name, value)| {
                    if let AttributeValue::S(text) = value {
                        Some((name, text))
                    } else {
                        None
                    }
                };
                items.push(item.into_iter().filter_map(text).collect());
            }
            from = page.last_evaluated_key;
            if from.is_none() {
                return Ok(items);
            }
        }
    }

    fn sweep_expired(&self) -> anyhow::Result<usize> {
        self.0.sweep_ttl().map_err(|error| failed(&error))
    }
}

/// An empty database with these tables.
fn create(ambient: &Ambient, tables: Vec<TableSpec>) -> anyhow::Result<Dynoxide> {
    let clock = Arc::new(AmbientClock(ambient.clone()));
    let database = Dynoxide::memory_with_clock(clock).map_err(|error| failed(&error))?;
    for table in tables {
        let create = serde_json::from_value(table.create).context("read the table's properties")?;
        database
            .create_table(create)
            .map_err(|error| failed(&error))
            .context("create a table")?;
        if let Some(time_to_live) = table.time_to_live {
            let update = serde_json::from_value(time_to_live).context("read the table's time to live")?;
            database
                .update_time_to_live(update)
                .map_err(|error| failed(&error))?;
        }
    }
    Ok(database)
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| DynoxideError::SerializationException(error.to_string()))
}

fn write<T: Serialize>(answer: &T) -> Result<String, DynoxideError> {
    serde_json::to_string(answer).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

/// A whole one behind a port: what serves it, its URL, and itself.
pub(in super::super) async fn serve(
    ambient: &Ambient,
    tables: Vec<TableSpec>,
) -> anyhow::Result<(Loopback, String, Arc<dyn Database>)> {
    let database = create(ambient, tables)?;
    let (listener, url) = free_port().await?;
    let served = database.clone();
    let serving =
        Loopback::start(|until| dynoxide::server::serve_with_shutdown(listener, served, stopped(until)));
    Ok((serving, url, Arc::new(Embedded(database))))
}

fn failed(error: &DynoxideError) -> anyhow::Error {
    anyhow!("the embedded database: {error:?}")
}
