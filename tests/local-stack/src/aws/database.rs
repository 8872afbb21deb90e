//! `DynamoDB` in this process: dynoxide in memory, behind a port of its own.
//!
//! Knows how tables get from the template into it. It must not know what is kept in them.

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Ambient;
use anyhow::{Context as _, anyhow};
use dynoxide::actions::scan::ScanRequest;
use dynoxide::storage_backend::Clock;
use dynoxide::{AttributeValue, Database, DynoxideError};

use super::server::{Loopback, free_port, stopped};
use super::template::TableSpec;

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

/// An empty database with these tables.
pub(super) fn create(ambient: Ambient, tables: Vec<TableSpec>) -> anyhow::Result<Database> {
    let database =
        Database::memory_with_clock(Arc::new(AmbientClock(ambient))).map_err(|error| failed(&error))?;
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

/// No change of the table is told from now on.
pub(super) fn disable_stream(database: &Database, table: &str) -> anyhow::Result<()> {
    let update = serde_json::json!({ "TableName": table, "StreamSpecification": { "StreamEnabled": false } });
    let update = serde_json::from_value(update).context("name the stream")?;
    database.update_table(update).map_err(|error| failed(&error))?;
    Ok(())
}

/// The items of an index, each with those of its attributes that are texts.
pub(super) fn items_of_index(
    database: &Database,
    table: &str,
    index: &str,
) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
    let mut items = Vec::new();
    let mut from = None;
    loop {
        let page = database
            .scan(ScanRequest {
                table_name: table.to_owned(),
                index_name: Some(index.to_owned()),
                exclusive_start_key: from,
                ..ScanRequest::default()
            })
            .map_err(|error| failed(&error))?;
        let texts = page.items.into_iter().flatten().map(|item| {
            let text = |(name, value)| {
                if let AttributeValue::S(text) = value {
                    Some((name, text))
                } else {
                    None
                }
            };
            item.into_iter().filter_map(text).collect()
        });
        items.extend(texts);
        from = page.last_evaluated_key;
        if from.is_none() {
            return Ok(items);
        }
    }
}

/// Serves the database; answers its URL.
pub(super) async fn serve(database: Database) -> anyhow::Result<(Loopback, String)> {
    let (listener, url) = free_port().await?;
    let serving =
        Loopback::start(|until| dynoxide::server::serve_with_shutdown(listener, database, stopped(until)));
    Ok((serving, url))
}

pub(super) fn failed(error: &DynoxideError) -> anyhow::Error {
    anyhow!("the embedded database: {error:?}")
}
