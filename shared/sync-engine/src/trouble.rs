//! What went wrong, and what follows from it for the message and for the mailbox.
//!
//! One place decides that: [`Trouble::remedy`].

use contact_store::{StoreError, UnavailableReason};
use graph_client::{ErrorKind, GraphError, MailboxProblem};
use jiff::Timestamp;
use job_queue::QueueError;
use photo_store::PhotoError;
use sync_core::schedule;

/// Why work on a mailbox stopped.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// Graph.
    #[error("Microsoft Graph failed")]
    Graph(#[from] GraphError),
    /// The tables.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A queue.
    #[error("a queue failed")]
    Queue(#[from] QueueError),
    /// The photos.
    #[error("the photos' store failed")]
    Photos(#[from] PhotoError),
    /// Delta links of one folder died again and again within one run.
    #[error("the delta links of a folder keep dying")]
    Restless,
}

/// What to do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Remedy {
    /// Somebody asked us to wait, or was faster: nothing is wrong. The message comes again at that time.
    Later(Timestamp),
    /// Something is wrong. The message comes again at that time, and after enough of that it is a dead letter.
    Retry(Timestamp),
    /// The mailbox can't be had: say so, and leave it alone for a while.
    GiveUp(UnavailableReason),
}

impl Trouble {
    /// What to do about it. `receives` counts how often the message has been received; `draw` is chance, `0..1000`.
    pub(crate) fn remedy(&self, now: Timestamp, receives: u32, draw: u64) -> Remedy {
        let retry = Remedy::Retry(schedule::retry_due(now, receives, draw));
        let soon = Remedy::Later(schedule::retry_due(now, 1, draw));
        match self {
            Self::Graph(error) => match error.kind() {
                ErrorKind::Throttled { until } => Remedy::Later(until),
                ErrorKind::MailboxUnavailable(MailboxProblem::NotEnabled) => {
                    Remedy::GiveUp(UnavailableReason::MailboxNotEnabled)
                }
                ErrorKind::MailboxUnavailable(MailboxProblem::UserNotFound) => {
                    Remedy::GiveUp(UnavailableReason::UserNotFound)
                }
                ErrorKind::Forbidden => Remedy::GiveUp(UnavailableReason::AccessDenied),
                ErrorKind::BadCredential => Remedy::GiveUp(UnavailableReason::BadCredential),
                ErrorKind::TenantNotFound => Remedy::GiveUp(UnavailableReason::TenantNotFound),
                ErrorKind::FolderNotFound
                | ErrorKind::SyncStateGone
                | ErrorKind::NotFound
                | ErrorKind::QuotaExceeded
                | ErrorKind::Conflict
                | ErrorKind::AlreadyExists
                | ErrorKind::ForeignHost
                | ErrorKind::Transient
                | ErrorKind::Permanent => retry,
            },
            Self::Store(StoreError::Conflict { .. } | StoreError::Throttled) => soon,
            Self::Store(
                StoreError::NewerSchema { .. }
                | StoreError::Corrupt { .. }
                | StoreError::TooLarge { .. }
                | StoreError::InvalidCursor
                | StoreError::ExpiredCursor
                | StoreError::Unwritable { .. }
                | StoreError::Unavailable(_),
            )
            | Self::Queue(_)
            | Self::Photos(_)
            | Self::Restless => retry,
        }
    }

    /// A stable word for the operator, and for searching.
    pub(crate) fn code(&self) -> String {
        match self {
            Self::Graph(error) => error
                .code()
                .map_or_else(|| error.kind().to_string().replace(' ', "-"), str::to_owned),
            Self::Store(_) => "store".to_owned(),
            Self::Queue(_) => "queue".to_owned(),
            Self::Photos(_) => "photos".to_owned(),
            Self::Restless => "delta-links-keep-dying".to_owned(),
        }
    }

    /// The whole chain in one line. Holds no contact data: no source of ours does.
    pub(crate) fn chain(&self) -> String {
        let mut chain = self.to_string();
        let mut source = std::error::Error::source(self);
        while let Some(error) = source {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            source = error.source();
        }
        chain
    }

    /// True where Graph asked for patience.
    pub(crate) fn is_throttling(&self) -> bool {
        matches!(self, Self::Graph(error) if matches!(error.kind(), ErrorKind::Throttled { .. }))
    }
}
