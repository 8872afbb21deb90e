//! Contacts to state the laws about. A contact is a few small numbers, one for each of some members: which of the
//! member's values it has. So there are many collisions, and a counterexample shrinks to a contact with next to nothing.

use std::sync::LazyLock;

use proptest::prelude::*;
use serde_json::{Value, json};
use sync_core::sighting::Document;

/// The members, each with its values; the first one stands for "absent".
pub(crate) static MEMBERS: LazyLock<Vec<(&'static str, Vec<Value>)>> = LazyLock::new(|| {
    let mail = |address: &str, name: &str| json!({"address": address, "name": name});
    vec![
        (
            "surname",
            vec![
                json!(null),
                json!(""),
                json!("Byron"),
                json!("Lovelace"),
                json!(" Byron "),
            ],
        ),
        (
            "displayName",
            vec![json!(null), json!("Ada"), json!("Ada Byron"), json!("Countess")],
        ),
        (
            "personalNotes",
            vec![json!(null), json!("a\nb"), json!("a\r\nb"), json!("c")],
        ),
        (
            "birthday",
            vec![
                json!(null),
                json!("1815-12-10"),
                json!("1815-12-10T11:59:00Z"),
                json!("1815-12-11T00:00:00Z"),
            ],
        ),
        (
            "homeAddress",
            vec![
                json!(null),
                json!({}),
                json!({"city": "London", "street": null}),
                json!({"city": "London"}),
                json!({"city": "Ockham", "street": "1 Park"}),
            ],
        ),
        (
            "businessPhones",
            vec![
                json!(null),
                json!([]),
                json!(["1"]),
                json!(["1", "2"]),
                json!(["2", "1"]),
                json!(["3", "", "2"]),
                json!(["1", "2", "3"]),
                json!(["4", "3", "1", "2"]),
            ],
        ),
        (
            "categories",
            vec![
                json!(null),
                json!(["red"]),
                json!(["red", "blue", "red"]),
                json!(["blue", "red", "green"]),
                json!([null, "green"]),
            ],
        ),
        (
            "emailAddresses",
            vec![
                json!(null),
                json!([mail("ada@x", "Ada")]),
                json!([mail("ADA@x", "Countess")]),
                json!([{"address": "ada@x"}]),
                json!([mail("b@x", "B"), mail("ada@x", "Ada")]),
                json!([mail("ada@x", "Ada"), mail("b@x", "Bee"), mail("c@x", "c@x")]),
                json!([
                    mail("d@x", "D"),
                    mail("c@x", "C"),
                    mail("b@x", "B"),
                    mail("ada@x", "Ada")
                ]),
                json!([{}, mail("ada@x", "Lady"), mail("ada@x", "Ada"), mail("e@x", "")]),
            ],
        ),
    ]
});

/// Which value each member has.
pub(crate) type Choice = [u8; 8];

/// Any choice.
pub(crate) fn choices() -> impl Strategy<Value = Choice> {
    prop::array::uniform8(0_u8..8)
}

/// The contact of a choice. A number beyond a member's values is as good as absent, so that many members are.
pub(crate) fn contact(choice: Choice) -> Document {
    MEMBERS
        .iter()
        .zip(choice)
        .filter(|(_, at)| *at > 0)
        .filter_map(|((name, values), at)| Some(((*name).to_owned(), values.get(usize::from(at))?.clone())))
        .collect()
}

/// As Outlook shows one: what Graph makes of others, and a member that nobody has heard of.
pub(crate) fn shown(mut contact: Document, unknown: u8) -> Document {
    let first = contact
        .get("emailAddresses")
        .and_then(Value::as_array)
        .and_then(|list| list.first())
        .cloned();
    contact.extend(first.map(|first| ("primaryEmailAddress".to_owned(), first)));
    if unknown > 0 {
        contact.insert("shoeSize".to_owned(), json!(unknown));
    }
    contact
}

/// A list with this one element, to ask about an element as if it were the member.
pub(crate) fn only(element: &Value) -> Value {
    Value::Array(vec![element.clone()])
}

/// The elements of a list; none of what is no list.
pub(crate) fn elements(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}
