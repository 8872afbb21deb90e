//! A contact's members as `JSContact`'s properties: one half of the crate's table; the other is `read`.
//!
//! Must not care whether a member comes back as it was: that is seen afterwards.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::read::is_sound;
use super::{EMAIL_NAME, MEMBERS};
use crate::Document;
use crate::birthday::Date;
use crate::members::{JSCONTACT, address, elements, text, texts};
use crate::text::{is_uri, with_line_feeds};

/// The name's components: kind, member, and the member that tells how it is pronounced.
pub(super) const NAME: [(&str, &str, Option<&str>); 5] = [
    ("title", "title", None),
    ("given", "givenName", Some("yomiGivenName")),
    ("given2", "middleName", None),
    ("surname", "surname", Some("yomiSurname")),
    ("generation", "generation", None),
];

/// The parts of an address in the order of the member's, by the kind of component.
pub(super) const ADDRESS: [&str; 5] = ["name", "locality", "region", "postcode", "country"];

/// Properties that what was kept must not say.
const OWN: [&str; 5] = ["@type", "version", "uid", "prodId", MEMBERS];

pub(super) fn card(document: &Document, uid: &str) -> Map<String, Value> {
    let mut card = Map::new();
    for (name, value) in [
        ("@type", "Card"),
        ("version", "1.0"),
        ("uid", uid),
        ("prodId", "-//outlook-contact-sync//EN"),
    ] {
        card.insert(name.to_owned(), value.into());
    }
    if let Some(name) = name(document) {
        card.insert("name".to_owned(), name);
    }
    let mut maps = Maps::default();
    work(&mut maps, document);
    ways(&mut maps, document);
    people(&mut maps, document);
    for (property, map) in maps.0 {
        card.insert(property.to_owned(), map.into());
    }
    add_kept(&mut card, document);
    card
}

fn name(document: &Document) -> Option<Value> {
    let mut components = Vec::new();
    let mut spoken = false;
    for (kind, member, phonetic) in NAME {
        let Some(value) = said(document, member) else {
            continue;
        };
        let mut component = json!({ "kind": kind, "value": value });
        if let Some(phonetic) = phonetic.and_then(|member| said(document, member)) {
            component["phonetic"] = phonetic.into();
            spoken = true;
        }
        components.push(component);
    }
    let mut name = Map::new();
    if !components.is_empty() {
        name.insert("components".to_owned(), components.into());
        name.insert("isOrdered".to_owned(), true.into());
    }
    if spoken {
        name.insert("phoneticScript".to_owned(), "Kana".into()); // what Outlook's yomi members are for
    }
    if let Some(full) = said(document, "displayName") {
        name.insert("full".to_owned(), full.into());
    }
    (!name.is_empty()).then(|| name.into())
}

fn work(maps: &mut Maps, document: &Document) {
    if let Some(nick) = said(document, "nickName") {
        maps.add("nicknames", json!({ "name": nick }));
    }
    let mut organization = Map::new();
    if let Some(company) = said(document, "companyName") {
        organization.insert("name".to_owned(), company.into());
    }
    if let Some(department) = said(document, "department") {
        organization.insert("units".to_owned(), json!([{ "name": department }]));
    }
    if !organization.is_empty() {
        maps.add("organizations", organization.into());
    }
    for (member, kind) in [("jobTitle", "title"), ("profession", "role")] {
        if let Some(title) = said(document, member) {
            maps.add("titles", json!({ "name": title, "kind": kind }));
        }
    }
}

/// How the contact is reached.
fn ways(maps: &mut Maps, document: &Document) {
    for email in elements(document, "emailAddresses").filter_map(Value::as_object) {
        if let Some(address) = said(email, "address") {
            let mut entry = json!({ "address": address });
            if let Some(name) = said(email, "name") {
                entry[EMAIL_NAME] = name.into();
            }
            maps.add("emails", entry);
        }
    }
    let phones = [("businessPhones", "work"), ("homePhones", "private")];
    for (member, context) in phones {
        for number in texts(document, member) {
            let features = json!({ "voice": true });
            maps.add(
                "phones",
                json!({ "number": number, "features": features, "contexts": { context: true } }),
            );
        }
    }
    if let Some(number) = said(document, "mobilePhone") {
        maps.add(
            "phones",
            json!({ "number": number, "features": { "mobile": true } }),
        );
    }
    for im in texts(document, "imAddresses") {
        let property = if is_uri(&im) { "uri" } else { "user" };
        maps.add("onlineServices", json!({ property: im, "vCardName": "impp" }));
    }
    let places = [
        ("businessAddress", Some("work")),
        ("homeAddress", Some("private")),
        ("otherAddress", None),
    ];
    for (member, context) in places {
        if let Some(parts) = address(document, member) {
            let components = ADDRESS.iter().zip(parts).filter(|(_, part)| !part.is_empty());
            let components: Vec<Value> = components
                .map(|(kind, part)| json!({ "kind": kind, "value": with_line_feeds(part) }))
                .collect();
            let mut entry = json!({ "components": components });
            if let Some(context) = context {
                entry["contexts"] = json!({ context: true });
            }
            maps.add("addresses", entry);
        }
    }
    if let Some(page) = said(document, "businessHomePage") {
        maps.add("links", json!({ "uri": page, "contexts": { "work": true } }));
    }
}

fn people(maps: &mut Maps, document: &Document) {
    if let Some(notes) = said(document, "personalNotes") {
        maps.add("notes", json!({ "note": notes }));
    }
    if let Some(date) = Date::of_member(text(document, "birthday")) {
        let date = json!({ "@type": "PartialDate", "year": date.year, "month": date.month, "day": date.day });
        maps.add("anniversaries", json!({ "kind": "birth", "date": date }));
    }
    for category in texts(document, "categories") {
        maps.map("keywords").insert(category, true.into());
    }
    let spouse = said(document, "spouseName").map(|name| (name, "spouse"));
    let children = texts(document, "children").map(|name| (name, "child"));
    for (name, relation) in spouse.into_iter().chain(children) {
        let related = maps.map("relatedTo").entry(name);
        related.or_insert_with(|| json!({ "relation": {} }))["relation"][relation] = true.into();
    }
}

/// What no member can hold takes the places that are left: anybody may have put it into the member.
fn add_kept(card: &mut Map<String, Value>, document: &Document) {
    let kept = document.get(JSCONTACT).and_then(Value::as_object);
    for (name, value) in kept.into_iter().flatten() {
        if OWN.contains(&name.as_str()) || !is_sound(name, value) {
            continue;
        }
        match (card.get_mut(name), value) {
            (None, value) => {
                card.insert(name.clone(), value.clone());
            }
            (Some(Value::Object(ours)), Value::Object(theirs)) => {
                for (id, entry) in theirs {
                    ours.entry(id.as_str()).or_insert_with(|| entry.clone());
                }
            }
            (Some(_), _) => {}
        }
    }
}

/// A text, if there is one.
fn said(document: &Document, member: &str) -> Option<String> {
    let text = text(document, member);
    (!text.is_empty()).then(|| with_line_feeds(text))
}

/// The properties that are maps.
#[derive(Default)]
struct Maps(BTreeMap<&'static str, Map<String, Value>>);

impl Maps {
    fn map(&mut self, property: &'static str) -> &mut Map<String, Value> {
        self.0.entry(property).or_default()
    }

    /// Adds under the next id. Ids keep the order: a map has none of its own.
    fn add(&mut self, property: &'static str, entry: Value) {
        let map = self.map(property);
        let id = format!("{}{:03}", &property[..1], map.len() + 1);
        map.insert(id, entry);
    }
}
