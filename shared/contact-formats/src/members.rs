//! The members of a contact that the formats have words for, and when two values of one are alike.
//!
//! Must not know how a format says them.

use serde_json::{Map, Value};

use crate::Document;
use crate::birthday::Date;
use crate::text::with_line_feeds;

/// The lines of vCards that no member can hold.
pub(crate) const VCARD: &str = "vCard";
/// The properties of `JSContact` that no member can hold.
pub(crate) const JSCONTACT: &str = "jsContact";

/// The parts of an address, in the order of vCard's `ADR`.
pub(crate) const ADDRESS: [&str; 5] = ["street", "city", "state", "postalCode", "countryOrRegion"];

/// Members that Graph derives from others (facts 1.1): no format has them.
pub(crate) const DERIVED: [&str; 3] = [
    "primaryEmailAddress",
    "secondaryEmailAddress",
    "tertiaryEmailAddress",
];

const KNOWN: [&str; 34] = [
    "assistantName",
    "birthday",
    "businessAddress",
    "businessHomePage",
    "businessPhones",
    "categories",
    "children",
    "companyName",
    "department",
    "displayName",
    "emailAddresses",
    "fileAs",
    "generation",
    "givenName",
    "homeAddress",
    "homePhones",
    "imAddresses",
    "initials",
    "jobTitle",
    "manager",
    "middleName",
    "mobilePhone",
    "nickName",
    "officeLocation",
    "otherAddress",
    "personalNotes",
    "profession",
    "spouseName",
    "surname",
    "title",
    "yomiCompanyName",
    "yomiGivenName",
    "yomiSurname",
    VCARD,
];

/// A member's text; empty where it has none.
pub(crate) fn text<'a>(document: &'a Document, name: &str) -> &'a str {
    document.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The texts of a member that is a list.
pub(crate) fn texts<'a>(document: &'a Document, name: &str) -> impl Iterator<Item = String> + use<'a> {
    elements(document, name)
        .filter_map(Value::as_str)
        .filter(|text| !text.is_empty())
        .map(with_line_feeds)
}

/// The elements of a member that is a list.
pub(crate) fn elements<'a>(document: &'a Document, name: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    document.get(name).and_then(Value::as_array).into_iter().flatten()
}

/// An address's parts; None where it has none.
pub(crate) fn address<'a>(document: &'a Document, name: &str) -> Option<[&'a str; 5]> {
    let address = document.get(name)?.as_object()?;
    let parts = ADDRESS.map(|part| text(address, part));
    parts.iter().any(|part| !part.is_empty()).then_some(parts)
}

/// Sets a text, unless it is empty or there is one already. Tells whether it was taken (or empty).
pub(crate) fn set(document: &mut Document, name: &str, text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    if document.contains_key(name) {
        return false;
    }
    document.insert(name.to_owned(), with_line_feeds(text).into());
    true
}

/// Adds an element to a list.
pub(crate) fn push(document: &mut Document, name: &str, element: impl Into<Value>) {
    let list = document.entry(name).or_insert_with(|| Value::Array(Vec::new()));
    if let Some(list) = list.as_array_mut() {
        list.push(element.into());
    }
}

/// Sets an address, unless there is one already. Tells whether it was taken.
pub(crate) fn set_address(document: &mut Document, name: &str, parts: &[String; 5]) -> bool {
    if document.contains_key(name) {
        return false;
    }
    let mut address = Map::new();
    for (part, text) in ADDRESS.iter().zip(parts) {
        set(&mut address, part, text);
    }
    document.insert(name.to_owned(), address.into());
    true
}

/// Whether two values of a member say the same.
pub(crate) fn alike(name: &str, one: Option<&Value>, other: Option<&Value>) -> bool {
    if name == "birthday" {
        let date = |value: Option<&Value>| value.and_then(Value::as_str).and_then(Date::of_member);
        if let (Some(one), Some(other)) = (date(one), date(other)) {
            return one == other;
        }
    }
    if KNOWN.contains(&name) {
        bare(one) == bare(other)
    } else {
        one.filter(|value| !value.is_null()) == other.filter(|value| !value.is_null())
    }
}

/// A value without what is empty in it. Goes no deeper than Graph's own types do: what lies below is compared as it is.
fn bare(value: Option<&Value>) -> Option<Value> {
    match value? {
        Value::Null => None,
        Value::String(text) => (!text.is_empty()).then(|| with_line_feeds(text).into()),
        Value::Array(elements) => {
            let bare = elements
                .iter()
                .map(|element| bare_element(element).unwrap_or_default());
            (!elements.is_empty()).then(|| bare.collect())
        }
        object @ Value::Object(_) => bare_element(object),
        scalar @ (Value::Bool(_) | Value::Number(_)) => Some(scalar.clone()),
    }
}

fn bare_element(element: &Value) -> Option<Value> {
    match element {
        Value::String(text) => Some(with_line_feeds(text).into()),
        Value::Object(members) => {
            let kept = members.iter().filter_map(|(name, value)| match value {
                Value::Null => None,
                Value::String(text) if text.is_empty() => None,
                Value::String(text) => Some((name.clone(), with_line_feeds(text).into())),
                deeper @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                    Some((name.clone(), deeper.clone()))
                }
            });
            let kept: Map<String, Value> = kept.collect();
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        other @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_)) => Some(other.clone()),
    }
}
