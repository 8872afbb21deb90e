//! AWS, played for the SDK's clients without a socket: one mailbox with a folder, a contact and a conflict; whatever is
//! written is taken and forgotten, so that one input leaves nothing to the next.
//!
//! Knows the services' JSON as far as our code speaks it. Must not know what is being fuzzed.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient, retry::RetryConfig};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use sync_core::ids::{ConflictId, ContactId, MailboxId, OutlookId, TenantId, UserId};

/// The moment at which everything happens.
pub(crate) const NOW: Timestamp = Timestamp::constant(1_795_416_060, 0);

/// The key that signs subscriptions.
pub(crate) const KEY: &str = "fuzz key, 32 bytes at the least!";

/// The config of an SDK's client that talks to this cloud. A macro, since each SDK has a builder of its own.
macro_rules! config {
    ($sdk:ident, $cloud:expr) => {
        $sdk::Config::builder()
            .behavior_version($crate::cloud::version())
            .region($crate::cloud::region())
            .credentials_provider($crate::cloud::credentials())
            .retry_config($crate::cloud::no_retries())
            .http_client($cloud.http())
    };
}
pub(crate) use config;

/// The services.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cloud {
    /// What was sent to queues since the last look: the queue's name, and the message.
    sent: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Cloud {
    /// The way there.
    pub(crate) fn http(&self) -> SharedHttpClient {
        let connector = SharedHttpConnector::new(self.clone());
        http_client_fn(move |_, _| connector.clone())
    }

    /// What was sent since the last look.
    pub(crate) fn take_sent(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut *self.sent.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn send(&self, batch: &Value) -> Value {
        let queue = batch["QueueUrl"].as_str().and_then(|url| url.rsplit('/').next());
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        let entries = batch["Entries"].as_array().into_iter().flatten();
        let stored = entries.map(|entry| {
            sent.push((queue.unwrap_or_default().to_owned(), entry.clone()));
            json!({ "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0" })
        });
        json!({ "Successful": stored.collect::<Vec<_>>(), "Failed": [] })
    }

    fn answer(&self, target: &str, body: &Value) -> Value {
        match target.split_once('.').map_or("", |(_, action)| action) {
            "SendMessageBatch" => self.send(body),
            "GetSecretValue" => {
                json!({ "ARN": body["SecretId"], "SecretString": json!({ "current": KEY }).to_string() })
            }
            "GetItem" => item(&body["Key"]).map_or(json!({}), |item| json!({ "Item": item })),
            "BatchGetItem" => {
                let tables = body["RequestItems"].as_object().into_iter().flatten();
                let found = tables.map(|(table, asked)| {
                    let keys = asked["Keys"].as_array().into_iter().flatten();
                    (table.clone(), keys.filter_map(item).collect())
                });
                json!({ "Responses": found.collect::<Map<String, Value>>(), "UnprocessedKeys": {} })
            }
            "Query" => {
                let rows = rows(body);
                json!({ "Items": rows, "Count": rows.len(), "ScannedCount": rows.len() })
            }
            "BatchWriteItem" => json!({ "UnprocessedItems": {} }),
            _ => json!({}),
        }
    }
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = serde_json::from_slice(request.body().bytes().unwrap_or_default()).unwrap_or(Value::Null);
        let (status, answer) = match (request.headers().get("x-amz-target"), request.method()) {
            (Some(target), _) => (200, self.answer(target, &body).to_string()),
            // S3: a bucket without objects, which takes whatever is put into it.
            (None, "GET") => (404, "<Error><Code>NoSuchKey</Code></Error>".to_owned()),
            (None, _) => (200, String::new()),
        };
        let answer =
            StatusCode::try_from(status).map(|status| HttpResponse::new(status, SdkBody::from(answer)));
        HttpConnectorFuture::ready(answer.map_err(|error| ConnectorError::other(error.into(), None)))
    }
}

/// The one mailbox.
pub(crate) fn mailbox() -> MailboxId {
    MailboxId::derive(
        &TenantId::new("contoso.example"),
        &UserId::new("ada@contoso.example"),
    )
}

/// Its one contact.
pub(crate) fn contact() -> ContactId {
    ContactId::derive(&mailbox(), &OutlookId::new("AAMkAD"))
}

/// The one conflict, about that contact.
pub(crate) fn conflict() -> ConflictId {
    ConflictId::of(NOW, &contact())
}

/// The item under a key.
fn item(key: &Value) -> Option<Value> {
    if key["mailbox_id"]["S"] != mailbox().as_str() {
        return None;
    }
    let under = |name: &str| key[name]["S"].as_str();
    match (under("sk"), under("contact_id")) {
        (Some("MAILBOX"), _) => Some(the_mailbox()),
        (_, Some(id)) if id == contact().as_str() => Some(the_contact()),
        (_, Some(id)) if id == conflict().as_str() => Some(the_conflict()),
        _ => None,
    }
}

