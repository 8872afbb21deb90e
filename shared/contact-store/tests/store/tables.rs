//! The tables as `template.yaml` describes them, so that keys, indexes and code can't part.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType, TimeToLiveSpecification,
};
use serde::Deserialize;
use serde_norway::Value;

const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

/// The part of `AWS::DynamoDB::Table` that a test needs.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct TableProperties {
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<Key>,
    #[serde(default)]
    global_secondary_indexes: Vec<Index>,
    time_to_live_specification: TimeToLive,
    pub(crate) stream_specification: Option<Stream>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Key {
    attribute_name: String,
    key_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Index {
    #[serde(rename = "IndexName")]
    name: String,
    key_schema: Vec<Key>,
    projection: Projected,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Projected {
    projection_type: String,
    #[serde(default)]
    non_key_attributes: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Stream {
    pub(crate) stream_view_type: String,
}

/// A table of the template, by its logical name.
pub(crate) fn described(logical_name: &str) -> TableProperties {
    let text = std::fs::read_to_string(TEMPLATE).expect("template.yaml can be read");
    let template = untagged(serde_norway::from_str(&text).expect("template.yaml is YAML"));
    let resource = &template["Resources"][logical_name];
    assert_eq!(resource["Type"], "AWS::DynamoDB::Table", "{logical_name}");
    serde_norway::from_value(resource["Properties"].clone()).expect("a table's properties")
}

/// Creates a table of the template under its logical name.
pub(crate) async fn create(client: &Client, logical_name: &str) {
    let table = described(logical_name);
    let attributes = table.attribute_definitions.into_iter().map(|attribute| {
        AttributeDefinition::builder()
            .attribute_name(attribute.attribute_name)
            .attribute_type(ScalarAttributeType::from(attribute.attribute_type.as_str()))
            .build()
            .unwrap()
    });
    let indexes: Vec<_> = table.global_secondary_indexes.into_iter().map(index).collect();
    client
        .create_table()
        .table_name(logical_name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_attribute_definitions(Some(attributes.collect()))
        .set_key_schema(Some(key_schema(table.key_schema)))
        .set_global_secondary_indexes((!indexes.is_empty()).then_some(indexes))
        .send()
        .await
        .unwrap();
    let ttl = TimeToLiveSpecification::builder()
        .attribute_name(table.time_to_live_specification.attribute_name)
        .enabled(table.time_to_live_specification.enabled)
        .build()
        .unwrap();
    client
        .update_time_to_live()
        .table_name(logical_name)
        .time_to_live_specification(ttl)
        .send()
        .await
        .unwrap();
}

fn index(index: Index) -> GlobalSecondaryIndex {
    let included = index.projection.non_key_attributes;
    let projection = Projection::builder()
        .projection_type(ProjectionType::from(index.projection.projection_type.as_str()))
        .set_non_key_attributes((!included.is_empty()).then_some(included))
        .build();
    GlobalSecondaryIndex::builder()
        .index_name(index.name)
        .set_key_schema(Some(key_schema(index.key_schema)))
        .projection(projection)
        .build()
        .unwrap()
}

fn key_schema(keys: Vec<Key>) -> Vec<KeySchemaElement> {
    let element = |key: Key| {
        let key_type = KeyType::from(key.key_type.as_str());
        KeySchemaElement::builder()
            .attribute_name(key.attribute_name)
            .key_type(key_type)
            .build()
            .unwrap()
    };
    keys.into_iter().map(element).collect()
}

/// The same YAML without `CloudFormation`'s short tags: `!Ref X` reads as `X`.
fn untagged(value: Value) -> Value {
    match value {
        Value::Tagged(tagged) => untagged(tagged.value),
        Value::Sequence(values) => values.into_iter().map(untagged).collect(),
        Value::Mapping(members) => members
            .into_iter()
            .map(|(name, value)| (name, untagged(value)))
            .collect::<serde_norway::Mapping>()
            .into(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value,
    }
}

#[test]
fn the_history_has_no_stream() {
    assert!(described("HistoryTable").stream_specification.is_none());
}

#[test]
fn the_tables_of_what_is_now_stream_both_images() {
    for table in ["ContactsTable", "StateTable"] {
        let stream = described(table).stream_specification.expect("a stream");
        assert_eq!(stream.stream_view_type, "NEW_AND_OLD_IMAGES");
    }
}
