//! What must hold of a contact that was imported: exported, it is read as the same again, in either format.
//!
//! Must not know how a format says anything.

use contact_formats::{Document, jscontact, vcard};
use serde_json::Value;

/// Whose card it is: nothing depends on it.
const UID: &str = "con_aaaaaaaaaaaaaaaaaaaaaaaaaa";

/// Members that Graph derives from others: no format has them.
const DERIVED: [&str; 3] = [
    "primaryEmailAddress",
    "secondaryEmailAddress",
    "tertiaryEmailAddress",
];

/// Checks one contact.
pub(crate) fn comes_back(contact: &Document) {
    let text = vcard::write(contact, UID);
    match vcard::read(&text).as_deref() {
        Ok([again]) => same(contact, again, &text),
        other => panic!("an exported vCard can't be imported: {other:?}\n{text}"),
    }
    let card = jscontact::write(contact, UID);
    match jscontact::read(&card) {
        Ok(again) => same(contact, &again, &card.to_string()),
        Err(problems) => panic!("an exported card can't be imported: {problems:?}\n{card}"),
    }
}

fn same(first: &Document, again: &Document, through: &str) {
    let (first, again) = (said(first), said(again));
    assert!(
        first == again,
        "not the same after a trip:\n{first}\n{again}\n{through}"
    );
}

/// What a contact says: absent, null and empty are one and the same, a line end is a line feed, and a birthday a date.
fn said(contact: &Document) -> Value {
    let members = contact
        .iter()
        .filter(|(name, _)| !DERIVED.contains(&name.as_str()));
    let members = members.filter_map(|(name, value)| {
        let mut value = bare(value)?;
        if let (Some(text), "birthday") = (value.as_str(), name.as_str())
            && text.get(10..).is_some_and(|rest| rest.starts_with(['T', 't']))
        {
            value = Value::from(&text[..10]);
        }
        Some((name.clone(), value))
    });
    Value::Object(members.collect())
}

fn bare(value: &Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::String(text) => {
            let text = text.replace("\r\n", "\n").replace('\r', "\n");
            (!text.is_empty()).then(|| text.into())
        }
        Value::Array(elements) => {
            let elements: Vec<Value> = elements.iter().filter_map(bare).collect();
            (!elements.is_empty()).then(|| elements.into())
        }
        Value::Object(members) => {
            let members = members
                .iter()
                .filter_map(|(name, value)| Some((name.clone(), bare(value)?)));
            let members: Document = members.collect();
            (!members.is_empty()).then(|| members.into())
        }
        scalar @ (Value::Bool(_) | Value::Number(_)) => Some(scalar.clone()),
    }
}
