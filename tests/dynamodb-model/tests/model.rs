//! The model's rules, one story each. That they are `DynamoDB`'s is shown elsewhere: `cargo xtask simulate --database compared`.

#![expect(clippy::unwrap_used, reason = "a fixture that fails is a test that fails")]

use std::time::Duration;

use ambient::Ambient;
use dynamodb_model::{DynamoDb, Refusal};
use serde_json::{Value, json};

struct Scene {
    ambient: Ambient,
    database: DynamoDb,
}

impl Scene {
    /// A table of notes, with an index of those that are due.
    fn new() -> Self {
        let ambient = Ambient::simulated("2026-11-23T06:00:00Z".parse().unwrap(), 1);
        let database = DynamoDb::new(ambient.clone());
        let texts = ["owner", "note", "shard", "due"];
        let texts = texts.map(|name| json!({ "AttributeName": name, "AttributeType": "S" }));
        let keys = |partition: &str, sort: &str| {
            json!([
                { "AttributeName": partition, "KeyType": "HASH" },
                { "AttributeName": sort, "KeyType": "RANGE" },
            ])
        };
        let table = json!({
            "TableName": "Notes",
            "AttributeDefinitions": texts,
            "KeySchema": keys("owner", "note"),
            "GlobalSecondaryIndexes": [
                { "IndexName": "due", "KeySchema": keys("shard", "due"), "Projection": { "ProjectionType": "KEYS_ONLY" } },
            ],
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
        });
        database.create_table(&table).unwrap();
        database.expire_by("Notes", "ttl").unwrap();
        Self { ambient, database }
    }

    fn ask(&self, action: &str, mut request: Value) -> Result<Value, Refusal> {
        if !action.starts_with("Batch") && !action.starts_with("Transact") {
            request["TableName"] = "Notes".into();
        }
        let answer = self.database.answer(action, request.to_string().as_bytes())?;
        Ok(serde_json::from_str(&answer).unwrap())
    }

    fn put(&self, item: &Value) {
        self.ask("PutItem", json!({ "Item": item })).unwrap();
    }

    /// What the stream has told since.
    fn told(&self, behind: &mut u64) -> Vec<String> {
        let (records, place) = self.database.records("Notes", *behind).unwrap();
        *behind = place;
        let told = records.iter().map(|record| {
            let event = record.event();
            let note = event["dynamodb"]["Keys"]["note"]["S"].as_str().unwrap();
            let by = event["userIdentity"]["principalId"]
                .as_str()
                .unwrap_or("somebody");
            format!("{} {note} by {by}", event["eventName"].as_str().unwrap())
        });
        told.collect()
    }
}

fn note(name: &str, rev: u64) -> Value {
    json!({ "owner": { "S": "ada" }, "note": { "S": name }, "rev": { "N": rev.to_string() } })
}

#[test]
fn a_write_whose_condition_does_not_hold_changes_nothing_and_shows_what_is_there() {
    let scene = Scene::new();
    let guarded = |item: &Value, condition: &str, rev: &str| {
        json!({
            "Item": item,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": { "#rev": "rev", "#note": "note" },
            "ExpressionAttributeValues": { ":rev": { "N": rev } },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        })
    };
    let is_or_gone = "attribute_not_exists(#note) OR (#rev = :rev AND #rev <= :rev)";
    scene
        .ask("PutItem", guarded(&note("milk", 1), is_or_gone, "0"))
        .unwrap();
    scene
        .ask("PutItem", guarded(&note("milk", 2), is_or_gone, "1"))
        .unwrap();
    let refusal = scene
        .ask("PutItem", guarded(&note("milk", 3), is_or_gone, "1"))
        .unwrap_err();
    assert_eq!(refusal.status(), 400);
    assert_eq!(refusal.body()["Item"], note("milk", 2));
    // 10 is more than 9: numbers are no texts.
    scene.put(&note("milk", 10));
    let refused = scene.ask("PutItem", guarded(&note("milk", 11), "#rev <= :rev", "9"));
    assert!(matches!(refused, Err(Refusal::Condition(Some(_)))));
}

