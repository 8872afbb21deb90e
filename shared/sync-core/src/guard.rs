//! The delete guard: how many deletes are more than somebody may have meant.
//!
//! Counts only. Must not know how a delete is held, nor who releases it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::record::Side;

/// Deletes count together for so long: who empties a mailbox one contact after the other is to be noticed too.
const TOGETHER: SignedDuration = SignedDuration::from_hours(1);

/// How many contacts of a mailbox may be deleted before a person is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guard {
    /// So many always.
    pub at_least: u64,
    /// And so many of a hundred. From 100 on nobody is ever asked.
    pub percent: u64,
}

impl Default for Guard {
    fn default() -> Self {
        Self {
            at_least: 25,
            percent: 10,
        }
    }
}

impl Guard {
    /// How many more contacts of a mailbox of this size one side may delete on the other, after those that it has.
    pub fn room(self, size: u64, recent: Option<&Recent>, by: Side, now: Timestamp) -> u64 {
        if self.percent >= 100 {
            return u64::MAX;
        }
        let allowance = self.at_least.max(size.saturating_mul(self.percent) / 100);
        let recent = recent.filter(|recent| recent.counts_at(now));
        allowance.saturating_sub(recent.map_or(0, |recent| recent.of(by)))
    }
}

/// What the guard remembers of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deletes {
    /// What counts together with the next deletes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<Recent>,
    /// Whose deletes are held, perhaps: as long as some are, every further one is.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub held: BTreeSet<Side>,
    /// When a person has last released deletes: those that were made here before are carried out in Outlook, however many
    /// they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released_at: Option<Timestamp>,
}

impl Deletes {
    /// True where nothing is remembered.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// The deletes of a mailbox that count together, by who has made them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recent {
    /// When the first of them was carried out.
    pub since: Timestamp,
    /// Made in Outlook, and carried out here.
    #[serde(default)]
    pub by_outlook: u64,
    /// Made here, and carried out in Outlook.
    #[serde(default)]
    pub by_platform: u64,
}

impl Recent {
    /// The deletes that were carried out before, and these.
    #[must_use]
    pub fn with(before: Option<&Self>, by_outlook: u64, by_platform: u64, now: Timestamp) -> Self {
        let before = before.filter(|before| before.counts_at(now));
        Self {
            since: before.map_or(now, |before| before.since),
            by_outlook: by_outlook + before.map_or(0, |before| before.by_outlook),
            by_platform: by_platform + before.map_or(0, |before| before.by_platform),
        }
    }

    fn counts_at(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) < TOGETHER
    }

    fn of(&self, by: Side) -> u64 {
        match by {
            Side::Outlook => self.by_outlook,
            Side::Platform => self.by_platform,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minute).unwrap()
    }

    #[test]
    fn the_larger_of_a_number_and_a_share_may_be_deleted() {
        let guard = Guard {
            at_least: 25,
            percent: 10,
        };
        let room = |size| guard.room(size, None, Side::Outlook, at(0));
        for (size, expected) in [
            (0, 25),
            (100, 25),
            (250, 25),
            (251, 25),
            (260, 26),
            (10_000, 1_000),
        ] {
            assert_eq!(room(size), expected, "of {size}");
        }
        assert_eq!(room(u64::MAX), u64::MAX / 100, "no overflow");
    }

    #[test]
    fn nothing_may_be_deleted_and_everything_may() {
        let of = |at_least, percent| Guard { at_least, percent }.room(500, None, Side::Outlook, at(0));
        assert_eq!((of(0, 0), of(0, 100), of(7, 0)), (0, u64::MAX, 7));
    }

    #[test]
    fn the_deletes_of_an_hour_count_together_each_side_for_itself() {
        let guard = Guard::default();
        let first = Recent::with(None, 20, 0, at(0));
        let both = Recent::with(Some(&first), 3, 24, at(59));
        let room = |by, minute| guard.room(100, Some(&both), by, at(minute));
        assert_eq!((room(Side::Outlook, 59), room(Side::Platform, 59)), (2, 1));
        assert_eq!((room(Side::Outlook, 60), room(Side::Platform, 60)), (25, 25));
        let next = Recent::with(Some(&both), 1, 0, at(60));
        assert_eq!((next.since, next.by_outlook, next.by_platform), (at(60), 1, 0));
    }
}
