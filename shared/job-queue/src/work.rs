//! The messages' forms. Each is JSON with a version, so that messages in flight survive a deployment.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::ids::{ContactId, MailboxId, SubscriptionId};

/// Work for one mailbox. The message group is the mailbox, so jobs of a mailbox run one after the other.
///
/// Every job is idempotent, and every job of a batch is answered together: a hint that has been answered by a
/// round that began after it was received costs nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum WorkJob {
    /// Graph says that something has changed. A hint, never data.
    Changed {
        /// Whose contacts.
        mailbox: MailboxId,
        /// The subscription that said so; it tells the folder.
        subscription: Option<SubscriptionId>,
        /// When the notification reached us. A round begun later than this has seen the change.
        received_at: Timestamp,
    },
    /// Bring every folder up to date: the first sync, a poll, a return from a pause, or the rest of work that was
    /// longer than the life of a function.
    Sync {
        /// Whose contacts.
        mailbox: MailboxId,
        /// When it was asked for; a folder's round that began later has answered it.
        requested_at: Timestamp,
    },
    /// Compare the whole mailbox with the mirror and repair what differs.
    Compare {
        /// Whose contacts.
        mailbox: MailboxId,
        /// When it was asked for; a comparison that began later has answered it.
        requested_at: Timestamp,
    },
    /// Bring edits made here to Outlook.
    Push {
        /// Whose contacts.
        mailbox: MailboxId,
        /// Those that were edited. Whatever else is pending is pushed with them, so an empty list means all.
        contacts: Vec<ContactId>,
    },
    /// Find out what a first sync would do, and do nothing.
    Plan {
        /// Whose contacts.
        mailbox: MailboxId,
        /// When it was asked for; a plan that was begun later has answered it.
        requested_at: Timestamp,
    },
    /// Look at these contacts' photos in Outlook. A job of its own, so that contacts never wait for photos.
    Photos {
        /// Whose contacts.
        mailbox: MailboxId,
        /// Those of which Outlook has shown something new, and deleted ones whose photos are to go.
        contacts: Vec<ContactId>,
    },
    /// Look at the photos of all contacts, some with each message: nobody says that a photo has changed.
    PhotoSweep {
        /// Whose contacts.
        mailbox: MailboxId,
        /// How far the sweep has come, in the order of the contacts' ids; absent at its start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<ContactId>,
    },
    /// Delete the subscriptions at Graph and erase the mirror.
    Remove {
        /// Whose contacts.
        mailbox: MailboxId,
    },
}

impl WorkJob {
    /// Whose contacts: the message group.
    pub fn mailbox(&self) -> &MailboxId {
        match self {
            Self::Changed { mailbox, .. }
            | Self::Sync { mailbox, .. }
            | Self::Compare { mailbox, .. }
            | Self::Push { mailbox, .. }
            | Self::Plan { mailbox, .. }
            | Self::Photos { mailbox, .. }
            | Self::PhotoSweep { mailbox, .. }
            | Self::Remove { mailbox } => mailbox,
        }
    }
}

/// Work on subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "job", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum LifecycleJob {
    /// Graph sent a lifecycle notification.
    Event {
        /// Whose subscription: out of the verified `clientState`.
        mailbox: MailboxId,
        /// The subscription that it is about.
        subscription: SubscriptionId,
        /// What happened.
        event: LifecycleEvent,
    },
    /// Give every folder in scope its subscription: after enrolment, after a folder has appeared.
    Ensure {
        /// Whose subscriptions.
        mailbox: MailboxId,
    },
    /// A notification came, properly signed, by a subscription that the mailbox's state does not hold: perhaps one
    /// that was created just before a crash. If it is still unknown, delete it at Graph.
    Stray {
        /// Whose subscription: out of the verified `clientState`.
        mailbox: MailboxId,
        /// The subscription that nobody knows.
        subscription: SubscriptionId,
    },
}

/// What a lifecycle notification says (facts 5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LifecycleEvent {
    /// Reauthorize or renew, never both within ten minutes.
    ReauthorizationRequired,
    /// Create a new one, then run a delta round.
    SubscriptionRemoved,
    /// Notifications were lost: run a delta round.
    Missed,
}
