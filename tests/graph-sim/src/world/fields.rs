//! The members of a contact that a client may write: their types and limits (facts 1.1, 1.2).
//!
//! Pure functions on JSON. Must not know mailboxes.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::answers::Refusal;
use super::query::property_id;
use super::shape;

/// Members that are one string (facts 1.1).
pub(crate) const TEXTS: [&str; 23] = [
    "assistantName",
    "businessHomePage",
    "companyName",
    "department",
    "displayName",
    "fileAs",
    "generation",
    "givenName",
    "initials",
    "jobTitle",
    "manager",
    "middleName",
    "mobilePhone",
    "nickName",
    "officeLocation",
    "personalNotes",
    "profession",
    "spouseName",
    "surname",
    "title",
    "yomiCompanyName",
    "yomiGivenName",
    "yomiSurname",
];
/// Members that are a list of strings, with the most entries that Outlook holds. Two business phones are observed
/// (facts 1.2); two home phones are by analogy and unverified; the rest has no known limit.
pub(super) const LISTS: [(&str, usize); 5] = [
    ("businessPhones", 2),
    ("homePhones", 2),
    ("imAddresses", 3),
    ("children", usize::MAX),
    ("categories", usize::MAX),
];
/// Members that are a postal address.
pub(super) const ADDRESSES: [&str; 3] = ["businessAddress", "homeAddress", "otherAddress"];
/// The parts of a postal address.
const ADDRESS_PARTS: [&str; 5] = ["street", "city", "state", "postalCode", "countryOrRegion"];
/// The three slots that `emailAddresses` shows as a list (facts 1.1).
pub(super) const EMAIL_SLOTS: [&str; 3] = [
    "primaryEmailAddress",
    "secondaryEmailAddress",
    "tertiaryEmailAddress",
];
/// Members that the server makes. That a body with one of them is refused is inferred from "read-only" (facts 1.1).
const READ_ONLY: [&str; 4] = ["id", "changeKey", "createdDateTime", "lastModifiedDateTime"];
/// Documented as updatable, but whether it moves the contact is unverified (facts 2.6): here it is without effect.
const FOLDER: &str = "parentFolderId";
/// Longest text beside `personalNotes`. The real limits aren't documented (facts 1.2).
const MAX_TEXT: usize = 4_096;

/// What a POST or PATCH writes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Write {
    /// Members to set; null clears.
    pub(crate) members: Map<String, Value>,
    /// Single-value extended properties by their normal id; `None` removes.
    pub(crate) properties: BTreeMap<String, Option<String>>,
    /// Open extensions sent inline (facts 1.4).
    pub(crate) extensions: Vec<Map<String, Value>>,
}

/// Reads a body strictly, as Graph does: an unknown member or a wrong type is a 400.
pub(crate) fn read(body: Map<String, Value>) -> Result<Write, Refusal> {
    let mut write = Write::default();
    for (name, value) in body {
        if name.starts_with("@odata.") || name == FOLDER {
            continue;
        }
        if READ_ONLY.contains(&name.as_str()) {
            return Err(Refusal::new(
                400,
                "ErrorInvalidPropertySet",
                format!("The property '{name}' is read-only and cannot be set."),
            ));
        }
        match name.as_str() {
            "singleValueExtendedProperties" => write.properties = properties(&value)?,
            "extensions" => write.extensions = objects(&name, &value)?,
            "emailAddresses" => {
                limit(&name, &value, 3)?;
                objects(&name, &value)?;
                write.members.insert(name, value);
            }
            _ => {
                member(&name, &value)?;
                write.members.insert(name, value);
            }
        }
    }
    Ok(write)
}

