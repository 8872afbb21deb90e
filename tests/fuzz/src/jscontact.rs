//! `JSContact` cards, as somebody imports them.

use contact_formats::jscontact;
use serde_json::Value;

use crate::cards::comes_back;

/// Reads a card, or a list of them. A contact that one holds is exported and imported again.
///
/// # Panics
/// Where the second import differs from the first.
pub fn run(data: &[u8]) {
    let Ok(body) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let cards = body.as_array().map_or(std::slice::from_ref(&body), Vec::as_slice);
    for contact in cards.iter().filter_map(|card| jscontact::read(card).ok()) {
        comes_back(&contact);
    }
}
