//! Many writes at once: what shares a request, what is repeated, what is left when the run ends early.

use std::time::Duration;

use ambient::add;
use graph_client::{ContactWrite, ErrorKind, GraphError, STAMP_PROPERTY, TransportError, Written};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::batch::{item, responses, sent_ids, throttled};
use crate::stage::{Line, Stage, answer, cut, error, hung, ok, refused, retry_after, status};

fn members(value: &Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn create(stamp: &str) -> ContactWrite {
    ContactWrite::Create {
        folder: Some("F=".to_owned()),
        members: members(&json!({ "displayName": "Ada" })),
        stamp: stamp.to_owned(),
    }
}

fn update(id: &str) -> ContactWrite {
    ContactWrite::Update {
        id: id.to_owned(),
        if_match: Some("K1".to_owned()),
        members: members(&json!({ "displayName": "Ada", "title": null })),
    }
}

fn delete(id: &str) -> ContactWrite {
    ContactWrite::Delete {
        id: id.to_owned(),
        if_match: None,
    }
}

fn saved(id: &str) -> Value {
    json!({ "@odata.etag": "W/\"K2\"", "id": id, "changeKey": "K2", "displayName": "Ada" })
}

async fn write(stage: &Stage, writes: &[ContactWrite]) -> Vec<Result<Written, GraphError>> {
    stage.client().mailbox("t", "u").write_contacts(writes).await
}

/// One word per outcome: what it came to, else the error with what is known about it.
fn told(outcomes: &[Result<Written, GraphError>]) -> Vec<String> {
    let tell = |outcome: &Result<Written, GraphError>| match outcome {
        Ok(Written::Saved(contact)) => format!("saved {}", contact.id),
        Ok(Written::Deleted) => "deleted".to_owned(),
        Err(error) => {
            let kind = format!("{:?}", error.kind());
            let kind = kind.split_whitespace().next().unwrap_or_default();
            let fate = match (error.not_sent(), error.may_have_happened()) {
                (true, false) => "not sent",
                (false, false) => "refused",
                (false, true) => "perhaps",
                (true, true) => "nonsense",
            };
            format!("{kind}, {fate}")
        }
    };
    outcomes.iter().map(tell).collect()
}

#[tokio::test]
async fn creates_and_changes_go_in_requests_of_their_own_and_outcomes_keep_the_order() {
    let gone = json!({ "error": { "code": "ErrorItemNotFound" } });
    let conflict = json!({ "error": { "code": "ErrorIrresolvableConflict" } });
    let stage = Stage::with([
        ok(&responses(&[
            item(3, 404, &gone),
            item(1, 204, &Value::Null),
            item(0, 200, &saved("A")),
            item(2, 404, &gone),
            item(4, 412, &conflict),
        ])),
        ok(&responses(&[
            item(1, 201, &saved("N2")),
            item(0, 201, &saved("N1")),
        ])),
    ]);
    let writes = [
        update("A"),
        create("con_1"),
        delete("B"),
        delete("C"),
        create("con_2"),
        update("D"),
        update("E"),
    ];
    let outcomes = write(&stage, &writes).await;
    let expected = [
        "saved A",
        "saved N1",
        "deleted",
        "deleted",
        "saved N2",
        "NotFound, refused",
        "Conflict, refused",
    ];
    assert_eq!(told(&outcomes), expected);
    let Ok(Written::Saved(contact)) = &outcomes[0] else {
        panic!("it was saved")
    };
    assert_eq!(contact.change_key.as_deref(), Some("K2"));

    let [changes, creates] = stage.asked().try_into().unwrap();
    let prefer = "IdType=\"ImmutableId\"";
    assert_eq!(
        changes.json()["requests"][0],
        json!({ "id": "0", "method": "PATCH", "url": "/users/u/contacts/A",
                "headers": { "Prefer": prefer, "If-Match": "W/\"K1\"", "Content-Type": "application/json" },
                "body": { "displayName": "Ada", "title": null } })
    );
    assert_eq!(
        changes.json()["requests"][1],
        json!({ "id": "1", "method": "DELETE", "url": "/users/u/contacts/B", "headers": { "Prefer": prefer } })
    );
    assert_eq!(
        creates.json()["requests"][0],
        json!({ "id": "0", "method": "POST", "url": "/users/u/contactFolders/F%3D/contacts",
                "headers": { "Prefer": prefer, "Content-Type": "application/json" },
                "body": { "displayName": "Ada",
                          "singleValueExtendedProperties": [{ "id": STAMP_PROPERTY, "value": "con_1" }] } })
    );
}

#[tokio::test]
async fn twenty_go_in_a_request_and_what_is_asked_for_first_is_sent_first() {
    let page = |count: usize| {
        let items: Vec<_> = (0..count).map(|id| item(id, 201, &saved("N"))).collect();
        ok(&responses(&items))
    };
    let stage = Stage::with([page(20), page(1), page(5)]);
    let mut writes: Vec<_> = (0..25).map(|number| create(&number.to_string())).collect();
    writes.insert(20, update("A"));
    assert!(write(&stage, &writes).await.iter().all(Result::is_ok));
    let methods: Vec<_> = stage
        .asked()
        .iter()
        .map(|asked| asked.json()["requests"][0]["method"].clone())
        .collect();
    assert_eq!(methods, ["POST", "PATCH", "POST"]);
}

#[tokio::test]
async fn a_create_is_repeated_only_where_it_was_certainly_not_carried_out() {
    // What befalls the batch as a whole; how many requests are made; what is known of the create then.
    let cases: [(Line, usize, &str); 9] = [
        (cut(), 1, "Transient, perhaps"),
        (hung(), 1, "Transient, perhaps"),
        (status(503), 1, "Transient, perhaps"),
        (status(504), 1, "Transient, perhaps"),
        (error(500, "x"), 1, "Transient, perhaps"),
        (answer(200, &[], "{\"resp"), 1, "Transient, perhaps"),
        (
            Err(TransportError::TooLarge { limit: 1 }),
            1,
            "Transient, perhaps",
        ),
        (retry_after(429, "60"), 1, "Throttled, refused"),
        (retry_after(429, "1"), 2, "saved N"),
    ];
    for (line, requests, expected) in cases {
        let stage = Stage::with([line]);
        if requests == 2 {
            stage.graph([ok(&responses(&[item(0, 201, &saved("N"))]))]);
        }
        assert_eq!(told(&write(&stage, &[create("s")]).await), [expected]);
        assert_eq!(stage.asked().len(), requests, "{expected}");
    }
}

#[tokio::test]
async fn each_create_of_a_batch_is_judged_by_its_own_answer() {
    let refusal = json!({ "error": { "code": "ErrorInvalidProperty", "message": "Ada has 4 entries" } });
    let stage = Stage::with([
        ok(&responses(&[
            item(0, 504, &Value::Null),
            throttled(1, &json!("1")),
            item(2, 400, &refusal),
            item(3, 201, &json!("no contact")),
            item(4, 404, &json!({ "error": { "code": "ErrorItemNotFound" } })),
            item(6, 507, &json!({ "error": { "code": "QuotaExceededException" } })),
        ])),
        ok(&responses(&[item(1, 201, &saved("N"))])),
    ]);
    let writes: Vec<_> = (0..7).map(|number| create(&number.to_string())).collect();
    let outcomes = write(&stage, &writes).await;
    let expected = [
        "Transient, perhaps",
        "saved N",
        "Permanent, refused",
        "Transient, perhaps",
        "FolderNotFound, refused",
        "Transient, perhaps",
        "QuotaExceeded, refused",
    ];
    assert_eq!(told(&outcomes), expected);
    assert_eq!(sent_ids(&stage.asked()[1].json()), ["1"]);
    let refused = outcomes[2].as_ref().unwrap_err();
    assert_eq!(refused.reason(), Some("Ada has 4 entries"));
    assert!(!format!("{refused} {refused:?} {:?}", writes[2]).contains("Ada"));
    assert_eq!(outcomes[4].as_ref().unwrap_err().reason(), None);
}

#[tokio::test]
async fn updates_and_deletes_are_repeated_and_remember_that_they_were() {
    let conflict = json!({ "error": { "code": "ErrorIrresolvableConflict" } });
    let both = || {
        ok(&responses(&[
            item(0, 412, &conflict),
            item(1, 404, &json!({ "error": { "code": "ErrorItemNotFound" } })),
        ]))
    };
    // The first attempt of either was carried out, and its answer lost.
    let stage = Stage::with([cut(), both()]);
    let outcomes = write(&stage, &[update("A"), delete("B")]).await;
    assert_eq!(told(&outcomes), ["Conflict, perhaps", "deleted"]);

    let stage = Stage::with([
        ok(&responses(&[
            item(0, 504, &Value::Null),
            item(1, 503, &Value::Null),
        ])),
        both(),
    ]);
    let outcomes = write(&stage, &[update("A"), delete("B")]).await;
    assert_eq!(told(&outcomes), ["Conflict, perhaps", "deleted"]);
}

#[tokio::test]
async fn throttling_ends_the_run_and_the_rest_is_not_sent() {
    let writes: Vec<_> = (0..45).map(|number| update(&number.to_string())).collect();
    // One item says so, or the batch as a whole.
    let mut items: Vec<_> = (0..20).map(|id| item(id, 200, &saved("A"))).collect();
    items[7] = throttled(7, &json!("600"));
    items[9] = throttled(9, &json!("900"));
    let stage = Stage::with([ok(&responses(&items))]);
    let outcomes = write(&stage, &writes).await;
    let said = told(&outcomes);
    assert_eq!(said.iter().filter(|said| *said == "saved A").count(), 18);
    assert_eq!(
        (said[7].as_str(), said[20].as_str()),
        ("Throttled, refused", "Throttled, not sent")
    );
    let until = "1970-01-01T00:15:00Z".parse().unwrap();
    assert_eq!(
        outcomes[44].as_ref().unwrap_err().kind(),
        ErrorKind::Throttled { until }
    );

    let stage = Stage::with([retry_after(429, "60")]);
    let said = told(&write(&stage, &writes).await);
    assert!(said[..20].iter().all(|said| said == "Throttled, refused"));
    assert!(said[20..].iter().all(|said| said == "Throttled, not sent"));
}

#[tokio::test]
async fn a_batch_that_fails_as_a_whole_ends_the_run() {
    let writes: Vec<_> = (0..45).map(|number| create(&number.to_string())).collect();
    let stage = Stage::with([cut()]);
    let said = told(&write(&stage, &writes).await);
    assert!(said[..20].iter().all(|said| said == "Transient, perhaps"));
    assert!(said[20..].iter().all(|said| said == "Transient, not sent"));

    for (error, expected) in [
        ("invalid_client", "BadCredential"),
        ("invalid_scope", "Transient"),
    ] {
        let stage = Stage::new();
        stage.login([refused(400, error)]);
        let said = told(&write(&stage, &writes).await);
        let expected = format!("{expected}, not sent");
        assert!(said.iter().all(|said| *said == expected), "{said:?}");
    }
}

#[tokio::test]
async fn one_unfit_item_does_not_take_the_others_with_it() {
    let stage = Stage::with([
        // The first attempt: one is carried out, two are to come again. The second is refused as a whole.
        ok(&responses(&[
            throttled(0, &json!("1")),
            item(1, 201, &saved("N1")),
            throttled(2, &json!("1")),
        ])),
        status(413),
        ok(&responses(&[item(0, 201, &saved("N0"))])),
        answer(
            413,
            &[],
            &json!({ "error": { "message": "too large" } }).to_string(),
        ),
    ]);
    let outcomes = write(&stage, &[create("0"), create("1"), create("2")]).await;
    assert_eq!(told(&outcomes), ["saved N0", "saved N1", "Permanent, refused"]);
    assert_eq!(outcomes[2].as_ref().unwrap_err().reason(), Some("too large"));

    // Among those that go alone, one draws a throttling.
    let stage = Stage::with([status(413), ok(&responses(&[throttled(0, &json!("60"))]))]);
    let outcomes = write(&stage, &[create("0"), create("1"), delete("B")]).await;
    assert_eq!(
        told(&outcomes),
        ["Throttled, refused", "Throttled, not sent", "Throttled, not sent"]
    );

    // An id that can't be part of a path.
    let stage = Stage::with([ok(&responses(&[item(0, 204, &Value::Null)]))]);
    let outcomes = write(&stage, &[delete(".."), delete("B")]).await;
    assert_eq!(told(&outcomes), ["Permanent, refused", "deleted"]);
}

#[tokio::test]
async fn a_deadline_that_is_near_stops_between_requests() {
    let page: Vec<_> = (0..20).map(|id| item(id, 200, &saved("A"))).collect();
    let stage = Stage::with([retry_after(503, "2"), ok(&responses(&page))]);
    let client = stage
        .client()
        .with_deadline(add(Timestamp::UNIX_EPOCH, Duration::from_secs(6)));
    let writes: Vec<_> = (0..21).map(|number| update(&number.to_string())).collect();
    let said = told(&client.mailbox("t", "u").write_contacts(&writes).await);
    assert!(said[..20].iter().all(|said| said == "saved A"));
    assert_eq!(said[20], "Transient, not sent");

    let stage = Stage::new();
    let client = stage.client().with_deadline(Timestamp::UNIX_EPOCH);
    let said = told(&client.mailbox("t", "u").write_contacts(&[create("s")]).await);
    assert_eq!(said, ["Transient, not sent"]);
    assert!(client.mailbox("t", "u").write_contacts(&[]).await.is_empty());
}

#[tokio::test]
async fn a_purge_is_a_post_that_is_repeated_and_who_is_gone_is_gone() {
    let purge = |id: &str| ContactWrite::Purge { id: id.to_owned() };
    let gone = json!({ "error": { "code": "ErrorItemNotFound" } });
    let stage = Stage::with([
        ok(&responses(&[item(0, 503, &Value::Null), item(1, 404, &gone)])),
        ok(&responses(&[item(0, 204, &Value::Null)])),
    ]);
    let outcomes = write(&stage, &[purge("A"), purge("B")]).await;
    assert_eq!(told(&outcomes), ["deleted", "deleted"]);
    let asked = stage.asked();
    let prefer = "IdType=\"ImmutableId\"";
    assert_eq!(
        asked[0].json()["requests"][0],
        json!({ "id": "0", "method": "POST", "url": "/users/u/contacts/A/permanentDelete", "headers": { "Prefer": prefer } })
    );
    assert_eq!(asked[1].json()["requests"].as_array().unwrap().len(), 1);
}
