//! What hangs on a contact beside its members: open extensions, the photo; and the translation of ids.
//!
//! facts 1.4, 1.5 and 10.

use bytes::Bytes;
use serde_json::{Map, Value, json};

use super::answers::{Answer, Refusal, bytes_answer, empty_answer, json_answer};
use super::mailbox::{Item, Mailbox};

/// The largest photo (facts 1.5).
const MAX_PHOTO: usize = 4 * 1024 * 1024;

/// Stores an open extension; its read id is longer than its name (facts 1.4).
pub(crate) fn put_extension(item: &mut Item, mut extension: Map<String, Value>) -> Option<Value> {
    let name = extension.get("extensionName").and_then(Value::as_str)?.to_owned();
    let id = format!("microsoft.graph.openTypeExtension.{name}");
    extension.insert("id".to_owned(), Value::from(id));
    extension.insert(
        "@odata.type".to_owned(),
        Value::from("#microsoft.graph.openTypeExtension"),
    );
    item.extensions
        .insert(name.to_ascii_lowercase(), extension.clone());
    Some(Value::Object(extension))
}

fn key_of(id: &str) -> String {
    id.strip_prefix("microsoft.graph.openTypeExtension.")
        .unwrap_or(id)
        .to_ascii_lowercase()
}

/// One extension: read, replaced (members left out are deleted, facts 1.4), or removed.
pub(crate) fn extension(
    item: &mut Item,
    method: &str,
    id: &str,
    body: Option<Map<String, Value>>,
) -> Result<Answer, Refusal> {
    let key = key_of(id);
    let found = item
        .extensions
        .get(&key)
        .cloned()
        .ok_or_else(Refusal::item_not_found)?;
    match (method, body) {
        ("GET", _) => Ok(json_answer(200, &Value::Object(found))),
        ("PATCH", Some(mut body)) => {
            let name = found.get("extensionName").cloned().unwrap_or_default();
            body.insert("extensionName".to_owned(), name);
            put_extension(item, body);
            Ok(empty_answer(204))
        }
        ("DELETE", _) => {
            item.extensions.remove(&key);
            Ok(empty_answer(204))
        }
        _ => Err(not_allowed()),
    }
}

/// The list of extensions, or a new one.
pub(crate) fn extensions(
    item: &mut Item,
    method: &str,
    body: Option<Map<String, Value>>,
) -> Result<Answer, Refusal> {
    match (method, body) {
        ("GET", _) => {
            let all: Vec<&Map<String, Value>> = item.extensions.values().collect();
            Ok(json_answer(200, &json!({ "value": all })))
        }
        ("POST", Some(body)) => put_extension(item, body)
            .map(|shown| json_answer(201, &shown))
            .ok_or_else(|| Refusal::bad_body("The member 'extensionName' is missing.")),
        _ => Err(not_allowed()),
    }
}

/// The photo's description; without a photo a placeholder of 1x1 (facts 1.5).
pub(crate) fn photo(item: &Item) -> Answer {
    let side = if item.photo.is_some() { 96 } else { 1 };
    let id = format!("{side}X{side}");
    json_answer(
        200,
        &json!({ "@odata.mediaContentType": "image/jpeg", "id": id, "height": side, "width": side }),
    )
}

/// The photo's bytes (facts 1.5). Whether a photo changes the change key is unverified; here it doesn't.
pub(crate) fn photo_value(item: &mut Item, method: &str, body: &Bytes) -> Result<Answer, Refusal> {
    match method {
        "GET" => match &item.photo {
            Some(bytes) => Ok(bytes_answer(200, "image/jpeg", bytes.clone())),
            None => Err(Refusal::new(404, "ImageNotFound", "The photo wasn't found.")),
        },
        "PUT" | "PATCH" if body.len() > MAX_PHOTO => Err(Refusal::new(
            413,
            "ErrorRequestTooLarge",
            "The photo is larger than 4 MB.",
        )),
        "PUT" | "PATCH" => {
            item.photo = Some(body.clone());
            Ok(empty_answer(200))
        }
        "DELETE" => {
            item.photo = None;
            Ok(empty_answer(204))
        }
        _ => Err(not_allowed()),
    }
}

/// A method that the resource doesn't have (facts 2.3).
pub(crate) fn not_allowed() -> Refusal {
    Refusal::new(405, "ErrorInvalidRequest", "The OData request is not supported.")
}

impl Mailbox {
    /// facts 10: at most 1,000 ids of one mailbox.
    pub(crate) fn translate(&self, body: &Map<String, Value>) -> Result<Value, Refusal> {
        let ids = body
            .get("inputIds")
            .and_then(Value::as_array)
            .ok_or_else(|| Refusal::new(400, "ErrorInvalidParameter", "The member 'inputIds' is missing."))?;
        if ids.len() > 1000 {
            return Err(Refusal::new(
                400,
                "ErrorInvalidParameter",
                "At most 1000 ids can be translated.",
            ));
        }
        let immutable = match body.get("targetIdType").and_then(Value::as_str) {
            Some("restImmutableEntryId") => true,
            Some("restId") => false,
            _ => {
                return Err(Refusal::new(
                    400,
                    "ErrorInvalidParameter",
                    "The member 'targetIdType' is invalid.",
                ));
            }
        };
        let translate = |id: &Value| {
            let source = id.as_str().unwrap_or_default();
            match self.resolve(source).and_then(|id| self.items.get(id)) {
                Some(item) if immutable => json!({ "sourceId": source, "targetId": item.id }),
                Some(item) => json!({ "sourceId": source, "targetId": item.classic_id() }),
                None => json!({
                    "sourceId": source,
                    "errorDetails": { "code": "ErrorItemNotFound", "message": "The specified object was not found in the store." }
                }),
            }
        };
        Ok(json!({ "value": ids.iter().map(translate).collect::<Vec<_>>() }))
    }
}
