//! The calls of the conflict log. Conflicts are written together with their contact (`contact_writes.rs`).

use sync_core::ids::{ConflictId, ContactId, MailboxId};

use crate::conflict::Conflict;
use crate::contact_items::{conflict_item, conflict_key};
use crate::guard::Guard;
use crate::items::{Table, read, s};
use crate::keys::attr;
use crate::page::{Page, Question};
use crate::{Answer, Store};

impl Store {
    /// **AP31** The conflicts of a mailbox, or of one of its contacts, the newest first. Those of one contact are picked
    /// from all: they are few, and go after their retention.
    #[tracing::instrument(name = "store.ap31_conflicts", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn conflicts(
        &self,
        mailbox: &MailboxId,
        contact: Option<&ContactId>,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<Conflict>> {
        let question = Question::Conflicts(mailbox, contact);
        let start = question
            .position(after, |text| text.parse::<ConflictId>().ok())?
            .map(|id| conflict_key(mailbox, &id));
        let query = self.query(Table::Contacts).scan_index_forward(false);
        let query =
            query.key_condition_expression("mailbox_id = :mailbox AND begins_with(contact_id, :conflicts)");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let query = query.expression_attribute_values(":conflicts", s(ConflictId::PREFIX));
        let query = match contact {
            Some(contact) => query
                .filter_expression("#contact = :contact")
                .expression_attribute_names("#contact", attr::CONTACT)
                .expression_attribute_values(":contact", s(contact)),
            None => query,
        };
        let found = self.rows(query, start, limit).await?;
        Ok(found.page(Table::Contacts, &question, attr::CONTACT_ID))
    }

    /// **AP32** One conflict. Consistent.
    #[tracing::instrument(name = "store.ap32_conflict", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn conflict(&self, mailbox: &MailboxId, id: &ConflictId) -> Answer<Option<Conflict>> {
        let item = self.get(Table::Contacts, conflict_key(mailbox, id)).await?;
        item.map(|item| read(Table::Contacts, item)).transpose()
    }

    /// **AP33** Saves a conflict that was read and has `settled` set since. Where the contact changes with it, it is a
    /// [`crate::Companion`] of the contact instead.
    #[tracing::instrument(name = "store.ap33_settle_conflict", level = "debug", skip_all, fields(mailbox.id = %conflict.mailbox))]
    pub async fn settle_conflict(&self, conflict: &Conflict) -> Answer<()> {
        let item = conflict_item(conflict, self.conflict_retention)?;
        let key = Table::Contacts.key_of(&item);
        // Race: two people settle one conflict differently.
        self.put(Table::Contacts, item, Guard::Lacks(attr::SETTLED))
            .await?
            .or_conflict(Table::Contacts, &key)
    }
}
