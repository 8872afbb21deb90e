//! vCard's properties as a contact's members: one half of the crate's table; the other is `write`.
//!
//! A property that no member can hold is kept as a line. Must not know the text around a card.

use calcard::vcard::{VCardEntry, VCardParameterName, VCardParameterValue, VCardValue};
use serde_json::{Value, json};

use super::lines::{self, Card, Line};
use super::write::{NAME, TEXTS};
use super::{Fault, MEMBERS, Problem};
use crate::Document;
use crate::birthday::Date;
use crate::members::{VCARD, push, set, set_address};
use crate::text::{phone, with_line_feeds};

/// What other programs call what we write under another name.
const ALIASES: [(&str, &str); 5] = [
    ("X-ASSISTANT", "assistantName"),
    ("X-MANAGER", "manager"),
    ("X-SPOUSE", "spouseName"),
    ("X-MS-SPOUSE", "spouseName"),
    ("X-EVOLUTION-FILE-AS", "fileAs"),
];

/// What no preference stands for: after all that have one.
const LAST: u32 = 101;

/// What a card says.
#[derive(Default)]
pub(super) struct Reading {
    /// By its standard properties.
    pub(super) document: Document,
    /// Beside them.
    pub(super) carried: Document,
    pub(super) problems: Vec<Problem>,
    emails: Vec<(u32, Value)>,
}

/// Whether a line by itself is read without a problem.
pub(super) fn is_sound(line: &str) -> bool {
    let line = Line {
        number: 0,
        text: line.to_owned(),
    };
    Reading::default().line(&line, false).is_ok()
}

pub(super) fn card(card: &Card) -> Reading {
    let mut reading = Reading::default();
    for line in &card.lines {
        if let Err((property, detail)) = reading.line(line, card.legacy) {
            reading.problems.push(Problem {
                card: card.number,
                line: Some(line.number),
                property,
                detail,
            });
        }
    }
    reading.emails.sort_by_key(|(preference, _)| *preference);
    for (_, email) in std::mem::take(&mut reading.emails) {
        push(&mut reading.document, "emailAddresses", email);
    }
    reading
}

