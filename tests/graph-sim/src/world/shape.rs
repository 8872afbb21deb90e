//! What the server makes of a contact: recalculated names, normal addresses, members that are always shown.
//!
//! Pure functions on JSON (facts 1.2). What a client may write is `fields`'.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::fields::{ADDRESSES, EMAIL_SLOTS, LISTS, TEXTS};

/// A birthday may come as a date only (facts 1.1); it is kept as midnight UTC.
pub(super) fn day_of(text: &str) -> Option<String> {
    let day = text.split('T').next()?.parse::<jiff::civil::Date>().ok()?;
    Some(format!("{day}T00:00:00Z"))
}

/// Puts the written members into a contact, with everything the server does to them, and says which changed.
/// `names` are the org contacts by address.
pub(crate) fn apply(
    contact: &mut Map<String, Value>,
    mut written: Map<String, Value>,
    names: &BTreeMap<String, String>,
) -> Vec<String> {
    for (slot, name) in EMAIL_SLOTS.iter().enumerate() {
        if let Some(entry) = written.remove(*name) {
            let mut list = contact
                .get("emailAddresses")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default();
            list.resize(list.len().max(slot + 1), Value::Null);
            list[slot] = entry;
            written.insert("emailAddresses".to_owned(), Value::Array(list));
        }
    }
    regenerate_names(contact, &mut written);
    let mut changed = Vec::new();
    for (name, value) in written {
        let value = match name.as_str() {
            "emailAddresses" => emails(&value, names),
            "birthday" => value.as_str().and_then(day_of).map_or(Value::Null, Value::from),
            _ => value,
        };
        if contact.get(&name).unwrap_or(&Value::Null) != &value {
            changed.push(name.clone());
        }
        if value.is_null() {
            contact.remove(&name);
        } else {
            contact.insert(name, value);
        }
    }
    changed
}

/// facts 1.2: "later updates to other properties may cause an automatically generated value to overwrite"
/// displayName; sent along, it stays. `fileAs` is made in the same way.
fn regenerate_names(contact: &Map<String, Value>, written: &mut Map<String, Value>) {
    const PARTS: [&str; 5] = ["title", "givenName", "middleName", "surname", "generation"];
    let fresh = contact.is_empty();
    if !fresh && !PARTS.iter().any(|part| written.contains_key(*part)) {
        return;
    }
    let text = |name: &str| {
        written
            .get(name)
            .or_else(|| contact.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let joined = |parts: &[&str], between: &str| {
        parts
            .iter()
            .map(|part| text(part))
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(between)
    };
    let full = joined(&PARTS, " ");
    let full = if full.is_empty() {
        text("companyName")
    } else {
        full
    };
    let given = joined(&["givenName", "middleName"], " ");
    let filed = [text("surname"), given]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(", ");
    for (name, value) in [("displayName", full), ("fileAs", filed)] {
        if !written.contains_key(name) && !value.is_empty() {
            written.insert(name.to_owned(), Value::from(value));
        }
    }
}

/// facts 1.2: an address that isn't one is dropped (#2186); the name may become that of an org contact with the
/// same address (dc#283), else an absent name is the address.
fn emails(value: &Value, names: &BTreeMap<String, String>) -> Value {
    let entries = value.as_array().map(Vec::as_slice).unwrap_or_default();
    let kept = entries.iter().filter_map(Value::as_object).map(|entry| {
        let mut entry = entry.clone();
        let address = entry
            .get("address")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        let has_name = entry
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| !name.is_empty());
        if let Some(name) = names.get(&address.to_ascii_lowercase()) {
            entry.insert("name".to_owned(), Value::from(name.clone()));
        } else if !has_name && !address.is_empty() {
            entry.insert("name".to_owned(), Value::from(address.clone()));
        }
        if !address.contains('@') {
            entry.remove("address");
        }
        Value::Object(entry)
    });
    kept.collect()
}

/// All members of a contact as Graph shows them: absent texts are null, lists empty, addresses `{}` (facts 1.1).
pub(crate) fn complete(members: &Map<String, Value>) -> Map<String, Value> {
    let mut shown = Map::new();
    for name in TEXTS.iter().chain(["birthday"].iter()) {
        shown.insert((*name).to_owned(), Value::Null);
    }
    for (name, _) in LISTS {
        shown.insert(name.to_owned(), json!([]));
    }
    for name in ADDRESSES {
        shown.insert(name.to_owned(), json!({}));
    }
    shown.insert("emailAddresses".to_owned(), json!([]));
    shown.extend(members.clone());
    let emails = shown
        .get("emailAddresses")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    for (slot, name) in EMAIL_SLOTS.iter().enumerate() {
        shown.insert(
            (*name).to_owned(),
            emails.get(slot).cloned().unwrap_or(Value::Null),
        );
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(value: &Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    fn applied(contact: &Value, written: &Value) -> Value {
        let mut contact = object(contact);
        apply(
            &mut contact,
            object(written),
            &BTreeMap::from([("ada@corp.example".into(), "Ada L.".into())]),
        );
        Value::Object(contact)
    }

    #[test]
    fn a_new_given_name_overwrites_the_display_name_unless_it_is_sent_along() {
        let before = json!({ "displayName": "The Countess", "givenName": "Ada", "surname": "King" });
        let after = applied(&before, &json!({ "surname": "Lovelace" }));
        assert_eq!(after["displayName"], "Ada Lovelace");
        let after = applied(
            &before,
            &json!({ "surname": "Lovelace", "displayName": "The Countess" }),
        );
        assert_eq!(after["displayName"], "The Countess");
        let after = applied(&before, &json!({ "jobTitle": "Analyst" }));
        assert_eq!(after["displayName"], "The Countess");
    }

    #[test]
    fn addresses_come_back_as_the_server_likes_them() {
        let after = applied(
            &json!({}),
            &json!({ "emailAddresses": [{ "address": "ada@corp.example", "name": "mum" }, { "address": "x500" }] }),
        );
        assert_eq!(
            after["emailAddresses"],
            json!([{ "address": "ada@corp.example", "name": "Ada L." }, { "name": "x500" }])
        );
        assert_eq!(
            applied(&json!({}), &json!({ "birthday": "1974-07-22" }))["birthday"],
            "1974-07-22T00:00:00Z"
        );
    }
}
