//! What each member of a contact is, and when two values of it are the same.
//!
//! Knows the members that Graph documents (facts 1.1) and what Outlook does to values that it stores (facts 1.2): it
//! fills in what is missing and spells things in its own way. So values are compared by what they mean. Must not
//! know who changed what: that is [`crate::merge`].

use std::collections::BTreeSet;

use jiff::civil::Date;
use serde_json::{Map, Value};

use crate::sighting::Document;

/// What a member holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One text.
    Text,
    /// A calendar date, the same in every time zone. Graph writes it as a time (`1974-07-22T11:59:00Z`).
    Date,
    /// A postal address: one value, sent whole.
    Address,
    /// A list of texts: phones, categories, children.
    Texts,
    /// A list of e-mail addresses with names.
    Emails,
    /// Made by Graph out of other members: never sent, never in conflict, always Outlook's.
    Derived,
    /// Not one of Graph's documented members: kept, and never sent.
    Unknown,
}

impl Kind {
    /// Whether Outlook can be told such a member.
    pub fn is_writable(self) -> bool {
        match self {
            Self::Text | Self::Date | Self::Address | Self::Texts | Self::Emails => true,
            Self::Derived | Self::Unknown => false,
        }
    }

    /// Whether its values are merged element by element.
    pub fn is_list(self) -> bool {
        match self {
            Self::Texts | Self::Emails => true,
            Self::Text | Self::Date | Self::Address | Self::Derived | Self::Unknown => false,
        }
    }
}

/// The parts of a postal address, as Graph names them.
pub const ADDRESS_PARTS: [&str; 5] = ["street", "city", "state", "postalCode", "countryOrRegion"];

/// The member that Outlook writes anew whenever it isn't sent along (facts 1.2).
pub const DISPLAY_NAME: &str = "displayName";

/// The members that Outlook makes of [`NAME_PARTS`] where it is given none (facts 1.2).
pub const MADE_OF_NAMES: [&str; 2] = [DISPLAY_NAME, "fileAs"];

/// The parts of a person's name, and what stands for it where there is none.
pub const NAME_PARTS: [&str; 6] = [
    "title",
    "givenName",
    "middleName",
    "surname",
    "generation",
    "companyName",
];

/// The members that Graph documents (facts 1.1), by name.
pub const MEMBERS: [(&str, Kind); 36] = [
    ("assistantName", Kind::Text),
    ("birthday", Kind::Date),
    ("businessAddress", Kind::Address),
    ("businessHomePage", Kind::Text),
    ("businessPhones", Kind::Texts),
    ("categories", Kind::Texts),
    ("children", Kind::Texts),
    ("companyName", Kind::Text),
    ("department", Kind::Text),
    ("displayName", Kind::Text),
    ("emailAddresses", Kind::Emails),
    ("fileAs", Kind::Text),
    ("generation", Kind::Text),
    ("givenName", Kind::Text),
    ("homeAddress", Kind::Address),
    ("homePhones", Kind::Texts),
    ("imAddresses", Kind::Texts),
    ("initials", Kind::Text),
    ("jobTitle", Kind::Text),
    ("manager", Kind::Text),
    ("middleName", Kind::Text),
    ("mobilePhone", Kind::Text),
    ("nickName", Kind::Text),
    ("officeLocation", Kind::Text),
    ("otherAddress", Kind::Address),
    ("personalNotes", Kind::Text),
    ("primaryEmailAddress", Kind::Derived),
    ("profession", Kind::Text),
    ("secondaryEmailAddress", Kind::Derived),
    ("spouseName", Kind::Text),
    ("surname", Kind::Text),
    ("tertiaryEmailAddress", Kind::Derived),
    ("title", Kind::Text),
    ("yomiCompanyName", Kind::Text),
    ("yomiGivenName", Kind::Text),
    ("yomiSurname", Kind::Text),
];

