//! `JSContact`'s properties as a contact's members: one half of the crate's table; the other is `write`.
//!
//! What no member can hold is kept: whole properties, and single entries of maps. Must not know how large a card may be.

use serde_json::{Map, Value};

use super::write::{ADDRESS, NAME};
use super::{EMAIL_NAME, Fault, MEMBERS, Problem, pointer};
use crate::Document;
use crate::birthday::Date;
use crate::members::{JSCONTACT, push, set, set_address};
use crate::text::{is_uri, phone};

/// What no preference stands for: after all that have one (RFC 9553 1.5.3: 1 to 100).
const LAST: u64 = 101;

/// What a card says.
#[derive(Default)]
pub(super) struct Reading {
    /// By its standard properties.
    pub(super) document: Document,
    /// Beside them.
    pub(super) carried: Document,
    pub(super) problems: Vec<Problem>,
    kept: Map<String, Value>,
}

type Entry = Map<String, Value>;
/// Whether a member took an entry; or where in it something is wrong, and what.
type Taken = Result<bool, (&'static str, Fault)>;

/// Whether a property by itself is read without a problem.
pub(super) fn is_sound(name: &str, value: &Value) -> bool {
    let mut reading = Reading::default();
    reading.property(name, value);
    reading.problems.is_empty()
}

pub(super) fn card(card: &Entry) -> Reading {
    let mut reading = Reading::default();
    for (name, value) in card {
        reading.property(name, value);
    }
    if !reading.kept.is_empty() {
        let kept = std::mem::take(&mut reading.kept);
        reading.document.insert(JSCONTACT.to_owned(), kept.into());
    }
    reading
}

impl Reading {
    fn property(&mut self, name: &str, value: &Value) {
        match name {
            "@type" if value != "Card" => self.problem(pointer("", name), Fault::NotACard),
            "version" if value != "1.0" => self.problem(pointer("", name), Fault::Version),
            "@type" | "version" | "uid" | "prodId" | "updated" => {}
            "kind" if value == "individual" => {}
            MEMBERS => match value {
                Value::Object(members) => self.carried.clone_from(members),
                Value::String(text) => match serde_json::from_str(text) {
                    Ok(members) => self.carried = members,
                    Err(_) => self.problem(pointer("", name), Fault::NotAnObject),
                },
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
                    self.problem(pointer("", name), Fault::NotAnObject);
                }
            },
            "name" => self.name(value),
            "nicknames" => self.map(name, value, |document, entry| {
                Ok(set(document, "nickName", required(entry, "name")?))
            }),
            "organizations" => self.map(name, value, organization),
            "titles" => self.map(name, value, |document, entry| {
                let role = entry.get("kind").is_some_and(|kind| kind == "role");
                let member = if role { "profession" } else { "jobTitle" };
                Ok(set(document, member, required(entry, "name")?))
            }),
            "emails" => self.map(name, value, email),
            "phones" => self.map(name, value, phones),
            "onlineServices" => self.map(name, value, online_service),
            "addresses" => self.map(name, value, address),
            "links" => self.map(name, value, |document, entry| {
                let uri = required(entry, "uri")?;
                let page = !entry.contains_key("kind") && !has(entry, "contexts", "private");
                Ok(page && set(document, "businessHomePage", uri))
            }),
            "anniversaries" => self.map(name, value, anniversary),
            "notes" => self.map(name, value, |document, entry| {
                Ok(set(document, "personalNotes", required(entry, "note")?))
            }),
            "keywords" => match value {
                Value::Object(words) => {
                    for word in words.keys() {
                        push(&mut self.document, "categories", word.as_str());
                    }
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    self.problem(pointer("", name), Fault::NotAnObject);
                }
            },
            "relatedTo" => self.related(name, value),
            _ => {
                self.kept.insert(name.to_owned(), value.clone());
            }
        }
    }

    fn problem(&mut self, pointer: String, detail: Fault) {
        self.problems.push(Problem { pointer, detail });
    }

    /// Reads a map entry by entry, the preferred first.
    fn map(&mut self, property: &str, value: &Value, read: impl Fn(&mut Document, &Entry) -> Taken) {
        let at = pointer("", property);
        let Some(map) = value.as_object() else {
            return self.problem(at, Fault::NotAnObject);
        };
        let mut entries: Vec<(&String, &Value)> = map.iter().collect();
        entries.sort_by_key(|(_, entry)| entry.get("pref").and_then(Value::as_u64).unwrap_or(LAST));
        for (id, value) in entries {
            let at = pointer(&at, id);
            let Some(entry) = value.as_object() else {
                self.problem(at, Fault::NotAnObject);
                continue;
            };
            match read(&mut self.document, entry) {
                Ok(true) => {}
                Ok(false) => self.keep(property, id, value),
                Err(("", detail)) => self.problem(at, detail),
                Err((inside, detail)) => self.problem(pointer(&at, inside), detail),
            }
        }
    }

    fn keep(&mut self, property: &str, id: &str, entry: &Value) {
        let map = self
            .kept
            .entry(property)
            .or_insert_with(|| Value::Object(Map::new()));
        if let Some(map) = map.as_object_mut() {
            map.insert(id.to_owned(), entry.clone());
        }
    }

    fn name(&mut self, value: &Value) {
        let at = pointer("", "name");
        let Some(name) = value.as_object() else {
            return self.problem(at, Fault::NotAnObject);
        };
        match optional(name, "full") {
            Ok(full) => {
                set(&mut self.document, "displayName", full);
            }
            Err((inside, detail)) => self.problem(pointer(&at, inside), detail),
        }
        match components(name) {
            Ok(components) => {
                for (kind, member, phonetic) in NAME {
                    set(&mut self.document, member, &joined(&components, kind, "value"));
                    if let Some(phonetic) = phonetic {
                        set(
                            &mut self.document,
                            phonetic,
                            &joined(&components, kind, "phonetic"),
                        );
                    }
                }
            }
            Err((inside, detail)) => self.problem(pointer(&at, inside), detail),
        }
    }

    /// Names are the keys of this map; a key that is a URI is of another card.
    fn related(&mut self, property: &str, value: &Value) {
        let at = pointer("", property);
        let Some(map) = value.as_object() else {
            return self.problem(at, Fault::NotAnObject);
        };
        for (name, entry) in map {
            let relation = |kind| {
                entry
                    .as_object()
                    .is_some_and(|entry| has(entry, "relation", kind))
            };
            let relations = entry.get("relation").and_then(Value::as_object);
            let both = usize::from(relation("spouse")) + usize::from(relation("child"));
            let family = both > 0 && relations.is_some_and(|relations| relations.len() == both);
            if is_uri(name) || !family || (relation("spouse") && self.document.contains_key("spouseName")) {
                self.keep(property, name, entry);
                continue;
            }
            if relation("spouse") {
                set(&mut self.document, "spouseName", name);
            }
            if relation("child") {
                push(&mut self.document, "children", name.as_str());
            }
        }
    }
}

