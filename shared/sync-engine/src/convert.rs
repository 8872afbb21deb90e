//! Graph's contact to the mirror's record. Knows both forms; takes no decision.

use contact_store::{Contact, ContactOutline};
use graph_client::Contact as GraphContact;
use jiff::Timestamp;
use sync_core::ids::{ChangeKey, ContactId, FolderId, MailboxId, OutlookId};
use sync_core::record::OutlookItem;
use sync_core::sighting::{Document, Known, Sighting};

/// A contact as Graph showed it, with its ids in our types.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) id: ContactId,
    pub(crate) outlook_id: OutlookId,
    /// `None` where the row left it out: it has to be read.
    pub(crate) folder: Option<FolderId>,
    /// `None` where the row left it out: it has to be read.
    pub(crate) change_key: Option<ChangeKey>,
    pub(crate) created_at: Option<Timestamp>,
    pub(crate) modified_at: Option<Timestamp>,
    /// Whose creation it is, where that was asked for.
    pub(crate) stamp: Option<String>,
    pub(crate) document: Document,
}

impl Shown {
    pub(crate) fn new(mailbox: &MailboxId, contact: GraphContact) -> Self {
        let outlook_id = OutlookId::new(contact.id);
        Self {
            id: ContactId::derive(mailbox, &outlook_id),
            outlook_id,
            folder: contact.parent_folder_id.map(FolderId::new),
            change_key: contact.change_key.map(ChangeKey::new),
            created_at: contact.created,
            modified_at: contact.modified,
            stamp: contact.stamp,
            document: contact.members,
        }
    }

    /// `None` where folder or version is missing.
    pub(crate) fn sighting(&self) -> Option<Sighting<'_>> {
        Some(Sighting {
            folder: self.folder.as_ref()?,
            change_key: self.change_key.as_ref()?,
            modified_at: self.modified_at,
            document: &self.document,
        })
    }
}

/// The key under which Outlook's id of a contact leads to it, and what Outlook knows it by. `None` for a contact that is
/// not in Outlook.
pub(crate) fn named<'a>(
    mailbox: &MailboxId,
    outline: &'a ContactOutline,
) -> Option<(ContactId, &'a OutlookItem)> {
    let item = outline.outlook.as_ref()?;
    Some((ContactId::derive(mailbox, &item.id), item))
}

/// What the core has to know of a record: what Outlook had last. `None` for a contact that is not in Outlook.
pub(crate) fn known(contact: &Contact) -> Option<Known<'_>> {
    let edit = contact.edit.as_ref();
    Some(Known {
        folder: edit
            .and_then(|edit| edit.base_folder.as_ref())
            .unwrap_or(&contact.folder),
        change_key: &contact.outlook.as_ref()?.change_key,
        modified_at: contact.modified_at,
        document: contact.base(),
        deleted: contact.is_tombstone(),
    })
}