fn member(name: &str, value: &Value) -> Result<(), Refusal> {
    if value.is_null() {
        return known(name);
    }
    if TEXTS.contains(&name) {
        let text = value.as_str().ok_or_else(|| wrong_type(name))?;
        if text.len() > MAX_TEXT && name != "personalNotes" {
            return Err(Refusal::new(
                400,
                "ErrorInvalidProperty",
                format!("The value of {name} is too long."),
            ));
        }
        return Ok(());
    }
    if let Some((_, most)) = LISTS.iter().find(|(list, _)| *list == name) {
        limit(name, value, *most)?;
        let strings = value
            .as_array()
            .is_some_and(|list| list.iter().all(Value::is_string));
        return if strings { Ok(()) } else { Err(wrong_type(name)) };
    }
    if ADDRESSES.contains(&name) {
        let parts = value.as_object().ok_or_else(|| wrong_type(name))?;
        let fits = |(part, text): (&String, &Value)| {
            part.starts_with("@odata.")
                || (ADDRESS_PARTS.contains(&part.as_str()) && (text.is_string() || text.is_null()))
        };
        return if parts.iter().all(fits) {
            Ok(())
        } else {
            Err(wrong_type(name))
        };
    }
    if EMAIL_SLOTS.contains(&name) {
        return if value.is_object() {
            Ok(())
        } else {
            Err(wrong_type(name))
        };
    }
    if name == "birthday" {
        return value
            .as_str()
            .and_then(shape::day_of)
            .map(|_| ())
            .ok_or_else(|| wrong_type(name));
    }
    known(name)
}

fn known(name: &str) -> Result<(), Refusal> {
    let lists = LISTS.iter().any(|(list, _)| *list == name);
    // A contact is an open type: schema extensions are members of their own, named `ext…` (facts 1.1).
    let schema_extension = name.starts_with("ext") && name.contains('_');
    if TEXTS.contains(&name)
        || lists
        || ADDRESSES.contains(&name)
        || EMAIL_SLOTS.contains(&name)
        || name == "birthday"
        || schema_extension
    {
        return Ok(());
    }
    Err(Refusal::bad_body(format!(
        "The property '{name}' does not exist on type 'microsoft.graph.contact'."
    )))
}

fn wrong_type(name: &str) -> Refusal {
    Refusal::bad_body(format!(
        "Cannot convert the literal of '{name}' to the expected type."
    ))
}

/// facts 1.2, with the observed text. The code is unverified.
fn limit(name: &str, value: &Value, most: usize) -> Result<(), Refusal> {
    let entries = value.as_array().map_or(0, Vec::len);
    if entries <= most {
        return Ok(());
    }
    let title = name[..1].to_ascii_uppercase() + &name[1..];
    Err(Refusal::new(
        400,
        "ErrorInvalidProperty",
        format!(
            "The multi value property {title} has {entries} entries, that exceeds the max allowed value of {most}"
        ),
    ))
}

fn objects(name: &str, value: &Value) -> Result<Vec<Map<String, Value>>, Refusal> {
    let list = value.as_array().ok_or_else(|| wrong_type(name))?;
    list.iter()
        .map(|entry| entry.as_object().cloned().ok_or_else(|| wrong_type(name)))
        .collect()
}

fn properties(value: &Value) -> Result<BTreeMap<String, Option<String>>, Refusal> {
    let entries = objects("singleValueExtendedProperties", value)?;
    let read = |entry: &Map<String, Value>| {
        let id = entry.get("id").and_then(Value::as_str).unwrap_or_default();
        Ok((
            property_id(id)?,
            entry.get("value").and_then(Value::as_str).map(str::to_owned),
        ))
    };
    entries.iter().map(read).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_outlook_cannot_hold_is_refused_with_its_own_words() {
        let body = json!({ "businessPhones": ["1", "2", "3"] });
        let refusal = read(body.as_object().unwrap().clone()).unwrap_err();
        assert_eq!(refusal.status, 400);
        assert!(
            refusal.message.contains("BusinessPhones has 3 entries"),
            "{}",
            refusal.message
        );
        for body in [
            json!({ "gender": "female" }),
            json!({ "givenName": 7 }),
            json!({ "birthday": "soon" }),
        ] {
            assert_eq!(
                read(body.as_object().unwrap().clone()).unwrap_err().code,
                "RequestBodyRead",
                "{body}"
            );
        }
        let body = json!({ "changeKey": "K" });
        let refusal = read(body.as_object().unwrap().clone()).unwrap_err();
        assert_eq!((refusal.status, &*refusal.code), (400, "ErrorInvalidPropertySet"));
    }
}
