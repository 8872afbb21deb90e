//! `JSContact` 1.0 (RFC 9553).
//!
//! Knows limits and what goes wrong with a card. Must not know what a property means ([`write`](self::write()) and
//! [`read`](self::read()) have a module each for that).

mod read;
mod write;

use std::fmt::Write as _;

use serde_json::Value;

use crate::members::JSCONTACT;
use crate::{Document, carried};

/// Values in a card, at most, those inside of others included.
pub const MAX_VALUES: usize = 20_000;
/// Objects and lists inside each other, at most.
pub const MAX_DEPTH: usize = 32;

/// The property that carries what the others cannot say. The prefix is this project's (RFC 9553 1.8.1).
const MEMBERS: &str = "outlook-contact-sync:members";
/// An e-mail address's display name: RFC 9553 has none.
const EMAIL_NAME: &str = "outlook-contact-sync:name";

/// Something that keeps a card from being read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct Problem {
    /// Where, as a JSON pointer. It quotes the card's own names, so it is for whoever sent the card, and not for logs.
    pub pointer: String,
    /// What is wrong.
    pub detail: Fault,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Above [`MAX_VALUES`] or [`MAX_DEPTH`].
    #[error("the card has more than {MAX_VALUES} values, or more than {MAX_DEPTH} inside each other")]
    TooLarge,
    /// An object is wanted.
    #[error("the value is not an object")]
    NotAnObject,
    /// A text is wanted.
    #[error("the value is not a string")]
    NotAString,
    /// A list is wanted.
    #[error("the value is not an array")]
    NotAnArray,
    /// The object is of another type than a card.
    #[error("the type is not Card")]
    NotACard,
    /// Another version than 1.0.
    #[error("the version is not 1.0")]
    Version,
    /// The object lacks what it is about.
    #[error("a mandatory property is missing")]
    Missing,
    /// A year, month and day that are no day of the calendar.
    #[error("the value is not a date")]
    NotADate,
}

/// A contact as a card. `uid` becomes its `uid`.
pub fn write(document: &Document, uid: &str) -> Value {
    let card = with_carried(write::card(document, uid), document, Value::Object);
    if is_small(&card) {
        return card;
    }
    with_carried(slim(document, uid), document, |carried| {
        Value::Object(carried).to_string().into()
    })
}

/// A card that is never too large: beside it, what makes the whole one too deep or too long is told as one text. Without
/// what kept properties say, or else without anything.
fn slim(document: &Document, uid: &str) -> Document {
    let members = document.iter().filter(|(name, _)| *name != JSCONTACT);
    let members = members
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let mut card = write::card(&members, uid);
    card.insert(MEMBERS.to_owned(), Value::Null); // the place of the text
    if is_small(&Value::Object(card)) {
        write::card(&members, uid)
    } else {
        write::card(&Document::new(), uid)
    }
}

/// The card with what it cannot say by itself, in this form.
fn with_carried(mut card: Document, document: &Document, form: impl Fn(Document) -> Value) -> Value {
    let carried = carried::beside(document, &plain_document(&card));
    if !carried.is_empty() {
        card.insert(MEMBERS.to_owned(), form(carried));
    }
    card.into()
}

/// The contact of a card. All problems at once, or none.
///
/// What identifies and dates a card (`uid`, `updated`, `prodId`) is not part of a contact, and is not kept.
pub fn read(card: &Value) -> Result<Document, Vec<Problem>> {
    let whole = |detail| {
        Err(vec![Problem {
            pointer: String::new(),
            detail,
        }])
    };
    if !is_small(card) {
        return whole(Fault::TooLarge);
    }
    let Some(card) = card.as_object() else {
        return whole(Fault::NotAnObject);
    };
    let reading = read::card(card);
    if !reading.problems.is_empty() {
        return Err(reading.problems);
    }
    let is_text = card.get(MEMBERS).is_some_and(Value::is_string);
    let write = if is_text { slim } else { write::card };
    Ok(carried::believed(reading.document, reading.carried, |document| {
        plain_document(&write(document, ""))
    }))
}

/// What a card of ours says by itself.
fn plain_document(card: &Document) -> Document {
    read::card(card).document
}

/// Counts without recursion: what comes here may be as deep as its parser allowed.
fn is_small(card: &Value) -> bool {
    let mut left = vec![(card, 1)];
    let mut count = 0;
    while let Some((value, depth)) = left.pop() {
        count += 1;
        if count > MAX_VALUES || depth > MAX_DEPTH {
            return false;
        }
        match value {
            Value::Array(elements) => left.extend(elements.iter().map(|each| (each, depth + 1))),
            Value::Object(members) => left.extend(members.values().map(|each| (each, depth + 1))),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    true
}

/// A pointer to what lies one deeper.
fn pointer(to: &str, name: &str) -> String {
    let mut pointer = to.to_owned();
    let escaped = name.replace('~', "~0").replace('/', "~1");
    let _ = write!(pointer, "/{escaped}"); // a String takes everything
    pointer
}
