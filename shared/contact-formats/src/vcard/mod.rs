//! vCard: 4.0 is written; 4.0, 3.0 and 2.1 are read.
//!
//! Knows limits of size and what goes wrong with a text. Must not know what a property means ([`write`](self::write()) and
//! [`read`](self::read()) have a module each for that).

mod lines;
mod read;
mod write;

use crate::{Document, carried};

/// Octets of a text, at most.
pub const MAX_TEXT: usize = 5_000_000;
/// Cards in a text, at most.
pub const MAX_CARDS: usize = 500;
/// Properties of a card, at most.
pub const MAX_PROPERTIES: usize = 1_000;

/// The property that carries what the others cannot say.
const MEMBERS: &str = "X-OUTLOOK-CONTACT-MEMBERS";

/// Something that keeps a text from being read. Holds nothing of the contact.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("card {card}: {detail}")]
pub struct Problem {
    /// Which card of the text, from 1; 0 where it is in none.
    pub card: usize,
    /// Which line of the text, from 1; None where it is the text as a whole.
    pub line: Option<usize>,
    /// Which property, where its name is one that this crate knows.
    pub property: Option<&'static str>,
    /// What is wrong.
    pub detail: Fault,
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Above [`MAX_TEXT`].
    #[error("the text is longer than {MAX_TEXT} octets")]
    TextTooLong,
    /// Above [`MAX_CARDS`].
    #[error("there are more than {MAX_CARDS} cards")]
    TooManyCards,
    /// Above [`MAX_PROPERTIES`].
    #[error("the card has more than {MAX_PROPERTIES} properties")]
    TooManyProperties,
    /// The text holds no card.
    #[error("there is no card")]
    NoCard,
    /// A line before, between or after cards.
    #[error("the line is outside of any card")]
    OutsideCards,
    /// The card does not end before the next one, or the text's end.
    #[error("the card has no END:VCARD")]
    NoEnd,
    /// The card's version is none of those that are read.
    #[error("the version is not 2.1, 3.0 or 4.0")]
    Version,
    /// The line is not `name:value`.
    #[error("the line is not a property")]
    NotAProperty,
    /// A birthday that is a date in form, but no day of the calendar; or no date at all.
    #[error("the value is not a date")]
    NotADate,
    /// What this crate wrote was damaged since.
    #[error("the value is not a JSON object")]
    NotJson,
}

/// A contact as a card of version 4.0, lines folded and ended as RFC 6350 wants it. `uid` becomes its `UID`.
pub fn write(document: &Document, uid: &str) -> String {
    let plain = write::card(document, uid, &Document::new());
    let carried = carried::beside(document, &plain_document(&plain));
    if carried.is_empty() {
        return plain;
    }
    write::card(document, uid, &carried)
}

/// The contacts of a text, one for each card. All problems at once, or none.
///
/// What identifies and dates a card (`UID`, `REV`, `PRODID`) is not part of a contact, and is not kept.
pub fn read(text: &str) -> Result<Vec<Document>, Vec<Problem>> {
    let (cards, mut problems) = lines::cards(text);
    let mut documents = Vec::new();
    for card in cards {
        let reading = read::card(&card);
        problems.extend(reading.problems);
        documents.push(carried::believed(reading.document, reading.carried, |document| {
            plain_document(&write::card(document, "", &Document::new()))
        }));
    }
    if problems.is_empty() {
        return Ok(documents);
    }
    problems.sort_by_key(|problem| (problem.card, problem.line));
    Err(problems)
}

/// What a card of ours says by itself.
fn plain_document(card: &str) -> Document {
    let (cards, _) = lines::cards(card);
    cards
        .first()
        .map(|card| read::card(card).document)
        .unwrap_or_default()
}
