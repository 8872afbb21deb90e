//! `DynamoDB`: the mirror's contacts, what Outlook has yet to be told of them, and what the sync remembers of each
//! mailbox.
//!
//! Knows the tables, their keys and every question that is asked of them. Must not know what a sync is: it takes
//! no decision, reads no clock, and nobody else names a key or an index. `docs/data-model.md` shows the items and
//! gives the reasons.
//!
//! # Access patterns
//!
//! One method and one row each; consistency is *strong* or *eventual* for reads, and the condition for writes.
//! `m` is a mailbox's id, `f` the hash of a folder's id, `e` the hash of an e-mail address.
//!
//! | AP | question | table/index | key condition | consistency | who calls |
//! |----|----------|-------------|---------------|-------------|-----------|
//! | AP1 | [`enrol`](Store::enrol) a mailbox | state | put `m`, `MAILBOX` and `TIMER#poll` together | absent | contacts-api |
//! | AP2 | one [`mailbox`](Store::mailbox) | state | get `m`, `MAILBOX` | strong | contacts-api, resync-mailboxes |
//! | AP3 | all [`mailboxes`](Store::mailboxes) | state/roster, then state | `roster_shard = s`, then batch get | eventual, then strong | contacts-api, resync-mailboxes |
//! | AP4 | a [`mailbox_state`](Store::mailbox_state) | state | `m`, `sk BETWEEN FOLDER# AND TIMER$` | strong | sync-mailbox, renew-subscriptions, contacts-api |
//! | AP5 | [`save_mailbox`](Store::save_mailbox) | state | put `m`, `MAILBOX` | same rev | sync-mailbox, contacts-api |
//! | AP6 | [`save_folder`](Store::save_folder) | state | put `m`, `FOLDER#f` | same rev, or absent | sync-mailbox |
//! | AP7 | [`delete_folder`](Store::delete_folder) | state | delete `m`, `FOLDER#f` | same rev, or gone | sync-mailbox |
//! | AP8 | [`save_subscription`](Store::save_subscription) | state | put `m`, `SUBSCRIPTION#f` | same rev, or absent | renew-subscriptions |
//! | AP9 | [`delete_subscription`](Store::delete_subscription) | state | delete `m`, `SUBSCRIPTION#f` | same rev, or gone | renew-subscriptions, sync-mailbox |
//! | AP10 | [`set_timer`](Store::set_timer) | state | put `m`, `TIMER#kind` | last one wins | sync-mailbox, resync-mailboxes, contacts-api |
//! | AP11 | [`clear_timer`](Store::clear_timer) | state | delete `m`, `TIMER#kind` | last one wins | sync-mailbox, resync-mailboxes, contacts-api |
//! | AP12 | the [`due_timers`](Store::due_timers) | state/due | `due_shard = kind#s AND due_at <= t` | eventual | resync-mailboxes |
//! | AP13 | the [`due_subscriptions`](Store::due_subscriptions) | state/due | `due_shard = renew#s AND due_at <= t` | eventual | renew-subscriptions |
//! | AP14 | the [`oldest_due`](Store::oldest_due) | state/due | `due_shard = kind#s`, first row | eventual | renew-subscriptions, resync-mailboxes |
//! | AP15 | [`add_seen`](Store::add_seen) | state | put `m`, `seen#f#generation#page` | last one wins | sync-mailbox |
//! | AP16 | who was [`seen`](Store::seen) | state | `m`, `begins_with(sk, seen#f#generation#)` | strong | sync-mailbox |
//! | AP17 | [`clear_seen`](Store::clear_seen) | state | the same, then batch delete | none | sync-mailbox |
//! | AP18 | one [`contact`](Store::contact) | contacts | get `m`, contact id; then where an alias leads | strong | contacts-api |
//! | AP19 | [`contacts_by_id`](Store::contacts_by_id) | contacts | batch get `m`, contact id; then where aliases lead | strong | sync-mailbox, contacts-api |
//! | AP20 | all [`contacts`](Store::contacts) of a mailbox | contacts | `m`, `begins_with(contact_id, con_)`, live only | eventual | contacts-api |
//! | AP21 | [`contacts_in_folder`](Store::contacts_in_folder) | contacts/by-folder, then contacts | `folder_key = m#f`, then batch get | eventual, then strong | contacts-api |
//! | AP22 | [`contacts_changed_since`](Store::contacts_changed_since) | contacts/by-change, then contacts | `mailbox_id = m AND changed_key >= t`, then batch get | eventual, then strong | contacts-api |
//! | AP23 | [`outlines`](Store::outlines) of a folder | contacts/by-folder | `folder_key = m#f` | eventual | sync-mailbox |
//! | AP24 | [`put_contact`](Store::put_contact) | contacts | put `m`, contact id | absent, or same rev | sync-mailbox, contacts-api |
//! | AP25 | [`erase_contacts`](Store::erase_contacts) | contacts | `mailbox_id = m`, then batch delete | strong, none | sync-mailbox |
//! | AP26 | [`erase_state`](Store::erase_state) | state | `mailbox_id = m`, then batch delete | strong, none | sync-mailbox |
//! | AP27 | [`put_contact_with`](Store::put_contact_with) aliases, twins and conflicts | contacts | put `m`, contact id, and each companion, together | AP24's, and each companion's | sync-mailbox, contacts-api |
//! | AP28 | the [`pending`](Store::pending) contacts | contacts/by-pending | `mailbox_id = m AND pending_key < 9` | eventual | sync-mailbox, contacts-api |
//! | AP29 | the [`held`](Store::held) contacts | contacts/by-pending | `mailbox_id = m AND pending_key >= 9` | eventual | sync-mailbox, contacts-api |
//! | AP30 | the [`pending_count`](Store::pending_count) | contacts/by-pending | `mailbox_id = m AND begins_with(pending_key, digit)` | eventual | contacts-api |
//! | AP31 | the [`conflicts`](Store::conflicts) | contacts | `m`, `begins_with(contact_id, cfl_)`, newest first | eventual | contacts-api |
//! | AP32 | one [`conflict`](Store::conflict) | contacts | get `m`, conflict id | strong | contacts-api |
//! | AP33 | [`settle_conflict`](Store::settle_conflict) | contacts | put `m`, conflict id | not settled | contacts-api |
//! | AP34 | [`contact_by_external_id`](Store::contact_by_external_id) | contacts | get `m`, id derived from the external one | strong | contacts-api |
//! | AP35 | [`contacts_by_email`](Store::contacts_by_email) | state, then contacts | `m`, `begins_with(sk, email#e#)`, then batch get | strong, but written later | contacts-api |
//! | AP36 | [`index_emails`](Store::index_emails) | state | batch put and delete `m`, `email#e#<contact>` | none | propagate-changes |
//! | AP37 | the feed of [`changes`](Store::changes) | contacts/by-change, then contacts | `mailbox_id = m AND changed_key > cursor`, then batch get | eventual, but shown again | contacts-api |
//! | AP38 | [`save_plan_page`](Store::save_plan_page) | state | put `m`, `plan#page` | last one wins | sync-mailbox |
//! | AP39 | the [`plan_pages`](Store::plan_pages) | state | `m`, `begins_with(sk, plan#)` | strong | contacts-api |
//! | AP40 | [`clear_plan`](Store::clear_plan) | state | the same, then batch delete | none | sync-mailbox |
//! | AP41 | [`set_timer_if`](Store::set_timer_if) it is as it was read | state | put `m`, `TIMER#kind` | same `due_at` | resync-mailboxes |
//! | AP42 | [`erase_leftovers`](Store::erase_leftovers) of a mailbox that is not enrolled | contacts, then state | AP25's, AP2, then AP26's | strong, none | sync-mailbox |
//! | AP43 | the [`pending_deletes`](Store::pending_deletes) | contacts/by-pending | `mailbox_id = m AND pending_key BETWEEN` two times of one digit | eventual | sync-mailbox |
//! | AP44 | [`keep_versions`](Store::keep_versions) | history | batch put `m`, `contact#version` | none: the same again | propagate-changes |
//! | AP45 | the [`versions`](Store::versions) of a contact | history | `m`, `begins_with(version_key, contact#)`, newest first | eventual | contacts-api |
//! | AP46 | one [`version`](Store::version) | history | get `m`, `contact#version` | strong | contacts-api |
//! | AP47 | the [`version_at`](Store::version_at) a moment | history | AP45's, `since <= t < until` | strong | contacts-api |
//! | AP48 | [`erase_versions`](Store::erase_versions) of a contact | history | AP45's, then batch delete | strong, none | propagate-changes, contacts-api |
//! | AP49 | [`erase_history`](Store::erase_history) of a mailbox | history | `mailbox_id = m`, `until <= t`, then batch delete | strong, none | propagate-changes |
//! | AP50 | [`erase_conflicts`](Store::erase_conflicts) of a contact | contacts | AP31's, then batch delete | strong, none | contacts-api |
//! | AP51 | the [`aliases_of`](Store::aliases_of) a contact | contacts | `m`, `begins_with(contact_id, con_)`, those that lead to it | strong | contacts-api |
//! | AP52 | [`erase_emails`](Store::erase_emails) of a contact | state | `m`, `begins_with(sk, email#)`, its own, then batch delete | strong, none | contacts-api |
//! | AP53 | [`erase_aliases`](Store::erase_aliases) | contacts | batch delete `m`, contact id | none | contacts-api |
//!
//! # Schema versions
//!
//! Each item says which schema it was written by. One of a newer schema is not read
//! ([`StoreError::NewerSchema`]; counted in [`Page::unreadable`] where there are others to answer with) and not
//! overwritten. Only erasure takes everything.

