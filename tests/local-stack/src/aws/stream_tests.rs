//! The tables' streams and the event bus as a function sees them, on a clock that jumps.

use std::time::Duration;

use aws_lambda_events::event::streams::{DynamoDbBatchItemFailure, DynamoDbEventResponse};
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use jiff::Timestamp;

use super::*;

struct Scene {
    aws: LocalAws,
    ambient: Ambient,
    contacts: LocalStream,
}

/// What a function answers; its error has nothing to say.
type Answer = Result<DynamoDbEventResponse, ()>;

fn done() -> DynamoDbEventResponse {
    DynamoDbEventResponse::default()
}

/// From this record of the batch on it is to come again.
fn from(batch: &StreamBatch, at: usize) -> DynamoDbEventResponse {
    let mut failure = DynamoDbBatchItemFailure::default();
    failure.item_identifier = batch.event.records[at].change.sequence_number.clone();
    let mut answer = DynamoDbEventResponse::default();
    answer.batch_item_failures.push(failure);
    answer
}

fn names(batch: &StreamBatch) -> Vec<String> {
    let records = batch.event.records.iter();
    let name = |record: &aws_lambda_events::event::dynamodb::EventRecord| {
        let key = serde_json::to_value(&record.change.keys).unwrap();
        let sort = key.get("contact_id").or(key.get("sk")).unwrap();
        sort["S"].as_str().unwrap().to_owned()
    };
    records.map(name).collect()
}

impl Scene {
    async fn new() -> Self {
        let start: Timestamp = "2026-11-23T06:00:00Z".parse().unwrap();
        let ambient = Ambient::simulated(start, 1);
        let aws = LocalAws::start(ambient.clone()).await.unwrap();
        let contacts = aws.stream(CONTACTS_TABLE).unwrap();
        Self {
            aws,
            ambient,
            contacts,
        }
    }

    /// Writes an item of the mailbox `m` with one more attribute.
    async fn put(&self, table: &str, sort: &str, key: &str, attribute: (&str, AttributeValue)) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let put = self.aws.dynamodb().put_item().table_name(table);
        let put = put.item("mailbox_id", text("m")).item(sort, text(key));
        put.item(attribute.0, attribute.1).send().await.unwrap();
    }

    async fn contact(&self, name: &str, version: u64) {
        let version = AttributeValue::N(version.to_string());
        self.put(CONTACTS_TABLE, "contact_id", name, ("version", version))
            .await;
    }

    fn batch(&self) -> StreamBatch {
        self.contacts.poll().unwrap().expect("a batch")
    }

    fn jump(&self) {
        let next = self.contacts.next_due().expect("something is waiting");
        self.ambient
            .advance((next - self.ambient.now()).try_into().unwrap_or_default());
    }
}

#[tokio::test]
async fn records_come_once_in_the_order_of_the_writes_with_both_images() {
    let scene = Scene::new().await;
    for (name, version) in [("a", 1), ("b", 1), ("a", 2)] {
        scene.contact(name, version).await;
    }
    let batch = scene.batch();
    assert_eq!(names(&batch), ["a", "b", "a"]);
    let [first, _, last] = &batch.event.records[..] else {
        panic!("three records")
    };
    assert_eq!(
        (first.event_name.as_str(), last.event_name.as_str()),
        ("INSERT", "MODIFY")
    );
    assert!(first.change.old_image.is_empty());
    let (old, new) = (&last.change.old_image, &last.change.new_image);
    let images = [old, new].map(|image| serde_json::to_value(image).unwrap());
    assert_eq!(images.map(|image| image["version"]["N"].clone()), ["1", "2"]);
    assert!(
        last.event_source_arn
            .as_ref()
            .unwrap()
            .contains("/ContactsTable/")
    );

    assert!(scene.contacts.poll().unwrap().is_none(), "one batch is under way");
    scene.contacts.finish(batch, Answer::Ok(done()));
    assert!(scene.contacts.poll().unwrap().is_none());
    assert_eq!(scene.contacts.backlog().unwrap(), 0);
}

#[tokio::test]
async fn the_filters_of_the_template_let_pass_what_the_function_is_there_for() {
    let scene = Scene::new().await;
    let alias = ("alias_of", AttributeValue::S("con".to_owned()));
    scene
        .put(CONTACTS_TABLE, "contact_id", "alias", alias.clone())
        .await;
    scene.contact("merged", 1).await;
    scene.put(CONTACTS_TABLE, "contact_id", "merged", alias).await;
    assert_eq!(names(&scene.batch()), ["merged", "merged"]);

    let mailboxes = scene.aws.stream(STATE_TABLE).unwrap();
    for sort in ["MAILBOX", "TIMER#poll", "FOLDER#f"] {
        let rev = ("rev", AttributeValue::N("1".to_owned()));
        scene.put(STATE_TABLE, "sk", sort, rev).await;
    }
    assert_eq!(names(&mailboxes.poll().unwrap().unwrap()), ["MAILBOX"]);
}

