//! What is kept of a contact's photo: its hash. The photo itself is an object elsewhere, which is named after it.
//!
//! Plain data; its serde form is the stored form. Knows nothing of objects, nor of what is to be done about them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::photo::PhotoHash;
use sync_core::record::Refusal;

use crate::contact::Contact;
use crate::stamp;

/// A photo.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Photo {
    /// The hash of its bytes.
    pub hash: PhotoHash,
    /// How many bytes it has.
    pub bytes: u64,
    /// The version of the contact that it has come with. Its object is named after that and the hash, so that a name is
    /// never used again: whoever deletes what has been replaced can't hit what has come since.
    pub version: u64,
}

/// A photo set here that Outlook does not have yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoEdit {
    /// What Outlook had last; `None`: no photo, or none that anybody has seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Photo>,
    /// Photos that were set here before it and that Outlook has never confirmed, the latest last: a push of one may
    /// have come to pass all the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaced: Vec<PhotoHash>,
    /// When it was set.
    #[serde(with = "stamp")]
    pub edited_at: Timestamp,
    /// Counts the edits, as [`sync_core::record::Edit::count`] does.
    pub count: u64,
    /// Why Graph has refused it. It waits for a person: another photo, a retry or a discard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
}

impl Contact {
    /// The photo that Outlook is to get, and what is known about it; `None` where none waits, or it is refused.
    pub fn pending_photo(&self) -> Option<(&Photo, &PhotoEdit)> {
        let edit = self.photo_edit.as_ref().filter(|edit| edit.refusal.is_none())?;
        Some((self.photo.as_ref()?, edit))
    }

    /// The photo that Outlook was last seen to have.
    pub fn outlook_photo(&self) -> Option<&Photo> {
        match &self.photo_edit {
            Some(edit) => edit.base.as_ref(),
            None => self.photo.as_ref(),
        }
    }

    /// True for a tombstone whose photo is still kept as an object: the record forgets it when the object is gone.
    pub fn has_left_photo(&self) -> bool {
        self.is_tombstone() && self.photo.is_some()
    }
}
