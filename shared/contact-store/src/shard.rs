//! The shards of the indexes over all mailboxes, and what their partitions are called.

use sync_core::ids::MailboxId;

use crate::keys::timer_name;
use crate::state::TimerKind;

/// How many partitions an index over all mailboxes is spread over.
pub const SHARDS: u8 = 16;

/// One of the partitions of an index over all mailboxes. A mailbox is always in the same one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shard(u8);

impl Shard {
    /// The shard of this number; `None` from [`SHARDS`] on.
    pub fn new(number: u8) -> Option<Self> {
        (number < SHARDS).then_some(Self(number))
    }

    /// Every shard.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(Self)
    }

    /// The shard of a mailbox: by the first letter of the hash in its id. Each shard gets two of base 32's letters.
    pub fn of(mailbox: &MailboxId) -> Self {
        let letter = mailbox
            .as_str()
            .as_bytes()
            .get("mbx_".len())
            .copied()
            .unwrap_or_default();
        let value = if letter.is_ascii_digit() {
            letter - b'2' + 26
        } else {
            letter.wrapping_sub(b'a')
        };
        Self(value % SHARDS)
    }

    /// Its number, from 0.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The partition of the index `roster`.
    pub(crate) fn roster(self) -> String {
        format!("mailbox#{:02}", self.0)
    }

    /// The partition of the index `due`.
    pub(crate) fn due(self, kind: DueKind) -> String {
        let kind = match kind {
            DueKind::Renew => "renew",
            DueKind::Timer(kind) => timer_name(kind),
        };
        format!("{kind}#{:02}", self.0)
    }
}

/// What the index `due` is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DueKind {
    /// Subscriptions.
    Renew,
    /// Timers of a kind.
    Timer(TimerKind),
}

impl From<TimerKind> for DueKind {
    fn from(kind: TimerKind) -> Self {
        Self::Timer(kind)
    }
}

#[cfg(test)]
mod tests {
    use sync_core::ids::{TenantId, UserId};

    use super::*;

    #[test]
    fn shards_are_spelled_as_documented() {
        let shard = Shard::new(7).unwrap();
        assert_eq!(
            (shard.roster(), shard.due(DueKind::Renew)),
            ("mailbox#07".into(), "renew#07".into())
        );
        assert_eq!(shard.due(TimerKind::Poll.into()), "poll#07");
        assert_eq!(Shard::new(SHARDS), None);
    }

    #[test]
    fn mailboxes_spread_evenly_over_the_shards() {
        let tenant = TenantId::new("contoso.example");
        let mut counts = [0_u32; SHARDS as usize];
        for user in 0..16_000 {
            counts[usize::from(
                Shard::of(&MailboxId::derive(&tenant, &UserId::new(user.to_string()))).number(),
            )] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
