//! `DynamoDB` in this process: dynoxide in memory, behind a port of its own.
//!
//! Knows how tables get from the template into it. It must not know what is kept in them.

use std::sync::Arc;

use ambient::Ambient;
use anyhow::{Context as _, anyhow};
use dynoxide::storage_backend::Clock;
use dynoxide::{Database, DynoxideError};

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
