//! A contact's members as vCard's properties: one half of the crate's table; the other is `read`.
//!
//! Must not care whether a member comes back as it was: that is seen afterwards.

use std::fmt::Write as _;

use calcard::common::IanaParse;
use calcard::vcard::{
    VCardEntry, VCardParameter, VCardParameterName, VCardParameterValue, VCardProperty, VCardType,
    VCardValue, VCardValueType,
};
use serde_json::Value;

use super::read::is_sound;
use super::{MAX_PROPERTIES, MEMBERS, lines};
use crate::Document;
use crate::birthday::Date;
use crate::members::{VCARD, address, elements, text, texts};
use crate::text::{is_uri, with_line_feeds};

/// Texts that are a property of their own, read and written alike.
pub(super) const TEXTS: [(&str, &str); 12] = [
    ("jobTitle", "TITLE"),
    ("profession", "ROLE"),
    ("personalNotes", "NOTE"),
    ("nickName", "NICKNAME"),
    ("assistantName", "X-MS-ASSISTANT"),
    ("manager", "X-MS-MANAGER"),
    ("fileAs", "X-MS-FILE-AS"),
    ("initials", "X-MS-INITIALS"),
    ("officeLocation", "X-MS-OFFICE-LOCATION"),
    ("yomiGivenName", "X-PHONETIC-FIRST-NAME"),
    ("yomiSurname", "X-PHONETIC-LAST-NAME"),
    ("yomiCompanyName", "X-PHONETIC-ORG"),
];

/// Members by the parts of `N`, in their order.
pub(super) const NAME: [&str; 5] = ["surname", "givenName", "middleName", "title", "generation"];

/// Properties that a kept line must not say: the card has them already.
const OWN: [&str; 8] = ["BEGIN", "END", "VERSION", "UID", "PRODID", "REV", "FN", MEMBERS];

/// A contact's card; `carried` goes into its own property.
pub(super) fn card(document: &Document, uid: &str, carried: &Document) -> String {
    let mut out = Out::default();
    out.texts("PRODID", Vec::new(), ["-//outlook-contact-sync//EN"]);
    out.room += usize::from(!uid.is_empty());
    let text_uid = (!is_uri(uid)).then(|| value_type(VCardValueType::Text));
    out.texts("UID", text_uid.into_iter().collect(), [uid]);
    names(&mut out, document);
    ways(&mut out, document);
    people(&mut out, document);
    for (member, property) in TEXTS {
        out.texts(property, Vec::new(), [text(document, member)]);
    }
    if let Some(date) = Date::of_member(text(document, "birthday")) {
        let date = format!("{:04}{:02}{:02}", date.year, date.month, date.day);
        out.texts("BDAY", Vec::new(), [date.as_str()]);
    }
    for line in texts(document, VCARD).filter(|line| can_be_kept(line)) {
        out.line(&line);
    }
    if !carried.is_empty() {
        out.room += 1;
        out.texts(MEMBERS, Vec::new(), [json(carried).as_str()]);
    }
    format!("BEGIN:VCARD\r\nVERSION:4.0\r\n{}END:VCARD\r\n", out.text)
}

fn names(out: &mut Out, document: &Document) {
    let parts = NAME.map(|member| text(document, member));
    let display = said(text(document, "displayName"));
    if display.is_empty() {
        // The property is mandatory (RFC 6350 6.2.1); RFC 9554 4.4 tells that nobody wrote this one.
        let derived = VCardParameter::new(VCardParameterName::Derived, VCardParameterValue::Bool(true));
        let [surname, given, middle, _, _] = parts;
        let name = [given, middle, surname].map(said).join(" ");
        let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
        let company = said(text(document, "companyName"));
        let best = [name, company].into_iter().find(|each| !each.is_empty());
        out.entry("FN", vec![derived], &[best.unwrap_or_default()]);
    } else {
        out.texts("FN", Vec::new(), [display.as_str()]);
    }
    out.texts("N", Vec::new(), parts);
    let department = text(document, "department");
    let company = text(document, "companyName");
    if department.is_empty() {
        out.texts("ORG", Vec::new(), [company]);
    } else {
        out.texts("ORG", Vec::new(), [company, department]);
    }
    let categories: Vec<String> = texts(document, "categories").collect();
    out.texts("CATEGORIES", Vec::new(), categories.iter().map(String::as_str));
}

