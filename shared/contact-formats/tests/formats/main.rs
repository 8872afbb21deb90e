//! What other programs get of a contact, and what they may send. Knows the crate from outside alone.

mod cards_of_others;
mod generated;
mod hostile;
mod jscontact_cards;
mod round_trips;
mod vcards;

use contact_formats::Document;
use serde_json::Value;

/// A contact's members.
fn document(value: Value) -> Document {
    serde_json::from_value(value).unwrap_or_else(|problem| panic!("no members: {problem}"))
}

/// The one contact of a text.
fn only(text: &str) -> Document {
    let mut documents =
        contact_formats::vcard::read(text).unwrap_or_else(|problems| panic!("{problems:?}:\n{text}"));
    assert_eq!(documents.len(), 1, "{text}");
    documents.remove(0)
}
