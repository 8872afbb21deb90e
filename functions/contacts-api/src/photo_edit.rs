//! What becomes of a contact's record when the platform gives it a photo.
//!
//! Pure: a record and a photo's hash in, a record out. It must not know requests, nor where photos are kept. Only the
//! worker ends an edit of a photo, as with other edits; only what it has been refused is discarded here.

use contact_store::{Contact, Photo, PhotoEdit};
use jiff::Timestamp;
use sync_core::photo::PhotoHash;

use crate::edit::changed;

/// So many photos that Outlook may have are remembered. A push takes seconds.
const REPLACED: usize = 8;

/// The contact with this photo; `None` where it has it already. One that Outlook has refused may be set once more.
pub(crate) fn set(of: &Contact, hash: PhotoHash, bytes: u64, now: Timestamp) -> Option<Contact> {
    let is_present = of.photo.as_ref().is_some_and(|photo| photo.hash == hash);
    if is_present && !is_refused(of) {
        return None;
    }
    Some(Contact {
        photo: Some(Photo {
            hash,
            bytes,
            version: of.version + 1,
        }),
        photo_edit: Some(PhotoEdit {
            base: of.outlook_photo().cloned(),
            replaced: replaced(of),
            edited_at: now,
            count: next_count(of),
            refusal: None,
        }),
        ..changed(of, now)
    })
}

/// The photos that were set here since Outlook has last agreed, as many as may be on their way at a time.
fn replaced(of: &Contact) -> Vec<PhotoHash> {
    let (Some(edit), Some(photo)) = (&of.photo_edit, &of.photo) else {
        return Vec::new();
    };
    let mut replaced = edit.replaced.clone();
    replaced.push(photo.hash.clone());
    let too_many = replaced.len().saturating_sub(REPLACED);
    replaced.split_off(too_many)
}

/// True where Outlook has refused the contact's photo.
pub(crate) fn is_refused(of: &Contact) -> bool {
    of.photo_edit.as_ref().is_some_and(|edit| edit.refusal.is_some())
}

/// The refused photo, to be tried again.
pub(crate) fn release(of: &Contact, now: Timestamp) -> Contact {
    let released = of.photo_edit.as_ref().map(|edit| PhotoEdit {
        edited_at: now,
        count: next_count(of),
        refusal: None,
        ..edit.clone()
    });
    Contact {
        photo_edit: released,
        ..of.clone()
    }
}

/// The contact with the photo that Outlook was last seen to have, instead of one that it has refused.
pub(crate) fn discard(of: &Contact, now: Timestamp) -> Contact {
    Contact {
        photo: of.outlook_photo().cloned(),
        photo_edit: None,
        ..changed(of, now)
    }
}

/// Never one that an earlier edit has had: whoever has pushed that must not take this one for it.
fn next_count(of: &Contact) -> u64 {
    of.photo_edit.as_ref().map_or(of.rev, |edit| edit.count) + 1
}
