//! What contacts were before: their versions, each from the moment at which it was replaced.
//!
//! A version is written when another one takes its place, and goes after the history's retention. So whatever a mailbox
//! was at a moment within the retention is known in whole: of a contact that has changed since, the version of that moment
//! lies here, and of any other one the mirror has it. Knows what a version keeps of a contact, and the calls. Must not know
//! which changes are worth a version, nor what is brought back.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::ids::{ContactId, FolderId, MailboxId};
use sync_core::record::Side;
use sync_core::shape::whole;
use sync_core::sighting::Document;

use crate::calls::Rows;
use crate::cause::Cause;
use crate::contact::Contact;
use crate::error::StoreError;
use crate::items::{Item, Table, history_key, limited, n, read, s, seconds_after, time, written};
use crate::keys::{VersionKey, attr};
use crate::page::{Page, Question};
use crate::photo::Photo;
use crate::{Answer, Store, document, stamp};

/// What stands in `omitted` of a version that was too large to be kept with its members.
pub(crate) const ALL: &str = "*";

/// What a contact was, from one change that somebody could see to the next.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Version {
    /// Whose contact.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// Which contact.
    pub contact: ContactId,
    /// Its version.
    pub version: u64,
    /// The folder in which it lay.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// All its members: those that Outlook can hold, and the others. Of a deleted one, none.
    #[serde(with = "document")]
    pub members: Document,
    /// The caller's own id of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<String>,
    /// Its photo. The object itself is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub photo: Option<Photo>,
    /// True where it was deleted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Members that it had and that were too large to be kept; `"*"`: all of them, or more than could be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
    /// When it became so.
    #[serde(with = "stamp")]
    pub since: Timestamp,
    /// When it became something else.
    #[serde(with = "stamp")]
    pub until: Timestamp,
    /// Which side made it so.
    pub changed_by: Side,
    /// Why it became so, where that was written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
}

impl Version {
    /// What a contact was until it was replaced.
    pub fn of(contact: &Contact, until: Timestamp) -> Self {
        let deleted = contact.deleted_at.is_some();
        let members = if deleted {
            Document::new()
        } else {
            whole(&contact.document, &contact.extras)
        };
        Self {
            mailbox: contact.mailbox.clone(),
            contact: contact.id.clone(),
            version: contact.version,
            folder: contact.folder.clone(),
            members,
            external_id: contact.external_id.clone(),
            photo: contact.photo.clone().filter(|_| !deleted),
            deleted,
            omitted: contact
                .omitted
                .iter()
                .filter(|name| !name.starts_with(crate::size::OF_BASE))
                .cloned()
                .collect(),
            since: contact.changed_at,
            until,
            changed_by: contact.changed_by,
            cause: contact.cause.clone(),
        }
    }

    /// True where all its members are too large, or too many to be named: it can't be brought back.
    pub fn is_incomplete(&self) -> bool {
        self.omitted.iter().any(|name| name == ALL)
    }

    fn key(&self) -> VersionKey {
        VersionKey {
            contact: self.contact.clone(),
            version: self.version,
        }
    }
}

