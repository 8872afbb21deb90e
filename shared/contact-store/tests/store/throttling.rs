//! A `DynamoDB` that leaves batches undone or refuses requests: what no emulator does.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use contact_store::{Store, StoreError, Tables};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{contact_id, local, mailbox_id};

/// A store on a server that answers each request with what `answer` makes of its number and body.
async fn scripted(answer: fn(usize, &Value) -> (u16, Value)) -> (Store, Arc<AtomicUsize>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let count = Arc::new(AtomicUsize::new(0));
    let served = Arc::clone(&count);
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let request = read_request(&mut socket).await;
            let (status, body) = answer(served.fetch_add(1, Ordering::Relaxed), &request);
            let body = body.to_string();
            let head = format!(
                "HTTP/1.1 {status} -\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            socket.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    let tables = Tables {
        contacts: "contacts".into(),
        state: "state".into(),
    };
    (Store::new(local::client(&url), tables), count)
}

async fn read_request(socket: &mut tokio::net::TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        socket.read_buf(&mut bytes).await.unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((_, body)) = text.split_once("\r\n\r\n")
            && let Ok(request) = serde_json::from_str(body)
        {
            return request;
        }
    }
}

#[tokio::test]
async fn a_batch_get_that_is_left_undone_is_tried_again_a_few_times_only() {
    let (store, requests) = scripted(|_, request| {
        (
            200,
            json!({ "Responses": {}, "UnprocessedKeys": request["RequestItems"] }),
        )
    })
    .await;
    let answer = store
        .contacts_by_id(&mailbox_id("ada"), &[contact_id("ada", 1)])
        .await;
    assert!(matches!(answer, Err(StoreError::Throttled)), "{answer:?}");
    assert_eq!(requests.load(Ordering::Relaxed), 6);
}

#[tokio::test]
async fn a_batch_get_that_was_left_undone_once_is_answered_whole() {
    let (store, _) = scripted(|number, request| {
        if number == 0 {
            return (
                200,
                json!({ "Responses": {}, "UnprocessedKeys": request["RequestItems"] }),
            );
        }
        let mut item = request["RequestItems"]["contacts"]["Keys"][0].clone();
        item["schema"] = json!({ "N": "3" });
        (
            200,
            json!({ "Responses": { "contacts": [item] }, "UnprocessedKeys": {} }),
        )
    })
    .await;
    let lookup = store
        .contacts_by_id(&mailbox_id("ada"), &[contact_id("ada", 1)])
        .await
        .unwrap();
    assert_eq!(lookup.unreadable, [contact_id("ada", 1)].into());
}

#[tokio::test]
async fn an_erasure_that_is_left_undone_is_tried_again_until_it_is_done() {
    let (store, requests) = scripted(|number, request| match number {
        0 => {
            let key = |number| {
                let (mailbox, contact) = (mailbox_id("ada"), contact_id("ada", number));
                json!({ "mailbox_id": { "S": mailbox }, "contact_id": { "S": contact } })
            };
            (200, json!({ "Items": [key(1), key(2)], "Count": 2 }))
        }
        // One of two, then none, then the last.
        1 => (
            200,
            json!({ "UnprocessedItems": { "contacts": [request["RequestItems"]["contacts"][1]] } }),
        ),
        2 => (200, json!({ "UnprocessedItems": request["RequestItems"] })),
        _ => (200, json!({ "UnprocessedItems": {} })),
    })
    .await;
    assert_eq!(
        store.erase_contacts(&mailbox_id("ada"), 10).await.unwrap().count,
        2
    );
    assert_eq!(requests.load(Ordering::Relaxed), 4);
}

#[tokio::test]
async fn throttling_and_failure_are_told_apart() {
    let (store, _) = scripted(|_, _| {
        (
            400,
            json!({ "__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException" }),
        )
    })
    .await;
    let answer = store.contact(&mailbox_id("ada"), &contact_id("ada", 1)).await;
    assert!(matches!(answer, Err(StoreError::Throttled)), "{answer:?}");

    let (store, _) = scripted(|_, _| {
        (
            400,
            json!({ "__type": "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException" }),
        )
    })
    .await;
    let answer = store.contact(&mailbox_id("ada"), &contact_id("ada", 1)).await;
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
}
