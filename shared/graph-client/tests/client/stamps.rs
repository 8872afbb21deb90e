//! Contacts by the stamp of their creation: what is asked for, and what absence proves.

use graph_client::{Contact, ErrorKind, GraphClient, GraphError, STAMP_PROPERTY, StampSearch, Transport};
use serde_json::{Value, json};

use crate::batch::{EXPAND, item, responses};
use crate::stage::{GRAPH, Stage, ok};

fn plain(id: &str) -> Value {
    json!({ "id": id, "displayName": "Ada" })
}

fn stamped(id: &str, stamp: &str) -> Value {
    let mut contact = plain(id);
    contact["singleValueExtendedProperties"] = json!([{ "id": STAMP_PROPERTY, "value": stamp }]);
    contact["singleValueExtendedProperties@odata.context"] = json!("…");
    contact
}

fn found(client: Vec<Result<Vec<Contact>, GraphError>>) -> Vec<Vec<String>> {
    client
        .into_iter()
        .map(|found| found.unwrap().into_iter().map(|contact| contact.id).collect())
        .collect()
}

async fn search(
    client: GraphClient<impl Transport>,
    stamps: &[&str],
) -> Vec<Result<Vec<Contact>, GraphError>> {
    let searches: Vec<_> = stamps
        .iter()
        .map(|stamp| StampSearch {
            folder: Some("F"),
            stamp,
        })
        .collect();
    client.mailbox("t", "u").contacts_by_stamp(&searches).await
}

#[tokio::test]
async fn contacts_are_found_by_their_stamps_in_their_folder() {
    let next = format!("{GRAPH}/users/u/contactFolders/F/contacts?$skip=1");
    let stage = Stage::with([
        ok(&responses(&[
            item(1, 200, &json!({ "value": [] })),
            item(
                0,
                200,
                &json!({ "value": [stamped("A", "con_1")], "@odata.nextLink": next }),
            ),
        ])),
        ok(&json!({ "value": [stamped("B", "con_1")] })),
    ]);
    let outcomes = search(stage.client(), &["con_1", "con_2"]).await;
    let first = outcomes[0].as_ref().unwrap()[0].clone();
    assert_eq!(first.stamp.as_deref(), Some("con_1"));
    assert_eq!(first.members.keys().collect::<Vec<_>>(), ["displayName"]);
    assert_eq!(found(outcomes), [vec!["A", "B"], vec![]]);
    let url = stage.asked()[0].json()["requests"][0]["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let path =
        "/users/u/contactFolders/F/contacts?$filter=singleValueExtendedProperties%2FAny%28ep%3A%20ep%2Fid";
    assert!(
        url.starts_with(path) && url.contains("%27con_1%27") && url.ends_with(EXPAND),
        "{url}"
    );
}

#[tokio::test]
async fn a_search_that_could_not_see_everything_never_says_none() {
    let gone = json!({ "error": { "code": "ErrorItemNotFound" } });
    let stage = Stage::with([ok(&responses(&[
        item(0, 404, &gone),
        item(1, 200, &json!({ "value": [{ "id": "" }] })),
        item(2, 200, &json!({ "values": [] })),
        item(
            3,
            200,
            &json!({ "value": [{ "error": { "code": "ErrorInternalServerError" } }] }),
        ),
        item(4, 429, &Value::Null),
    ]))]);
    stage.graph((0..3).map(|_| ok(&responses(&[item(4, 429, &Value::Null)]))));
    let kinds: Vec<_> = search(stage.client(), &["a", "b", "c", "d", "e"])
        .await
        .into_iter()
        .map(|found| found.unwrap_err().kind())
        .collect();
    assert_eq!(
        kinds[..4],
        [
            ErrorKind::FolderNotFound,
            ErrorKind::Transient,
            ErrorKind::Transient,
            ErrorKind::Transient
        ]
    );
    assert!(matches!(kinds[4], ErrorKind::Throttled { .. }));
}

#[tokio::test]
async fn a_read_by_id_shows_the_stamp() {
    let stage = Stage::with([ok(&responses(&[
        item(0, 200, &stamped("A", "con_1")),
        item(1, 200, &plain("B")),
    ]))]);
    let client = stage.client();
    let stamps: Vec<_> = client
        .mailbox("t", "u")
        .contacts(&["A", "B"])
        .await
        .into_iter()
        .map(|contact| contact.unwrap().unwrap().stamp)
        .collect();
    assert_eq!(stamps, [Some("con_1".to_owned()), None]);
}