/// What a query finds, told by the values that it compares with.
fn rows(query: &Value) -> Vec<Value> {
    let values = query["ExpressionAttributeValues"]
        .as_object()
        .into_iter()
        .flatten();
    let values: Vec<&str> = values.filter_map(|(_, value)| value["S"].as_str()).collect();
    let has = |start: &str| values.iter().any(|value| value.starts_with(start));
    if query["Select"] == "COUNT" || !(has(mailbox().as_str()) || has("mailbox#")) {
        return Vec::new();
    }
    match (query["TableName"].as_str(), query["IndexName"].as_str()) {
        (Some("state"), Some("roster")) => vec![the_mailbox()],
        (Some("state"), None) if has("FOLDER#") => vec![the_folder(), the_mailbox()],
        (Some("state"), _) => Vec::new(),
        (_, Some("by-folder" | "by-change")) => vec![the_contact()],
        (_, Some(_)) => Vec::new(),
        (_, None) if has("cfl_") => vec![the_conflict()],
        (_, None) => vec![the_contact()],
    }
}

fn the_mailbox() -> Value {
    stored(&json!({
        "mailbox_id": mailbox().as_str(), "sk": "MAILBOX", "schema": 2, "rev": 12, "tenant": "contoso.example",
        "user": "ada@contoso.example", "scope": "all", "phase": { "name": "live" },
        "enrolled_at": "2026-11-20T09:00:00.000Z", "updated_at": "2026-11-23T06:00:00.000Z", "roster_shard": "mailbox#10",
    }))
}

fn the_folder() -> Value {
    stored(&json!({
        "mailbox_id": mailbox().as_str(), "sk": "FOLDER#b7", "schema": 2, "rev": 31, "folder_id": "top", "name": "Contacts",
        "is_default": true, "in_scope": true, "contacts_seen": 412, "cursor": { "name": "unstarted" },
    }))
}

fn the_contact() -> Value {
    let changed = "2026-11-23T06:00:00.000Z";
    stored(&json!({
        "mailbox_id": mailbox().as_str(), "contact_id": contact().as_str(), "schema": 2, "version": 3, "rev": 5,
        "outlook_id": "AAMkAD", "change_key": "EQAAABYA", "folder_id": "top", "external_id": "crm-4711",
        "changed_at": changed, "changed_by": "platform", "changed_key": format!("{changed}#{}", contact()),
        "document": {
            "givenName": "Ada", "surname": "Lovelace", "emailAddresses": [{ "address": "ada@example.com" }],
            "birthday": "1815-12-10T11:59:00Z", "businessPhones": ["+44 20 7946 0000"], "nickName": null,
        },
        "extras": { "businessPhones": ["+44 20 7946 0003"], "vCard": ["X-PRONOUNS:she"] },
    }))
}

fn the_conflict() -> Value {
    stored(&json!({
        "mailbox_id": mailbox().as_str(), "contact_id": conflict().as_str(), "schema": 2, "contact": contact().as_str(),
        "at": NOW.to_string(), "version": 3, "policy": "last-write-wins",
        "clashes": [{ "member": "jobTitle", "base": "Analyst", "ours": "Countess", "theirs": "Poet", "winner": "outlook", "kept": "Poet" }],
        "ours": { "jobTitle": "Countess" }, "theirs": { "jobTitle": "Poet" },
    }))
}

/// An item as `DynamoDB` tells it.
fn stored(item: &Value) -> Value {
    let members = item.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect::<Map<String, Value>>()
        .into()
}

fn attribute(value: &Value) -> Value {
    match value {
        Value::Null => json!({ "NULL": true }),
        Value::Bool(yes) => json!({ "BOOL": yes }),
        Value::Number(number) => json!({ "N": number.to_string() }),
        Value::String(text) => json!({ "S": text }),
        Value::Array(elements) => json!({ "L": elements.iter().map(attribute).collect::<Vec<_>>() }),
        Value::Object(_) => json!({ "M": stored(value) }),
    }
}

pub(crate) fn version() -> BehaviorVersion {
    BehaviorVersion::latest()
}

pub(crate) fn region() -> Region {
    Region::from_static("eu-central-1")
}

pub(crate) fn credentials() -> Credentials {
    Credentials::new("fuzz", "fuzz", None, None, "fuzz")
}

pub(crate) fn no_retries() -> RetryConfig {
    RetryConfig::disabled()
}
