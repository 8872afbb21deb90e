//! The things of the table `state`: what the sync remembers of a mailbox.
//!
//! Plain data; its serde form is the stored form (snake case, times to the millisecond). Knows nothing of keys,
//! indexes or calls, and takes no decision.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::guard::Deletes;
use sync_core::ids::{ContactId, FolderId, MailboxId, SubscriptionId, TenantId, UserId};
use sync_core::record::DeletionPolicy;

use crate::stamp;

/// An enrolled mailbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mailbox {
    /// Derived from tenant and user.
    #[serde(rename = "mailbox_id")]
    pub id: MailboxId,
    /// The directory that the user belongs to.
    pub tenant: TenantId,
    /// Whose mailbox it is.
    pub user: UserId,
    /// Which folders are synced.
    pub scope: FolderScope,
    /// Where the mailbox stands.
    pub phase: Phase,
    /// The delta link of the list of folders; `None` before its first round.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder_link: Option<String>,
    /// When the list of folders was last brought up to date.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub folders_listed_at: Option<Timestamp>,
    /// When every folder that was asked for was last brought up to date; saved every ten minutes at most.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub last_success_at: Option<Timestamp>,
    /// The last failure, kept after it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// The last comparison, or the one that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<Comparison>,
    /// Who gets his way where both sides have changed the same; `None`: as the deployment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<ConflictPolicy>,
    /// Who gets his way where one side has deleted what the other has edited; `None`: as the deployment says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<DeletionPolicy>,
    /// Contacts that are being created in Outlook; saved before they are sent, so that who finds them here after a crash
    /// looks for them there before he creates them again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub creating: Option<Creating>,
    /// When the contacts that the platform had before the first sync were linked with those of Outlook.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub linked_at: Option<Timestamp>,
    /// What the delete guard remembers.
    #[serde(default, skip_serializing_if = "Deletes::is_default")]
    pub deletes: Deletes,
    /// When it was enrolled.
    #[serde(with = "stamp")]
    pub enrolled_at: Timestamp,
    /// When this record last changed.
    #[serde(with = "stamp")]
    pub updated_at: Timestamp,
    /// The stored revision that this value was read from; 0 before it was stored.
    pub rev: u64,
}

/// Contacts that may have been created in Outlook without our knowing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Creating {
    /// When the last of them was sent.
    #[serde(with = "stamp")]
    pub since: Timestamp,
    /// Who they are: one request's, and those of earlier ones whose answer was lost.
    pub contacts: BTreeSet<ContactId>,
}

/// Who gets his way where both sides have changed the same member of a contact.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConflictPolicy {
    /// The later one.
    #[default]
    LastWriteWins,
    /// Outlook.
    OutlookWins,
    /// The platform.
    PlatformWins,
    /// A function of the operator's decides.
    Custom,
}

/// Which folders of a mailbox are synced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FolderScope {
    /// Every contact folder.
    All,
    /// Those named: by path (`Contacts/Suppliers`) or id.
    Only(Vec<String>),
}

/// Where a mailbox stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Phase {
    /// Known, and nothing has been read yet.
    Enrolled,
    /// The first sync runs.
    Syncing,
    /// The mirror follows Outlook.
    Live,
    /// An operator has stopped it.
    Paused,
    /// Graph refuses it; it is looked at again at `retry_at`.
    Unavailable {
        /// Why.
        reason: UnavailableReason,
        /// Since when.
        #[serde(with = "stamp")]
        since: Timestamp,
        /// Not asked again before this.
        #[serde(with = "stamp")]
        retry_at: Timestamp,
    },
    /// Its subscriptions are being deleted and its mirror erased.
    Removing,
}

/// Why Graph refuses a mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnavailableReason {
    /// No licence, inactive, or held on-premises.
    MailboxNotEnabled,
    /// The tenant has no such user.
    UserNotFound,
    /// The app may not read this mailbox.
    AccessDenied,
    /// The app's credential is wrong or has ended.
    BadCredential,
    /// There is no such tenant, or the app has no consent there.
    TenantNotFound,
}

/// A failure, told to an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastError {
    /// A stable word to search for.
    pub code: String,
    /// A sentence. Never contact data, never a secret.
    pub detail: String,
    /// When it happened.
    #[serde(with = "stamp")]
    pub at: Timestamp,
}

/// A comparison of the whole mailbox with the mirror.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Comparison {
    /// When it began.
    #[serde(with = "stamp")]
    pub started_at: Timestamp,
    /// When it ended; `None` while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub finished_at: Option<Timestamp>,
    /// When it was asked for.
    #[serde(with = "stamp")]
    pub requested_at: Timestamp,
    /// How many contacts were compared.
    pub contacts: u64,
    /// How many differed, by cause.
    pub drift: BTreeMap<String, u64>,
    /// How many comparisons in a row have found no difference, up to this one when it has ended.
    #[serde(default)]
    pub clean: u32,
}

