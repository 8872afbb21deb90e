//! `DynamoDB` as the store uses it, in memory: items, indexes, conditions, transactions, streams, times to live.
//!
//! Knows the service's JSON on the wire, and as much of its rules as the requests of `contact-store` touch. Whatever a request
//! asks beyond them is refused, never passed over: [`Refusal::NotModelled`]. What it leaves out: consumed capacity,
//! throttling, and pages of 1 MB. It is trusted as far as it answers as a whole `DynamoDB` does: `local-stack` can ask both
//! and compare. Must not know what is kept in the tables.

mod actions;
mod expression;
mod refusal;
mod request;
mod table;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambient::Ambient;
use serde_json::{Map, Value};

pub use refusal::{Refusal, Verdict};
pub use table::Record;

use actions::Tokens;
use table::Table;

/// An item as it is on the wire: names to `{"S": "…"}`.
pub type Item = Map<String, Value>;

/// Tables. Clones are handles of the same ones.
#[derive(Clone)]
pub struct DynamoDb(Arc<Inner>);

struct Inner {
    ambient: Ambient,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    tables: BTreeMap<String, Table>,
    tokens: Tokens,
}

impl DynamoDb {
    /// No tables yet. Records, tokens and times to live go by this clock.
    pub fn new(ambient: Ambient) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Inner { ambient, state }))
    }

    /// Makes a table from the parameters of `CreateTable`.
    pub fn create_table(&self, parameters: &Value) -> Result<(), Refusal> {
        let table = Table::new(parameters)?;
        self.lock().tables.insert(table.name().to_owned(), table);
        Ok(())
    }

    /// Items go when the time in this attribute is over, with the next [sweep](Self::sweep_expired).
    pub fn expire_by(&self, table: &str, attribute: &str) -> Result<(), Refusal> {
        self.lock().table(table)?.expire_by(attribute);
        Ok(())
    }

    /// Answers a request: an action's name, and its body.
    pub fn answer(&self, action: &str, body: &[u8]) -> Result<String, Refusal> {
        let now = self.0.ambient.now();
        self.lock().answer(action, body, now)
    }

    /// The records of a table's stream behind this place, and the place behind them. What is before the place is forgotten: a stream has
    /// one reader here.
    pub fn records(&self, table: &str, behind: u64) -> Result<(Vec<Record>, u64), Refusal> {
        Ok(self.lock().table(table)?.records(behind))
    }

    /// Deletes the items whose time to live is over, as the service does in its own time. Answers how many.
    pub fn sweep_expired(&self) -> usize {
        let now = self.0.ambient.now();
        self.lock()
            .tables
            .values_mut()
            .map(|table| table.sweep(now))
            .sum()
    }

    /// The items of an index, whole, in its order.
    pub fn items_of_index(&self, table: &str, index: &str) -> Result<Vec<Arc<Item>>, Refusal> {
        Ok(self.lock().table(table)?.index(index)?.all().cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn table(&mut self, name: &str) -> Result<&mut Table, Refusal> {
        self.tables.get_mut(name).ok_or(Refusal::NoTable)
    }
}
