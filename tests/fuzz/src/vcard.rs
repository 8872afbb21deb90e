//! Texts of vCards, as somebody imports them.

use contact_formats::vcard;

use crate::cards::comes_back;

/// Reads a text. A contact that it holds is exported and imported again.
///
/// # Panics
/// Where the second import differs from the first.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    if let Ok(contacts) = vcard::read(text) {
        contacts.iter().for_each(comes_back);
    }
}
