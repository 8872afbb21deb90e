//! Writes of the table `state`, each with the race that its condition prevents.
//!
//! No write replaces an item of a newer schema: during a deployment both versions run.

use jiff::Timestamp;
use sync_core::ids::{FolderId, MailboxId};

use crate::error::StoreError;
use crate::guard::{Guard, Outcome, Write};
use crate::items::{Item, Revised, StateRecord, Table, n, read, s, state_item, state_key, text, time};
use crate::keys::{FolderKey, StateKey, attr};
use crate::state::{Enrolment, Folder, Mailbox, SeenPage, Subscription, Timer, TimerKind};
use crate::{Answer, Store};

impl Store {
    /// **AP1** Enrols a mailbox and sets its poll timer, unless it is there already. `mailbox.rev` makes no difference.
    #[tracing::instrument(name = "store.ap1_enrol", level = "debug", skip_all, fields(mailbox.id = %mailbox.id))]
    pub async fn enrol(&self, mailbox: &Mailbox, poll_at: Timestamp) -> Answer<Enrolment> {
        let created = Mailbox {
            rev: 1,
            ..mailbox.clone()
        };
        let poll = Timer {
            mailbox: mailbox.id.clone(),
            kind: TimerKind::Poll,
            due_at: poll_at,
        };
        let key = state_key(&mailbox.id, &StateKey::Mailbox);
        // Race: two enrolments of one mailbox, or an enrolment of one that syncs. The second must not set back its
        // phase and links. Both items or none: a mailbox whose first message is lost is found by its timer.
        let puts = [
            Write::Put(state_item(&created)?, Guard::Absent),
            Write::Put(state_item(&poll)?, Guard::NotNewer),
        ];
        match self.transact(Table::State, puts).await? {
            [Outcome::Done, Outcome::Done] => Ok(Enrolment::Created(created)),
            [Outcome::Refused(Some(stored)), _] => Ok(Enrolment::Existing(read(Table::State, stored)?)),
            // Another enrolment is being written at this moment. If it is done by now, it is the one that counts.
            [refused @ Outcome::Refused(None), _] => match self.mailbox(&mailbox.id).await? {
                Some(stored) => Ok(Enrolment::Existing(stored)),
                None => refused
                    .or_conflict(Table::State, &key)
                    .map(|()| Enrolment::Created(created)),
            },
            [Outcome::Done, refused] => {
                let key = state_key(&mailbox.id, &poll.key());
                refused
                    .or_conflict(Table::State, &key)
                    .map(|()| Enrolment::Created(created))
            }
        }
    }

    /// **AP5** Saves a mailbox that was read, and counts its `rev` up. Of one that was never stored, or has been
    /// removed, it is a `Conflict`.
    #[tracing::instrument(name = "store.ap5_save_mailbox", level = "debug", skip_all, fields(mailbox.id = %mailbox.id))]
    pub async fn save_mailbox(&self, mailbox: &mut Mailbox) -> Answer<()> {
        // Race: the worker records a success while an operator pauses the mailbox; or it ends a round of a mailbox
        // that has been removed meanwhile, and would bring it back.
        self.save(mailbox, Guard::Is(attr::REV, n(mailbox.rev))).await
    }

    /// **AP6** Saves a folder, and counts its `rev` up. With `rev` 0 the folder must be new.
    #[tracing::instrument(name = "store.ap6_save_folder", level = "debug", skip_all, fields(mailbox.id = %folder.mailbox))]
    pub async fn save_folder(&self, folder: &mut Folder) -> Answer<()> {
        // Race: a worker whose message timed out still writes its page's link while the next one is further; the older
        // link would repeat pages, or undo the start of a full round.
        self.save(folder, at_rev(folder.rev)).await
    }

    /// **AP7** Deletes a folder that was read. One that is gone already is no error.
    #[tracing::instrument(name = "store.ap7_delete_folder", level = "debug", skip_all, fields(mailbox.id = %folder.mailbox))]
    pub async fn delete_folder(&self, folder: &Folder) -> Answer<()> {
        let key = state_key(&folder.mailbox, &StateKey::Folder(FolderKey::of(&folder.id)));
        // Race: the folder has come back, and another worker has written its new link.
        self.delete(
            Table::State,
            key.clone(),
            Guard::IsOrGone(attr::REV, n(folder.rev)),
        )
        .await?
        .or_conflict(Table::State, &key)
    }

    /// **AP8** Saves a subscription, and counts its `rev` up. With `rev` 0 it must be new.
    #[tracing::instrument(name = "store.ap8_save_subscription", level = "debug", skip_all, fields(mailbox.id = %subscription.mailbox))]
    pub async fn save_subscription(&self, subscription: &mut Subscription) -> Answer<()> {
        // Race: the schedule renews a subscription while a lifecycle event recreates it; the id of the new one would be
        // lost, and it would notify for days as an orphan.
        self.save(subscription, at_rev(subscription.rev)).await
    }

    /// **AP9** Deletes a subscription that was read. One that is gone already is no error.
    #[tracing::instrument(name = "store.ap9_delete_subscription", level = "debug", skip_all, fields(mailbox.id = %subscription.mailbox))]
    pub async fn delete_subscription(&self, subscription: &Subscription) -> Answer<()> {
        let folder = FolderKey::of(&subscription.folder);
        let key = state_key(&subscription.mailbox, &StateKey::Subscription(folder));
        // Race: it has been recreated at Graph since it was read; its id must not be forgotten.
        self.delete(
            Table::State,
            key.clone(),
            Guard::IsOrGone(attr::REV, n(subscription.rev)),
        )
        .await?
        .or_conflict(Table::State, &key)
    }

