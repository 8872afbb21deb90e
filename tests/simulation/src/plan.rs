//! What one seed is about: how large the scene is, and which faults are there at all.
//!
//! Knows how a seed becomes numbers. Each step has chance of its own, so that a run that is cut short, or has a fault
//! left out, is the same otherwise: that is what makes a failing seed small. Must not know what a step does.

use std::collections::BTreeSet;
use std::time::Duration;

use contact_store::ConflictPolicy;
use fastrand::Rng;
use graph_sim::{DeadToken, Settings as GraphSettings, Warts};
use local_stack::aws::DatabaseKind;
use sync_core::bugs::Bug;
use sync_core::record::{DeletionPolicy, Policy};
use sync_engine::Settings;

/// A class of faults. A seed has some of them, and others not at all: some bugs show only where there is one thing that
/// goes wrong, others only where there are two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// Graph answers 429.
    Throttling,
    /// Graph answers 5xx, before and after it has carried out what was asked.
    ServerErrors,
    /// Graph cuts the line, answers half, or never.
    Lines,
    /// Delta links die, also in mid-chain.
    DeadLinks,
    /// Access tokens are refused before their time.
    DeadTokens,
    /// Notifications are lost.
    LostNotices,
    /// Notifications come late, twice, or in another order.
    OddNotices,
    /// Graph drops subscriptions, with and without telling.
    Subscriptions,
    /// Delta shows rows twice, in no order, late, in pages that are empty.
    OddDelta,
    /// Delta never tells some removals.
    MissingDeletes,
    /// Functions die between any two steps.
    Deaths,
    /// Messages and stream records come twice.
    Doubled,
    /// A message's time is over while its worker still works: two workers at once.
    Overlap,
    /// Functions work at the same time, and what they do is interleaved. Without it, one ends before another begins.
    Interleaved,
    /// `DynamoDB` answers 500, before and after, and the SDK repeats what was carried out.
    Database,
    /// SQS and the bus answer 500, before and after, or refuse some entries.
    Queues,
    /// The clock jumps.
    Jumps,
    /// An operator pauses mailboxes, and asks for comparisons.
    Operator,
    /// Somebody settles conflicts.
    Settling,
    /// A worker's life is short, and Graph's pages are small.
    ShortLives,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::Throttling,
        Self::ServerErrors,
        Self::Lines,
        Self::DeadLinks,
        Self::DeadTokens,
        Self::LostNotices,
        Self::OddNotices,
        Self::Subscriptions,
        Self::OddDelta,
        Self::MissingDeletes,
        Self::Deaths,
        Self::Doubled,
        Self::Overlap,
        Self::Interleaved,
        Self::Database,
        Self::Queues,
        Self::Jumps,
        Self::Operator,
        Self::Settling,
        Self::ShortLives,
    ];

    /// Its name on the command line and in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Throttling => "throttling",
            Self::ServerErrors => "server-errors",
            Self::Lines => "lines",
            Self::DeadLinks => "dead-links",
            Self::DeadTokens => "dead-tokens",
            Self::LostNotices => "lost-notices",
            Self::OddNotices => "odd-notices",
            Self::Subscriptions => "subscriptions",
            Self::OddDelta => "odd-delta",
            Self::MissingDeletes => "missing-deletes",
            Self::Deaths => "deaths",
            Self::Doubled => "doubled",
            Self::Overlap => "overlap",
            Self::Interleaved => "interleaved",
            Self::Database => "database",
            Self::Queues => "queues",
            Self::Jumps => "jumps",
            Self::Operator => "operator",
            Self::Settling => "settling",
            Self::ShortLives => "short-lives",
        }
    }

    /// The one of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// What may be left out of a seed's run, to find out what of it matters; and what may be wrong with the bundle.
#[derive(Clone, Debug, Default)]
pub struct Cuts {
    /// So many steps instead of the seed's own number. A step is the same one whatever their number.
    pub steps: Option<u32>,
    /// Without these faults.
    pub without: BTreeSet<Fault>,
    /// Without these steps.
    pub skip: BTreeSet<u32>,
    /// With this bug planted.
    pub bug: Option<Bug>,
    /// With this death, wherever the plan has none.
    pub death: Option<Death>,
    /// On this database.
    pub database: DatabaseKind,
    /// With all that otherwise a part of the seeds has.
    pub thorough: bool,
}

impl Cuts {
    /// Without any fault: what is left is what people and platforms do.
    pub fn calm() -> Self {
        Self {
            without: BTreeSet::from(Fault::ALL),
            ..Self::default()
        }
    }
}

/// The one moment at which a function dies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Death {
    /// The function's name.
    pub function: String,
    /// At this one of all its awaits in the run, counted from 1.
    pub at: u64,
}

/// A seed's scene.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// How many steps people, platforms and functions have before the faults stop.
    pub steps: u32,
    /// The faults that there are.
    pub faults: BTreeSet<Fault>,
    /// For each mailbox, how many contacts and how many further folders it has at the beginning.
    pub mailboxes: Vec<(usize, usize)>,
    /// How many rows Graph's pages have.
    pub page_size: u32,
    /// How long a worker lives.
    pub worker_life: Duration,
    /// How the bundle is set.
    pub settings: Settings,
    /// How Graph is set.
    pub graph: GraphSettings,
    /// How often out of ten a step is somebody's edit.
    pub edits_of_ten: u32,
    /// How many percent of the requests to `DynamoDB` go wrong.
    pub database_percent: u8,
    /// Which `DynamoDB` it is.
    pub database: DatabaseKind,
    /// Behind the end two equal sides are looked at once more, and edited. Long runs have that, and a quarter of the short ones,
    /// where it takes half of the time.
    pub thorough: bool,
    /// The schedules look in every shard, and not only where a mailbox is. One run in sixteen has that, where it takes a quarter.
    pub everywhere: bool,
}