fn organization(document: &mut Document, entry: &Entry) -> Taken {
    let company = optional(entry, "name")?;
    let mut units = Vec::new();
    match entry.get("units") {
        None | Some(Value::Null) => {}
        Some(Value::Array(all)) => {
            for unit in all {
                let unit = unit.as_object().ok_or(("units", Fault::NotAnObject))?;
                units.push(required(unit, "name").map_err(|(_, detail)| ("units", detail))?);
            }
        }
        Some(_) => return Err(("units", Fault::NotAnArray)),
    }
    if document.contains_key("companyName") || document.contains_key("department") {
        return Ok(false);
    }
    set(document, "companyName", company);
    set(document, "department", &units.join(", "));
    Ok(true)
}

fn email(document: &mut Document, entry: &Entry) -> Taken {
    let mut email = Map::new();
    set(&mut email, "address", required(entry, "address")?);
    set(&mut email, "name", optional(entry, EMAIL_NAME)?);
    push(document, "emailAddresses", email);
    Ok(true)
}

fn phones(document: &mut Document, entry: &Entry) -> Taken {
    let number = phone(required(entry, "number")?);
    if ["fax", "pager", "textphone"]
        .iter()
        .any(|feature| has(entry, "features", feature))
    {
        return Ok(false);
    }
    if has(entry, "features", "mobile") {
        return Ok(set(document, "mobilePhone", number));
    }
    let member = if has(entry, "contexts", "private") {
        "homePhones"
    } else {
        "businessPhones"
    };
    push(document, member, number);
    Ok(true)
}

fn online_service(document: &mut Document, entry: &Entry) -> Taken {
    let uri = optional(entry, "uri")?;
    let user = optional(entry, "user")?;
    let im = optional(entry, "vCardName")?.eq_ignore_ascii_case("impp");
    let said = if uri.is_empty() { user } else { uri };
    if !im || said.is_empty() {
        return Ok(false);
    }
    push(document, "imAddresses", said);
    Ok(true)
}

