//! Contacts as vCards and as `JSContact` cards, in both directions.

use serde_json::{Value, json};

use crate::contacts::all;
use crate::editing::listed;
use crate::world::World;

const VCARD: &str = "text/vcard";
const JSCONTACT: &str = "application/jscontact+json";

fn ada() -> Value {
    json!({"contact": {
        "displayName": "Ada Lovelace", "givenName": "Ada", "surname": "Lovelace", "birthday": "1815-12-10T11:59:00Z",
        "emailAddresses": (0..5).map(|n| json!({"address": format!("ada{n}@x.org")})).collect::<Vec<_>>(),
        "businessPhones": ["+44 1", "+44 2", "+44 3", "+44 4"],
        "personalNotes": "a; b, c\nd",
    }})
}

#[tokio::test]
async fn a_contact_goes_out_as_a_card_and_comes_back_the_same() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
    let created = api.create(&mailbox, "", ada()).await.expect(201).body;
    let path = format!("{contacts}/{}", created["id"].as_str().unwrap());
    for media_type in [VCARD, JSCONTACT] {
        let card = api.get_as(media_type, &path).await.expect(200);
        assert_eq!(
            (card.header("content-type"), card.header("etag")),
            (media_type, "\"1\"")
        );
        assert_eq!(card.header("vary"), "accept");
        let text = card
            .body
            .as_str()
            .map_or_else(|| card.body.to_string(), ToOwned::to_owned);
        let imported = api.post_as(media_type, &contacts, &text).await.expect(201);
        assert_eq!(imported.body["contact"], created["contact"], "{media_type}");
        assert_ne!(imported.body["id"], created["id"]);
    }
    let neither = api.get_as("image/png", &path).await.expect(406);
    assert_eq!(neither.problem(), "not-acceptable");
    assert_eq!(api.get_as("*/*", &path).await.expect(200).body, created);
}

#[tokio::test]
async fn a_list_goes_out_as_cards_page_by_page_and_comes_in_as_many() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
    for _ in 0..3 {
        api.create(&mailbox, "", ada()).await.expect(201);
    }
    for (media_type, joint, open, close) in [(VCARD, "", "", ""), (JSCONTACT, ",", "[", "]")] {
        let mut cards = Vec::new();
        let mut next = format!("{contacts}?limit=2");
        loop {
            let page = api.get_as(media_type, &next).await.expect(200);
            if let Some(text) = page.body.as_str() {
                cards.push(text.to_owned());
            } else {
                cards.extend(page.body.as_array().unwrap().iter().map(ToString::to_string));
            }
            let link = page.header("link");
            let Some((path, _)) = link.split_once(">; rel=\"next\"") else {
                break;
            };
            path.trim_start_matches('<').clone_into(&mut next);
            assert!(next.contains("limit=2&cursor="), "{next}");
        }
        let body = format!("{open}{}{close}", cards.join(joint));
        let before = all(&api, &contacts).await.len();
        let imported = api.post_as(media_type, &contacts, &body).await.expect(200).body;
        let statuses: Vec<_> = imported["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|item| item["status"].clone())
            .collect();
        assert_eq!(statuses, vec![json!(201); before], "{media_type}");
        assert_eq!(all(&api, &contacts).await.len(), 2 * before);
    }
}

#[tokio::test]
async fn cards_that_cannot_be_read_are_refused_with_every_reason() {
    let api = World::start().await;
    let mailbox = listed(&api).await;
    let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
    for (media_type, body, problem) in [
        (VCARD, "", "unreadable-cards"),
        (VCARD, "Ada Lovelace", "unreadable-cards"),
        (
            VCARD,
            "BEGIN:VCARD\r\nVERSION:4.0\r\nFN:Ada\r\n",
            "unreadable-cards",
        ),
        (JSCONTACT, "[]", "unreadable-cards"),
        (JSCONTACT, "[7]", "unreadable-cards"),
        (JSCONTACT, "{\"@type\": 1", "malformed-body"),
    ] {
        let refused = api.post_as(media_type, &contacts, body).await.expect(400);
        assert_eq!(refused.problem(), problem, "{body}");
        assert_eq!(
            refused.body.get("errors").is_some(),
            problem == "unreadable-cards",
            "{body}"
        );
    }
    let other = api.post_as("text/csv", &contacts, "a,b").await.expect(415);
    assert_eq!(other.problem(), "unsupported-media-type");
    assert!(all(&api, &contacts).await.is_empty());
}
