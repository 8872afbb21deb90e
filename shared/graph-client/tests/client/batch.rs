//! Many calls in one request: matched by id, retried one by one.

use std::time::Duration;

use graph_client::{BatchRequest, ErrorKind, Repeat, Subject};
use serde_json::{Value, json};

use crate::stage::{Stage, answer, cut, ok, retry_after};

/// Every read by id asks for the stamp.
pub(crate) const EXPAND: &str = "$expand=singleValueExtendedProperties%28$filter%3Did%20eq%20%27String%20\
    %7B982789f8-1166-4ecf-9c1e-08537b2ef7bd%7D%20Name%20OutlookContactSync%27%29";

pub(crate) fn item(id: usize, status: u16, body: &Value) -> Value {
    json!({ "id": id.to_string(), "status": status, "body": body })
}

pub(crate) fn throttled(id: usize, seconds: &Value) -> Value {
    json!({ "id": id.to_string(), "status": 429, "headers": { "Retry-After": seconds }, "body": {} })
}

pub(crate) fn responses(items: &[Value]) -> Value {
    json!({ "responses": items })
}

pub(crate) fn sent_ids(body: &Value) -> Vec<&str> {
    body["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["id"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn items_are_matched_by_id_and_only_the_throttled_ones_go_again() {
    let not_found = json!({ "error": { "code": "ErrorItemNotFound" } });
    let stage = Stage::with([
        ok(&responses(&[
            throttled(3, &json!("1")),
            item(1, 404, &not_found),
            item(0, 200, &json!({ "id": "A" })),
            throttled(2, &json!(2)),
        ])),
        ok(&responses(&[
            item(2, 200, &json!({ "id": "C" })),
            item(3, 200, &json!({ "id": "D" })),
        ])),
    ]);
    let client = stage.client();
    let contacts = client.mailbox("t", "u").contacts(&["A", "B", "C", "D"]).await;
    let ids: Vec<_> = contacts
        .into_iter()
        .map(|contact| contact.unwrap().map(|contact| contact.id))
        .collect();
    assert_eq!(
        ids,
        [
            Some("A".to_owned()),
            None,
            Some("C".to_owned()),
            Some("D".to_owned())
        ]
    );
    assert_eq!(
        stage.elapsed(),
        Duration::from_secs(2),
        "the longest of the Retry-Afters"
    );

    let asked = stage.asked();
    let second = asked[1].json();
    assert_eq!(sent_ids(&second), ["2", "3"]);
    assert_eq!(
        asked[0].json()["requests"][0],
        json!({ "id": "0", "method": "GET", "url": format!("/users/u/contacts/A?{EXPAND}"),
                "headers": { "Prefer": "IdType=\"ImmutableId\"" } })
    );
    assert_eq!((client.requests_sent(), client.batch_items_sent()), (3, 6));
}

#[tokio::test]
async fn one_item_says_come_back_later_and_the_others_have_their_answers() {
    let stage = Stage::with([ok(&responses(&[
        item(0, 200, &json!({ "id": "A" })),
        throttled(1, &json!("600")),
        item(
            2,
            200,
            &json!({ "error": { "code": "ErrorInternalServerError" } }),
        ),
        item(3, 200, &json!("bm90IEpTT04=")),
        json!({ "id": "4", "status": "garbage" }),
    ]))]);
    let ids = ["A", "B", "C", "D", "E", "..", "F"];
    let kinds: Vec<_> = stage
        .client()
        .mailbox("t", "u")
        .contacts(&ids)
        .await
        .into_iter()
        .map(|contact| contact.map(|_| ()).map_err(|error| error.kind()))
        .collect();
    let until = "1970-01-01T00:10:00Z".parse().unwrap();
    let expected = [
        Ok(()),
        Err(ErrorKind::Throttled { until }),
        Err(ErrorKind::Transient),
        // No contact, and nothing else that can be read: it was cut, and may come whole the next time.
        Err(ErrorKind::Transient),
        Err(ErrorKind::Transient),
        Err(ErrorKind::Permanent),
        Err(ErrorKind::Transient),
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn long_lists_go_in_twenties_and_a_throttled_batch_stops_the_rest() {
    let page = |from: usize, count: usize| {
        let items: Vec<_> = (0..count)
            .map(|id| item(id, 200, &json!({ "id": (from + id).to_string() })))
            .collect();
        ok(&responses(&items))
    };
    let ids: Vec<String> = (0..45).map(|id| id.to_string()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();

    let stage = Stage::with([page(0, 20), page(20, 20), page(40, 5)]);
    let contacts = stage.client().mailbox("t", "u").contacts(&ids).await;
    let read: Vec<_> = contacts
        .into_iter()
        .map(|contact| contact.unwrap().unwrap().id)
        .collect();
    assert_eq!(read, ids);

    let stage = Stage::with([page(0, 20), retry_after(429, "60")]);
    let contacts = stage.client().mailbox("t", "u").contacts(&ids).await;
    assert_eq!(contacts.iter().filter(|contact| contact.is_ok()).count(), 20);
    assert_eq!(stage.asked().len(), 2);
}

#[tokio::test]
async fn the_outer_status_says_nothing_and_an_unsafe_item_is_not_repeated() {
    let body = responses(&[
        item(0, 503, &Value::Null),
        throttled(1, &json!("1")),
        item(2, 204, &Value::Null),
    ]);
    let again = responses(&[item(1, 201, &json!({ "id": "N" }))]);
    let stage = Stage::with([answer(424, &[], &body.to_string()), ok(&again)]);
    let post = || {
        BatchRequest::new(
            http::Method::POST,
            &["users", "u", "contacts"],
            Subject::Folder,
            Repeat::Unsafe,
        )
        .unwrap()
        .body(json!({ "displayName": "N" }))
    };
    let delete = BatchRequest::new(
        http::Method::DELETE,
        &["users", "u", "contacts", "C"],
        Subject::Item,
        Repeat::Safe,
    )
    .unwrap()
    .if_match(Some("W/\"K\""));
    let outcomes = stage.client().tenant("t").batch(&[post(), post(), delete]).await;
    assert_eq!(outcomes[0].as_ref().unwrap_err().kind(), ErrorKind::Transient);
    assert_eq!(outcomes[1].as_ref().unwrap().body["id"], "N");
    assert_eq!(outcomes[2].as_ref().unwrap().status, 204);

    let asked = stage.asked();
    assert_eq!(sent_ids(&asked[1].json()), ["1"]);
    let requests = asked[0].json();
    assert_eq!(
        requests["requests"][0]["headers"]["Content-Type"],
        "application/json"
    );
    assert_eq!(requests["requests"][2]["headers"]["If-Match"], "W/\"K\"");
}

#[tokio::test]
async fn a_lost_batch_is_repeated_only_if_all_of_it_may_be() {
    let path = ["users", "u", "contacts"];
    for (repeat, requests) in [(Repeat::Safe, 2), (Repeat::Unsafe, 1)] {
        let stage = Stage::with([cut()]);
        if repeat == Repeat::Safe {
            stage.graph([ok(&responses(&[
                item(0, 201, &json!({})),
                item(1, 200, &json!({})),
            ]))]);
        }
        let post = BatchRequest::new(http::Method::POST, &path, Subject::Folder, repeat).unwrap();
        let get = BatchRequest::get(&path, Subject::Folder).unwrap();
        let outcomes = stage.client().tenant("t").batch(&[post, get]).await;
        assert_eq!(
            outcomes.iter().filter(|outcome| outcome.is_ok()).count(),
            (requests - 1) * 2
        );
        assert_eq!(stage.asked().len(), requests);
    }
}