/// What the member of this name holds.
pub fn kind(name: &str) -> Kind {
    let place = MEMBERS.binary_search_by_key(&name, |(member, _)| member);
    place.map_or(Kind::Unknown, |place| MEMBERS[place].1)
}

/// How many elements of a list Outlook takes; `None` where no limit is known (facts 1.2).
pub fn cap(name: &str) -> Option<usize> {
    match name {
        "emailAddresses" => Some(3),
        "businessPhones" => Some(2),
        _ => None,
    }
}

/// Whether two values of a member mean the same. Absent, null, empty texts, empty lists and objects without content
/// are all nothing. Texts are compared without the space around them and with one kind of line end, e-mail
/// addresses without regard to letter case, a birthday by its date. The order of a list counts.
pub fn same(name: &str, one: Option<&Value>, other: Option<&Value>) -> bool {
    one == other || meaning(name, one) == meaning(name, other)
}

/// Whether a value means nothing: the member is not set.
pub fn is_blank(name: &str, value: Option<&Value>) -> bool {
    meaning(name, value).is_null()
}

/// Whether `has` contains all that `wanted` says, and perhaps more: a name that Outlook has added to an e-mail address
/// is no loss.
pub fn holds(name: &str, wanted: Option<&Value>, has: Option<&Value>) -> bool {
    fn within(wanted: &Value, has: &Value) -> bool {
        match (wanted, has) {
            (Value::Null, _) => true,
            (Value::Array(wanted), Value::Array(has)) => wanted
                .iter()
                .all(|one| has.iter().any(|other| within(one, other))),
            (Value::Object(wanted), Value::Object(has)) => wanted
                .iter()
                .all(|(part, one)| has.get(part).is_some_and(|other| within(one, other))),
            (wanted, has) => wanted == has,
        }
    }
    wanted == has || within(&meaning(name, wanted), &meaning(name, has))
}

/// The writable members that mean something else in one document than in the other.
pub fn differing(one: &Document, other: &Document) -> BTreeSet<String> {
    one.keys()
        .chain(other.keys())
        .filter(|name| kind(name).is_writable() && !same(name, one.get(*name), other.get(*name)))
        .cloned()
        .collect()
}

/// Whether two documents mean the same in all members but the derived ones.
pub fn alike(one: &Document, other: &Document) -> bool {
    one.keys()
        .chain(other.keys())
        .all(|name| kind(name) == Kind::Derived || same(name, one.get(name), other.get(name)))
}

/// A value in the form in which Graph is told it. Nothing is `null`, or `[]` for a list. An address always has all
/// its parts, so that it makes no difference whether Graph replaces it or lays it over the old one. A birthday is sent
/// as noon, near enough, in UTC, which is the same day in almost every time zone.
pub fn wire(name: &str, value: Option<&Value>) -> Value {
    let kind = kind(name);
    let Some(value) = value.filter(|value| !is_blank(name, Some(value))) else {
        return if kind.is_list() {
            Value::Array(Vec::new())
        } else {
            Value::Null
        };
    };
    match (kind, value) {
        (Kind::Date, Value::String(text)) => date(text).map_or_else(
            || value.clone(),
            |date| Value::String(format!("{date}T11:59:00Z")),
        ),
        (Kind::Address, Value::Object(parts)) => {
            let part = |part: &&str| parts.get(*part).filter(|value| !plain(value).is_null()).cloned();
            ADDRESS_PARTS
                .iter()
                .map(|name| ((*name).to_owned(), part(name).unwrap_or(Value::Null)))
                .collect()
        }
        (Kind::Texts | Kind::Emails, Value::Array(_)) => elements(name, Some(value))
            .into_iter()
            .flatten()
            .map(|(_, element)| match element {
                Value::Object(parts) if kind == Kind::Emails => ["address", "name"]
                    .iter()
                    .filter_map(|part| Some(((*part).to_owned(), parts.get(*part)?.clone())))
                    .filter(|(_, value)| !plain(value).is_null())
                    .collect(),
                Value::Null
                | Value::Bool(_)
                | Value::Number(_)
                | Value::String(_)
                | Value::Array(_)
                | Value::Object(_) => element.clone(),
            })
            .collect(),
        (
            Kind::Text
            | Kind::Date
            | Kind::Address
            | Kind::Texts
            | Kind::Emails
            | Kind::Derived
            | Kind::Unknown,
            value,
        ) => value.clone(),
    }
}