/// How the contact is reached.
fn ways(out: &mut Out, document: &Document) {
    for email in elements(document, "emailAddresses").filter_map(Value::as_object) {
        let name = said(text(email, "name"));
        let name = (!name.is_empty()).then(|| {
            let encoded = name.replace('^', "^^").replace('\n', "^n").replace('"', "^'"); // RFC 6868
            let encoded = VCardParameterValue::Text(encoded);
            VCardParameter::new(VCardParameterName::Other("X-NAME".to_owned()), encoded)
        });
        out.texts("EMAIL", name.into_iter().collect(), [text(email, "address")]);
    }
    for phone in texts(document, "businessPhones") {
        out.texts("TEL", vec![of_type(VCardType::Work)], [phone.as_str()]);
    }
    for phone in texts(document, "homePhones") {
        out.texts("TEL", vec![of_type(VCardType::Home)], [phone.as_str()]);
    }
    out.texts(
        "TEL",
        vec![of_type(VCardType::Cell)],
        [text(document, "mobilePhone")],
    );
    for im in texts(document, "imAddresses") {
        let property = if is_uri(&im) { "IMPP" } else { "X-MS-IMADDRESS" };
        out.texts(property, Vec::new(), [im.as_str()]);
    }
    let places = [
        ("businessAddress", Some(VCardType::Work)),
        ("homeAddress", Some(VCardType::Home)),
        ("otherAddress", None),
    ];
    for (member, kind) in places {
        if let Some([street, city, state, code, country]) = address(document, member) {
            let kind = kind.map(of_type).into_iter().collect();
            out.texts("ADR", kind, ["", "", street, city, state, code, country]);
        }
    }
    let page = text(document, "businessHomePage");
    out.texts("URL", vec![of_type(VCardType::Work)], [page]);
}

fn people(out: &mut Out, document: &Document) {
    let related = |kind| vec![of_type(kind), value_type(VCardValueType::Text)];
    let spouse = text(document, "spouseName");
    out.texts("RELATED", related(VCardType::Spouse), [spouse]);
    for child in texts(document, "children") {
        out.texts("RELATED", related(VCardType::Child), [child.as_str()]);
    }
}

/// As JSON without control characters: a card has no place for those that JSON leaves as they are (DEL and C1).
fn json(carried: &Document) -> String {
    let mut json = String::new();
    for each in Value::Object(carried.clone()).to_string().chars() {
        if each.is_control() {
            let _ = write!(json, "\\u{:04x}", u32::from(each)); // a String takes everything
        } else {
            json.push(each);
        }
    }
    json
}

fn of_type(kind: VCardType) -> VCardParameter {
    VCardParameter::new(VCardParameterName::Type, VCardParameterValue::Type(kind))
}

fn value_type(kind: VCardValueType) -> VCardParameter {
    VCardParameter::new(VCardParameterName::Value, VCardParameterValue::ValueType(kind))
}

/// Whether a kept line can stand in a card as it is: anybody may have put it into the member.
fn can_be_kept(line: &str) -> bool {
    let clean = !line.contains(|each: char| each.is_control() && each != '\t');
    let name = lines::property(line, false).map(|property| property.name.as_str().to_ascii_uppercase());
    clean && name.is_some_and(|name| !OWN.contains(&name.as_str())) && is_sound(line)
}

/// A text as a property can say it: line feeds and tabs are the only control characters (RFC 6350 3.3).
fn said(text: &str) -> String {
    let text = with_line_feeds(text);
    text.chars()
        .filter(|each| !each.is_control() || "\n\t".contains(*each))
        .collect()
}

/// The lines of a card, as many as are read again: what finds no place is carried.
struct Out {
    text: String,
    /// How many lines there may still be. One is kept for what is carried, and one for the `UID`: a card without one shall
    /// say the same.
    room: usize,
}

impl Default for Out {
    fn default() -> Self {
        Self {
            text: String::new(),
            room: MAX_PROPERTIES - 2,
        }
    }
}

impl Out {
    /// A property of texts; none if all are empty.
    fn texts<'a>(
        &mut self,
        name: &str,
        params: Vec<VCardParameter>,
        values: impl IntoIterator<Item = &'a str>,
    ) {
        let values: Vec<String> = values.into_iter().map(said).collect();
        if values.iter().any(|value| !value.is_empty()) {
            self.entry(name, params, &values);
        }
    }

    fn entry(&mut self, name: &str, params: Vec<VCardParameter>, values: &[String]) {
        let property = VCardEntry {
            group: None,
            name: VCardProperty::parse(name.as_bytes())
                .unwrap_or_else(|| VCardProperty::Other(name.to_owned())),
            params,
            values: values.iter().cloned().map(VCardValue::Text).collect(),
        };
        if let Some(line) = lines::line(&property) {
            self.line(&line);
        }
    }

    fn line(&mut self, line: &str) {
        if let Some(room) = self.room.checked_sub(1) {
            self.room = room;
            lines::fold(&mut self.text, line);
        }
    }
}
