//! Batches of SQS messages, and the answer that says which of them are to come again.
//!
//! Knows that the order within a message group is kept: once a message has failed, the later ones of its group fail
//! too, since SQS would otherwise delete them and deliver the failed one after its successors. Must not know what
//! the messages say.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};

/// One message, as a function needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// SQS's id of the message: how the answer names it.
    pub id: String,
    /// The message group; `None` on a standard queue.
    pub group: Option<String>,
    /// What deletes or hides the message.
    pub receipt_handle: String,
    /// What was sent.
    pub body: String,
    /// How often the message has been received, this time included.
    pub receives: u32,
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// SQS may delete it.
    Done,
    /// It comes again when its visibility timeout ends, or goes to the dead-letter queue.
    Again,
}

/// The messages of an event, in its order.
pub fn messages(event: SqsEvent) -> Vec<Message> {
    event.records.into_iter().map(Message::from).collect()
}

/// The messages by group, each group in order: one piece of work per group. Messages without a group stand alone.
pub fn by_group(messages: Vec<Message>) -> Vec<Vec<Message>> {
    let mut groups: Vec<Vec<Message>> = Vec::new();
    let mut places = BTreeMap::new();
    for message in messages {
        let place = match &message.group {
            Some(group) => *places.entry(group.clone()).or_insert(groups.len()),
            None => groups.len(),
        };
        match groups.get_mut(place) {
            Some(group) => group.push(message),
            None => groups.push(vec![message]),
        }
    }
    groups
}

/// The answer for outcomes given in the order of the batch (of each group, at least).
pub fn answer<'a>(outcomes: impl IntoIterator<Item = (&'a Message, Outcome)>) -> SqsBatchResponse {
    let mut answer = SqsBatchResponse::default();
    let mut stopped = BTreeSet::new();
    for (message, outcome) in outcomes {
        let follows_a_failure = message
            .group
            .as_ref()
            .is_some_and(|group| stopped.contains(group));
        if outcome == Outcome::Again || follows_a_failure {
            answer.add_failure(&message.id);
            stopped.extend(message.group.clone());
        }
    }
    answer
}

/// Handles the messages of an event one by one, and logs each failure. Once one of a group has failed, the later ones
/// of that group are not begun.
pub async fn run_batch<E: Display>(
    event: SqsEvent,
    mut handle: impl AsyncFnMut(&Message) -> Result<(), E>,
) -> SqsBatchResponse {
    let messages = messages(event);
    let mut outcomes = Vec::with_capacity(messages.len());
    let mut stopped = BTreeSet::new();
    for message in &messages {
        let mut outcome = Outcome::Again;
        if message
            .group
            .as_ref()
            .is_none_or(|group| !stopped.contains(group))
        {
            match handle(message).await {
                Ok(()) => outcome = Outcome::Done,
                Err(error) => {
                    tracing::error!(
                        message.id,
                        message.receives,
                        error = format!("{error:#}"),
                        "a message failed"
                    );
                    stopped.extend(message.group.clone());
                }
            }
        }
        outcomes.push((message, outcome));
    }
    answer(outcomes)
}

impl From<SqsMessage> for Message {
    fn from(mut message: SqsMessage) -> Self {
        let receives = message
            .attributes
            .get("ApproximateReceiveCount")
            .and_then(|count| count.parse().ok());
        Self {
            // Lambda always sends an id. Were it missing, the empty one would make SQS repeat the whole batch,
            // which is right.
            id: message.message_id.unwrap_or_default(),
            group: message.attributes.remove("MessageGroupId"),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            receives: receives.unwrap_or(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A batch out of `group:id` words; a standard queue's messages have no group.
    fn batch(words: &str) -> SqsEvent {
        let record = |word: &str| {
            let (group, id) = word.split_once(':').unwrap();
            let group = (!group.is_empty())
                .then(|| json!({ "MessageGroupId": group }))
                .unwrap_or(json!({}));
            json!({ "messageId": id, "body": id, "receiptHandle": "r", "attributes": group })
        };
        serde_json::from_value(json!({ "Records": words.split(' ').map(record).collect::<Vec<_>>() }))
            .unwrap()
    }

    async fn check(words: &str, failing: &str, begun: &str, comes_again: &str) {
        let mut seen = Vec::new();
        let answer = run_batch(batch(words), async |message: &Message| {
            seen.push(message.id.clone());
            if failing.contains(&message.body) {
                Err("no")
            } else {
                Ok(())
            }
        })
        .await;
        let again: Vec<_> = answer
            .batch_item_failures
            .iter()
            .map(|item| item.item_identifier.as_str())
            .collect();
        assert_eq!(
            (seen.join(" ").as_str(), again.join(" ").as_str()),
            (begun, comes_again),
            "{words}"
        );
    }

    #[tokio::test]
    async fn a_failure_stops_its_own_group_and_no_other() {
        check("a:1 b:2 a:3 b:4", "-", "1 2 3 4", "").await;
        check("a:1 b:2 a:3 b:4", "1", "1 2 4", "1 3").await;
        check("a:1 b:2 a:3 b:4", "4", "1 2 3 4", "4").await;
        check(":1 :2 :3", "2", "1 2 3", "2").await;
    }

    #[test]
    fn messages_are_gathered_by_group_in_order() {
        let groups = by_group(messages(batch("a:1 b:2 a:3 :4 :5")));
        let ids: Vec<Vec<_>> = groups
            .iter()
            .map(|group| group.iter().map(|m| m.id.as_str()).collect())
            .collect();
        assert_eq!(ids, [vec!["1", "3"], vec!["2"], vec!["4"], vec!["5"]]);
    }

    #[test]
    fn what_follows_a_failure_in_its_group_comes_again_even_when_it_was_done() {
        let messages = messages(batch("a:1 a:2 b:3"));
        let outcomes = [Outcome::Again, Outcome::Done, Outcome::Done];
        let answer = answer(messages.iter().zip(outcomes));
        assert_eq!(
            serde_json::to_value(answer).unwrap(),
            json!({
                "batchItemFailures": [{ "itemIdentifier": "1" }, { "itemIdentifier": "2" }]
            })
        );
    }
}
