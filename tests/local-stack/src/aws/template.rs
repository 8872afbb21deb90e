//! What `template.yaml` says about tables, their streams and queues, so that the local stack can't drift from the deployed one.
//!
//! Knows as much of `CloudFormation` as these resources use: YAML with short tags, `!Ref` to a parameter with a
//! default, `!GetAtt X.Arn` of a dead-letter queue. It must not know who reads the tables and queues. Local names
//! are the logical ids.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context as _, anyhow};
use serde_json::{Map, Value, json};
use serde_norway::Value as Yaml;

use super::TEMPLATE;
use super::filter::Filter;
use super::queue::QueueSettings;
use super::streams::StreamSettings;

/// What `CreateTable` takes over from a table's properties; the rest (backups, encryption, deletion protection) has
/// no meaning here.
const TABLE_PROPERTIES: [&str; 4] = [
    "AttributeDefinitions",
    "KeySchema",
    "GlobalSecondaryIndexes",
    "BillingMode",
];

/// A template with its parameters' defaults filled in.
#[derive(Debug)]
pub(super) struct Template {
    resources: Map<String, Value>,
}

/// The template, read once in the life of the process.
pub(super) fn parsed() -> anyhow::Result<&'static Template> {
    static PARSED: OnceLock<Template> = OnceLock::new();
    if let Some(template) = PARSED.get() {
        return Ok(template);
    }
    let text = std::fs::read_to_string(TEMPLATE).with_context(|| format!("read {TEMPLATE}"))?;
    let template = Template::parse(&text)?;
    Ok(PARSED.get_or_init(|| template))
}

/// A table, as the API takes it.
#[derive(Debug)]
pub(super) struct TableSpec {
    /// The parameters of `CreateTable`.
    pub(super) create: Value,
    /// The parameters of `UpdateTimeToLive`, where the table has one.
    pub(super) time_to_live: Option<Value>,
}

/// A queue and the name of its dead-letter queue.
#[derive(Debug)]
pub(super) struct QueueSpec {
    pub(super) logical_id: String,
    pub(super) settings: QueueSettings,
    /// A logical id.
    pub(super) dead_letters: Option<String>,
}

impl Template {
    pub(super) fn parse(text: &str) -> anyhow::Result<Self> {
        let yaml: Yaml = serde_norway::from_str(text).context("parse the template")?;
        let defaults = defaults(&yaml);
        let resources = yaml.get("Resources").context("the template has no Resources")?;
        let Value::Object(resources) = plain(resources, &defaults) else {
            return Err(anyhow!("Resources is no mapping"));
        };
        Ok(Self { resources })
    }

    pub(super) fn tables(&self) -> anyhow::Result<Vec<TableSpec>> {
        let tables = self.of_type("AWS::DynamoDB::Table");
        tables
            .map(|(id, properties)| table(id, properties).with_context(|| format!("table {id}")))
            .collect()
    }

    /// Dead-letter queues before those that use them.
    pub(super) fn queues(&self) -> anyhow::Result<Vec<QueueSpec>> {
        let queues = self.of_type("AWS::SQS::Queue");
        let mut queues: Vec<QueueSpec> = queues
            .map(|(id, properties)| queue(id, properties).with_context(|| format!("queue {id}")))
            .collect::<anyhow::Result<_>>()?;
        queues.sort_by_key(|queue| queue.dead_letters.is_some());
        Ok(queues)
    }

    /// How the functions read the tables' streams: each stream by one function.
    pub(super) fn streams(&self) -> anyhow::Result<Vec<StreamSettings>> {
        let functions = self.of_type("AWS::Serverless::Function");
        let events = functions.filter_map(|(_, function)| function["Events"].as_object());
        let streams = events
            .flat_map(Map::values)
            .filter(|event| event["Type"] == "DynamoDB");
        streams.map(|event| stream(&event["Properties"])).collect()
    }

