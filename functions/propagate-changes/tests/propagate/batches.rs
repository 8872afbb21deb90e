//! Batches of a stream as Lambda brings them: what is done, and from where on a batch comes again.

use std::collections::HashMap;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use aws_sdk_dynamodb::types::AttributeValue;
use contact_store::{Contact, Phase};
use job_queue::WorkJob;
use propagate_changes::Propagate;
use serde::Serialize;
use serde_json::{Value, json};

use crate::aws::{CONTACTS, FakeAws, STATE};
use crate::scene::{contact, edited, mailbox, mailbox_id, seen};

/// An item's image as the stream has it.
fn image(of: &impl Serialize) -> Value {
    let mut item: HashMap<String, AttributeValue> = serde_dynamo::to_item(of).unwrap();
    item.insert("schema".to_owned(), AttributeValue::N("1".to_owned()));
    serde_json::to_value(serde_dynamo::Item::from(item)).unwrap()
}

fn record(number: usize, table: &str, old: Option<Value>, new: Option<Value>) -> Value {
    let mut change = json!({ "SequenceNumber": number.to_string(), "SizeBytes": 1,
        "StreamViewType": "NEW_AND_OLD_IMAGES", "ApproximateCreationDateTime": 1_795_416_060.0,
        "Keys": { "mailbox_id": { "S": "m" } } });
    for (name, image) in [("OldImage", old), ("NewImage", new)] {
        if let Some(image) = image {
            change[name] = image;
        }
    }
    json!({ "eventID": number.to_string(), "eventName": "MODIFY", "eventVersion": "1.1", "eventSource": "aws:dynamodb",
        "awsRegion": "eu-central-1", "dynamodb": change,
        "eventSourceARN": format!("arn:aws:dynamodb:eu-central-1:1:table/{table}/stream/2026-11-23T06:00:00.000") })
}

/// Contacts that appear, one record each; `edited` ones through the API.
fn births(contacts: &[Contact]) -> Vec<Value> {
    let numbered = contacts.iter().enumerate();
    numbered
        .map(|(at, contact)| record(at, CONTACTS, None, Some(image(contact))))
        .collect()
}

fn people(count: usize) -> Vec<Contact> {
    (0..count)
        .map(|n| {
            let email = json!([{ "address": format!("{n}@example.com") }]);
            contact(
                &format!("contact-{n}"),
                json!({ "givenName": "Ada", "emailAddresses": email }),
            )
        })
        .collect()
}

/// The number from which on Lambda would bring the batch again.
async fn handle(propagate: &Propagate, records: Vec<Value>) -> Option<String> {
    let event: StreamEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
    let answer = propagate.handle(event).await;
    assert!(answer.batch_item_failures.len() <= 1, "Lambda goes by the lowest");
    answer
        .batch_item_failures
        .into_iter()
        .find_map(|failure| failure.item_identifier)
}

#[tokio::test]
async fn a_batch_of_edits_is_queued_told_and_indexed() {
    let (aws, propagate) = FakeAws::start().await;
    let edits: Vec<_> = people(230)
        .iter()
        .map(|contact| edited(contact, |it| it.outlook = None))
        .collect();
    assert_eq!(handle(&propagate, births(&edits)).await, None);

    let mut pushed = Vec::new();
    for job in aws.jobs() {
        let WorkJob::Push { mailbox, contacts } = job else {
            panic!("no push: {job:?}")
        };
        assert_eq!(mailbox, mailbox_id());
        assert!(contacts.len() <= 100);
        pushed.extend(contacts);
    }
    let mut expected: Vec<_> = edits.iter().map(|contact| contact.id.clone()).collect();
    expected.sort();
    assert_eq!(pushed, expected);

    let requests = aws.inputs("PutEvents");
    assert_eq!(requests.len(), 23, "ten events each");
    let events = aws.events();
    let subjects: Vec<_> = events
        .iter()
        .map(|event| detail(event)["subject"].clone())
        .collect();
    let ids: Vec<_> = edits.iter().map(|contact| json!(contact.id)).collect();
    assert_eq!(subjects, ids, "in the order of the writes");
    assert_eq!(events[0]["EventBusName"], "mirror");
    assert_eq!(events[0]["Source"], "outlook-contact-sync");
    assert_eq!(events[0]["DetailType"], "contact.created");

    assert_eq!(aws.inputs("BatchWriteItem").len(), 230);
    assert_eq!(propagate.metrics.total("EditsQueued"), 230);
    assert_eq!(propagate.metrics.total("EventsContactCreated"), 230);
}