mod base;
mod calls;
mod cause;
mod conflict;
mod conflicts;
mod contact;
mod contact_items;
mod contact_reads;
mod contact_writes;
mod document;
mod edit;
mod emails;
mod erase;
mod error;
mod feed;
mod guard;
mod history;
mod items;
mod keys;
mod page;
mod pending;
mod photo;
mod plan;
mod shard;
mod size;
mod stamp;
mod state;
mod state_reads;
mod state_writes;
mod usage;

use std::sync::Arc;
use std::time::Duration;

pub use cause::{Cause, Who, Why};
pub use conflict::{Conflict, Settled, Settlement};
pub use contact::{Companion, Contact, ContactOutline, Erased, Expected, Lookup};
pub use contact_items::{Image, contact_of_image, mailbox_of_image};
pub use error::StoreError;
pub use feed::Feed;
pub use history::Version;
pub use page::Page;
pub use pending::{PendingCount, PendingKind, PendingRow};
pub use photo::{Photo, PhotoEdit};
pub use plan::{Outsider, PlanEntry, PlanPage, PlanSummary};
pub use shard::{DueKind, SHARDS, Shard};
pub use state::{
    Comparison, ComparisonCursor, ConflictPolicy, Creating, Cursor, Enrolment, Folder, FolderScope,
    LastError, Mailbox, MailboxState, Phase, SeenPage, Subscription, Timer, TimerKind, UnavailableReason,
};
pub use usage::Usage;

