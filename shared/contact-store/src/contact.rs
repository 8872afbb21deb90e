//! The things of the table `contacts`: the mirror's records.
//!
//! Plain data; its serde form is the stored form (snake case, times to the millisecond, documents packed as
//! `document.rs` says). Knows nothing of keys, indexes or calls.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::ids::{ContactId, FolderId, MailboxId, OutlookId};
use sync_core::record::{Edit, OutlookItem, Side};
use sync_core::sighting::Document;

use crate::cause::{Cause, Why};
use crate::conflict::Conflict;
use crate::photo::{Photo, PhotoEdit};
use crate::size::OF_BASE;
use crate::{document, edit, stamp};

/// A contact of the mirror, or the tombstone of one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Contact {
    /// Whose contact.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// Its id with us.
    #[serde(rename = "contact_id")]
    pub id: ContactId,
    /// What Outlook knows it by; `None` where it is not in Outlook yet.
    #[serde(flatten)]
    pub outlook: Option<OutlookItem>,
    /// The folder in which the platform has it; of a tombstone, where it lay last.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// The members that Outlook can hold, as the platform has them, in Graph's form; unknown ones of Outlook are kept.
    #[serde(with = "document")]
    pub document: Document,
    /// What Outlook can't hold, by the same names: further elements of lists, and members that Graph doesn't know.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty", with = "document")]
    pub extras: Document,
    /// The caller's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// When Outlook created it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub created_at: Option<Timestamp>,
    /// When Outlook last changed it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub modified_at: Option<Timestamp>,
    /// When the mirror last changed it so that somebody can see it.
    #[serde(with = "stamp")]
    pub changed_at: Timestamp,
    /// Who made that change.
    #[serde(default = "outlook")]
    pub changed_by: Side,
    /// Why that change was made; `None` where it was made before anybody wrote that down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// What callers know it by: chosen by the writer, one more for each change that somebody can see.
    pub version: u64,
    /// The stored revision that this value was read from; 0 before it was stored. The store counts it up with each
    /// write.
    #[serde(default)]
    pub rev: u64,
    /// When it was deleted. Together with an edit: the platform has deleted it, and Outlook hasn't yet; the document
    /// stays until then. Without one it is a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub deleted_at: Option<Timestamp>,
    /// Members that were too large for an item, and are left out of the document and of the edit's base. `base.<name>`
    /// is left out of the base alone: Outlook has, or had, something there. `"*"` at the end: and more, too many to
    /// name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
    /// What Outlook has yet to be told; `None` while `document` is what Outlook has.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "edit")]
    pub edit: Option<Edit>,
    /// Items in Outlook that this contact has left behind when it moved, and that have to be deleted there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub superseded: Vec<OutlookId>,
    /// Its photo, as the platform has it. Of a tombstone, one whose object is still to be deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<Photo>,
    /// What Outlook has yet to be told of the photo; `None` while `photo` is what Outlook was last seen to have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo_edit: Option<PhotoEdit>,
    /// The versions of these items as the mirror last knew them. Whoever finds another one knows that somebody has
    /// changed the item since; of an item without one (older software has left it) nobody knows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left: Vec<OutlookItem>,
    /// Items that were this contact's before, and the contacts that have them now: its twins. The ids that are derived
    /// from these items lead here, and from here it goes on.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub twins: BTreeMap<OutlookId, ContactId>,
    /// What was asked by the request that created it: a repetition is told by it from another request of the same key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_hash: Option<String>,
}

/// Before the platform could change contacts, nobody else did.
fn outlook() -> Side {
    Side::Outlook
}

impl Contact {
    /// A contact that nothing is known of yet, and that nobody has seen: of version 0, and never stored.
    pub fn blank(
        mailbox: MailboxId,
        id: ContactId,
        folder: FolderId,
        changed_by: Side,
        changed_at: Timestamp,
    ) -> Self {
        Self {
            mailbox,
            id,
            outlook: None,
            folder,
            document: Document::new(),
            extras: Document::new(),
            external_id: None,
            created_at: None,
            modified_at: None,
            changed_at,
            changed_by,
            cause: None,
            version: 0,
            rev: 0,
            deleted_at: None,
            omitted: Vec::new(),
            edit: None,
            superseded: Vec::new(),
            photo: None,
            photo_edit: None,
            left: Vec::new(),
            twins: BTreeMap::new(),
            request_hash: None,
        }
    }

