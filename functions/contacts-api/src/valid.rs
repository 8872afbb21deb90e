//! Which members of a contact are valid, as callers may send them.
//!
//! Knows kinds of members (`sync-core`), and limits of our own: Outlook's are not documented, and what it refuses all
//! the same is shown with its reason. Every error is told, each with its place. What a contact has already is valid,
//! so that what was read can be sent back. It must not change a value.

use serde_json::Value;
use sync_core::members::{ADDRESS_PARTS, Kind, MEMBERS, kind, same};
use sync_core::sighting::Document;

use crate::problem::FieldError;
use crate::read::pointer;

/// Characters of a text.
pub(crate) const LONGEST_TEXT: usize = 1024;
/// Characters of `personalNotes`.
pub(crate) const LONGEST_NOTES: usize = 32 * 1024;
/// Characters of an e-mail address.
pub(crate) const LONGEST_EMAIL: usize = 256;
/// Elements of a list. Those that Outlook can't hold stay in the mirror.
pub(crate) const LONGEST_LIST: usize = 100;
/// Bytes, as JSON, of the members together that Outlook does not know.
pub(crate) const LARGEST_EXTRAS: usize = 128 * 1024;
/// Bytes, as JSON, of all members together: the mirror keeps what Outlook has beside what is to become of it, in one item
/// of 400 KB.
pub(crate) const LARGEST_CONTACT: usize = 180 * 1024;
/// Characters of a member's name.
const LONGEST_NAME: usize = 256;

/// What Outlook keeps of an item besides its members.
const ITS_OWN: [&str; 9] = [
    "id",
    "changeKey",
    "createdDateTime",
    "lastModifiedDateTime",
    "parentFolderId",
    "extensions",
    "singleValueExtendedProperties",
    "multiValueExtendedProperties",
    "photo",
];

/// Finds all that is wrong with the members of the object at `at`. `present` are those that the contact has.
pub(crate) fn check(contact: &Document, present: &Document, at: &str, errors: &mut Vec<FieldError>) {
    let mut extras = 0;
    for (name, value) in contact {
        let present = present.get(name);
        if kind(name) == Kind::Unknown {
            extras += name.len() + value.to_string().len();
        }
        if present == Some(value) {
            continue;
        }
        let mut place = Place {
            at: pointer(at, name),
            errors,
        };
        match kind(name) {
            Kind::Text if name == "personalNotes" => place.text(value, LONGEST_NOTES),
            Kind::Text => place.text(value, LONGEST_TEXT),
            Kind::Date => place.date(value),
            Kind::Address => place.parts(value, present, &ADDRESS_PARTS, |place, _, value| {
                place.text(value, LONGEST_TEXT);
            }),
            Kind::Texts => place.list(value, present, element),
            Kind::Emails => place.list(value, present, email),
            Kind::Derived if same(name, Some(value), present) => {}
            Kind::Derived => place.error("is made by Outlook out of emailAddresses"),
            Kind::Unknown => place.unknown(name),
        }
    }
    // One that Outlook has may be larger, as long as it doesn't grow.
    let bytes = size(contact);
    if bytes > LARGEST_CONTACT && bytes > size(present) {
        errors.push(FieldError::at(
            at,
            format!("has more than {LARGEST_CONTACT} bytes"),
        ));
    }
    if extras > LARGEST_EXTRAS {
        let detail = format!("has more than {LARGEST_EXTRAS} bytes of members that Outlook does not know");
        errors.push(FieldError::at(at, detail));
    }
}

fn size(contact: &Document) -> usize {
    let members = contact.iter();
    members
        .map(|(name, value)| name.len() + value.to_string().len())
        .sum()
}

/// A value's place in the body.
struct Place<'e> {
    at: String,
    errors: &'e mut Vec<FieldError>,
}