/// Which element of a list one is: by what it says, and the how manieth of those that say the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    says: String,
    nth: usize,
}

/// The elements of a list that mean something, in order. An e-mail address is the same element whatever name it has.
/// `None` for a value that is no list at all.
pub(crate) fn elements<'a>(name: &str, list: Option<&'a Value>) -> Option<Vec<(Key, &'a Value)>> {
    let list = match list {
        None | Some(Value::Null) => &[],
        Some(Value::Array(list)) => list.as_slice(),
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) => return None,
    };
    let mut found: Vec<(Key, &Value)> = Vec::with_capacity(list.len());
    for value in list {
        let says = match element(name, value) {
            Value::Null => continue,
            Value::String(text) => text,
            Value::Object(parts) => match parts.get("address") {
                Some(Value::String(address)) => address.clone(),
                Some(_) | None => Value::Object(parts).to_string(),
            },
            meaning @ (Value::Bool(_) | Value::Number(_) | Value::Array(_)) => meaning.to_string(),
        };
        let nth = found.iter().filter(|(key, _)| key.says == says).count();
        found.push((Key { says, nth }, value));
    }
    Some(found)
}

/// What an element of a list means.
pub(crate) fn element(name: &str, value: &Value) -> Value {
    if kind(name) == Kind::Emails {
        email(value)
    } else {
        plain(value)
    }
}

/// What a value means, in one form. Null: nothing.
fn meaning(name: &str, value: Option<&Value>) -> Value {
    let Some(value) = value else {
        return Value::Null;
    };
    match (kind(name), value) {
        (Kind::Date, Value::String(text)) => {
            date(text).map_or_else(|| plain(value), |date| Value::String(date.to_string()))
        }
        (Kind::Address, Value::Object(parts)) => object(
            ADDRESS_PARTS
                .iter()
                .filter_map(|part| Some((*part, plain(parts.get(*part)?)))),
        ),
        (Kind::Emails, Value::Array(list)) => array(list.iter().map(email)),
        (Kind::Texts, Value::Array(list)) => array(list.iter().map(plain)),
        (Kind::Derived, value) => email(value),
        (Kind::Unknown, value) if !plain(value).is_null() => value.clone(),
        (Kind::Text | Kind::Date | Kind::Address | Kind::Texts | Kind::Emails | Kind::Unknown, value) => {
            plain(value)
        }
    }
}

/// Outlook gives an address without a name its own text as the name: that is no name.
fn email(value: &Value) -> Value {
    let Value::Object(parts) = value else {
        return plain(value);
    };
    let part = |name| parts.get(name).map_or(Value::Null, plain);
    let address = part("address");
    let address = address
        .as_str()
        .map(|text| Value::String(text.to_lowercase()))
        .unwrap_or(address);
    let name = match (part("name"), &address) {
        (Value::String(name), Value::String(address)) if name.to_lowercase() == *address => Value::Null,
        (name, _) => name,
    };
    object([("address", address), ("name", name)].into_iter())
}

