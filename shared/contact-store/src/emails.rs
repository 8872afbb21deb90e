//! Contacts by e-mail address and by the caller's own id.
//!
//! Addresses are found through small items of the table `state`, written after the contact off its stream: what they
//! say may be old, so every answer is checked against the contact itself. Knows how an address is compared.

use std::collections::BTreeSet;

use serde_json::Value;
use sync_core::ids::{ContactId, MailboxId};

use crate::contact::Contact;
use crate::items::{Item, SCHEMA, Table, n, s, state_key, text};
use crate::keys::{EmailKey, StateKey, attr};
use crate::{Answer, Store};

/// The member that has the addresses: those that Outlook holds, and further ones among the extras.
const EMAIL_ADDRESSES: &str = "emailAddresses";

impl Contact {
    /// Its e-mail addresses as they are compared: trimmed, in lower case, each once.
    pub fn email_addresses(&self) -> BTreeSet<String> {
        [&self.document, &self.extras]
            .into_iter()
            .filter_map(|document| document.get(EMAIL_ADDRESSES)?.as_array())
            .flatten()
            .filter_map(|email| email.get("address").and_then(Value::as_str))
            .map(comparable)
            .filter(|address| !address.is_empty())
            .collect()
    }
}

fn comparable(address: &str) -> String {
    address.trim().to_lowercase()
}

impl Store {
    /// **AP34** The contact that a caller knows by this id, or its tombstone. Consistent. Follows an alias, where the
    /// contact has been given the id later.
    #[tracing::instrument(name = "store.ap34_contact_by_external_id", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contact_by_external_id(
        &self,
        mailbox: &MailboxId,
        external: &str,
    ) -> Answer<Option<Contact>> {
        let id = ContactId::of_external(mailbox, external);
        let contact = self.contact(mailbox, &id).await?;
        Ok(contact.filter(|contact| contact.external_id.as_deref() == Some(external)))
    }

    /// **AP35** The live contacts that have this e-mail address, in the order of their ids. An address that was added a
    /// moment ago may not be found yet; what is found has it now.
    #[tracing::instrument(name = "store.ap35_contacts_by_email", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contacts_by_email(
        &self,
        mailbox: &MailboxId,
        address: &str,
        limit: usize,
    ) -> Answer<Vec<Contact>> {
        let address = comparable(address);
        let prefix = StateKey::emails(&EmailKey::of(mailbox, &address));
        let query = self.partition(mailbox, "begins_with(sk, :prefix)");
        let query = query.expression_attribute_values(":prefix", s(prefix));
        let (mut contacts, mut start) = (Vec::new(), None);
        loop {
            let left = limit.saturating_sub(contacts.len());
            let found = self.rows(query.clone(), start, left).await?;
            let ids: Vec<ContactId> = found
                .rows
                .iter()
                .filter_map(|row| text(row, attr::CONTACT).parse().ok())
                .collect();
            let lookup = self.contacts_by_id(mailbox, &ids).await?;
            contacts.extend(lookup.contacts.into_iter().filter_map(|(id, contact)| {
                let it_is = id == contact.id
                    && contact.deleted_at.is_none()
                    && contact.email_addresses().contains(&address);
                it_is.then_some(contact)
            }));
            start = found
                .rows
                .last()
                .filter(|_| found.more)
                .map(|row| Table::State.key_of(row));
            if contacts.len() >= limit || start.is_none() {
                return Ok(contacts);
            }
        }
    }

    /// **AP36** Makes a contact be found by the `added` addresses and no longer by the `removed` ones. Repeating it is
    /// harmless; an older change after a newer one is not, so the caller goes by the stream's order.
    #[tracing::instrument(name = "store.ap36_index_emails", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn index_emails(
        &self,
        mailbox: &MailboxId,
        contact: &ContactId,
        removed: &[String],
        added: &[String],
    ) -> Answer<()> {
        let normal = |addresses: &[String]| -> BTreeSet<String> {
            let addresses = addresses.iter().map(|address| comparable(address));
            addresses.filter(|address| !address.is_empty()).collect()
        };
        let key = |address: &String| {
            let email = EmailKey::of(mailbox, address);
            let contact = contact.clone();
            state_key(mailbox, &StateKey::Email { email, contact })
        };
        let (removed, added) = (normal(removed), normal(added));
        let deletions = removed.difference(&added).map(key).collect();
        let puts = added.iter().map(|address| {
            let mut item: Item = key(address);
            item.insert(attr::CONTACT.to_owned(), s(contact));
            item.insert(attr::SCHEMA.to_owned(), n(SCHEMA));
            item
        });
        self.batch_write(Table::State, puts.collect(), deletions).await
    }
}