impl Place<'_> {
    fn error(&mut self, detail: &str) {
        self.errors.push(FieldError::at(self.at.clone(), detail));
    }

    fn within(&mut self, name: &str) -> Place<'_> {
        Place {
            at: pointer(&self.at, name),
            errors: self.errors,
        }
    }

    /// A text or null.
    fn text(&mut self, value: &Value, longest: usize) {
        match value {
            Value::Null => {}
            Value::String(text) => {
                if text.chars().count() > longest {
                    self.error(&format!("must have {longest} characters at most"));
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.error("must be a text or null");
            }
        }
    }

    fn date(&mut self, value: &Value) {
        let is_date = |text: &str| {
            text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok()
                || text.parse::<jiff::Timestamp>().is_ok()
        };
        match value {
            Value::Null => {}
            Value::String(text) if is_date(text) => {}
            Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
                self.error("must be a date, as in 1815-12-10, a date and time of RFC 3339, or null");
            }
        }
    }

    /// An object of these parts, or null.
    fn parts(
        &mut self,
        value: &Value,
        present: Option<&Value>,
        names: &[&str],
        check: fn(&mut Place<'_>, &str, &Value),
    ) {
        let parts = match value {
            Value::Null => return,
            Value::Object(parts) => parts,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                return self.error("must be an object or null");
            }
        };
        for (name, value) in parts {
            if present.and_then(|present| present.get(name)) == Some(value) {
                continue;
            }
            let mut part = self.within(name);
            if names.contains(&name.as_str()) {
                check(&mut part, name, value);
            } else {
                part.error("is not known");
            }
        }
    }

    /// A list or null. Elements that are there already are valid.
    fn list(&mut self, value: &Value, present: Option<&Value>, check: fn(&mut Place<'_>, &Value)) {
        let list = match value {
            Value::Null => return,
            Value::Array(list) => list,
            Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
                return self.error("must be a list or null");
            }
        };
        if list.len() > LONGEST_LIST {
            self.error(&format!("must have {LONGEST_LIST} elements at most"));
        }
        let present = present.and_then(Value::as_array);
        for (index, one) in list.iter().enumerate() {
            if !present.is_some_and(|present| present.contains(one)) {
                check(&mut self.within(&index.to_string()), one);
            }
        }
    }

    fn unknown(&mut self, name: &str) {
        let mut known = MEMBERS.iter().map(|(known, _)| known);
        if let Some(known) = known.find(|known| known.eq_ignore_ascii_case(name)) {
            self.error(&format!("is spelt {known}"));
        } else if ITS_OWN.contains(&name) || name.contains('@') {
            self.error("is Outlook's own");
        } else if name.trim().is_empty() || name.chars().count() > LONGEST_NAME {
            self.error(&format!("must have a name of 1 to {LONGEST_NAME} characters"));
        }
    }
}

/// A text that says something.
fn element(place: &mut Place<'_>, value: &Value) {
    match value {
        Value::String(text) if text.trim().is_empty() => place.error("must not be empty"),
        Value::String(_) => place.text(value, LONGEST_TEXT),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            place.error("must be a text");
        }
    }
}

/// An e-mail address with its name.
fn email(place: &mut Place<'_>, value: &Value) {
    let Value::Object(parts) = value else {
        return place.error("must be an object with an address");
    };
    if !parts.contains_key("address") {
        place.within("address").error("is required");
    }
    place.parts(value, None, &["address", "name"], |part, name, value| {
        match (name, value) {
            ("address", Value::String(address)) if is_email(address) => {}
            ("address", _) => part.error(&format!(
                "must be an e-mail address, as in ada@example.com, of {LONGEST_EMAIL} characters at most"
            )),
            (_, value) => part.text(value, LONGEST_TEXT),
        }
    });
}

/// Whether a mail could plausibly be sent there. Only that: whoever knows better is Outlook.
fn is_email(text: &str) -> bool {
    let strange = |c: char| c.is_whitespace() || c.is_control();
    text.chars().count() <= LONGEST_EMAIL
        && !text.contains(strange)
        && text
            .split_once('@')
            .is_some_and(|(name, host)| !name.is_empty() && !host.is_empty() && !host.contains('@'))
}