fn detail(event: &Value) -> Value {
    serde_json::from_str(event["Detail"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn what_outlook_has_changed_is_told_and_never_queued() {
    let (aws, propagate) = FakeAws::start().await;
    assert_eq!(handle(&propagate, births(&people(3))).await, None);
    assert_eq!((aws.jobs().len(), aws.events().len()), (0, 3));
}

#[tokio::test]
async fn only_what_the_bus_refuses_is_sent_again_and_what_it_refuses_twice_stops_the_batch_there() {
    let (aws, propagate) = FakeAws::start().await;
    let people = people(12);
    aws.refuse(people[3].id.as_str(), 1);
    assert_eq!(handle(&propagate, births(&people)).await, None);
    assert_eq!(aws.events().len(), 13);

    let (aws, propagate) = FakeAws::start().await;
    aws.refuse(people[3].id.as_str(), 2);
    aws.refuse(people[5].id.as_str(), 2);
    assert_eq!(handle(&propagate, births(&people)).await, Some("3".to_owned()));
    assert_eq!(
        aws.events().len(),
        12,
        "the second request is left to the next try"
    );

    // It comes again from there on, and this time all of it gets through.
    let again = births(&people).split_off(3);
    assert_eq!(handle(&propagate, again).await, None);
}

#[tokio::test]
async fn whatever_is_down_the_rest_is_done_and_the_batch_comes_again_from_the_first_record_that_needs_it() {
    // Records: two of Outlook, the second one without an address, then an edit.
    let mut people = people(3);
    people[1].document.remove("emailAddresses");
    people[2] = edited(&people[2], |_| {});
    people.swap(0, 1);
    for (broken, again) in [("SendMessageBatch", 2), ("PutEvents", 0), ("BatchWriteItem", 1)] {
        let (aws, propagate) = FakeAws::start().await;
        aws.break_down(broken);
        let answer = handle(&propagate, births(&people)).await;
        assert_eq!(answer, Some(again.to_string()), "{broken}");
        for other in ["SendMessageBatch", "PutEvents", "BatchWriteItem"] {
            assert!(
                !aws.inputs(other).is_empty(),
                "{other} is tried while {broken} is down"
            );
        }
        aws.mend();
        assert_eq!(handle(&propagate, births(&people)).await, None);
    }
}

#[tokio::test]
async fn a_record_that_a_newer_version_has_written_waits_and_one_that_is_broken_does_not() {
    let (aws, propagate) = FakeAws::start().await;
    let people = people(3);
    let mut broken = births(&people);
    broken[1]["dynamodb"]["NewImage"]["version"] = json!({ "S": "many" });
    assert_eq!(handle(&propagate, broken).await, None);
    assert_eq!(aws.events().len(), 2);
    assert_eq!(propagate.metrics.total("ChangesUnreadable"), 1);

    let mut newer = births(&people);
    newer[1]["dynamodb"]["NewImage"]["schema"] = json!({ "N": "99" });
    assert_eq!(handle(&propagate, newer).await, Some("1".to_owned()));
    assert_eq!(aws.events().len(), 3);
}

#[tokio::test]
async fn of_several_writes_to_a_contact_in_a_batch_the_last_decides_about_its_addresses() {
    let (aws, propagate) = FakeAws::start().await;
    let before = &people(1)[0];
    let after = seen(before, |it| drop(it.document.remove("emailAddresses")));
    let records = vec![
        record(1, CONTACTS, None, Some(image(before))),
        record(2, CONTACTS, Some(image(before)), Some(image(&after))),
    ];
    assert_eq!(handle(&propagate, records).await, None);
    let writes = aws.inputs("BatchWriteItem");
    let writes = writes[0]["RequestItems"][STATE].as_array().unwrap();
    assert_eq!(writes.len(), 1);
    assert!(writes[0].get("DeleteRequest").is_some(), "{writes:?}");
}

#[tokio::test]
async fn aliases_and_what_happens_to_them_are_passed_over() {
    let (aws, propagate) = FakeAws::start().await;
    let ada = &people(1)[0];
    let alias = json!({ "mailbox_id": { "S": ada.mailbox.as_str() }, "contact_id": { "S": ada.id.as_str() },
        "schema": { "N": "1" }, "alias_of": { "S": "con_a2c4e6g2i4k6m2o4q6s2u4w6y2" } });
    let records = vec![
        record(1, CONTACTS, None, Some(alias.clone())),
        record(2, CONTACTS, Some(alias.clone()), None),
    ];
    assert_eq!(handle(&propagate, records).await, None);
    assert_eq!(aws.events(), [] as [Value; 0]);

    // A contact that becomes one is the same as another contact.
    let records = vec![record(3, CONTACTS, Some(image(ada)), Some(alias))];
    assert_eq!(handle(&propagate, records).await, None);
    assert_eq!(detail(&aws.events()[0])["data"]["because"], "merged");
}

#[tokio::test]
async fn a_mailbox_is_told_off_the_other_stream() {
    let (aws, propagate) = FakeAws::start().await;
    let enrolled = record(1, STATE, None, Some(image(&mailbox(Phase::Enrolled))));
    assert_eq!(handle(&propagate, vec![enrolled]).await, None);
    let event = detail(&aws.events()[0]);
    assert_eq!(event["data"]["change"], "enrolled");
    assert_eq!(event["subject"], mailbox_id().as_str());
}

#[tokio::test]
async fn a_batch_keeps_what_was_and_what_is_forgotten_is_forgotten_first() {
    let (aws, propagate) = FakeAws::start().await;
    let people = people(30);
    let renamed: Vec<_> = people
        .iter()
        .map(|contact| {
            seen(contact, |it| {
                drop(it.document.insert("jobTitle".into(), json!("Countess")));
            })
        })
        .collect();
    let erased = seen(&renamed[0], crate::scene::erase);
    let mut records: Vec<_> = (0..30)
        .map(|at| record(at, CONTACTS, Some(image(&people[at])), Some(image(&renamed[at]))))
        .collect();
    records.push(record(
        30,
        CONTACTS,
        Some(image(&renamed[0])),
        Some(image(&erased)),
    ));
    records.push(record(31, CONTACTS, Some(image(&renamed[1])), None));
    assert_eq!(handle(&propagate, records.clone()).await, None);
    let put = |aws: &FakeAws| -> Vec<String> {
        let inputs = aws.inputs("BatchWriteItem").into_iter();
        let requests = inputs.flat_map(|input| {
            let of_history = input["RequestItems"][crate::aws::HISTORY].as_array().cloned();
            of_history.unwrap_or_default()
        });
        let puts = requests.filter_map(|it| {
            it["PutRequest"]["Item"]["contact"]["S"]
                .as_str()
                .map(str::to_owned)
        });
        puts.collect()
    };
    let mut kept = put(&aws);
    kept.sort();
    let mut expected: Vec<_> = people[2..].iter().map(|contact| contact.id.to_string()).collect();
    expected.sort();
    assert_eq!(kept, expected);
    assert_eq!(aws.inputs("Query").len(), 2, "of the two that are forgotten");

    // What could not be kept comes again, from the first of them on; and kept twice it is the same.
    aws.break_down("BatchWriteItem");
    assert_eq!(handle(&propagate, records.clone()).await.as_deref(), Some("2"));
    aws.mend();
    assert_eq!(handle(&propagate, records).await, None);
}
