//! Reads of the table `state`.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use sync_core::ids::{ContactId, FolderId, MailboxId};

use crate::items::{Item, Table, read, read_all, s, state_key, text, time};
use crate::keys::{FolderKey, StateKey, attr, index};
use crate::page::{Page, Question};
use crate::shard::{DueKind, Shard};
use crate::state::{Mailbox, MailboxState, SeenPage, Subscription, Timer, TimerKind};
use crate::{Answer, Store};

impl Store {
    /// **AP2** One mailbox. Consistent.
    #[tracing::instrument(name = "store.ap2_mailbox", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn mailbox(&self, mailbox: &MailboxId) -> Answer<Option<Mailbox>> {
        let item = self
            .get(Table::State, state_key(mailbox, &StateKey::Mailbox))
            .await?;
        item.map(|item| read(Table::State, item)).transpose()
    }

    /// **AP3** All mailboxes, in an order that means nothing. The list may lag behind enrolments and removals by a
    /// moment; each mailbox on it is as it is stored now.
    #[tracing::instrument(name = "store.ap3_mailboxes", level = "debug", skip_all)]
    pub async fn mailboxes(&self, after: Option<&str>, limit: usize) -> Answer<Page<Mailbox>> {
        let from = Question::Mailboxes.position(after, roster_position)?;
        let (ids, next) = self.roster(from, limit.max(1)).await?;
        let keys = ids.iter().map(|id| state_key(id, &StateKey::Mailbox)).collect();
        let mut found: BTreeMap<String, Item> = BTreeMap::new();
        for item in self.batch_get(Table::State, keys).await? {
            found.insert(text(&item, attr::MAILBOX_ID).to_owned(), item);
        }
        let in_order = ids.iter().filter_map(|id| found.remove(id.as_str())).collect();
        let (items, unreadable) = read_all(Table::State, in_order);
        Ok(Page {
            items,
            next,
            unreadable,
        })
    }

    /// Ids of mailboxes from the index, shard by shard, and the cursor behind them.
    async fn roster(
        &self,
        from: Option<(Shard, MailboxId)>,
        limit: usize,
    ) -> Answer<(Vec<MailboxId>, Option<String>)> {
        let mut ids: Vec<MailboxId> = Vec::new();
        let first = from.as_ref().map_or(0, |(shard, _)| shard.number());
        for shard in Shard::all().skip(first.into()) {
            let start = from
                .as_ref()
                .filter(|(at, _)| *at == shard)
                .map(|(_, mailbox)| roster_key(shard, mailbox));
            let query = self.query(Table::State).index_name(index::ROSTER);
            let query = query.key_condition_expression("roster_shard = :shard");
            let query = query.expression_attribute_values(":shard", s(shard.roster()));
            let found = self.rows(query, start, limit - ids.len()).await?;
            ids.extend(
                found
                    .rows
                    .iter()
                    .filter_map(|row| text(row, attr::MAILBOX_ID).parse().ok()),
            );
            if found.more || ids.len() >= limit {
                let position = ids.last().map(|id| format!("{:02}/{id}", shard.number()));
                return Ok((ids, position.map(|position| Question::Mailboxes.cursor(position))));
            }
        }
        Ok((ids, None))
    }

    /// **AP4** All that is remembered of a mailbox, in one read. Consistent. One part of a newer schema fails the
    /// whole: nobody should act on half of it. Kinds of item that this version doesn't know are passed over.
    #[tracing::instrument(name = "store.ap4_mailbox_state", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn mailbox_state(&self, mailbox: &MailboxId) -> Answer<Option<MailboxState>> {
        let query = self.partition(mailbox, "sk BETWEEN :first AND :last");
        let query = query.expression_attribute_values(":first", s(StateKey::FIRST));
        let query = query.expression_attribute_values(":last", s(StateKey::LAST));
        let (mut found, mut folders, mut subscriptions, mut timers) =
            (None, Vec::new(), Vec::new(), Vec::new());
        for item in self.rows(query, None, usize::MAX).await?.rows {
            match StateKey::parse(text(&item, attr::SK)) {
                Some(StateKey::Mailbox) => found = Some(read(Table::State, item)?),
                Some(StateKey::Folder(_)) => folders.push(read(Table::State, item)?),
                Some(StateKey::Subscription(_)) => subscriptions.push(read(Table::State, item)?),
                Some(StateKey::Timer(_)) => timers.push(read(Table::State, item)?),
                Some(StateKey::Seen { .. } | StateKey::Email { .. } | StateKey::Plan { .. }) | None => {}
            }
        }
        Ok(found.map(|mailbox| MailboxState {
            mailbox,
            folders,
            subscriptions,
            timers,
        }))
    }

    /// **AP12** The timers of a kind and shard that are due at `before` or earlier, the oldest first. The index may lag
    /// behind by a moment. A timer of a mailbox that is gone is left over from a removal: clear it.
    #[tracing::instrument(name = "store.ap12_due_timers", level = "debug", skip_all)]
    pub async fn due_timers(
        &self,
        kind: TimerKind,
        shard: Shard,
        before: Timestamp,
        limit: usize,
    ) -> Answer<Vec<Timer>> {
        self.due(kind.into(), shard, before, limit).await
    }

    /// **AP13** The subscriptions of a shard that are due at `before` or earlier, the oldest first. The index may lag
    /// behind by a moment: what is saved of them is guarded by `rev`. A subscription of a mailbox that is gone is left
    /// over from a removal: delete it.
    #[tracing::instrument(name = "store.ap13_due_subscriptions", level = "debug", skip_all)]
    pub async fn due_subscriptions(
        &self,
        shard: Shard,
        before: Timestamp,
        limit: usize,
    ) -> Answer<Vec<Subscription>> {
        self.due(DueKind::Renew, shard, before, limit).await
    }

    /// **AP14** When the oldest thing of a kind and shard is or was due: how far behind the schedule is.
    #[tracing::instrument(name = "store.ap14_oldest_due", level = "debug", skip_all)]
    pub async fn oldest_due(&self, kind: DueKind, shard: Shard) -> Answer<Option<Timestamp>> {
        let query = self.due_index(kind, shard, "due_shard = :shard");
        let oldest = self.rows(query, None, 1).await?.rows.pop();
        Ok(oldest.and_then(|row| text(&row, attr::DUE_AT).parse().ok()))
    }

    async fn due<T: DeserializeOwned>(
        &self,
        kind: DueKind,
        shard: Shard,
        before: Timestamp,
        limit: usize,
    ) -> Answer<Vec<T>> {
        let query = self.due_index(kind, shard, "due_shard = :shard AND due_at <= :before");
        let query = query.expression_attribute_values(":before", time(before));
        let (mut due, mut start) = (Vec::new(), None);
        loop {
            let found = self
                .rows(query.clone(), start, limit.saturating_sub(due.len()))
                .await?;
            start = found.rows.last().filter(|_| found.more).map(due_key);
            // Unreadable ones stay due, at the front for good: they must not fill every answer.
            due.extend(read_all(Table::State, found.rows).0);
            if due.len() >= limit || start.is_none() {
                return Ok(due);
            }
        }
    }

    fn due_index(&self, kind: DueKind, shard: Shard, condition: &str) -> QueryFluentBuilder {
        let query = self
            .query(Table::State)
            .index_name(index::DUE)
            .key_condition_expression(condition);
        query.expression_attribute_values(":shard", s(shard.due(kind)))
    }

    /// **AP16** The contacts that a full round has seen so far. Consistent, and complete or an error: what is missing
    /// here looks deleted.
    #[tracing::instrument(name = "store.ap16_seen", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn seen(
        &self,
        mailbox: &MailboxId,
        folder: &FolderId,
        generation: u64,
    ) -> Answer<BTreeSet<ContactId>> {
        let query = self.seen_pages(mailbox, folder, generation);
        let mut seen = BTreeSet::new();
        for item in self.rows(query, None, usize::MAX).await?.rows {
            seen.extend(read::<SeenPage>(Table::State, item)?.contacts);
        }
        Ok(seen)
    }

    pub(crate) fn seen_pages(
        &self,
        mailbox: &MailboxId,
        folder: &FolderId,
        generation: u64,
    ) -> QueryFluentBuilder {
        let prefix = StateKey::seen_pages(&FolderKey::of(folder), generation);
        self.partition(mailbox, "begins_with(sk, :prefix)")
            .expression_attribute_values(":prefix", s(prefix))
    }

    pub(crate) fn partition(&self, mailbox: &MailboxId, and: &str) -> QueryFluentBuilder {
        let query = self.query(Table::State).consistent_read(true);
        let query = query.key_condition_expression(format!("mailbox_id = :mailbox AND {and}"));
        query.expression_attribute_values(":mailbox", s(mailbox))
    }
}

fn roster_position(text: &str) -> Option<(Shard, MailboxId)> {
    let (_, mailbox) = text.split_once('/')?;
    let mailbox: MailboxId = mailbox.parse().ok()?;
    let shard = Shard::of(&mailbox);
    (text == format!("{:02}/{mailbox}", shard.number())).then_some((shard, mailbox))
}

fn roster_key(shard: Shard, mailbox: &MailboxId) -> Item {
    let mut key = state_key(mailbox, &StateKey::Mailbox);
    key.insert(attr::ROSTER_SHARD.to_owned(), s(shard.roster()));
    key
}

fn due_key(row: &Item) -> Item {
    let mut key = Table::State.key_of(row);
    for name in [attr::DUE_SHARD, attr::DUE_AT] {
        key.extend(row.get(name).map(|value| (name.to_owned(), value.clone())));
    }
    key
}