/// Any value without what means nothing in it.
fn plain(value: &Value) -> Value {
    match value {
        Value::String(text) => match text.trim() {
            "" => Value::Null,
            text if text.contains('\r') => Value::String(text.replace("\r\n", "\n").replace('\r', "\n")),
            text => Value::String(text.to_owned()),
        },
        Value::Array(list) => array(list.iter().map(plain)),
        Value::Object(parts) => object(parts.iter().map(|(part, value)| (part.as_str(), plain(value)))),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn array(meanings: impl Iterator<Item = Value>) -> Value {
    let list: Vec<_> = meanings.filter(|value| !value.is_null()).collect();
    if list.is_empty() {
        Value::Null
    } else {
        Value::Array(list)
    }
}

fn object<'a>(meanings: impl Iterator<Item = (&'a str, Value)>) -> Value {
    let parts: Map<_, _> = meanings
        .filter(|(_, value)| !value.is_null())
        .map(|(part, value)| (part.to_owned(), value))
        .collect();
    if parts.is_empty() {
        Value::Null
    } else {
        Value::Object(parts)
    }
}

/// The date that a text begins with, whatever time and zone it goes on with.
fn date(text: &str) -> Option<Date> {
    let text = text.trim();
    let (date, rest) = text.split_at_checked(10)?;
    (rest.is_empty() || rest.starts_with(['T', 't', ' ']))
        .then(|| date.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_are_compared_by_what_they_mean() {
        let nothing = [
            json!(null),
            json!(""),
            json!(" "),
            json!([]),
            json!({}),
            json!({"city": null}),
            json!([""]),
        ];
        for name in [
            "surname",
            "birthday",
            "homeAddress",
            "children",
            "emailAddresses",
            "shoeSize",
        ] {
            for value in &nothing {
                assert!(same(name, None, Some(value)), "{name}: {value} is nothing");
            }
        }
        let mail = |address: &str, name: &str| json!([{"address": address, "name": name}]);
        let equal = [
            ("surname", json!(" Byron"), json!("Byron")),
            ("personalNotes", json!("a\r\nb"), json!("a\nb")),
            (
                "birthday",
                json!("1815-12-10"),
                json!("1815-12-10T23:00:00+01:00"),
            ),
            (
                "homeAddress",
                json!({"city": "London", "street": null}),
                json!({"city": "London", "type": "home"}),
            ),
            ("businessPhones", json!(["1", "", null]), json!(["1"])),
            ("emailAddresses", mail("Ada@x", "Ada"), mail("ada@X", "Ada")),
            (
                "emailAddresses",
                mail("ada@x", "ada@x"),
                json!([{"address": "ada@x", "type": "unknown"}]),
            ),
        ];
        for (name, one, other) in equal {
            assert!(same(name, Some(&one), Some(&other)), "{name}: {one} = {other}");
        }
        let different = [
            ("surname", json!("Byron"), json!("byron")),
            ("birthday", json!("1815-12-10"), json!("1815-12-11T00:00:00Z")),
            ("businessPhones", json!(["1", "2"]), json!(["2", "1"])),
            ("emailAddresses", mail("ada@x", "Ada"), mail("ada@x", "")),
            ("shoeSize", json!({"uk": "5 "}), json!({"uk": "5"})),
        ];
        for (name, one, other) in different {
            assert!(!same(name, Some(&one), Some(&other)), "{name}: {one} ≠ {other}");
        }
    }

    #[test]
    fn graph_is_told_whole_values() {
        let none = json!(null);
        let address = json!({"street": none, "city": "London", "state": none, "postalCode": none, "countryOrRegion": none});
        let table = [
            ("surname", json!(""), none.clone()),
            ("children", none.clone(), json!([])),
            ("homeAddress", json!({"city": "London", "type": "home"}), address),
            ("homeAddress", json!({}), none.clone()),
            (
                "birthday",
                json!("1815-12-10T23:00:00+01:00"),
                json!("1815-12-10T11:59:00Z"),
            ),
            ("birthday", json!("soon"), json!("soon")),
            ("businessPhones", json!(["", "1"]), json!(["1"])),
            (
                "emailAddresses",
                json!([{"address": "ada@x", "name": "", "type": "work"}, {}]),
                json!([{"address": "ada@x"}]),
            ),
        ];
        for (name, value, told) in table {
            assert_eq!(wire(name, Some(&value)), told, "{name}: {value}");
        }
    }
}
