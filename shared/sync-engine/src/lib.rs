//! The shell around `sync-core`: load, decide, execute without choices, remember.
//!
//! Knows Graph, the store and the queues, and in which order things must happen so that a crash between any two of
//! them loses nothing. What to do about a contact, a folder or a hint is decided in `sync-core`; how a request is made
//! is `graph-client`'s; how an item is kept is `contact-store`'s. Must not know Lambda's events.
//!
//! - [`Engine::work`]: a batch of jobs for one mailbox (`session`: what is held while it runs)
//!   - `discover`: the mailbox's folders, and what became of those that are gone
//!   - `round`: a folder's delta round, page by page
//!   - `apply`: a page's contacts onto the mirror; `evidence`: contacts that have to be read by id first
//!   - `meet`: a contact meets what Outlook has, and perhaps clashes; `arbiter`: the operator's own policy for that
//!   - `push`: edits made here to Outlook; `send`: one request of them; `course`: how far that has come
//!   - `confirm`: what the answers mean; `clean_up`: what moves leave behind; `recover`: creates whose answer was lost
//!   - `link`: contacts that both sides had before the first sync, and the plan of it
//!   - `photos`: photos from Outlook; `photo_push`: photos set here to Outlook
//!   - `compare`: the whole mailbox against the mirror
//!   - `remove`: the mailbox's end
//! - [`Subscriber`]: subscriptions, created, renewed, repaired
//! - [`Scheduler`]: timers that are due, turned into jobs
//! - [`Trouble`]: what went wrong, and what that means for the message and the mailbox

mod apply;
mod arbiter;
pub mod boot;
mod clean_up;
mod compare;
mod confirm;
mod convert;
mod course;
mod discover;
mod evidence;
mod link;
mod meet;
mod photo_push;
mod photos;
mod push;
mod recover;
mod remove;
mod report;
mod round;
mod scheduler;
mod send;
mod session;
mod subscriber;
mod trouble;
mod twins;
mod work;

use std::sync::Arc;
use std::time::Duration;

use ambient::Ambient;
use contact_store::{ConflictPolicy, Store};
use graph_client::GraphClient;
use job_queue::{JobQueue, LifecycleQueue};
use photo_store::PhotoStore;
use sync_core::guard::Guard;
use sync_core::record::{DeletionPolicy, Policy};

pub use arbiter::{Arbiter, ArbiterError};
pub use report::Report;
pub use scheduler::{DueReport, Scheduler};
pub use subscriber::{Subscriber, SubscriberReport};
pub use trouble::Trouble;
pub use work::{Ending, Outcome};

/// Everything that work on a mailbox needs.
pub struct Engine<T> {
    /// Microsoft Graph.
    pub graph: Arc<GraphClient<T>>,
    /// The two tables.
    pub store: Arc<Store>,
    /// Where work goes on.
    pub work: Arc<JobQueue>,
    /// Where subscriptions are asked for.
    pub lifecycle: Arc<LifecycleQueue>,
    /// Where photos are kept; `None`: photos are left alone.
    pub photos: Option<PhotoStore>,
    /// The operator's function for conflicts, if there is one.
    pub arbiter: Option<Arbiter>,
    /// Time and chance.
    pub ambient: Ambient,
    /// How often, how long, how much.
    pub settings: Settings,
}

/// How often, how long, how much. Each is a parameter of the template.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How often a mailbox is looked at without a hint.
    pub poll_every: Duration,
    /// How often a mailbox is compared with the mirror.
    pub compare_every: Duration,
    /// After how long without a success a mailbox counts as silent.
    pub silent_after: Duration,
    /// How long a tombstone is kept.
    pub tombstones_for: Duration,
    /// How long a conflict is kept in the log.
    pub conflicts_for: Duration,
    /// Who gets his way where both sides have changed the same, unless the mailbox says otherwise.
    pub conflicts: ConflictPolicy,
    /// Who gets it under a custom policy whose function gives no answer.
    pub fallback: Policy,
    /// Who gets his way where one side has deleted what the other has edited, unless the mailbox says otherwise.
    pub deletions: DeletionPolicy,
    /// How many contacts of a mailbox may be deleted before a person is asked.
    pub guard: Guard,
    /// False in a cloud without contact delta (21Vianet): folders are listed instead (facts 9.7).
    pub delta: bool,
    /// False in a cloud in which a contact that is erased can only be deleted: it lies among the deleted items then.
    pub purge: bool,
}

impl Default for Settings {
    fn default() -> Self {
        const HOUR: u64 = 60 * 60;
        Self {
            poll_every: Duration::from_secs(HOUR),
            compare_every: Duration::from_secs(24 * HOUR),
            silent_after: Duration::from_secs(6 * HOUR),
            tombstones_for: Duration::from_secs(30 * 24 * HOUR),
            conflicts_for: Duration::from_secs(90 * 24 * HOUR),
            conflicts: ConflictPolicy::default(),
            fallback: Policy::default(),
            deletions: DeletionPolicy::default(),
            guard: Guard::default(),
            delta: true,
            purge: true,
        }
    }
}
