//! `DynamoDB` in this process: a whole one, a fast one, or both at once to be compared.
//!
//! Knows what the rest of the stack asks of whichever it is. It must not know what is kept in the tables.

mod compared;
mod embedded;
mod modelled;

use std::collections::BTreeMap;
use std::sync::Arc;

use ambient::Ambient;
use serde_json::Value;

use super::template::TableSpec;

pub(super) use embedded::serve;

use compared::Compared;
use embedded::Embedded;
use modelled::Modelled;

/// Which one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// dynoxide: all of `DynamoDB`.
    Whole,
    /// [`dynamodb_model`]: what the store uses of it, many times faster.
    #[default]
    Model,
    /// Both, and a panic where they differ in what they answer.
    Compared,
}

/// What the stack asks of it.
pub(super) trait Database: Send + Sync {
    /// The status and the body of the answer to a request.
    fn answer(&self, action: &str, body: &[u8]) -> (u16, String);

    /// The records of a table's stream behind a place, as a function is told of them; the place is put behind them.
    /// `None`: the stream's beginning. A stream has one reader: what it has read may be forgotten.
    fn records(&self, table: &str, place: &mut Option<String>) -> anyhow::Result<Vec<Value>>;

    /// The items of an index, each with those of its attributes that are texts.
    fn items_of_index(&self, table: &str, index: &str) -> anyhow::Result<Vec<BTreeMap<String, String>>>;

    /// Deletes the items whose time to live is over. Answers how many.
    fn sweep_expired(&self) -> anyhow::Result<usize>;
}

/// One with these tables, all empty.
pub(super) fn create(
    kind: Kind,
    ambient: &Ambient,
    tables: Vec<TableSpec>,
) -> anyhow::Result<Arc<dyn Database>> {
    Ok(match kind {
        Kind::Whole => Arc::new(Embedded::new(ambient, tables)?),
        Kind::Model => Arc::new(Modelled::new(ambient, &tables)?),
        Kind::Compared => {
            let model = Modelled::new(ambient, &tables)?;
            Arc::new(Compared::new(Embedded::new(ambient, tables)?, model))
        }
    })
}

/// The texts among the attributes of an item as it is on the wire.
fn texts<'i>(attributes: impl IntoIterator<Item = (&'i String, &'i Value)>) -> BTreeMap<String, String> {
    let attributes = attributes.into_iter();
    attributes
        .filter_map(|(name, value)| Some((name.clone(), value.get("S")?.as_str()?.to_owned())))
        .collect()
}