    /// Outlook's members as last seen. Of a contact that is not in Outlook, its own.
    pub fn base(&self) -> &Document {
        self.edit
            .as_ref()
            .and_then(|edit| edit.base.as_ref())
            .unwrap_or(&self.document)
    }

    /// The members of Outlook's that were too large to be kept beside what the platform has in their place. Outlook had
    /// something there; the base does not say what.
    pub fn omitted_of_base(&self) -> impl Iterator<Item = &str> {
        self.omitted.iter().filter_map(|name| name.strip_prefix(OF_BASE))
    }

    /// True where a person has asked for it to be forgotten, and nobody has made it anew since.
    pub fn is_erased(&self) -> bool {
        let why = self.cause.as_ref().map(|cause| cause.why);
        self.deleted_at.is_some() && why == Some(Why::Erased)
    }

    /// True where it is deleted and Outlook knows: nothing is left to do but to remember it for a while.
    pub fn is_tombstone(&self) -> bool {
        self.deleted_at.is_some() && self.edit.is_none()
    }
}

/// Leaves out what a person wrote: a contact in an error's text or a log is its ids.
impl fmt::Debug for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Contact")
            .field("mailbox", &self.mailbox)
            .field("id", &self.id)
            .field("version", &self.version)
            .field("rev", &self.rev)
            .field("deleted_at", &self.deleted_at)
            .field("omitted", &self.omitted.len())
            .field("edit", &self.edit.as_ref().map(|edit| (edit.wish, edit.count)))
            .finish_non_exhaustive()
    }
}

/// A live contact without its document: what a comparison needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContactOutline {
    /// Its id with us.
    #[serde(rename = "contact_id")]
    pub id: ContactId,
    /// What Outlook knows it by; `None` where it is not in Outlook yet.
    #[serde(flatten)]
    pub outlook: Option<OutlookItem>,
    /// The folder in which the platform has it.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// What callers know it by.
    pub version: u64,
    /// Its stored revision.
    #[serde(default)]
    pub rev: u64,
}

/// Contacts looked up by id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lookup {
    /// Those that are there, tombstones included, by the id that was asked for. Where that was an alias, the contact's
    /// own id is another.
    pub contacts: BTreeMap<ContactId, Contact>,
    /// Those that are there, but that this software can't read: a newer version has written them, or they are broken.
    /// They are not to be overwritten.
    pub unreadable: BTreeSet<ContactId>,
}

/// What a writer believes to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// Nothing: no contact, no tombstone, and no alias of a contact that is there.
    Absent,
    /// A contact or a tombstone of this revision.
    Rev(u64),
}

impl Expected {
    /// The revision that the contact has after it was written.
    pub fn next_rev(self) -> u64 {
        match self {
            Self::Absent => 1,
            Self::Rev(rev) => rev + 1,
        }
    }
}

/// What is written together with a contact, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub enum Companion {
    /// This id leads to the contact. It must be free, or lead there already.
    Alias(ContactId),
    /// This other contact becomes an alias of the one that is written. It must still be at the revision.
    Replace {
        /// The other contact.
        contact: ContactId,
        /// Its revision as it was read.
        rev: u64,
    },
    /// Another contact, which must still be at its `rev`: nothing about it changes that somebody can see.
    Other(Box<Contact>),
    /// A conflict that this write has decided.
    Conflict(Conflict),
    /// A conflict that was read, with `settled` set: a person has had a say, and the write does what they said. It
    /// must not have been settled before.
    Settled(Conflict),
}

/// How far an erasure has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Erased {
    /// Items erased by this call.
    pub count: usize,
    /// True where there may be more: call again.
    pub more: bool,
}
