//! What Outlook has yet to be told: the index `by-pending`, and its order.
//!
//! Knows in which order contacts are worked off; must not know what is to be done about them.

use std::fmt;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{ReturnConsumedCapacity, Select};
use jiff::Timestamp;
use sync_core::ids::{ContactId, MailboxId};
use sync_core::record::{Urgency, Wish};

use crate::contact::Contact;
use crate::items::{Table, contact_key, s, text};
use crate::keys::{attr, index};
use crate::page::{Page, Question};
use crate::{Answer, Store, stamp};

/// A contact about which Outlook has yet to be told something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// Which.
    pub id: ContactId,
    /// Why it is in the index.
    pub kind: PendingKind,
    /// When it was last edited here; of a cleanup, when the contact last changed.
    pub since: Timestamp,
}

/// Why a contact is pending, in the order in which contacts are worked off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PendingKind {
    /// Somebody waits for an edit.
    Now,
    /// Somebody has deleted it.
    Delete,
    /// One of many edits.
    Backfill,
    /// No edit, or one that waits for a person, but items that the contact has left in Outlook, or the photo of a deleted
    /// contact.
    Cleanup,
    /// An edit that waits for a person: refused, to be reviewed, or held by the delete guard.
    Held,
}

/// How many contacts of a mailbox are pending.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PendingCount {
    /// Somebody waits for them.
    pub now: u64,
    /// They were deleted.
    pub deletes: u64,
    /// They are of many.
    pub backfill: u64,
    /// They have left items in Outlook.
    pub cleanup: u64,
    /// They wait for a person.
    pub held: u64,
}

impl PendingKind {
    fn digit(self) -> char {
        match self {
            Self::Now => '0',
            Self::Delete => '1',
            Self::Backfill => '2',
            Self::Cleanup => '8',
            Self::Held => '9',
        }
    }

    fn of_digit(text: &str) -> Option<Self> {
        [Self::Now, Self::Delete, Self::Backfill, Self::Cleanup, Self::Held]
            .into_iter()
            .find(|kind| text.chars().eq([kind.digit()]))
    }
}

impl PendingRow {
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '#');
        let row = Self {
            kind: PendingKind::of_digit(parts.next()?)?,
            since: parts.next()?.parse().ok()?,
            id: parts.next()?.parse().ok()?,
        };
        (row.to_string() == text).then_some(row)
    }
}

/// The sort key of the index.
impl fmt::Display for PendingRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}#{}", self.kind.digit(), stamp::text(self.since), self.id)
    }
}

/// Where a contact is in the index; `None` where nothing is pending.
pub(crate) fn pending_key(contact: &Contact) -> Option<PendingRow> {
    let (kind, since) = of_edit(contact)
        .into_iter()
        .chain(of_photo(contact))
        .chain(of_remains(contact))
        .min()?;
    let id = contact.id.clone();
    Some(PendingRow { id, kind, since })
}

type Place = (PendingKind, Timestamp);

fn of_edit(contact: &Contact) -> Option<Place> {
    let edit = contact.edit.as_ref()?;
    let kind = match edit.urgency {
        _ if edit.hold.is_some() => PendingKind::Held,
        _ if edit.wish == Wish::Delete => PendingKind::Delete,
        Urgency::Now => PendingKind::Now,
        Urgency::Backfill => PendingKind::Backfill,
    };
    Some((kind, edit.edited_at))
}

/// A photo waits for its contact: of one that is held outside of Outlook nothing can be done about the photo either.
fn of_photo(contact: &Contact) -> Option<Place> {
    let edit = contact.photo_edit.as_ref()?;
    let is_out_of_reach = contact.outlook.is_none() && contact.edit.is_some();
    let kind = if edit.refusal.is_some() {
        PendingKind::Held
    } else if is_out_of_reach {
        return None;
    } else {
        PendingKind::Now
    };
    Some((kind, edit.edited_at))
}

/// What a contact leaves behind is cleaned up when nothing else is pending, or what is pending is held: nobody looks at
/// that.
fn of_remains(contact: &Contact) -> Option<Place> {
    let has_items = !contact.superseded.is_empty();
    match &contact.edit {
        Some(edit) if edit.hold.is_some() && has_items => Some((PendingKind::Cleanup, edit.edited_at)),
        None if has_items || contact.has_left_photo() => Some((PendingKind::Cleanup, contact.changed_at)),
        Some(_) | None => None,
    }
}

