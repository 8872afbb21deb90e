//! Graph's contact to the mirror's record. Knows both forms; takes no decision.

use contact_store::Contact;
use graph_client::Contact as GraphContact;
use jiff::Timestamp;
use sync_core::ids::{ChangeKey, ContactId, FolderId, MailboxId, OutlookId};
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

/// What the core has to know of a record.
pub(crate) fn known(contact: &Contact) -> Known<'_> {
    Known {
        folder: &contact.folder,
        change_key: &contact.change_key,
        modified_at: contact.modified_at,
        document: &contact.document,
        deleted: contact.deleted_at.is_some(),
    }
}
