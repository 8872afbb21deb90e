//! Writes of the table `contacts`, each with the race that its condition prevents.

use sync_core::ids::MailboxId;

use crate::contact::{Contact, Erased, Expected};
use crate::guard::Guard;
use crate::items::{Table, contact_item, s};
use crate::keys::attr;
use crate::{Answer, Store};

impl Store {
    /// **AP24** Writes a contact or a tombstone over what the writer believes to be stored; a `Conflict` where it isn't
    /// so. Of a contact that is too large for an item, the largest members are left out and named in `omitted`.
    #[tracing::instrument(name = "store.ap24_put_contact", level = "debug", skip_all, fields(mailbox.id = %contact.mailbox))]
    pub async fn put_contact(&self, contact: &Contact, expected: Expected) -> Answer<()> {
        let item = contact_item(contact, self.tombstone_retention)?;
        let key = Table::Contacts.key_of(&item);
        // Race: a worker whose message timed out still writes an older page over a newer one, or brings back a contact
        // that has been deleted meanwhile. A newer version's item is not this version's to replace.
        let guard = match expected {
            Expected::Absent => Guard::Absent,
            Expected::Version(version) => Guard::Is(attr::VERSION, version),
        };
        self.put(Table::Contacts, item, guard)
            .await?
            .or_conflict(Table::Contacts, &key)
    }

    /// **AP25** Erases up to `limit` of a mailbox's contacts and tombstones, whatever their schema.
    #[tracing::instrument(name = "store.ap25_erase_contacts", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_contacts(&self, mailbox: &MailboxId, limit: usize) -> Answer<Erased> {
        let query = self.query(Table::Contacts).consistent_read(true);
        let query = query.key_condition_expression("mailbox_id = :mailbox");
        let query = query.projection_expression("mailbox_id, contact_id");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let found = self.rows(query, None, limit).await?;
        let erased = Erased {
            count: found.rows.len(),
            more: found.more,
        };
        self.batch_delete(Table::Contacts, found.rows).await?;
        Ok(erased)
    }
}
