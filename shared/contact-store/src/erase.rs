//! Erasing one person: what the tables hold of a contact beside its own item.
//!
//! Knows where that lies. Must not know when it may go: an alias that goes too early lets Outlook's item come back as
//! somebody new. What erases a whole mailbox is elsewhere (AP25, AP26, AP49).

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use sync_core::ids::{ConflictId, ContactId, MailboxId};

use crate::contact_reads::CONTACTS;
use crate::items::{Table, contact_key, s, text};
use crate::keys::{StateKey, attr};
use crate::{Answer, Store};

impl Store {
    /// **AP50** Erases the conflicts of a contact. Gives how many there were. It reads all of the mailbox's.
    #[tracing::instrument(name = "store.ap50_erase_conflicts", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_conflicts(&self, mailbox: &MailboxId, contact: &ContactId) -> Answer<usize> {
        let query = self.of_contact(
            Table::Contacts,
            mailbox,
            ConflictId::PREFIX,
            attr::CONTACT,
            contact,
        );
        self.erase_found(Table::Contacts, query).await
    }

    /// **AP51** The ids that lead to a contact. It reads the whole mailbox.
    #[tracing::instrument(name = "store.ap51_aliases_of", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn aliases_of(&self, mailbox: &MailboxId, contact: &ContactId) -> Answer<Vec<ContactId>> {
        let query = self.of_contact(Table::Contacts, mailbox, CONTACTS, attr::ALIAS_OF, contact);
        let found = self.rows(query, None, usize::MAX).await?.rows;
        let ids = found.iter().map(|row| text(row, attr::CONTACT_ID).parse());
        Ok(ids.filter_map(Result::ok).collect())
    }

    /// **AP53** Erases ids that lead to a contact.
    #[tracing::instrument(name = "store.ap53_erase_aliases", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_aliases(&self, mailbox: &MailboxId, aliases: &[ContactId]) -> Answer<()> {
        let keys = aliases.iter().map(|alias| contact_key(mailbox, alias));
        self.batch_delete(Table::Contacts, keys.collect()).await
    }

    /// **AP52** Makes a contact be found by no e-mail address. Gives by how many it was. It reads all of the mailbox's.
    #[tracing::instrument(name = "store.ap52_erase_emails", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_emails(&self, mailbox: &MailboxId, contact: &ContactId) -> Answer<usize> {
        let query = self.of_contact(Table::State, mailbox, StateKey::EMAILS, attr::CONTACT, contact);
        self.erase_found(Table::State, query).await
    }

    /// The items of a mailbox whose sort key begins so, and in which `attribute` names the contact.
    fn of_contact(
        &self,
        table: Table,
        mailbox: &MailboxId,
        prefix: &str,
        attribute: &str,
        contact: &ContactId,
    ) -> QueryFluentBuilder {
        let query = self.query(table).consistent_read(true);
        let query = query.key_condition_expression("mailbox_id = :mailbox AND begins_with(#sort, :prefix)");
        let query = query.expression_attribute_names("#sort", table.sort_key());
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let query = query.expression_attribute_values(":prefix", s(prefix));
        let query = query.filter_expression("#of = :contact");
        let query = query.expression_attribute_names("#of", attribute);
        let query = query.expression_attribute_values(":contact", s(contact));
        query.projection_expression("mailbox_id, #sort")
    }

    async fn erase_found(&self, table: Table, query: QueryFluentBuilder) -> Answer<usize> {
        let found = self.rows(query, None, usize::MAX).await?.rows;
        let count = found.len();
        self.batch_delete(table, found).await?;
        Ok(count)
    }
}
