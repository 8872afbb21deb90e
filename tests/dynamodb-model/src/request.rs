//! The requests that are understood. What they may ask and the model doesn't know is refused by not being here.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Item, Refusal};

pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| Refusal::NotModelled(format!("the request ({error})")))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Get {
    pub(crate) table_name: String,
    pub(crate) key: Item,
    #[serde(rename = "ConsistentRead")]
    pub(crate) _consistent_read: Option<bool>,
    #[serde(rename = "ReturnConsumedCapacity")]
    pub(crate) _capacity: Option<String>,
}

/// A put of an item, or a delete of a key.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Write {
    pub(crate) table_name: String,
    pub(crate) item: Option<Item>,
    pub(crate) key: Option<Item>,
    pub(crate) condition_expression: Option<String>,
    #[serde(default)]
    pub(crate) expression_attribute_names: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) expression_attribute_values: Item,
    pub(crate) return_values_on_condition_check_failure: Option<String>,
    #[serde(rename = "ReturnConsumedCapacity")]
    pub(crate) _capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Query {
    pub(crate) table_name: String,
    pub(crate) index_name: Option<String>,
    pub(crate) key_condition_expression: String,
    pub(crate) filter_expression: Option<String>,
    pub(crate) projection_expression: Option<String>,
    #[serde(default)]
    pub(crate) expression_attribute_names: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) expression_attribute_values: Item,
    pub(crate) exclusive_start_key: Option<Item>,
    pub(crate) scan_index_forward: Option<bool>,
    pub(crate) limit: Option<usize>,
    pub(crate) select: Option<String>,
    pub(crate) consistent_read: Option<bool>,
    #[serde(rename = "ReturnConsumedCapacity")]
    pub(crate) _capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchGet {
    pub(crate) request_items: BTreeMap<String, KeysAndAttributes>,
    #[serde(rename = "ReturnConsumedCapacity")]
    pub(crate) _capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct KeysAndAttributes {
    pub(crate) keys: Vec<Item>,
    #[serde(rename = "ConsistentRead")]
    pub(crate) _consistent_read: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct BatchWrite {
    pub(crate) request_items: BTreeMap<String, Vec<BatchedWrite>>,
    #[serde(rename = "ReturnConsumedCapacity")]
    pub(crate) _capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum BatchedWrite {
    #[serde(rename = "PutRequest")]
    Put {
        #[serde(rename = "Item")]
        item: Item,
    },
    #[serde(rename = "DeleteRequest")]
    Delete {
        #[serde(rename = "Key")]
        key: Item,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct TransactWrite {
    pub(crate) client_request_token: Option<String>,
    /// Unread, since a token that comes again is compared with what it came with.
    pub(crate) transact_items: Value,
    #[serde(rename = "ReturnConsumedCapacity")]
    pub(crate) _capacity: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) enum TransactItem {
    Put(Write),
    Delete(Write),
}

impl Write {
    /// What has the keys that it is about.
    pub(crate) fn about(&self) -> Result<&Item, Refusal> {
        match (&self.item, &self.key) {
            (Some(about), None) | (None, Some(about)) => Ok(about),
            (Some(_), Some(_)) | (None, None) => {
                Err(Refusal::Invalid("neither an item nor a key, or both".to_owned()))
            }
        }
    }
}

/// The parts of a projection: names of the top level.
pub(crate) fn names(expression: &str) -> impl Iterator<Item = &str> {
    expression.split(',').map(str::trim)
}