    /// True where the template has an event bus of this logical id.
    pub(super) fn has_bus(&self, id: &str) -> bool {
        self.of_type("AWS::Events::EventBus").any(|(bus, _)| bus == id)
    }

    fn of_type(&self, kind: &str) -> impl Iterator<Item = (&str, &Value)> {
        self.resources
            .iter()
            .filter(move |(_, resource)| resource["Type"] == kind)
            .map(|(id, resource)| (id.as_str(), &resource["Properties"]))
    }
}

fn table(id: &str, properties: &Value) -> anyhow::Result<TableSpec> {
    let mut create = json!({ "TableName": id });
    for name in TABLE_PROPERTIES {
        if let Some(value) = properties.get(name) {
            create[name] = value.clone();
        }
    }
    if let Some(stream) = properties.get("StreamSpecification") {
        let view = stream
            .get("StreamViewType")
            .context("StreamSpecification without StreamViewType")?;
        create["StreamSpecification"] = json!({ "StreamEnabled": true, "StreamViewType": view });
    }
    let time_to_live = properties
        .get("TimeToLiveSpecification")
        .map(|specification| json!({ "TableName": id, "TimeToLiveSpecification": specification }));
    Ok(TableSpec { create, time_to_live })
}

fn queue(id: &str, properties: &Value) -> anyhow::Result<QueueSpec> {
    let fifo = properties["FifoQueue"] == true;
    let scope = properties.get("DeduplicationScope");
    let redrive = properties.get("RedrivePolicy");
    if fifo && redrive.is_some() && scope.is_none_or(|scope| scope != "messageGroup") {
        return Err(anyhow!("only DeduplicationScope messageGroup is modelled"));
    }
    if properties["ContentBasedDeduplication"] == true || properties.get("DelaySeconds").is_some() {
        return Err(anyhow!(
            "ContentBasedDeduplication and DelaySeconds are not modelled"
        ));
    }
    let seconds = properties
        .get("VisibilityTimeout")
        .map_or(Some(30), Value::as_u64);
    let settings = QueueSettings {
        name: if fifo { format!("{id}.fifo") } else { id.to_owned() },
        visibility_timeout: Duration::from_secs(seconds.context("VisibilityTimeout is no number")?),
        max_receive_count: redrive.map(max_receive_count).transpose()?,
    };
    let dead_letters = redrive.map(dead_letter_queue).transpose()?;
    Ok(QueueSpec {
        logical_id: id.to_owned(),
        settings,
        dead_letters,
    })
}

fn stream(properties: &Value) -> anyhow::Result<StreamSettings> {
    let of = properties["Stream"]["!GetAtt"].as_str();
    let table = of.and_then(|of| of.strip_suffix(".StreamArn"));
    let table = table.context("Stream is no !GetAtt of a table's StreamArn")?;
    let number = |name: &str| {
        let number = properties[name].as_u64();
        number.with_context(|| format!("{name} of the stream of {table} is no number"))
    };
    let answers = properties["FunctionResponseTypes"].to_string();
    if !answers.contains("ReportBatchItemFailures") {
        return Err(anyhow!("only ReportBatchItemFailures is modelled"));
    }
    let filters = properties["FilterCriteria"]["Filters"].as_array();
    let patterns = filters.into_iter().flatten().map(|filter| {
        let pattern = filter["Pattern"].as_str();
        Filter::parse(pattern.context("a filter without a pattern")?)
    });
    Ok(StreamSettings {
        table: table.to_owned(),
        batch_size: usize::try_from(number("BatchSize")?)?,
        filters: patterns.collect::<anyhow::Result<_>>()?,
        max_retries: u32::try_from(number("MaximumRetryAttempts")?)?,
    })
}

fn max_receive_count(redrive: &Value) -> anyhow::Result<u32> {
    let count = redrive["maxReceiveCount"]
        .as_u64()
        .and_then(|count| u32::try_from(count).ok());
    count.context("maxReceiveCount is no number")
}