/// A contact folder and how far its sync is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Folder {
    /// Whose folder.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// Its id in Outlook.
    #[serde(rename = "folder_id")]
    pub id: FolderId,
    /// Its display name.
    pub name: String,
    /// The folder that it lies in; `None` at the top.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<FolderId>,
    /// True for the folder that Outlook calls Contacts.
    pub is_default: bool,
    /// True where the mailbox's scope includes it.
    pub in_scope: bool,
    /// How far its sync is.
    pub cursor: Cursor,
    /// Contacts seen in the current or last full round.
    pub contacts_seen: u64,
    /// Where a comparison was cut, and of which: one of another generation is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparison: Option<ComparisonCursor>,
    /// The stored revision that this value was read from; 0 before it was stored.
    pub rev: u64,
}

/// How far the sync of a folder is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum Cursor {
    /// Never begun.
    Unstarted,
    /// A round was cut between two pages.
    Round {
        /// True where the round lists everything, so that what it doesn't list is gone.
        full: bool,
        /// Tells the full rounds of the folder apart: twice the millisecond in which it began.
        generation: u64,
        /// The next page.
        link: String,
        /// How many pages have been written.
        page: u32,
        /// When the round began.
        #[serde(with = "stamp")]
        started_at: Timestamp,
        /// True where the pages are those of a plain list, since delta is not to be had.
        listing: bool,
    },
    /// The last round was completed.
    Settled {
        /// The delta link; `None` where delta is not to be had and the folder is listed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        link: Option<String>,
        /// Tells the full rounds of the folder apart: twice the millisecond in which it began.
        generation: u64,
        /// When the last round began.
        #[serde(with = "stamp")]
        round_started_at: Timestamp,
        /// When the last round ended.
        #[serde(with = "stamp")]
        round_finished_at: Timestamp,
    },
}

/// Where the comparison of a folder was cut, between two pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparisonCursor {
    /// Under which its pages are remembered as [`SeenPage`]s: twice the millisecond in which it began, and one.
    pub generation: u64,
    /// The next page; `None` where every page has been compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// How many pages have been compared.
    pub page: u32,
}

/// A change notification subscription, wanted or living: one for each folder in scope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscription {
    /// Whose folder.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// The directory of the mailbox's user, so that a renewal reads nothing else.
    pub tenant: TenantId,
    /// Which folder.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// What Graph is asked to watch.
    pub resource: String,
    /// Graph's id of it; `None` while there is none.
    #[serde(default, rename = "subscription_id", skip_serializing_if = "Option::is_none")]
    pub id: Option<SubscriptionId>,
    /// The name of the key that signed its `clientState`; `None` while there is no subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<String>,
    /// When Graph drops it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub expires_at: Option<Timestamp>,
    /// When something is to be done about it: create, renew, retry.
    #[serde(with = "stamp")]
    pub due_at: Timestamp,
    /// Failures in a row.
    pub attempts: u32,
    /// The last failure, kept after it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<LastError>,
    /// When it was last created or renewed.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "stamp::option")]
    pub renewed_at: Option<Timestamp>,
    /// The stored revision that this value was read from; 0 before it was stored.
    pub rev: u64,
}

/// What a mailbox's timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TimerKind {
    /// Ask Graph without having been told of a change.
    Poll,
    /// Compare the whole mailbox with the mirror.
    Compare,
    /// Look whether the mailbox has been silent too long.
    Silence,
}

/// Something to be done for a mailbox at a time. A mailbox has at most one timer of each kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timer {
    /// Whose timer.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// What for.
    pub kind: TimerKind,
    /// When.
    #[serde(with = "stamp")]
    pub due_at: Timestamp,
}

/// The contacts that one page of a full round has shown. What no page has shown is gone from the folder.
///
/// A page is one item: up to about 12,000 contacts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenPage {
    /// Whose folder.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// Which folder.
    #[serde(rename = "folder_id")]
    pub folder: FolderId,
    /// Which full round.
    pub generation: u64,
    /// Which page of it. The same page written twice is one page.
    pub page: u32,
    /// Who was on it.
    pub contacts: Vec<ContactId>,
    /// When `DynamoDB` may drop it, should the round never end. Choose it far longer than a round can take: a page
    /// that is dropped too early makes its contacts look deleted.
    #[serde(with = "stamp")]
    pub expires_at: Timestamp,
}

/// All that is remembered of a mailbox, as of one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxState {
    /// The mailbox itself.
    pub mailbox: Mailbox,
    /// Its folders, in the order of their keys.
    pub folders: Vec<Folder>,
    /// Its subscriptions, in the order of their folders' keys.
    pub subscriptions: Vec<Subscription>,
    /// Its timers.
    pub timers: Vec<Timer>,
}

/// What became of an enrolment. Either way the mailbox is as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enrolment {
    /// It is new.
    Created(Mailbox),
    /// It was there already, and was left as it was.
    Existing(Mailbox),
}
