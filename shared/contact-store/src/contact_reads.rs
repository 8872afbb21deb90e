//! Reads of the table `contacts`.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use sync_core::ids::{ContactId, FolderId, MailboxId};

use crate::contact::{Contact, ContactOutline, Lookup};
use crate::contact_items::alias_of;
use crate::error::StoreError;
use crate::items::{Item, SCHEMA, Table, contact_key, read, read_all, s, schema, text, time};
use crate::keys::{ChangedKey, FolderKey, attr, index};
use crate::page::{Page, Question};
use crate::{Answer, Store};

/// Outlines on a page: about 800 KB of index, one request.
const OUTLINES: usize = 1_000;

/// What the id of every contact begins with; conflicts lie in the same partition.
pub(crate) const CONTACTS: &str = "con_";

/// How many aliases may lead from one to the next: one made by a link, to one made by a move, to another. A ring would
/// be a fault of ours, and must not hold anybody.
const HOPS: u32 = 4;

impl Lookup {
    fn add(&mut self, asked: BTreeSet<ContactId>, read: Answer<Contact>) -> Answer<()> {
        match read {
            Ok(contact) => self
                .contacts
                .extend(asked.into_iter().map(|id| (id, contact.clone()))),
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(%error, "a contact of the mirror can't be read");
                self.unreadable.extend(asked);
            }
            Err(StoreError::NewerSchema { .. }) => self.unreadable.extend(asked),
            Err(error) => return Err(error),
        }
        Ok(())
    }
}