impl Store {
    /// **AP28** The contacts of a mailbox that are pending and not held: single edits first, then deletes, then edits of
    /// many, then cleanups; the oldest edit first. The index may lag behind by a moment: what is done about a contact is decided by
    /// what AP19 reads.
    #[tracing::instrument(name = "store.ap28_pending", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn pending(
        &self,
        mailbox: &MailboxId,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<PendingRow>> {
        let question = Question::Pending(mailbox);
        self.pending_rows(mailbox, &question, "pending_key < :held", after, limit)
            .await
    }

    /// **AP29** The contacts of a mailbox that wait for a person, the oldest edit first. The index may lag behind by a
    /// moment.
    #[tracing::instrument(name = "store.ap29_held", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn held(
        &self,
        mailbox: &MailboxId,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<PendingRow>> {
        let question = Question::Held(mailbox);
        self.pending_rows(mailbox, &question, "pending_key >= :held", after, limit)
            .await
    }

    /// **AP30** How many contacts of a mailbox are pending. It reads the index, some 100 bytes for each.
    #[tracing::instrument(name = "store.ap30_pending_count", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn pending_count(&self, mailbox: &MailboxId) -> Answer<PendingCount> {
        Ok(PendingCount {
            now: self.count_of(mailbox, PendingKind::Now).await?,
            deletes: self.count_of(mailbox, PendingKind::Delete).await?,
            backfill: self.count_of(mailbox, PendingKind::Backfill).await?,
            cleanup: self.count_of(mailbox, PendingKind::Cleanup).await?,
            held: self.count_of(mailbox, PendingKind::Held).await?,
        })
    }

    async fn pending_rows(
        &self,
        mailbox: &MailboxId,
        question: &Question<'_>,
        condition: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Answer<Page<PendingRow>> {
        let start = question.position(after, PendingRow::parse)?.map(|row| {
            let mut key = contact_key(mailbox, &row.id);
            key.insert(attr::PENDING_KEY.to_owned(), s(row));
            key
        });
        let query = self.pending_index(mailbox, condition);
        let query = query.expression_attribute_values(":held", s(PendingKind::Held.digit()));
        let found = self.rows(query, start, limit).await?;
        let next = found.next(question, attr::PENDING_KEY);
        let count = found.rows.len();
        let items: Vec<_> = found
            .rows
            .iter()
            .filter_map(|row| PendingRow::parse(text(row, attr::PENDING_KEY)))
            .collect();
        let unreadable = (count - items.len()) as u64;
        Ok(Page {
            items,
            next,
            unreadable,
        })
    }

    /// **AP43** How many contacts of a mailbox were deleted here after `since` and are yet to be deleted in Outlook, those
    /// not counted that are held. The index may lag behind by a moment.
    #[tracing::instrument(name = "store.ap43_pending_deletes", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn pending_deletes(&self, mailbox: &MailboxId, since: Option<Timestamp>) -> Answer<u64> {
        let digit = PendingKind::Delete.digit();
        // `$` comes after `#`, which follows a time, and before any digit.
        let from = since.map_or(format!("{digit}#"), |since| {
            format!("{digit}#{}$", stamp::text(since))
        });
        let query = self.pending_index(mailbox, "pending_key BETWEEN :from AND :to");
        let query = query.expression_attribute_values(":from", s(from));
        self.count(query.expression_attribute_values(":to", s(format!("{digit}$"))))
            .await
    }

    async fn count_of(&self, mailbox: &MailboxId, kind: PendingKind) -> Answer<u64> {
        let query = self.pending_index(mailbox, "begins_with(pending_key, :kind)");
        self.count(query.expression_attribute_values(":kind", s(format!("{}#", kind.digit()))))
            .await
    }

    async fn count(&self, query: QueryFluentBuilder) -> Answer<u64> {
        let query = query
            .select(Select::Count)
            .return_consumed_capacity(ReturnConsumedCapacity::Total);
        let (mut count, mut start) = (0, None);
        loop {
            let page = query.clone().set_exclusive_start_key(start).send().await?;
            self.meter.read(page.consumed_capacity.as_slice());
            count += u64::try_from(page.count).unwrap_or_default();
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                return Ok(count);
            }
        }
    }

    fn pending_index(&self, mailbox: &MailboxId, condition: &str) -> QueryFluentBuilder {
        let query = self.query(Table::Contacts).index_name(index::BY_PENDING);
        let query = query.key_condition_expression(format!("mailbox_id = :mailbox AND {condition}"));
        query.expression_attribute_values(":mailbox", s(mailbox))
    }
}
