//! The forms of mailboxes in answers.
//!
//! Knows how what is stored is shown: which of it is anybody's business, under which names. Delta links, cursors and
//! revisions are nobody's. It must not decide anything.

use std::collections::BTreeMap;

use contact_store::{
    Comparison, Folder, LastError, Mailbox, MailboxState, Page, PendingCount, Phase, Subscription,
    UnavailableReason,
};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::enrolment::FoldersForm;
use crate::folder_forms::{FolderState, state};
use crate::policy::{ConflictPolicyName, DeletionPolicyName};

/// A Lambda answers with 6 MB at most, and puts the body into JSON once more, which makes it longer. Contacts with long
/// notes reach this long before they reach the longest page, which is then asked for again at half its length.
pub(crate) const LARGEST_ANSWER: usize = 4_000_000;

/// One page of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Page)]
pub(crate) struct PageForm<T> {
    /// The items.
    items: Vec<T>,
    /// The `cursor` of the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
    /// How many items of this page could not be read, and are missing from it; absent for none. The log names them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    unreadable: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
pub(crate) fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl<S, T: From<S>> From<Page<S>> for PageForm<T> {
    fn from(page: Page<S>) -> Self {
        Self {
            items: page.items.into_iter().map(Into::into).collect(),
            next: page.next,
            unreadable: page.unreadable,
        }
    }
}

impl<T> PageForm<T> {
    /// A list that is always told in one page.
    pub(crate) fn whole<S: Into<T>>(items: Vec<S>) -> Self {
        Self {
            items: items.into_iter().map(Into::into).collect(),
            next: None,
            unreadable: 0,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// Where a mailbox stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Phase)]
pub(crate) enum PhaseName {
    /// Known; nothing has been read yet.
    Enrolled,
    /// The first sync runs.
    Syncing,
    /// The mirror follows Outlook.
    Live,
    /// An operator has stopped it.
    Paused,
    /// Microsoft Graph refuses it; `unavailable` tells why.
    Unavailable,
    /// Its subscriptions are being deleted and its mirror erased.
    Removing,
}

impl From<&Phase> for PhaseName {
    fn from(phase: &Phase) -> Self {
        match phase {
            Phase::Enrolled => Self::Enrolled,
            Phase::Syncing => Self::Syncing,
            Phase::Live => Self::Live,
            Phase::Paused => Self::Paused,
            Phase::Unavailable { .. } => Self::Unavailable,
            Phase::Removing => Self::Removing,
        }
    }
}

/// An enrolled mailbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Mailbox)]
pub(crate) struct MailboxForm {
    /// Made from tenant and user, so that the same mailbox enrolled again has the same id.
    #[schema(pattern = "^mbx_[a-z2-7]{26}$")]
    id: String,
    /// The Microsoft Entra tenant.
    tenant: String,
    /// The user's object id or principal name.
    user: String,
    /// Which contact folders; absent for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    folders: Option<FoldersForm>,
    /// Who gets his way where both sides have changed the same; absent: as the deployment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    conflict_policy: Option<ConflictPolicyName>,
    /// Who gets his way where one side has deleted what the other has edited; absent: as the deployment says.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deletion_policy: Option<DeletionPolicyName>,
    /// Where the mailbox stands.
    phase: PhaseName,
    /// With the phase `unavailable`: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    unavailable: Option<UnavailableForm>,
    /// When every folder was last up to date; absent before the first sync is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_success_at: Option<Timestamp>,
    /// The last failure, kept after it is over.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_error: Option<ErrorForm>,
    /// The last comparison of the mailbox with the mirror, or the one that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    last_comparison: Option<ComparisonForm>,
    /// When it was enrolled.
    enrolled_at: Timestamp,
    /// When the mailbox's record last changed.
    updated_at: Timestamp,
}

/// Why Microsoft Graph refuses a mailbox.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Unavailable)]
pub(crate) struct UnavailableForm {
    /// Why.
    reason: ReasonName,
    /// Since when.
    since: Timestamp,
    /// Not asked again before this, unless it is resumed.
    retry_at: Timestamp,
}

/// Why Microsoft Graph refuses a mailbox, in a word.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = UnavailableReason)]
enum ReasonName {
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

impl From<UnavailableReason> for ReasonName {
    fn from(reason: UnavailableReason) -> Self {
        match reason {
            UnavailableReason::MailboxNotEnabled => Self::MailboxNotEnabled,
            UnavailableReason::UserNotFound => Self::UserNotFound,
            UnavailableReason::AccessDenied => Self::AccessDenied,
            UnavailableReason::BadCredential => Self::BadCredential,
            UnavailableReason::TenantNotFound => Self::TenantNotFound,
        }
    }
}

/// A failure of the sync.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = SyncError)]
pub(crate) struct ErrorForm {
    /// A stable word to search for.
    code: String,
    /// A sentence.
    detail: String,
    /// When it happened.
    at: Timestamp,
}

impl From<LastError> for ErrorForm {
    fn from(LastError { code, detail, at }: LastError) -> Self {
        Self { code, detail, at }
    }
}

/// A comparison of the whole mailbox with the mirror.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Comparison)]
pub(crate) struct ComparisonForm {
    /// When it was asked for.
    requested_at: Timestamp,
    /// When it began.
    started_at: Timestamp,
    /// When it ended; absent while it runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    finished_at: Option<Timestamp>,
    /// How many contacts were compared.
    contacts: u64,
    /// How many differed, and were repaired, by cause.
    drift: BTreeMap<String, u64>,
}

impl From<Comparison> for ComparisonForm {
    fn from(of: Comparison) -> Self {
        Self {
            requested_at: of.requested_at,
            started_at: of.started_at,
            finished_at: of.finished_at,
            contacts: of.contacts,
            drift: of.drift,
        }
    }
}

impl From<Mailbox> for MailboxForm {
    fn from(of: Mailbox) -> Self {
        let unavailable = match of.phase {
            Phase::Unavailable {
                reason,
                since,
                retry_at,
            } => Some(UnavailableForm {
                reason: reason.into(),
                since,
                retry_at,
            }),
            Phase::Enrolled | Phase::Syncing | Phase::Live | Phase::Paused | Phase::Removing => None,
        };
        Self {
            id: of.id.into(),
            tenant: of.tenant.to_string(),
            user: of.user.to_string(),
            folders: FoldersForm::of(of.scope),
            conflict_policy: of.policy.map(Into::into),
            deletion_policy: of.deletion.map(Into::into),
            phase: (&of.phase).into(),
            unavailable,
            last_success_at: of.last_success_at,
            last_error: of.last_error.map(Into::into),
            last_comparison: of.comparison.map(Into::into),
            enrolled_at: of.enrolled_at,
            updated_at: of.updated_at,
        }
    }
}

/// An enrolled mailbox, and how its sync stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = MailboxState)]
pub(crate) struct MailboxStateForm {
    #[serde(flatten)]
    mailbox: MailboxForm,
    /// How far the contacts have been read. Of the first sync while it runs, later of each full reading.
    progress: ProgressForm,
    /// The change notification subscriptions: one for each folder in scope.
    subscriptions: SubscriptionsForm,
    /// The contacts that Outlook does not have as they are here.
    pending: PendingForm,
}

/// How many contacts Outlook does not have as they are here.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Pending)]
pub(crate) struct PendingForm {
    /// Single edits on their way.
    now: u64,
    /// Deletes on their way.
    deletes: u64,
    /// Edits of many on their way, after the single ones.
    backfill: u64,
    /// Contacts that have moved, and whose old items are still to be deleted in Outlook.
    cleanup: u64,
    /// Those that wait for a person: refused, to be reviewed, or held by the delete guard.
    held: u64,
}

impl From<PendingCount> for PendingForm {
    fn from(of: PendingCount) -> Self {
        Self {
            now: of.now,
            deletes: of.deletes,
            backfill: of.backfill,
            cleanup: of.cleanup,
            held: of.held,
        }
    }
}

/// How far a full reading has come.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Progress)]
pub(crate) struct ProgressForm {
    /// Folders in scope; 0 until the list of folders has been read.
    folders_total: usize,
    /// Folders that have been read to the end.
    folders_done: usize,
    /// Contacts that have been read.
    contacts_seen: u64,
}

/// How a mailbox's subscriptions stand.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Subscriptions)]
pub(crate) struct SubscriptionsForm {
    /// Those that live at Microsoft Graph.
    count: usize,
    /// When the first of them ends, were it not renewed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    soonest_expiry: Option<Timestamp>,
    /// Those whose creation or renewal failed when it was last tried.
    failing: usize,
}

impl MailboxStateForm {
    pub(crate) fn of(of: MailboxState, pending: PendingCount) -> Self {
        Self {
            mailbox: of.mailbox.into(),
            progress: progress(&of.folders),
            subscriptions: subscriptions(&of.subscriptions),
            pending: pending.into(),
        }
    }
}

fn progress(folders: &[Folder]) -> ProgressForm {
    let in_scope = || folders.iter().filter(|folder| folder.in_scope);
    ProgressForm {
        folders_total: in_scope().count(),
        folders_done: in_scope()
            .filter(|folder| state(&folder.cursor) == FolderState::Synced)
            .count(),
        contacts_seen: in_scope().map(|folder| folder.contacts_seen).sum(),
    }
}

fn subscriptions(all: &[Subscription]) -> SubscriptionsForm {
    let living = || all.iter().filter(|subscription| subscription.id.is_some());
    SubscriptionsForm {
        count: living().count(),
        soonest_expiry: living().filter_map(|subscription| subscription.expires_at).min(),
        failing: all
            .iter()
            .filter(|subscription| subscription.attempts > 0)
            .count(),
    }
}
