//! What a run did, in numbers: for one metric event, and for tests that count operations.

use std::collections::BTreeMap;
use std::ops::AddAssign;

/// Counts of one run. Adding two gives the counts of both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Delta rounds that were completed.
    pub rounds: u64,
    /// Pages that were written to the mirror.
    pub pages: u64,
    /// Full rounds that had to be begun because a delta link was dead.
    pub resyncs: u64,
    /// Contacts that are new in the mirror.
    pub inserted: u64,
    /// Contacts that changed.
    pub updated: u64,
    /// Contacts of which only Outlook's version changed.
    pub touched: u64,
    /// Contacts that were buried, on evidence.
    pub buried: u64,
    /// Deletes that the guard holds until a person has decided.
    pub guarded: u64,
    /// Contacts that were shown and cost no write.
    pub unchanged: u64,
    /// Contacts that were read by id for evidence.
    pub verified: u64,
    /// Contacts that could not be read, or that a newer version of this software has written: left as they are.
    pub unreadable: u64,
    /// Differences that a comparison found and repaired, by cause.
    pub drift: BTreeMap<&'static str, u64>,
    /// Contacts that were created in Outlook.
    pub created: u64,
    /// Contacts of which Outlook was told what has changed.
    pub patched: u64,
    /// Contacts that were deleted in Outlook, those included that were moved by a create and a delete.
    pub deleted: u64,
    /// Photos that were looked at in Outlook.
    pub photos_checked: u64,
    /// Photos that were new or gone in Outlook, and are so in the mirror.
    pub photos_read: u64,
    /// Photos that were brought to Outlook.
    pub photos_written: u64,
    /// Edits that Graph refused for good.
    pub refused: u64,
    /// Conflicts that were decided.
    pub conflicts: u64,
    /// Conflicts about which the operator's function gave no answer, or was not asked since it had failed before.
    pub arbiter_failures: u64,
    /// 1 where the run was put off because Graph throttles.
    pub throttled: u64,
    /// 1 where Graph refused the mailbox.
    pub unavailable: u64,
    /// 1 where the work was longer than the time, and goes on by another message.
    pub continued: u64,
}

impl AddAssign for Report {
    fn add_assign(&mut self, other: Self) {
        self.rounds += other.rounds;
        self.pages += other.pages;
        self.resyncs += other.resyncs;
        self.inserted += other.inserted;
        self.updated += other.updated;
        self.touched += other.touched;
        self.buried += other.buried;
        self.guarded += other.guarded;
        self.unchanged += other.unchanged;
        self.verified += other.verified;
        self.unreadable += other.unreadable;
        for (cause, count) in other.drift {
            *self.drift.entry(cause).or_default() += count;
        }
        self.created += other.created;
        self.patched += other.patched;
        self.deleted += other.deleted;
        self.photos_checked += other.photos_checked;
        self.photos_read += other.photos_read;
        self.photos_written += other.photos_written;
        self.refused += other.refused;
        self.conflicts += other.conflicts;
        self.arbiter_failures += other.arbiter_failures;
        self.throttled += other.throttled;
        self.unavailable += other.unavailable;
        self.continued += other.continued;
    }
}
