//! The things of the table `contacts`: the mirror's records.
//!
//! Plain data; its serde form is the stored form (snake case, times to the millisecond, the document packed as
//! `document.rs` says). Knows nothing of keys, indexes or calls.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::ids::{ChangeKey, ContactId, FolderId, MailboxId, OutlookId};

use crate::{document, stamp};

/// A contact of the mirror, or the tombstone of one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Whose contact.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// Its id with us.
    #[serde(rename = "contact_id")]
    pub id: ContactId,
    /// Its id in Outlook.
    pub outlook_id: OutlookId,
    /// The folder that it lies in; of a tombstone, where it lay last.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// Outlook's version.
    pub change_key: ChangeKey,
    /// The contact's members as Graph sent them, without control information; unknown ones are kept.
    #[serde(with = "document")]
    pub document: serde_json::Map<String, serde_json::Value>,
    /// When Outlook created it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub created_at: Option<Timestamp>,
    /// When Outlook last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub modified_at: Option<Timestamp>,
    /// When the mirror last changed it.
    #[serde(with = "stamp")]
    pub changed_at: Timestamp,
    /// The mirror's version: chosen by the writer, one more than the one that it read.
    pub version: u64,
    /// When it was seen to be gone; `Some` makes this a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub deleted_at: Option<Timestamp>,
    /// Members that were too large for an item. `"*"` at the end: and more, too many to name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
}

/// Leaves out what a person wrote: a contact in an error's text or a log is its ids.
impl std::fmt::Debug for Contact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Contact")
            .field("mailbox", &self.mailbox)
            .field("id", &self.id)
            .field("version", &self.version)
            .field("deleted_at", &self.deleted_at)
            .field("omitted", &self.omitted.len())
            .finish_non_exhaustive()
    }
}

/// A live contact without its document: what a comparison needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactOutline {
    /// Its id with us.
    #[serde(rename = "contact_id")]
    pub id: ContactId,
    /// Its id in Outlook.
    pub outlook_id: OutlookId,
    /// The folder that it lies in.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// Outlook's version.
    pub change_key: ChangeKey,
    /// The mirror's version.
    pub version: u64,
}

/// Contacts looked up by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lookup {
    /// Those that are there, tombstones included.
    pub contacts: BTreeMap<ContactId, Contact>,
    /// Those that are there, but that this software can't read: a newer version has written them, or they are broken.
    /// They are not to be overwritten.
    pub unreadable: BTreeSet<ContactId>,
}

/// What a writer believes to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: no contact and no tombstone.
    Absent,
    /// A contact or a tombstone of this version.
    Version(u64),
}

/// How far an erasure has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Items erased by this call.
    pub count: usize,
    /// True where there may be more: call again.
    pub more: bool,
}