#[tokio::test]
async fn a_batch_comes_again_from_where_its_answer_says_and_nothing_overtakes_it() {
    let scene = Scene::new().await;
    for name in ["a", "b", "c"] {
        scene.contact(name, 1).await;
    }
    let batch = scene.batch();
    let answer = from(&batch, 1);
    scene.contacts.finish(batch, Answer::Ok(answer));
    scene.contact("d", 1).await;
    assert!(scene.contacts.poll().unwrap().is_none(), "not at once");
    scene.jump();
    let batch = scene.batch();
    assert_eq!(names(&batch), ["b", "c", "d"]);
    scene.contacts.finish(batch, Answer::Ok(done()));
    assert_eq!(scene.contacts.backlog().unwrap(), 0);
}

#[tokio::test]
async fn a_record_that_always_fails_is_found_by_halving_and_given_up_in_the_end() {
    let scene = Scene::new().await;
    for name in ["a", "b", "poison", "c"] {
        scene.contact(name, 1).await;
    }
    let (mut seen, mut sizes) = (Vec::new(), Vec::new());
    while scene.contacts.backlog().unwrap() > 0 {
        scene.jump();
        let batch = scene.batch();
        sizes.push(names(&batch).len());
        if names(&batch).iter().any(|name| name == "poison") {
            scene.contacts.finish(batch, Answer::Err(()));
        } else {
            seen.extend(names(&batch));
            scene.contacts.finish(batch, Answer::Ok(done()));
        }
    }
    assert_eq!(seen, ["a", "b", "c"]);
    assert_eq!(sizes[..2], [4, 2]);
    assert_eq!(scene.contacts.given_up().len(), 1);
    let took =
        scene.ambient.now().as_second() - "2026-11-23T06:00:00Z".parse::<Timestamp>().unwrap().as_second();
    assert!(took > 3600, "it was tried for {took} s");
}

#[tokio::test]
async fn a_batch_may_be_delivered_twice_and_late() {
    let scene = Scene::new().await;
    scene.contacts.deliver_again(1);
    scene.contacts.delay(Duration::from_secs(20));
    scene.contact("a", 1).await;
    assert!(scene.contacts.poll().unwrap().is_none());
    let begin = scene.ambient.now();
    scene.jump();
    assert_eq!((scene.ambient.now() - begin).get_seconds(), 20);
    for _ in 0..2 {
        let batch = scene.batch();
        assert_eq!(names(&batch), ["a"]);
        scene.contacts.finish(batch, Answer::Ok(done()));
    }
    assert!(scene.contacts.poll().unwrap().is_none());
}

#[tokio::test]
async fn the_bus_keeps_what_is_put_on_it_and_fails_when_a_test_says_so() {
    let scene = Scene::new().await;
    let bus = scene.aws.bus();
    let put = async |names: &[&str]| {
        let entry = |name: &&str| {
            PutEventsRequestEntry::builder()
                .event_bus_name(EVENT_BUS)
                .source("test")
                .detail_type(*name)
                .time(aws_sdk_eventbridge::primitives::DateTime::from_millis(
                    1_795_416_060_120,
                ))
                .detail(r#"{"said":"é"}"#)
                .build()
        };
        let entries = names.iter().map(entry).collect();
        let put = scene.aws.eventbridge().put_events().set_entries(Some(entries));
        put.send().await.map(|answer| answer.failed_entry_count)
    };
    assert_eq!(put(&["a"]).await.unwrap(), 0);
    let [event] = &bus.take()[..] else {
        panic!("one event")
    };
    assert_eq!(
        (event.detail_type.as_str(), event.detail["said"].as_str()),
        ("a", Some("é"))
    );
    assert_eq!(event.time, Timestamp::from_millisecond(1_795_416_060_120).ok());

    bus.fail_entries(1);
    assert_eq!(put(&["b", "c"]).await.unwrap(), 1);
    bus.fail_calls(1, PutFault::Refused);
    bus.fail_calls(1, PutFault::AnswerLost);
    assert!(put(&["d"]).await.is_err());
    assert!(put(&["e"]).await.is_err());
    let kept: Vec<_> = bus.events().into_iter().map(|event| event.detail_type).collect();
    assert_eq!(kept, ["c", "e"]);
    assert!(put(&["x"; 11]).await.is_err(), "ten at most");
}