/// Leaves out what a person wrote.
impl fmt::Debug for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Version")
            .field("contact", &self.contact)
            .field("version", &self.version)
            .field("deleted", &self.deleted)
            .field("since", &self.since)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// **AP44** Keeps versions, each once: the same one again replaces itself.
    #[tracing::instrument(name = "store.ap44_keep_versions", level = "debug", skip_all)]
    pub async fn keep_versions(&self, versions: &[Version]) -> Answer<()> {
        let items = versions.iter().map(|version| self.version_item(version));
        let items = items.collect::<Answer<Vec<_>>>()?;
        self.batch_write(Table::History, items, Vec::new()).await
    }

    /// **AP45** What a contact was before, the newest first.
    #[tracing::instrument(name = "store.ap45_versions", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn versions(
        &self,
        mailbox: &MailboxId,
        contact: &ContactId,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<Version>> {
        let question = Question::Versions(mailbox, contact);
        let start = question
            .position(after, |text| {
                VersionKey::parse(text).filter(|key| key.contact == *contact)
            })?
            .map(|key| history_key(mailbox, &key));
        let query = self.versions_of(mailbox, contact).scan_index_forward(false);
        let found = self.rows(query, start, limit).await?;
        Ok(found.page(Table::History, &question, attr::VERSION_KEY))
    }

    /// **AP46** One version of a contact. Consistent.
    #[tracing::instrument(name = "store.ap46_version", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn version(
        &self,
        mailbox: &MailboxId,
        contact: &ContactId,
        version: u64,
    ) -> Answer<Option<Version>> {
        let contact = contact.clone();
        let key = history_key(mailbox, &VersionKey { contact, version });
        let item = self.get(Table::History, key).await?;
        item.map(|item| read(Table::History, item)).transpose()
    }

    /// **AP47** What a contact was at a moment, if it has changed since, and was there. Consistent. It reads all versions
    /// of the contact.
    #[tracing::instrument(name = "store.ap47_version_at", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn version_at(
        &self,
        mailbox: &MailboxId,
        contact: &ContactId,
        at: Timestamp,
    ) -> Answer<Option<Version>> {
        let query = self.versions_of(mailbox, contact).consistent_read(true);
        let query = query.filter_expression("#since <= :at AND #until > :at");
        let query = query.expression_attribute_names("#since", attr::SINCE);
        let query = query.expression_attribute_names("#until", attr::UNTIL);
        let query = query.expression_attribute_values(":at", time(at));
        let mut found = self.rows(query, None, usize::MAX).await?.rows;
        // Two where a clock was put back: the later one is what people have seen.
        found.pop().map(|item| read(Table::History, item)).transpose()
    }

    /// **AP48** Erases all that a contact was before. Gives how many versions that were.
    #[tracing::instrument(name = "store.ap48_erase_versions", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_versions(&self, mailbox: &MailboxId, contact: &ContactId) -> Answer<usize> {
        let query = self.versions_of(mailbox, contact).consistent_read(true);
        let query = query.projection_expression("mailbox_id, version_key");
        self.erase_rows(self.rows(query, None, usize::MAX).await?).await
    }

    /// **AP49** Erases what a mailbox's contacts were before, as far as it was replaced at this time or earlier.
    #[tracing::instrument(name = "store.ap49_erase_history", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_history(&self, mailbox: &MailboxId, until: Timestamp) -> Answer<usize> {
        let query = self.query(Table::History).consistent_read(true);
        let query = query.key_condition_expression("mailbox_id = :mailbox");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        // Race: the mailbox is enrolled again at this moment. What was replaced since belongs to its new life.
        let query = query.filter_expression("#until <= :until");
        let query = query.expression_attribute_names("#until", attr::UNTIL);
        let query = query.expression_attribute_values(":until", time(until));
        let query = query.projection_expression("mailbox_id, version_key");
        self.erase_rows(self.rows(query, None, usize::MAX).await?).await
    }

    async fn erase_rows(&self, found: Rows) -> Answer<usize> {
        let count = found.rows.len();
        self.batch_delete(Table::History, found.rows).await?;
        Ok(count)
    }

    fn versions_of(
        &self,
        mailbox: &MailboxId,
        contact: &ContactId,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let query = self.query(Table::History);
        let query =
            query.key_condition_expression("mailbox_id = :mailbox AND begins_with(version_key, :contact)");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        query.expression_attribute_values(":contact", s(VersionKey::all_of(contact)))
    }

    /// A version that is too large for an item is kept without its members: that there was one is worth more than an error.
    fn version_item(&self, version: &Version) -> Answer<Item> {
        match self.whole_item(version) {
            Err(StoreError::TooLarge { .. }) => self.whole_item(&Version {
                members: Document::new(),
                omitted: vec![ALL.to_owned()],
                ..version.clone()
            }),
            item => item,
        }
    }

    fn whole_item(&self, version: &Version) -> Answer<Item> {
        let key = history_key(&version.mailbox, &version.key());
        let mut item = written(Table::History, version, &key)?;
        item.extend(key);
        let goes_at = seconds_after(version.until, self.history_retention);
        item.insert(attr::TTL.to_owned(), n(goes_at));
        limited(Table::History, item)
    }
}
