//! The keys of both tables, of their indexes and of page cursors: the only place that spells them.
//!
//! Knows how things are named and found, not what they hold. `docs/data-model.md` shows each key with its item.

use std::fmt;

use jiff::Timestamp;
use sync_core::ids::{ContactId, FolderId, MailboxId};

use crate::stamp;
use crate::state::TimerKind;

/// Names of attributes. Those not listed are named by the serde form of what they belong to.
pub(crate) mod attr {
    pub(crate) const MAILBOX_ID: &str = "mailbox_id";
    pub(crate) const CONTACT_ID: &str = "contact_id";
    pub(crate) const SK: &str = "sk";
    pub(crate) const FOLDER_KEY: &str = "folder_key";
    pub(crate) const CHANGED_KEY: &str = "changed_key";
    pub(crate) const DUE_SHARD: &str = "due_shard";
    pub(crate) const DUE_AT: &str = "due_at";
    pub(crate) const ROSTER_SHARD: &str = "roster_shard";
    pub(crate) const SCHEMA: &str = "schema";
    pub(crate) const TTL: &str = "ttl";
    pub(crate) const REV: &str = "rev";
    pub(crate) const VERSION: &str = "version";
    pub(crate) const DOCUMENT: &str = "document";
    pub(crate) const OMITTED: &str = "omitted";
    pub(crate) const DELETED_AT: &str = "deleted_at";
}

/// Names of indexes.
pub(crate) mod index {
    pub(crate) const BY_FOLDER: &str = "by-folder";
    pub(crate) const BY_CHANGE: &str = "by-change";
    pub(crate) const DUE: &str = "due";
    pub(crate) const ROSTER: &str = "roster";
}

/// The sort key of an item of the table `state`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateKey {
    Mailbox,
    Folder(FolderKey),
    Subscription(FolderKey),
    Timer(TimerKind),
    Seen {
        folder: FolderKey,
        generation: u64,
        page: u32,
    },
}

impl StateKey {
    /// Between these lies all that [`crate::MailboxState`] is made of. Seen pages, which may be many, begin with a
    /// small letter, so they lie behind it.
    pub(crate) const FIRST: &'static str = "FOLDER#";
    /// See [`StateKey::FIRST`]; `$` follows `#`.
    pub(crate) const LAST: &'static str = "TIMER$";

    /// What the seen pages of a full round begin with.
    pub(crate) fn seen_pages(folder: &FolderKey, generation: u64) -> String {
        format!("seen#{folder}#{generation:020}#")
    }

    /// `None` for a kind of item that this version doesn't know.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parts: Vec<&str> = text.split('#').collect();
        let key = match parts.as_slice() {
            ["MAILBOX"] => Self::Mailbox,
            ["FOLDER", folder] => Self::Folder(FolderKey::parse(folder)?),
            ["SUBSCRIPTION", folder] => Self::Subscription(FolderKey::parse(folder)?),
            ["TIMER", kind] => Self::Timer(timer_kind(kind)?),
            ["seen", folder, generation, page] => Self::Seen {
                folder: FolderKey::parse(folder)?,
                generation: generation.parse().ok()?,
                page: page.parse().ok()?,
            },
            _ => return None,
        };
        // Digits have one spelling only.
        (key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for StateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mailbox => f.write_str("MAILBOX"),
            Self::Folder(folder) => write!(f, "FOLDER#{folder}"),
            Self::Subscription(folder) => write!(f, "SUBSCRIPTION#{folder}"),
            Self::Timer(kind) => write!(f, "TIMER#{}", timer_name(*kind)),
            // As wide as the widest number, so that pages sort as they count.
            Self::Seen {
                folder,
                generation,
                page,
            } => {
                write!(f, "{}{page:010}", Self::seen_pages(folder, *generation))
            }
        }
    }
}

/// A folder's id, hashed to 26 letters and digits: Outlook's ids are too long for keys and may hold anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FolderKey(String);

impl FolderKey {
    pub(crate) fn of(folder: &FolderId) -> Self {
        Self(folder.key())
    }

    fn parse(text: &str) -> Option<Self> {
        let valid = text.len() == 26 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'));
        valid.then(|| Self(text.to_owned()))
    }

