//! Contacts by chance: all that Outlook and the API may hold, and more.

use contact_formats::Document;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const TEXTS: [&str; 23] = [
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
const LISTS: [&str; 5] = [
    "businessPhones",
    "categories",
    "children",
    "homePhones",
    "imAddresses",
];

/// Whatever a person or a program types: with the characters that mean something in a format.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[A-Za-zäßéЖ漢字 ]{0,12}",
        3 => "[,;:\\\\\"'^n=.\n\r\t \u{7}\u{a0}\u{2028}a-c+<>{}\\[\\]]{0,16}",
        1 => any::<String>(),
        1 => "(tel|sip|xmpp|urn:uuid|data):[a-z0-9,;@]{0,12}",
        1 => "[a-z€😀 ,]{60,200}",
        1 => Just("\u{feff}BEGIN:VCARD\r\nEND:VCARD".to_owned()),
    ]
}

fn address() -> impl Strategy<Value = Value> {
    let parts = ["street", "city", "state", "postalCode", "countryOrRegion"];
    vec(option::of(text()), 5).prop_map(move |texts| {
        let parts = parts
            .iter()
            .zip(texts)
            .filter_map(|(part, text)| Some(((*part).to_owned(), text?.into())));
        Value::Object(parts.collect())
    })
}

fn email() -> impl Strategy<Value = Value> {
    (
        option::of(text()),
        option::of(text()),
        option::weighted(0.1, text()),
    )
        .prop_map(|(address, name, kind)| {
            let mut email = Map::new();
            for (member, text) in [("address", address), ("name", name), ("type", kind)] {
                if let Some(text) = text {
                    email.insert(member.to_owned(), text.into());
                }
            }
            email.into()
        })
}

fn birthday() -> impl Strategy<Value = Value> {
    let time = prop_oneof![
        Just(""),
        Just("T00:00:00Z"),
        Just("T11:59:00Z"),
        Just("T23:00:00Z")
    ];
    let date = (1u16..=9999, 1u8..=12, 1u8..=28, time)
        .prop_map(|(y, m, d, time)| json!(format!("{y:04}-{m:02}-{d:02}{time}")));
    prop_oneof![9 => date, 1 => text().prop_map(Value::from)]
}

/// Any JSON.
pub(crate) fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            btree_map(text(), inner, 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn named((name, value): (&str, Value)) -> (String, Value) {
    (name.to_owned(), value)
}

fn member() -> impl Strategy<Value = (String, Value)> {
    let texts = (prop::sample::select(&TEXTS[..]), text().prop_map(Value::from));
    let lists = (
        prop::sample::select(&LISTS[..]),
        vec(text(), 0..6).prop_map(Value::from),
    );
    let addresses = (
        prop::sample::select(&["businessAddress", "homeAddress", "otherAddress"][..]),
        address(),
    );
    let emails = (Just("emailAddresses"), vec(email(), 0..6).prop_map(Value::from));
    let odd = (
        prop::sample::select(
            &[
                "vCard",
                "jsContact",
                "birthday",
                "displayName",
                "emailAddresses",
                "homeAddress",
                "children",
            ][..],
        ),
        anything(),
    );
    let kept = (
        Just("vCard"),
        vec(
            prop_oneof![
                text(),
                text().prop_map(|text| format!("X-KEPT:{text}")),
                text().prop_map(|text| format!("BDAY:{text}"))
            ],
            0..4,
        )
        .prop_map(Value::from),
    );
    let properties = prop::sample::select(&["phones", "speakToAs", "name", "uid", "relatedTo", "x"][..]);
    let card = btree_map(properties.prop_map(str::to_owned), anything(), 0..4);
    let card = (
        Just("jsContact"),
        card.prop_map(|card| Value::Object(card.into_iter().collect())),
    );
    prop_oneof![
        8 => texts.prop_map(named),
        4 => lists.prop_map(named),
        2 => addresses.prop_map(named),
        2 => emails.prop_map(named),
        1 => (Just("birthday"), birthday()).prop_map(named),
        1 => kept.prop_map(named),
        1 => card.prop_map(named),
        1 => odd.prop_map(named),
        1 => (text(), anything()),
    ]
}

/// A contact's members.
pub(crate) fn contact() -> impl Strategy<Value = Document> {
    vec(member(), 0..14).prop_map(|members| members.into_iter().collect())
}
