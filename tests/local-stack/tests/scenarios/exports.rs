//! A mailbox leaves as files, and moves into another one.

use axum::body::{Body, Bytes};
use lambda_http::http::Request;
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::scene::{Person, Scene};

const FORMS: [(&str, &str); 3] = [
    ("application/json", "contacts:bulk"),
    ("text/vcard", "contacts"),
    ("application/jscontact+json", "contacts"),
];

impl Scene {
    /// The pages of an export.
    async fn export(&self, person: &Person, form: &str) -> Vec<Bytes> {
        let (mut pages, mut next) = (
            Vec::new(),
            Some(format!("/v1/mailboxes/{}/export?limit=7", person.id)),
        );
        while let Some(path) = next {
            let request = Request::get(path).header("accept", form).body(Body::empty());
            let answer = self.stack.api.clone().oneshot(request.unwrap()).await.unwrap();
            assert_eq!(answer.status(), 200);
            let link = answer.headers().get("link").map(|link| link.to_str().unwrap());
            next = link.map(|link| link[1..].split_once('>').unwrap().0.to_owned());
            pages.push(
                axum::body::to_bytes(answer.into_body(), usize::MAX)
                    .await
                    .unwrap(),
            );
        }
        pages
    }

    async fn import(&self, person: &Person, form: &str, into: &str, page: Bytes) {
        let path = format!("/v1/mailboxes/{}/{into}", person.id);
        let request = Request::post(path)
            .header("content-type", form)
            .body(Body::from(page));
        let answer = self.stack.api.clone().oneshot(request.unwrap()).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX)
            .await
            .unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let items = body["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["status"] == 201), "{form}: {body:#}");
    }

    /// The members of all contacts, in some order.
    async fn members(&self, person: &Person) -> Vec<String> {
        let pages = self.export(person, "application/json").await;
        let pages: Vec<Value> = pages
            .iter()
            .map(|page| serde_json::from_slice(page).unwrap())
            .collect();
        let items = pages.iter().flat_map(|page| page["items"].as_array().unwrap());
        let mut members: Vec<String> = items
            .map(|item| said(item["contact"].clone()).to_string())
            .collect();
        members.sort();
        members
    }
}

/// Absent, null and empty are one and the same, a line end is a line feed, and a birthday a date.
fn said(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let members = members.into_iter().filter_map(|(name, value)| {
                let value = match (name.as_str(), value.as_str()) {
                    ("birthday", Some(text)) => text[..10].into(),
                    _ => said(value),
                };
                let says = ![Value::Null, "".into(), json!([]), json!({})].contains(&value);
                says.then_some((name, value))
            });
            Value::Object(members.collect())
        }
        Value::Array(elements) => elements.into_iter().map(said).collect(),
        Value::String(text) => text.replace("\r\n", "\n").into(),
        other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
    }
}

#[tokio::test]
async fn a_mailbox_is_exported_and_imported_into_another_one_in_each_form() {
    let mut scene = Scene::new().await;
    let ada = scene.settled("Ada", 30, 2).await;
    let exported = scene.members(&ada).await;
    assert_eq!(exported.len(), 30);
    for (number, (form, into)) in FORMS.into_iter().enumerate() {
        let heir = scene.settled(["Bob", "Cyd", "Dan"][number], 0, 1).await;
        for page in scene.export(&ada, form).await {
            scene.import(&heir, form, into, page).await;
        }
        scene.minutes(5).await;
        scene.assert_equal(&heir).await; // Outlook has them too
        assert_eq!(scene.truth(&heir).contacts.len(), 30, "{form}");
        assert_eq!(scene.members(&heir).await, exported, "{form}");
    }
    assert_eq!(scene.members(&ada).await, exported, "the first one is as it was");
    scene.assert_quiet();
}