fn dead_letter_queue(redrive: &Value) -> anyhow::Result<String> {
    let target = redrive["deadLetterTargetArn"]["!GetAtt"].as_str();
    let id = target.and_then(|target| target.strip_suffix(".Arn"));
    Ok(id
        .context("deadLetterTargetArn is no !GetAtt of a queue's Arn")?
        .to_owned())
}

fn defaults(template: &Yaml) -> BTreeMap<String, Value> {
    let parameters = template.get("Parameters").and_then(Yaml::as_mapping);
    parameters
        .into_iter()
        .flatten()
        .filter_map(|(name, parameter)| {
            Some((
                name.as_str()?.to_owned(),
                plain(parameter.get("Default")?, &BTreeMap::new()),
            ))
        })
        .collect()
}

/// The value as JSON: `!Ref` to a parameter is its default, any other tag a member of its name.
fn plain(yaml: &Yaml, defaults: &BTreeMap<String, Value>) -> Value {
    match yaml {
        Yaml::Null => Value::Null,
        Yaml::Bool(truth) => json!(truth),
        Yaml::Number(number) => json!(number),
        Yaml::String(text) => json!(text),
        Yaml::Sequence(items) => items.iter().map(|item| plain(item, defaults)).collect(),
        Yaml::Mapping(members) => members
            .iter()
            .filter_map(|(name, value)| Some((name.as_str()?.to_owned(), plain(value, defaults))))
            .collect(),
        Yaml::Tagged(tagged) => {
            let of = tagged.value.as_str();
            match of
                .and_then(|name| defaults.get(name))
                .filter(|_| tagged.tag == "Ref")
            {
                Some(default) => default.clone(),
                None => json!({ tagged.tag.to_string(): plain(&tagged.value, defaults) }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = "
Parameters:
  Patience: { Type: Number, Default: 150 }
Resources:
  Function:
    Type: AWS::Serverless::Function
    Properties: { Name: !Sub '${AWS::StackName}-f', Policies: !If [Traced, [a], !Ref AWS::NoValue] }
  Jobs:
    Type: AWS::SQS::Queue
    Properties:
      FifoQueue: true
      DeduplicationScope: messageGroup
      VisibilityTimeout: !Ref Patience
      RedrivePolicy: { deadLetterTargetArn: !GetAtt LostJobs.Arn, maxReceiveCount: 8 }
  LostJobs: { Type: AWS::SQS::Queue, Properties: { FifoQueue: true } }
  Things:
    Type: AWS::DynamoDB::Table
    Properties:
      DeletionProtectionEnabled: !Ref Protect
      KeySchema: [{ AttributeName: id, KeyType: HASH }]
      StreamSpecification: { StreamViewType: KEYS_ONLY }
";

    #[test]
    fn tables_and_queues_are_found_among_other_resources_and_short_tags() {
        let template = Template::parse(TEMPLATE).unwrap();

        let tables = template.tables().unwrap();
        let expected = json!({
            "TableName": "Things",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "KEYS_ONLY" },
        });
        assert_eq!(tables[0].create, expected);

        let queues = template.queues().unwrap();
        let [lost, jobs] = &queues[..] else {
            panic!("two queues, dead letters first: {queues:?}")
        };
        assert_eq!(
            (lost.settings.name.as_str(), &lost.dead_letters),
            ("LostJobs.fifo", &None)
        );
        assert_eq!(jobs.settings.visibility_timeout.as_secs(), 150);
        assert_eq!(jobs.settings.max_receive_count, Some(8));
        assert_eq!(jobs.dead_letters.as_deref(), Some("LostJobs"));
    }

    #[test]
    fn what_the_model_would_get_wrong_is_refused() {
        let loose = TEMPLATE.replace("DeduplicationScope: messageGroup", "DeduplicationScope: queue");
        assert!(Template::parse(&loose).unwrap().queues().is_err());
        let unknown = TEMPLATE.replace("!Ref Patience", "!Ref NoSuchParameter");
        assert!(Template::parse(&unknown).unwrap().queues().is_err());
    }
}