#[test]
fn a_query_goes_on_behind_the_key_it_has_ended_at_in_both_directions() {
    let scene = Scene::new();
    for name in ["a#1", "a#2", "a#3", "b#1"] {
        scene.put(&note(name, 1));
    }
    let page = |after: Option<&Value>, forward: bool| {
        let mut query = json!({
            "KeyConditionExpression": "#owner = :owner AND begins_with(note, :prefix)",
            "ExpressionAttributeNames": { "#owner": "owner" },
            "ExpressionAttributeValues": { ":owner": { "S": "ada" }, ":prefix": { "S": "a#" } },
            "Limit": 2,
            "ScanIndexForward": forward,
        });
        if let Some(after) = after {
            query["ExclusiveStartKey"] = after.clone();
        }
        scene.ask("Query", query).unwrap()
    };
    let names = |page: &Value| {
        let items = page["Items"].as_array().unwrap().iter();
        items
            .map(|item| item["note"]["S"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let first = page(None, true);
    assert_eq!(names(&first), ["a#1", "a#2"]);
    let second = page(first.get("LastEvaluatedKey"), true);
    assert_eq!(names(&second), ["a#3"]);
    assert!(second.get("LastEvaluatedKey").is_none());
    let last = page(None, false);
    assert_eq!(names(&last), ["a#3", "a#2"]);
    assert_eq!(names(&page(last.get("LastEvaluatedKey"), false)), ["a#1"]);
}

#[test]
fn an_index_holds_who_has_its_keys_and_shows_no_more_than_it_projects() {
    let scene = Scene::new();
    let mut due = note("milk", 1);
    due["shard"] = json!({ "S": "3" });
    due["due"] = json!({ "S": "2026-11-24" });
    scene.put(&due);
    scene.put(&note("eggs", 1));
    let query = json!({
        "IndexName": "due",
        "KeyConditionExpression": "shard = :shard AND due <= :today",
        "ExpressionAttributeValues": { ":shard": { "S": "3" }, ":today": { "S": "2026-11-25" } },
    });
    let found = scene.ask("Query", query.clone()).unwrap();
    due.as_object_mut().unwrap().remove("rev");
    assert_eq!(found["Items"], json!([due]));
    scene.put(&note("milk", 2));
    assert_eq!(scene.ask("Query", query).unwrap()["Count"], 0);
}

#[test]
fn a_transaction_does_all_or_nothing_and_once_for_each_token() {
    let scene = Scene::new();
    scene.put(&note("milk", 1));
    let put = |item: Value, condition: &str| {
        json!({ "Put": {
            "TableName": "Notes", "Item": item, "ConditionExpression": condition,
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        } })
    };
    let new = "attribute_not_exists(note)";
    let both = json!({
        "TransactItems": [put(note("eggs", 1), new), put(note("milk", 2), new)],
        "ClientRequestToken": "one",
    });
    let refusal = scene.ask("TransactWriteItems", both).unwrap_err().body();
    let codes = [
        &refusal["CancellationReasons"][0]["Code"],
        &refusal["CancellationReasons"][1]["Code"],
    ];
    assert_eq!(codes, ["None", "ConditionalCheckFailed"]);
    assert_eq!(refusal["CancellationReasons"][1]["Item"], note("milk", 1));

    let mut place = 0;
    scene.told(&mut place);
    let eggs = json!({ "TransactItems": [put(note("eggs", 1), new)], "ClientRequestToken": "two" });
    scene.ask("TransactWriteItems", eggs.clone()).unwrap();
    scene.ask("TransactWriteItems", eggs.clone()).unwrap();
    assert_eq!(scene.told(&mut place), ["INSERT eggs by somebody"]);
    let other = json!({ "TransactItems": [put(note("flour", 1), new)], "ClientRequestToken": "two" });
    assert!(matches!(
        scene.ask("TransactWriteItems", other),
        Err(Refusal::Token)
    ));
    scene.ambient.advance(Duration::from_mins(11));
    assert!(matches!(
        scene.ask("TransactWriteItems", eggs),
        Err(Refusal::Transaction(_))
    ));
}

#[test]
fn the_stream_tells_of_changes_and_of_what_has_expired() {
    let scene = Scene::new();
    let mut place = 0;
    scene.put(&note("milk", 1));
    scene.put(&note("milk", 1));
    let mut passing = note("eggs", 1);
    passing["ttl"] = json!({ "N": (scene.ambient.now().as_second() + 60).to_string() });
    scene.put(&passing);
    let key = json!({ "owner": { "S": "ada" }, "note": { "S": "milk" } });
    scene.ask("DeleteItem", json!({ "Key": key })).unwrap();
    // What has changed nothing is not told.
    let told = [
        "INSERT milk by somebody",
        "INSERT eggs by somebody",
        "REMOVE milk by somebody",
    ];
    assert_eq!(scene.told(&mut place), told);
    assert_eq!(scene.database.sweep_expired(), 0);
    scene.ambient.advance(Duration::from_mins(2));
    assert_eq!(scene.database.sweep_expired(), 1);
    assert_eq!(scene.told(&mut place), ["REMOVE eggs by dynamodb.amazonaws.com"]);
}

#[test]
fn what_is_not_modelled_is_refused_and_not_passed_over() {
    let scene = Scene::new();
    let key = json!({ "owner": { "S": "ada" }, "note": { "S": "milk" } });
    let owner = json!({ ":owner": { "S": "ada" } });
    let query =
        |condition: &str| json!({ "KeyConditionExpression": condition, "ExpressionAttributeValues": owner });
    for (action, request) in [
        ("UpdateItem", json!({ "Key": key })),
        ("Scan", json!({})),
        ("GetItem", json!({ "Key": key, "ProjectionExpression": "rev" })),
        (
            "PutItem",
            json!({ "Item": note("milk", 1), "ReturnValues": "ALL_OLD" }),
        ),
        ("Query", query("owner = :owner AND contains(note, :owner)")),
        ("Query", query("owner = :owner AND size(note) > :owner")),
        ("Query", query("owner = :owner AND note.text = :owner")),
    ] {
        let refused = scene.ask(action, request.clone());
        assert!(
            matches!(refused, Err(Refusal::NotModelled(_))),
            "{action} {request}: {refused:?}"
        );
    }
}