fn address(document: &mut Document, entry: &Entry) -> Taken {
    let components = components(entry)?;
    let mut parts = ADDRESS.map(|kind| joined(&components, kind, "value"));
    // A street is all that is finer than a place, in the order that the card has it.
    let finer = |kind: &str| !ADDRESS[1..].contains(&kind) && kind != "separator";
    let street = components.iter().filter(|component| finer(component.kind));
    let street: Vec<&str> = street.map(|component| component.value).collect();
    parts[0] = street.join(" ");
    let country = optional(entry, "countryCode")?;
    if parts[4].is_empty() {
        country.clone_into(&mut parts[4]);
    }
    if components.is_empty() {
        optional(entry, "full")?.clone_into(&mut parts[0]);
    }
    if parts.iter().all(String::is_empty) {
        return Ok(false);
    }
    let member = match (has(entry, "contexts", "work"), has(entry, "contexts", "private")) {
        (true, _) => "businessAddress",
        (false, true) => "homeAddress",
        (false, false) => "otherAddress",
    };
    Ok(set_address(document, member, &parts))
}

fn anniversary(document: &mut Document, entry: &Entry) -> Taken {
    let date = entry.get("date").ok_or(("", Fault::Missing))?;
    let date = date.as_object().ok_or(("date", Fault::NotAnObject))?;
    if required(entry, "kind")? != "birth" || date.contains_key("calendarScale") {
        return Ok(false);
    }
    let utc = optional(date, "utc").map_err(|(_, detail)| ("date", detail))?;
    let number = |name| date.get(name).and_then(Value::as_u64);
    let day = match (number("year"), number("month"), number("day")) {
        (Some(year), Some(month), Some(day)) => match (year.try_into(), month.try_into(), day.try_into()) {
            (Ok(year), Ok(month), Ok(day)) => Date::new(year, month, day),
            _ => None,
        },
        _ if !utc.is_empty() => Date::of_member(utc),
        _ => return Ok(false), // a date without a year, say
    };
    let day = day.ok_or(("date", Fault::NotADate))?;
    Ok(set(document, "birthday", &day.to_member()))
}

/// A part of a name or of an address.
struct Component<'a> {
    kind: &'a str,
    value: &'a str,
    phonetic: &'a str,
}

fn components(of: &Entry) -> Result<Vec<Component<'_>>, (&'static str, Fault)> {
    let wrong = |detail| ("components", detail);
    let list = match of.get("components") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(list) => list.as_array().ok_or(wrong(Fault::NotAnArray))?,
    };
    let mut components = Vec::new();
    for value in list {
        let entry = value.as_object().ok_or(wrong(Fault::NotAnObject))?;
        let inside = |(_, detail)| wrong(detail);
        components.push(Component {
            kind: required(entry, "kind").map_err(inside)?,
            value: required(entry, "value").map_err(inside)?,
            phonetic: optional(entry, "phonetic").map_err(inside)?,
        });
    }
    Ok(components)
}

/// The components of a kind. Outlook has one field for some that are two here.
fn joined(components: &[Component<'_>], kind: &str, what: &str) -> String {
    let same = |of: &str| match of {
        "surname2" => kind == "surname",
        "credential" => kind == "generation",
        of => of == kind,
    };
    let of_kind = components.iter().filter(|component| same(component.kind));
    let texts = of_kind.map(|component| {
        if what == "phonetic" {
            component.phonetic
        } else {
            component.value
        }
    });
    let texts: Vec<&str> = texts.filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

/// Whether a set, such as `contexts`, has an element.
fn has(entry: &Entry, set: &str, element: &str) -> bool {
    entry
        .get(set)
        .and_then(|set| set.get(element))
        .is_some_and(|element| element == true)
}

fn required<'a>(entry: &'a Entry, name: &'static str) -> Result<&'a str, (&'static str, Fault)> {
    match entry.get(name) {
        None => Err(("", Fault::Missing)),
        Some(value) => value.as_str().ok_or((name, Fault::NotAString)),
    }
}

/// Empty where there is none.
fn optional<'a>(entry: &'a Entry, name: &'static str) -> Result<&'a str, (&'static str, Fault)> {
    match entry.get(name) {
        None | Some(Value::Null) => Ok(""),
        Some(value) => value.as_str().ok_or((name, Fault::NotAString)),
    }
}
