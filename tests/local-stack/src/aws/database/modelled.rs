//! The fast one: [`DynamoDb`]. Knows how tables get from the template into it.

use std::collections::BTreeMap;

use ambient::Ambient;
use anyhow::Context as _;
use dynamodb_model::DynamoDb;
use serde_json::Value;

use super::super::template::TableSpec;
use super::{Database, texts};

pub(super) struct Modelled(DynamoDb);

impl Modelled {
    pub(super) fn new(ambient: &Ambient, tables: &[TableSpec]) -> anyhow::Result<Self> {
        let database = DynamoDb::new(ambient.clone());
        for table in tables {
            database.create_table(&table.create).context("create a table")?;
            if let Some(time_to_live) = &table.time_to_live {
                let attribute = &time_to_live["TimeToLiveSpecification"]["AttributeName"];
                let name = time_to_live["TableName"].as_str();
                let (Some(name), Some(attribute)) = (name, attribute.as_str()) else {
                    anyhow::bail!("a time to live without an attribute");
                };
                database.expire_by(name, attribute)?;
            }
        }
        Ok(Self(database))
    }
}

impl Database for Modelled {
    fn answer(&self, action: &str, body: &[u8]) -> (u16, String) {
        match self.0.answer(action, body) {
            Ok(answer) => (200, answer),
            Err(refusal) => (refusal.status(), refusal.body().to_string()),
        }
    }

    fn records(&self, table: &str, place: &mut Option<String>) -> anyhow::Result<Vec<Value>> {
        let behind = place.as_deref().map_or(Ok(0), str::parse)?;
        let (records, behind) = self.0.records(table, behind)?;
        *place = Some(behind.to_string());
        Ok(records.iter().map(dynamodb_model::Record::event).collect())
    }

    fn items_of_index(&self, table: &str, index: &str) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        let items = self.0.items_of_index(table, index)?;
        Ok(items.iter().map(|item| texts(item.as_ref())).collect())
    }

    fn sweep_expired(&self) -> anyhow::Result<usize> {
        Ok(self.0.sweep_expired())
    }
}
