//! An ear on the event bus: a rule, a queue behind it, and what has come out of that, as a consumer would hear it.
//!
//! Knows what a consumer of events may know. Events come at least once and in any order: the same one is kept once, and
//! those of a contact are put in order by their versions.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use aws_sdk_sqs::types::DeleteMessageBatchRequestEntry;
use serde_json::{Value, json};

use crate::scene::Scene;

pub(crate) struct Ear {
    name: &'static str,
    bus: String,
    queue: String,
    heard: BTreeMap<(String, u64, String), (String, Value)>,
}

impl Ear {
    /// Hears everything from now on. `name` is the rule's and the queue's.
    pub(crate) fn on(scene: &Scene, name: &'static str) -> Result<Self> {
        let call = |service, operation, ask: Value| scene.stack.call(service, operation, &ask);
        let bus = scene.stack.output("EventBusName")?.to_owned();
        let queue = call("sqs", "CreateQueue", json!({ "QueueName": name }))?;
        let queue = queue["QueueUrl"].as_str().context("no queue")?.to_owned();
        let ask = json!({ "QueueUrl": queue, "AttributeNames": ["QueueArn"] });
        let arn = call("sqs", "GetQueueAttributes", ask)?["Attributes"]["QueueArn"].take();
        let pattern = json!({ "source": ["outlook-contact-sync"] }).to_string();
        let rule = json!({ "Name": name, "EventBusName": bus, "EventPattern": pattern });
        let rule = call("events", "PutRule", rule)?["RuleArn"].take();
        let statement = json!({
            "Effect": "Allow",
            "Principal": { "Service": "events.amazonaws.com" },
            "Action": "sqs:SendMessage",
            "Resource": arn,
            "Condition": { "ArnEquals": { "aws:SourceArn": rule } },
        });
        let policy = json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let attributes = json!({ "QueueUrl": queue, "Attributes": { "Policy": policy } });
        call("sqs", "SetQueueAttributes", attributes)?;
        let targets = json!([{ "Id": "queue", "Arn": arn }]);
        let targets = json!({ "Rule": name, "EventBusName": bus, "Targets": targets });
        call("events", "PutTargets", targets)?;
        Ok(Self {
            name,
            bus,
            queue,
            heard: BTreeMap::new(),
        })
    }

    /// Takes what there is.
    pub(crate) async fn listen(&mut self, scene: &Scene) -> Result<()> {
        loop {
            let ask = scene.sqs.receive_message().queue_url(&self.queue);
            let answer = ask.max_number_of_messages(10).send().await?;
            let mut done = Vec::new();
            for message in answer.messages.unwrap_or_default() {
                let mut event: Value = serde_json::from_str(&message.body.context("no body")?)?;
                let mut detail = event["detail"].take();
                let (kind, id) = (event["detail-type"].as_str(), detail["id"].as_str());
                let (kind, id) = kind.zip(id).context("no event")?;
                let subject = detail["subject"].as_str().unwrap_or_default().to_owned();
                let version = detail["data"]["version"].as_u64().unwrap_or_default();
                let key = (subject, version, id.to_owned());
                self.heard.insert(key, (kind.to_owned(), detail["data"].take()));
                let entry = DeleteMessageBatchRequestEntry::builder()
                    .id(done.len().to_string())
                    .set_receipt_handle(message.receipt_handle)
                    .build()?;
                done.push(entry);
            }
            if done.is_empty() {
                return Ok(());
            }
            let delete = scene.sqs.delete_message_batch().queue_url(&self.queue);
            delete.set_entries(Some(done)).send().await?;
        }
    }

    /// What was told of a contact, in the order of its versions: kinds, and what each says.
    pub(crate) fn of_contact(&self, contact: &str) -> Vec<&(String, Value)> {
        let told = self.heard.values();
        told.filter(|(_, data)| data["contactId"] == contact).collect()
    }

    /// The same of everything in a mailbox, contact by contact.
    pub(crate) fn of_mailbox(&self, mailbox: &str) -> Vec<(String, Value)> {
        let told = self.heard.values();
        told.filter(|(_, data)| data["mailbox"] == mailbox)
            .cloned()
            .collect()
    }

    pub(crate) fn off(self, scene: &Scene) -> Result<()> {
        let targets = json!({ "Rule": self.name, "EventBusName": self.bus, "Ids": ["queue"] });
        scene.stack.call("events", "RemoveTargets", &targets)?;
        let rule = json!({ "Name": self.name, "EventBusName": self.bus });
        scene.stack.call("events", "DeleteRule", &rule)?;
        let queue = json!({ "QueueUrl": self.queue });
        scene.stack.call("sqs", "DeleteQueue", &queue).map(|_| ())
    }
}