    /// The partition of the index `by-folder`.
    pub(crate) fn within(&self, mailbox: &MailboxId) -> String {
        format!("{mailbox}#{self}")
    }
}

impl fmt::Display for FolderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The sort key of the index `by-change`. The contact's id tells apart what changed in the same millisecond.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangedKey {
    pub(crate) at: Timestamp,
    pub(crate) contact: ContactId,
}

impl ChangedKey {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (at, contact) = text.split_once('#')?;
        let key = Self {
            at: at.parse().ok()?,
            contact: contact.parse().ok()?,
        };
        (key.to_string() == text).then_some(key)
    }
}

impl fmt::Display for ChangedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", stamp::text(self.at), self.contact)
    }
}

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

fn timer_name(kind: TimerKind) -> &'static str {
    match kind {
        TimerKind::Poll => "poll",
        TimerKind::Compare => "compare",
        TimerKind::Silence => "silence",
    }
}

fn timer_kind(name: &str) -> Option<TimerKind> {
    [TimerKind::Poll, TimerKind::Compare, TimerKind::Silence]
        .into_iter()
        .find(|kind| timer_name(*kind) == name)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sync_core::ids::{OutlookId, TenantId, UserId};

    use super::*;

    fn mailbox(user: &str) -> MailboxId {
        MailboxId::derive(&TenantId::new("contoso.example"), &UserId::new(user))
    }

    fn state_key() -> impl Strategy<Value = StateKey> {
        let folder = || any::<String>().prop_map(|id| FolderKey::of(&FolderId::new(id)));
        let kind = prop_oneof![
            Just(TimerKind::Poll),
            Just(TimerKind::Compare),
            Just(TimerKind::Silence)
        ];
        prop_oneof![
            Just(StateKey::Mailbox),
            folder().prop_map(StateKey::Folder),
            folder().prop_map(StateKey::Subscription),
            kind.prop_map(StateKey::Timer),
            (folder(), any::<u64>(), any::<u32>()).prop_map(|(folder, generation, page)| StateKey::Seen {
                folder,
                generation,
                page
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_state_key_is_read_as_it_was_written(key in state_key()) {
            prop_assert_eq!(StateKey::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn all_but_seen_pages_lie_in_the_range_of_a_mailbox_state(key in state_key()) {
            let text = key.to_string();
            let inside = (StateKey::FIRST..=StateKey::LAST).contains(&text.as_str());
            prop_assert_eq!(inside, !matches!(key, StateKey::Seen { .. }), "{}", text);
        }

        #[test]
        fn changes_sort_by_time_and_are_read_as_written(a in 0_i64..4_000_000_000_000, b in 0_i64..4_000_000_000_000) {
            let key = |ms| ChangedKey {
                at: Timestamp::from_millisecond(ms).unwrap(),
                contact: ContactId::derive(&mailbox("ada"), &OutlookId::new(ms.to_string())),
            };
            prop_assert_eq!(ChangedKey::parse(&key(a).to_string()), Some(key(a)));
            if a != b {
                prop_assert_eq!(key(a).to_string() < key(b).to_string(), a < b);
            }
        }

        #[test]
        fn garbage_is_no_key(text in "(MAILBOX|FOLDER|SUBSCRIPTION|TIMER|seen)?[#a-z0-9 ]{0,30}") {
            if let Some(key) = StateKey::parse(&text) {
                prop_assert_eq!(key.to_string(), text);
            }
        }
    }

    #[test]
    fn keys_are_spelled_as_documented() {
        let folder = FolderKey::of(&FolderId::new("AAMk="));
        let seen = StateKey::Seen {
            folder: folder.clone(),
            generation: 3,
            page: 12,
        };
        assert_eq!(
            seen.to_string(),
            format!("seen#{folder}#00000000000000000003#0000000012")
        );
        assert_eq!(StateKey::Timer(TimerKind::Compare).to_string(), "TIMER#compare");
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
        let mut counts = [0_u32; SHARDS as usize];
        for user in 0..16_000 {
            counts[usize::from(Shard::of(&mailbox(&user.to_string())).number())] += 1;
        }
        assert!(
            counts.iter().all(|count| (850..1150).contains(count)),
            "{counts:?}"
        );
    }
}
