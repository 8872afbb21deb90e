//! Contacts' documents: every JSON value comes back, and none is too large.

use contact_store::{Contact, Expected, Store};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Map, Value, json};

use crate::local::{CONTACTS, Local};
use crate::{contact, mailbox_id};

async fn put_and_read(store: &Store, contact: &Contact) -> Contact {
    store.put_contact(contact, Expected::Absent).await.unwrap();
    store
        .contact(&contact.mailbox, &contact.id)
        .await
        .unwrap()
        .unwrap()
}

fn with_document(number: usize, document: &Value) -> Contact {
    Contact {
        document: document.as_object().unwrap().clone(),
        ..contact("ada", number)
    }
}

/// Any JSON, with the odd ones often: edges of numbers, names that look like ours, deep nests.
pub(crate) fn json() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![any::<String>(), Just(String::new()), Just("$json".to_owned())];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-1e6..1e6).prop_map(|float: f64| Value::from(float.round())),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(40, 64, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(text(), inner.clone(), 0..4)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
            // Nothing but depth: the two above rarely get beyond a dozen.
            (inner, 0..40_usize).prop_map(|(value, depth)| (0..depth).fold(value, |value, _| json!([value]))),
        ]
    })
}

#[test]
fn every_document_comes_back_from_the_table() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    let local = runtime.block_on(Local::start());
    let documents = prop::collection::btree_map(any::<String>(), json(), 0..6);
    let numbers = std::cell::Cell::new(0);
    let config = Config {
        cases: 200,
        failure_persistence: None,
        ..Config::default()
    };
    TestRunner::new(config)
        .run(&documents, |members| {
            numbers.set(numbers.get() + 1);
            let put = Contact {
                document: members.into_iter().collect(),
                ..contact("ada", numbers.get())
            };
            let read = runtime.block_on(put_and_read(&local.store, &put));
            if read.document == put.document {
                Ok(())
            } else {
                Err(TestCaseError::fail("changed"))
            }
        })
        .unwrap();
}

#[tokio::test]
async fn odd_values_come_back_and_plain_ones_are_readable_in_the_table() {
    let local = Local::start().await;
    let odd = json!({
        "": "a member without a name",
        "$json": "5",
        "floats": [1.0, -0.0, 1.5, 1e300, 1e-300, 5e-324],
        "integers": [0, -1, i64::MIN, u64::MAX],
        "empty": ["", [], {}, null],
    });
    let put = with_document(1, &odd);
    assert_eq!(put_and_read(&local.store, &put).await, put);

    let plain =
        json!({ "givenName": "Ada", "businessPhones": ["1", "2"], "home": { "city": "", "size": 1.5 } });
    put_and_read(&local.store, &with_document(2, &plain)).await;
    let raw = local.raw(CONTACTS, &mailbox_id("ada")).await;
    let maps: Vec<_> = raw.iter().map(|item| item["document"].as_m().unwrap()).collect();
    let shown = maps
        .iter()
        .find(|document| document.contains_key("givenName"))
        .unwrap();
    assert_eq!(shown["givenName"].as_s().unwrap(), "Ada");
    assert_eq!(shown["home"].as_m().unwrap()["size"].as_n().unwrap(), "1.5");
}

#[tokio::test]
async fn a_contact_too_large_for_an_item_loses_its_largest_members_by_name() {
    let local = Local::start().await;
    let put = with_document(
        1,
        &json!({
            "displayName": "Ada",
            "personalNotes": "n".repeat(300_000),
            "extension": { "blob": "é".repeat(100_000) },
            "small": "s".repeat(50_000),
        }),
    );
    let read = put_and_read(&local.store, &put).await;
    assert_eq!(read.omitted, ["personalNotes"]);
    let kept: Vec<_> = read.document.keys().map(String::as_str).collect();
    assert_eq!(kept, ["displayName", "extension", "small"]);
    assert_eq!(read.document["extension"], put.document["extension"]);

    // It grows further, then shrinks; who changes something else must not lose the knowledge of what is missing.
    let mut grown = Contact {
        version: 2,
        ..read.clone()
    };
    grown.document.insert("large".into(), "l".repeat(390_000).into());
    local.store.put_contact(&grown, Expected::Rev(1)).await.unwrap();
    let read = local.store.contact(&put.mailbox, &put.id).await.unwrap().unwrap();
    assert_eq!(read.omitted, ["personalNotes", "large"]);

    let mut small = Contact { version: 3, ..read };
    small.document.insert("personalNotes".into(), "short".into());
    small.document.insert("large".into(), "short".into());
    local.store.put_contact(&small, Expected::Rev(2)).await.unwrap();
    let read = local.store.contact(&put.mailbox, &put.id).await.unwrap().unwrap();
    assert_eq!(read.omitted, [""; 0]);
}

#[tokio::test]
async fn no_size_between_fitting_and_not_is_refused() {
    let local = Local::start().await;
    for (number, kilobytes) in (380..415).enumerate() {
        // Many members, so that what is counted for each of them matters.
        let document: Map<String, Value> = (0..kilobytes)
            .map(|at| {
                (
                    format!("member {at}"),
                    json!({ "a": "x".repeat(990), "n": -1.25 }),
                )
            })
            .collect();
        let put = Contact {
            document,
            ..contact("ada", number)
        };
        let read = put_and_read(&local.store, &put).await;
        assert_eq!(
            read.document.len() + read.omitted.len(),
            kilobytes,
            "{kilobytes} KB"
        );
    }
}

#[tokio::test]
async fn a_contact_of_very_many_members_is_stored_and_says_that_more_are_missing() {
    let local = Local::start().await;
    let members = (0..60_000).map(|at| (format!("member {at}"), Value::Null));
    let put = Contact {
        document: members.collect(),
        ..contact("ada", 1)
    };
    let read = put_and_read(&local.store, &put).await;
    assert_eq!(read.omitted.last().map(String::as_str), Some("*"));
    assert!(read.document.len() > 20_000, "{}", read.document.len());
}
