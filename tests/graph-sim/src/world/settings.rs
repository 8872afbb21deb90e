//! What can be set about a world: limits, latitudes that the documentation leaves open, and warts.
//!
//! The defaults are what Graph promises, or what was observed most often. Sections are those of the fact sheet.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Everything that makes one simulated Graph behave differently from another.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Settings {
    /// The same seed and the same requests give the same answers, ids included.
    pub seed: u64,
    /// Scheme and host of links in answers, without the version: `https://graph.microsoft.com`.
    pub graph_url: String,
    /// Life of an access token; Entra says 3,599 s (facts 9.1).
    pub token_life: Duration,
    /// Time that each mailbox request takes, as its client sees it; a batch takes that of its items, four at a time. It
    /// is what makes concurrency visible.
    pub latency: Duration,
    /// Whether a soft-deleted contact is still found by its immutable id (facts 2.1: GET by id looks in the whole store).
    pub soft_deleted_readable: bool,
    /// Whether a stale `If-Match` is refused with 412 (facts 2.4: unverified for contacts).
    pub if_match_enforced: bool,
    /// A subscription of the default folder also fires for the folders below it (facts 5.1: unverified).
    pub default_covers_subfolders: bool,
    /// What happens to an expiration beyond the maximum (facts 5.1: inconsistent today).
    pub overrun: Overrun,
    /// How long a subscription may use its creator's token (facts 5.4: about 1 h). `None`: it never lapses.
    pub authorization_life: Option<Duration>,
    /// From the change to its notification. Graph: under 1 min on average, 3 min at most (facts 5.1).
    pub notification_delay: Duration,
    /// Most items in one notification POST.
    pub items_per_post: usize,
    /// Creating fires `created` and `updated` (facts 5.3, #7598).
    pub created_then_updated: bool,
    /// What a dead delta token is answered with (facts 4.3).
    pub dead_token: DeadToken,
    /// How many delta tokens a mailbox keeps; old ones fall out as new ones are added (facts 4.3).
    pub sync_states_kept: usize,
    /// Throttling limits (facts 7).
    pub limits: Limits,
    /// What delta does that it shouldn't (facts 4.2).
    pub warts: Warts,
    /// Keep each request with its answer (see `World::exchanges`).
    pub record: bool,
    /// How many entries of the request log are kept. The counts stay exact.
    pub log_kept: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 0,
            graph_url: "https://graph.microsoft.com".to_owned(),
            token_life: Duration::from_secs(3599),
            latency: Duration::ZERO,
            soft_deleted_readable: true,
            if_match_enforced: true,
            default_covers_subfolders: false,
            overrun: Overrun::Reject,
            authorization_life: None,
            notification_delay: Duration::ZERO,
            items_per_post: 10,
            created_then_updated: false,
            dead_token: DeadToken::Gone,
            sync_states_kept: 5_000,
            limits: Limits::default(),
            warts: Warts::default(),
            record: false,
            log_kept: 50_000,
        }
    }
}

/// What happens to a subscription that asks for more than the maximum life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overrun {
    /// 400, which the documentation announces.
    Reject,
    /// Shortened to the maximum.
    Clamp,
}

/// The forms in which Graph says that a delta token is dead (facts 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeadToken {
    /// 410 `SyncStateNotFound`, with the `Location` of a full sync.
    Gone,
    /// 410 `resyncRequired`.
    ResyncRequired,
    /// 400 `SyncStateInvalid`.
    Invalid,
    /// 400 `ErrorInvalidIdMalformed`, which names no sync state at all.
    Malformed,
}

/// Throttling limits (facts 7). A limit is a number of requests per its window.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Requests per app and mailbox in `mailbox_window`.
    pub mailbox_requests: u64,
    /// The window of `mailbox_requests`.
    pub mailbox_window: Duration,
    /// Requests per app and mailbox at the same time.
    pub mailbox_concurrency: u32,
    /// Bytes per app and mailbox that PATCH, POST and PUT carry in 5 min.
    pub mailbox_upload: u64,
    /// Requests per app in 10 s over all tenants.
    pub app_requests: u64,
    /// Subscription writes in 20 s: per app, and per app and tenant.
    pub subscription_writes: (u64, u64),
    /// Reauthorizations in 20 s: per app, and per app and tenant.
    pub reauthorizations: (u64, u64),
    /// Reads of one subscription in 20 s: per app, and per app and tenant.
    pub subscription_reads: (u64, u64),
    /// Lists of subscriptions in 20 s: per app, and per app and tenant.
    pub subscription_lists: (u64, u64),
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            mailbox_requests: 10_000,
            mailbox_window: Duration::from_mins(10),
            mailbox_concurrency: 4,
            mailbox_upload: 150 * 1024 * 1024,
            app_requests: 130_000,
            subscription_writes: (2_000, 500),
            reauthorizations: (4_000, 1_000),
            subscription_reads: (2_000, 500),
            subscription_lists: (40, 25),
        }
    }
}

/// What delta queries do beside their contract. Chances are in percent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Warts {
    /// A row comes again later in the same round (facts 4.2, 5).
    pub replays: u8,
    /// Rows come in no order (facts 4.2, 5).
    pub reorder: bool,
    /// A page is empty and has a next link (facts 4.2, 1).
    pub empty_pages: u8,
    /// Rows of changed contacts carry the changed members only (facts 4.2, 6).
    pub sparse_updates: bool,
    /// A removal is never told. Not promised anywhere that it can't happen: only a full comparison proves equality.
    pub missing_deletes: u8,
    /// The first round tells removals too (facts 4.2, 7).
    pub removed_at_start: bool,
    /// Milliseconds until a change shows in delta (facts 4.2, 8).
    pub lag_ms: u64,
}