    /// **AP10** Sets a mailbox's timer, in the place of the one of its kind. The last one to set it wins: a timer that
    /// goes off too early or twice costs a look, so no race is worth a conflict.
    #[tracing::instrument(name = "store.ap10_set_timer", level = "debug", skip_all, fields(mailbox.id = %timer.mailbox))]
    pub async fn set_timer(&self, timer: &Timer) -> Answer<()> {
        let item = state_item(timer)?;
        let key = Table::State.key_of(&item);
        self.put(Table::State, item, Guard::NotNewer)
            .await?
            .or_conflict(Table::State, &key)
    }

    /// **AP41** Sets a mailbox's timer if the stored one of its kind is still due at `as_read`; says whether it was.
    #[tracing::instrument(name = "store.ap41_set_timer_if", level = "debug", skip_all, fields(mailbox.id = %timer.mailbox))]
    pub async fn set_timer_if(&self, timer: &Timer, as_read: Timestamp) -> Answer<bool> {
        let item = state_item(timer)?;
        let key = Table::State.key_of(&item);
        // Race: the schedule puts a timer off that it has found due, while a worker has moved it to an earlier time, or
        // has cleared it.
        let guard = Guard::Is(attr::DUE_AT, time(as_read));
        let done = self.put(Table::State, item, guard).await?;
        match done.or_conflict(Table::State, &key) {
            Ok(()) => Ok(true),
            Err(StoreError::Conflict { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// **AP11** Clears a mailbox's timer. One that isn't set is no error.
    #[tracing::instrument(name = "store.ap11_clear_timer", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn clear_timer(&self, mailbox: &MailboxId, kind: TimerKind) -> Answer<()> {
        let key = state_key(mailbox, &StateKey::Timer(kind));
        self.delete(Table::State, key.clone(), Guard::NotNewer)
            .await?
            .or_conflict(Table::State, &key)
    }

    /// **AP15** Remembers who was on a page of a full round. The same page again replaces itself, so a page that is
    /// repeated after a crash is harmless.
    #[tracing::instrument(name = "store.ap15_add_seen", level = "debug", skip_all, fields(mailbox.id = %page.mailbox))]
    pub async fn add_seen(&self, page: &SeenPage) -> Answer<()> {
        let item = state_item(page)?;
        let key = Table::State.key_of(&item);
        self.put(Table::State, item, Guard::NotNewer)
            .await?
            .or_conflict(Table::State, &key)
    }

    /// **AP17** Forgets who a full round has seen.
    #[tracing::instrument(name = "store.ap17_clear_seen", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn clear_seen(&self, mailbox: &MailboxId, folder: &FolderId, generation: u64) -> Answer<()> {
        let query = self
            .seen_pages(mailbox, folder, generation)
            .projection_expression("mailbox_id, sk");
        let keys = self.rows(query, None, usize::MAX).await?.rows;
        self.batch_delete(Table::State, keys).await
    }

    /// **AP26** Erases all that is remembered of a mailbox, whatever its schema; the mailbox itself last, so that an
    /// erasure that was cut can be seen and repeated.
    #[tracing::instrument(name = "store.ap26_erase_state", level = "debug", skip_all, fields(mailbox.id = %mailbox))]
    pub async fn erase_state(&self, mailbox: &MailboxId) -> Answer<()> {
        let (itself, others) = self.keys_of_state(mailbox).await?;
        self.batch_delete(Table::State, others).await?;
        self.batch_delete(Table::State, itself).await
    }

    /// The same for a mailbox that is not enrolled; nothing where it is. Its subscriptions stay until somebody has ended
    /// them in Graph: they are due before long.
    pub(crate) async fn erase_leftover_state(&self, mailbox: &MailboxId) -> Answer<()> {
        let (itself, mut others) = self.keys_of_state(mailbox).await?;
        let is_subscription = |key: &Item| {
            matches!(
                StateKey::parse(text(key, attr::SK)),
                Some(StateKey::Subscription(_))
            )
        };
        others.retain(|key| !is_subscription(key));
        if itself.is_empty() {
            self.batch_delete(Table::State, others).await?;
        }
        Ok(())
    }

    /// The keys of all that is remembered of a mailbox: its own, and the others.
    async fn keys_of_state(&self, mailbox: &MailboxId) -> Answer<(Vec<Item>, Vec<Item>)> {
        let query = self.query(Table::State).consistent_read(true);
        let query = query
            .key_condition_expression("mailbox_id = :mailbox")
            .projection_expression("mailbox_id, sk");
        let query = query.expression_attribute_values(":mailbox", s(mailbox));
        let keys = self.rows(query, None, usize::MAX).await?.rows;
        let itself = StateKey::Mailbox.to_string();
        Ok(keys.into_iter().partition(|key| text(key, attr::SK) == itself))
    }

    async fn save<T: Revised>(&self, record: &mut T, guard: Guard) -> Answer<()> {
        let next = *record.rev() + 1;
        let mut item = state_item(record)?;
        let key = Table::State.key_of(&item);
        item.insert(attr::REV.to_owned(), n(next));
        self.put(Table::State, item, guard)
            .await?
            .or_conflict(Table::State, &key)?;
        *record.rev() = next;
        Ok(())
    }
}

fn at_rev(rev: u64) -> Guard {
    if rev == 0 {
        Guard::Absent
    } else {
        Guard::Is(attr::REV, n(rev))
    }
}