type Wrong = (Option<&'static str>, Fault);

impl Reading {
    fn line(&mut self, line: &Line, legacy: bool) -> Result<(), Wrong> {
        let property = lines::property(&line.text, legacy).ok_or((None, Fault::NotAProperty))?;
        let name = property.name.as_str().to_ascii_uppercase();
        let taken = match name.as_str() {
            "PRODID" | "UID" | "REV" => true,
            "KIND" => lines::value(&line.text).is_some_and(is_individual),
            "BDAY" => self.birthday(&property, &line.text)?,
            MEMBERS => {
                self.carried = carried(&property).ok_or((Some(MEMBERS), Fault::NotJson))?;
                true
            }
            name => texts(&property).is_some_and(|values| self.property(name, &property, &values)),
        };
        if !taken {
            // An older card's line may not stand in a card of 4.0 as it is.
            let current = legacy
                .then(|| lines::line(&with_line_feeds_only(property)))
                .flatten();
            push(
                &mut self.document,
                VCARD,
                current.unwrap_or_else(|| line.text.clone()),
            );
        }
        Ok(())
    }

    /// Tells whether a member took it.
    fn property(&mut self, name: &str, property: &VCardEntry, values: &[String]) -> bool {
        let document = &mut self.document;
        let first = values.first().map_or("", String::as_str);
        let types = types(property);
        let is = |kind: &str| types.iter().any(|each| each == kind);
        match name {
            "FN" => is_derived(property) || set(document, "displayName", first),
            "N" => set_all(document, &NAME, values),
            "ORG" => {
                let rest = joined(values.get(1..).unwrap_or_default(), ", ");
                set_all(
                    document,
                    &["companyName", "department"],
                    &[first.to_owned(), rest],
                )
            }
            "NICKNAME" => set(document, "nickName", &joined(values, ", ")),
            "CATEGORIES" => {
                for value in values.iter().filter(|value| !value.is_empty()) {
                    push(document, "categories", value.as_str());
                }
                true
            }
            "EMAIL" => {
                if !first.is_empty() {
                    let preference = if is("pref") { 1 } else { preference(property) };
                    self.emails.push((preference, email(property, first)));
                }
                true
            }
            "TEL" if is("fax") || is("pager") || is("textphone") => false,
            "TEL" if is("cell") => set(document, "mobilePhone", phone(first)),
            "TEL" if is("home") => pushed(document, "homePhones", phone(first)),
            "TEL" => pushed(document, "businessPhones", phone(first)),
            "IMPP" | "X-MS-IMADDRESS" => pushed(document, "imAddresses", first),
            "ADR" => adr(document, values, is("work"), is("home")),
            "URL" => !is("home") && set(document, "businessHomePage", first),
            "RELATED" if !is_text(property) => false,
            "RELATED" if is("spouse") => set(document, "spouseName", first),
            "RELATED" if is("child") => pushed(document, "children", first),
            "X-MS-CHILD" => pushed(document, "children", first),
            other => {
                let known = TEXTS.iter().find(|(_, property)| *property == other);
                let alias = ALIASES.iter().find(|(property, _)| *property == other);
                let member = known
                    .map(|(member, _)| member)
                    .or(alias.map(|(_, member)| member));
                member.is_some_and(|member| set(document, member, first))
            }
        }
    }

    fn birthday(&mut self, property: &VCardEntry, line: &str) -> Result<bool, Wrong> {
        let text = lines::value(line).unwrap_or_default().trim();
        let other = |name: &VCardParameterName| {
            matches!(name, VCardParameterName::Other(name) if name.eq_ignore_ascii_case("X-APPLE-OMIT-YEAR"))
                || *name == VCardParameterName::Calscale
        };
        let partial =
            text.starts_with('-') || (text.len() < 8 && text.starts_with(|each: char| each.is_ascii_digit()));
        if partial || is_text(property) || property.params.iter().any(|param| other(&param.name)) {
            return Ok(text.is_empty());
        }
        if text.is_empty() {
            return Ok(true);
        }
        let date = date(text).ok_or((Some("BDAY"), Fault::NotADate))?;
        Ok(set(&mut self.document, "birthday", &date.to_member()))
    }
}

/// Of `YYYYMMDD` or, as in version 3.0, `YYYY-MM-DD`; with a time or without.
fn date(text: &str) -> Option<Date> {
    if let Some(date) = Date::of_member(text) {
        return Some(date);
    }
    let (date, rest) = text.split_at_checked(8)?;
    if !date.bytes().all(|byte| byte.is_ascii_digit()) || !(rest.is_empty() || rest.starts_with(['T', 't'])) {
        return None;
    }
    Date::new(
        date[..4].parse().ok()?,
        date[4..6].parse().ok()?,
        date[6..].parse().ok()?,
    )
}

fn carried(property: &VCardEntry) -> Option<Document> {
    let json = joined(&texts(property)?, "");
    match serde_json::from_str(&json) {
        Ok(Value::Object(members)) => Some(members),
        Ok(_) | Err(_) => None,
    }
}

/// The property's values; None if one is not a text.
fn texts(property: &VCardEntry) -> Option<Vec<String>> {
    let text = |value: &VCardValue| {
        if let VCardValue::Component(texts) = value {
            return Some(texts.join(", "));
        }
        value.as_text().map(str::to_owned)
    };
    property.values.iter().map(text).collect()
}

/// Quoted-printable brings other line ends, which version 4.0 has no word for.
fn with_line_feeds_only(mut property: VCardEntry) -> VCardEntry {
    for value in &mut property.values {
        if let VCardValue::Text(text) = value {
            *text = with_line_feeds(text);
        }
    }
    property
}

fn types(property: &VCardEntry) -> Vec<String> {
    let types = property
        .params
        .iter()
        .filter(|param| param.name == VCardParameterName::Type);
    types
        .filter_map(|param| param.value.as_text())
        .map(str::to_ascii_lowercase)
        .collect()
}

fn is_text(property: &VCardEntry) -> bool {
    let mut values = property
        .params
        .iter()
        .filter(|param| param.name == VCardParameterName::Value);
    values.any(|param| {
        param
            .value
            .as_text()
            .is_some_and(|kind| kind.eq_ignore_ascii_case("text"))
    })
}

fn is_derived(property: &VCardEntry) -> bool {
    let mut derived = property
        .params
        .iter()
        .filter(|param| param.name == VCardParameterName::Derived);
    derived.any(|param| param.value == VCardParameterValue::Bool(true))
}

fn is_individual(kind: &str) -> bool {
    kind.trim().eq_ignore_ascii_case("individual")
}

fn preference(property: &VCardEntry) -> u32 {
    let mut preferences = property
        .params
        .iter()
        .filter(|param| param.name == VCardParameterName::Pref);
    let preference = preferences.find_map(|param| param.value.as_integer());
    preference
        .and_then(|preference| preference.iana().copied())
        .unwrap_or(LAST)
}

fn email(property: &VCardEntry, address: &str) -> Value {
    let name = property.params.iter().find(
        |param| matches!(&param.name, VCardParameterName::Other(name) if name.eq_ignore_ascii_case("X-NAME")),
    );
    match name.and_then(|param| param.value.as_text()) {
        Some(name) => json!({ "address": address, "name": without_carets(name) }),
        None => json!({ "address": address }),
    }
}

/// A parameter's value without the escapes of RFC 6868.
fn without_carets(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(each) = rest.next() {
        let escaped = match (each, rest.as_str().chars().next()) {
            ('^', Some('^')) => '^',
            ('^', Some('n')) => '\n',
            ('^', Some('\'')) => '"',
            (other, _) => {
                out.push(other);
                continue;
            }
        };
        out.push(escaped);
        rest.next();
    }
    out
}

fn pushed(document: &mut Document, member: &str, text: &str) -> bool {
    if !text.is_empty() {
        push(document, member, text);
    }
    true
}

/// Sets all members or none: a second name does not fill the gaps of the first.
fn set_all(document: &mut Document, members: &[&str], values: &[String]) -> bool {
    if members.iter().any(|member| document.contains_key(*member)) {
        return false;
    }
    for (member, value) in members.iter().zip(values) {
        set(document, member, value);
    }
    true
}

fn adr(document: &mut Document, values: &[String], work: bool, home: bool) -> bool {
    let part = |at: usize| values.get(at).map_or("", String::as_str);
    let finer = values.iter().skip(7).any(|value| !value.is_empty()); // RFC 9554 2.1, which repeats it in the street
    if finer && part(2).is_empty() {
        return false;
    }
    let street = [part(0), part(1), part(2)];
    let street: Vec<&str> = street.into_iter().filter(|part| !part.is_empty()).collect();
    let street = street.join("\n");
    let parts = [&street, part(3), part(4), part(5), part(6)].map(str::to_owned);
    if parts.iter().all(String::is_empty) {
        return true;
    }
    let member = match (work, home) {
        (true, _) => "businessAddress",
        (false, true) => "homeAddress",
        (false, false) => "otherAddress",
    };
    set_address(document, member, &parts)
}

fn joined(values: &[String], between: &str) -> String {
    let values: Vec<&str> = values
        .iter()
        .map(String::as_str)
        .filter(|value| !value.is_empty())
        .collect();
    values.join(between)
}