impl Plan {
    /// The plan of a seed.
    pub fn of(seed: u64, cuts: &Cuts) -> Self {
        let mut dice = Rng::with_seed(mix(seed, u64::MAX));
        let every = dice.u32(20..90);
        let mut faults: BTreeSet<Fault> = BTreeSet::new();
        for fault in Fault::ALL {
            if dice.u32(0..100) < every && !cuts.without.contains(&fault) {
                faults.insert(fault);
            }
        }
        let short = faults.contains(&Fault::ShortLives);
        let mailboxes = if dice.u8(0..4) == 0 { 2 } else { 1 };
        let steps = steps(dice.u32(10..120));
        let mailboxes = (0..mailboxes)
            .map(|_| (dice.usize(0..9), dice.usize(0..3)))
            .collect();
        let page_size = if short { dice.u32(1..5) } else { 100 };
        // Graph's client begins no write in the last seconds of a life, and half of a short one is its reserve.
        let life = dice.u64(15..40);
        let worker_life = Duration::from_secs(if short { life } else { 120 });
        let settings = settings(&mut dice);
        let graph = graph(&mut dice, seed, &faults);
        let database_percent = dice.u8(1..6);
        Self {
            seed,
            steps: cuts.steps.unwrap_or(steps),
            mailboxes,
            page_size,
            worker_life,
            settings,
            graph,
            edits_of_ten: dice.u32(1..5),
            database_percent: if faults.contains(&Fault::Database) {
                database_percent
            } else {
                0
            },
            database: cuts.database,
            thorough: cuts.thorough || steps > SHORT || dice.u8(0..4) == 0,
            everywhere: cuts.thorough || dice.u8(0..16) == 0,
            faults,
        }
    }

    /// True where the seed has this fault.
    pub fn has(&self, fault: Fault) -> bool {
        self.faults.contains(&fault)
    }

    /// The chance of one step.
    pub fn chance(&self, step: u32) -> Rng {
        Rng::with_seed(mix(self.seed, u64::from(step)))
    }
}

/// The most steps of a short run.
const SHORT: u32 = short(LONG - 1);

/// The fewest steps of a long one.
const LONG: u32 = 112;

/// Most runs are short: what goes wrong does so between a few events, and ten short runs cost what one long one does. But
/// some of it needs a past.
fn steps(chance: u32) -> u32 {
    if chance < LONG { short(chance) } else { chance }
}

const fn short(chance: u32) -> u32 {
    4 + chance / 6
}

/// Chance that has nothing to do with that of a neighbour (the finalizer of `SplitMix64`).
pub(crate) fn mix(seed: u64, number: u64) -> u64 {
    let mut mixed = seed
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(number.wrapping_mul(0xd1b5_4a32_d192_ed03));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn settings(dice: &mut Rng) -> Settings {
    let policies = [Policy::LastWriteWins, Policy::OutlookWins, Policy::PlatformWins];
    let policy = policies[dice.usize(0..3)];
    let deletions = [
        DeletionPolicy::EditWins,
        DeletionPolicy::DeleteWins,
        DeletionPolicy::ByPolicy,
    ];
    Settings {
        conflicts: match policy {
            Policy::LastWriteWins => ConflictPolicy::LastWriteWins,
            Policy::OutlookWins => ConflictPolicy::OutlookWins,
            Policy::PlatformWins => ConflictPolicy::PlatformWins,
        },
        fallback: policy,
        deletions: deletions[dice.usize(0..3)],
        ..Settings::default()
    }
}

fn graph(dice: &mut Rng, seed: u64, faults: &BTreeSet<Fault>) -> GraphSettings {
    let odd = faults.contains(&Fault::OddDelta);
    let some = |dice: &mut Rng, most: u8| if dice.bool() { dice.u8(0..most) } else { 0 };
    let lag = if dice.bool() { dice.u64(0..90_000) } else { 0 };
    let odd_delta = Warts {
        replays: some(dice, 60),
        reorder: dice.bool(),
        empty_pages: some(dice, 40),
        sparse_updates: dice.bool(),
        missing_deletes: 0,
        removed_at_start: dice.bool(),
        lag_ms: lag,
    };
    let missing = dice.u8(20..100);
    let dead = [
        DeadToken::Gone,
        DeadToken::ResyncRequired,
        DeadToken::Invalid,
        DeadToken::Malformed,
    ];
    GraphSettings {
        seed,
        latency: Duration::from_millis(dice.u64(0..200)),
        soft_deleted_readable: dice.bool(),
        // Where `If-Match` isn't honoured, an edit that nobody could see yet is written over: a documented limit. A removal that
        // is never told hides whatever is done to the contact where it has gone.
        if_match_enforced: dice.u8(0..4) > 0
            || faults.contains(&Fault::Interleaved)
            || faults.contains(&Fault::MissingDeletes)
            || (odd && lag > 0),
        default_covers_subfolders: dice.bool(),
        authorization_life: dice.bool().then_some(Duration::from_hours(1)),
        notification_delay: Duration::from_millis(dice.u64(0..20_000)),
        items_per_post: dice.usize(1..11),
        created_then_updated: dice.bool(),
        dead_token: dead[dice.usize(0..4)],
        warts: Warts {
            missing_deletes: if faults.contains(&Fault::MissingDeletes) {
                missing
            } else {
                0
            },
            ..if odd { odd_delta } else { Warts::default() }
        },
        ..GraphSettings::default()
    }
}