impl Store {
    /// **AP18** One contact, or its tombstone. Consistent. Of an alias: the contact that it leads to.
    #[tracing::instrument(name = "store.ap18_contact", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contact(&self, mailbox: &MailboxId, id: &ContactId) -> Answer<Option<Contact>> {
        let mut id = id.clone();
        for _ in 0..=HOPS {
            let Some(item) = self.get(Table::Contacts, contact_key(mailbox, &id)).await? else {
                return Ok(None);
            };
            match target(&item) {
                Some(next) => id = next,
                None => return read(Table::Contacts, item).map(Some),
            }
        }
        Ok(None)
    }

    /// **AP19** Contacts by id, tombstones included. Consistent. Any number of ids, in any order, twice or not. The
    /// contact of an alias is found under the alias; where there are aliases, it takes a batch more.
    #[tracing::instrument(name = "store.ap19_contacts_by_id", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contacts_by_id(&self, mailbox: &MailboxId, ids: &[ContactId]) -> Answer<Lookup> {
        let mut lookup = Lookup::default();
        // The id to look up, with those that were asked for because of which.
        let mut wanted: BTreeMap<ContactId, BTreeSet<ContactId>> =
            ids.iter().map(|id| (id.clone(), [id.clone()].into())).collect();
        for _ in 0..=HOPS {
            if wanted.is_empty() {
                break;
            }
            let ids: Vec<ContactId> = wanted.keys().cloned().collect();
            let mut next: BTreeMap<ContactId, BTreeSet<ContactId>> = BTreeMap::new();
            for (id, item) in self.items_by_id(mailbox, &ids).await? {
                let asked = wanted.remove(&id).unwrap_or_default();
                if let Some(target) = target(&item) {
                    next.entry(target).or_default().extend(asked);
                } else {
                    lookup.add(asked, read(Table::Contacts, item))?;
                }
            }
            wanted = next;
        }
        Ok(lookup)
    }

    /// The cursor of [`Store::contacts`] behind a contact, whether or not it is there.
    pub fn cursor_behind(mailbox: &MailboxId, contact: &ContactId) -> String {
        Question::Contacts(mailbox).cursor(contact.as_str())
    }

    /// **AP20** The live contacts of a mailbox, in the order of their ids.
    #[tracing::instrument(name = "store.ap20_contacts", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contacts(
        &self,
        mailbox: &MailboxId,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<Contact>> {
        let question = Question::Contacts(mailbox);
        let start = question
            .position(after, contact_id)?
            .map(|id| contact_key(mailbox, &id));
        let query = self
            .query(Table::Contacts)
            .key_condition_expression("mailbox_id = :mailbox AND begins_with(contact_id, :contacts)");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let query = query.expression_attribute_values(":contacts", s(CONTACTS));
        // Few against contacts: tombstones go after their retention, and an alias belongs to a contact born here.
        let query =
            query.filter_expression("attribute_not_exists(#deleted) AND attribute_not_exists(#alias)");
        let query = query.expression_attribute_names("#deleted", attr::DELETED_AT);
        let query = query.expression_attribute_names("#alias", attr::ALIAS_OF);
        let found = self.rows(query, start, limit).await?;
        Ok(found.page(Table::Contacts, &question, attr::CONTACT_ID))
    }

    /// **AP21** The live contacts of a folder, in the order of their ids. The index may lag behind by a moment; each
    /// contact is as it is stored now, and one that has left the folder meanwhile is not shown.
    #[tracing::instrument(name = "store.ap21_contacts_in_folder", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contacts_in_folder(
        &self,
        mailbox: &MailboxId,
        folder: &FolderId,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<Contact>> {
        let folder_key = FolderKey::of(folder);
        let question = Question::Folder(mailbox, &folder_key);
        let (rows, next) = self
            .folder_rows(mailbox, &folder_key, &question, after, limit)
            .await?;
        let mut page = self.documents(mailbox, &rows, next).await?;
        page.items
            .retain(|contact| contact.folder == *folder && contact.deleted_at.is_none());
        Ok(page)
    }

    /// **AP22** The contacts and tombstones of a mailbox that the mirror has changed at `since` or later, the oldest
    /// change first. A contact is there once, with its last change.
    ///
    /// `changed_at` is taken before the write and the index lags behind by a moment, so a change may appear behind a
    /// newer one: who asks again and again goes back a minute each time.
    #[tracing::instrument(name = "store.ap22_contacts_changed_since", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn contacts_changed_since(
        &self,
        mailbox: &MailboxId,
        since: Timestamp,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<Contact>> {
        let question = Question::Changes(mailbox);
        let start = question.position(after, ChangedKey::parse)?.map(|changed| {
            let mut key = contact_key(mailbox, &changed.contact);
            key.insert(attr::CHANGED_KEY.to_owned(), s(changed));
            key
        });
        let query = self.query(Table::Contacts).index_name(index::BY_CHANGE);
        let query = query.key_condition_expression("mailbox_id = :mailbox AND changed_key >= :since");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let query = query.expression_attribute_values(":since", time(since));
        let found = self.rows(query, start, limit).await?;
        let next = found.next(&question, attr::CHANGED_KEY);
        self.documents(mailbox, &found.rows, next).await
    }

    /// **AP23** A page of up to a thousand live contacts of a folder without their documents, in the order of their ids.
    /// The index may lag behind by a moment: what differs from Outlook has to be looked up before it is repaired.
    #[tracing::instrument(name = "store.ap23_outlines", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn outlines(
        &self,
        mailbox: &MailboxId,
        folder: &FolderId,
        after: Option<&str>,
    ) -> Answer<Page<ContactOutline>> {
        let folder_key = FolderKey::of(folder);
        let question = Question::Outlines(mailbox, &folder_key);
        let (rows, next) = self
            .folder_rows(mailbox, &folder_key, &question, after, OUTLINES)
            .await?;
        let (items, unreadable) = read_all(Table::Contacts, rows);
        Ok(Page {
            items,
            next,
            unreadable,
        })
    }

    /// Rows of the index `by-folder`, and the cursor behind them.
    async fn folder_rows(
        &self,
        mailbox: &MailboxId,
        folder: &FolderKey,
        question: &Question<'_>,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<(Vec<Item>, Option<String>)> {
        let within = folder.within(mailbox);
        let start = question.position(after, contact_id)?.map(|id| {
            let mut key = contact_key(mailbox, &id);
            key.insert(attr::FOLDER_KEY.to_owned(), s(&within));
            key
        });
        let query = self.query(Table::Contacts).index_name(index::BY_FOLDER);
        let query = query.key_condition_expression("folder_key = :folder");
        let query = query.expression_attribute_values(":folder", s(&within));
        let found = self.rows(query, start, limit).await?;
        let next = found.next(question, attr::CONTACT_ID);
        Ok((found.rows, next))
    }

    /// The contacts that rows of an index stand for, in the same order.
    pub(crate) async fn documents(
        &self,
        mailbox: &MailboxId,
        rows: &[Item],
        next: Option<String>,
    ) -> Answer<Page<Contact>> {
        let ids: Vec<ContactId> = rows
            .iter()
            .filter_map(|row| contact_id(text(row, attr::CONTACT_ID)))
            .collect();
        let mut found = self.items_by_id(mailbox, &ids).await?;
        let in_order = ids.iter().filter_map(|id| found.remove(id)).collect();
        let (items, unreadable) = read_all(Table::Contacts, in_order);
        Ok(Page {
            items,
            next,
            unreadable,
        })
    }

    async fn items_by_id(&self, mailbox: &MailboxId, ids: &[ContactId]) -> Answer<BTreeMap<ContactId, Item>> {
        // Each once: DynamoDB refuses a batch that names a key twice.
        let ids: BTreeSet<&ContactId> = ids.iter().collect();
        let keys = ids.into_iter().map(|id| contact_key(mailbox, id)).collect();
        let items = self.batch_get(Table::Contacts, keys).await?;
        Ok(items
            .into_iter()
            .filter_map(|item| Some((contact_id(text(&item, attr::CONTACT_ID))?, item)))
            .collect())
    }
}

/// Where an alias leads; `None` for what is none, or is one of a newer schema.
fn target(item: &Item) -> Option<ContactId> {
    alias_of(item).filter(|_| schema(item).is_some_and(|schema| schema <= SCHEMA))
}

fn contact_id(text: &str) -> Option<ContactId> {
    text.parse().ok()
}