type Answer<T> = Result<T, StoreError>;

/// How long a tombstone is kept unless [`Store::keeping_tombstones`] says otherwise: a consumer that reads changes may
/// be away for a quarter of a year and still learn of every deletion.
const TOMBSTONE_RETENTION: Duration = Duration::from_hours(90 * 24);

/// How long a conflict is kept unless [`Store::keeping_conflicts`] says otherwise.
const CONFLICT_RETENTION: Duration = Duration::from_hours(90 * 24);

/// The names of the two tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tables {
    /// The mirror.
    pub contacts: String,
    /// What the sync remembers.
    pub state: String,
}

/// The two tables. Cheap to clone; clones share the client and the counters.
#[derive(Clone, Debug)]
pub struct Store {
    client: aws_sdk_dynamodb::Client,
    tables: Tables,
    tombstone_retention: Duration,
    conflict_retention: Duration,
    history: String,
    history_retention: Duration,
    meter: Arc<usage::Meter>,
}

impl Store {
    /// A store on these tables. Makes no call.
    pub fn new(client: aws_sdk_dynamodb::Client, tables: Tables) -> Self {
        Self {
            client,
            tables,
            tombstone_retention: TOMBSTONE_RETENTION,
            conflict_retention: CONFLICT_RETENTION,
            history: String::new(),
            history_retention: Duration::ZERO,
            meter: Arc::default(),
        }
    }

    /// The same store, which gives tombstones that it writes this long after `deleted_at`. `DynamoDB` takes them away
    /// within days after that; until then they are read as before.
    #[must_use]
    pub fn keeping_tombstones(self, retention: Duration) -> Self {
        Self {
            tombstone_retention: retention,
            ..self
        }
    }

    /// The same store, which gives conflicts that it writes this long after they were decided.
    #[must_use]
    pub fn keeping_conflicts(self, retention: Duration) -> Self {
        Self {
            conflict_retention: retention,
            ..self
        }
    }

    /// The same store, which knows the table of the history, and gives versions that it keeps this long after they were
    /// replaced. Without it no call about versions succeeds.
    #[must_use]
    pub fn keeping_history(self, table: impl Into<String>, retention: Duration) -> Self {
        Self {
            history: table.into(),
            history_retention: retention,
            ..self
        }
    }

    /// How long it keeps versions of contacts after they were replaced.
    pub fn history_retention(&self) -> Duration {
        self.history_retention
    }

    /// What this store and its clones have asked of `DynamoDB` so far.
    pub fn usage(&self) -> Usage {
        self.meter.usage()
    }
}
