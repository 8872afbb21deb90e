//! The keys of both tables, of their indexes and of page cursors: the only place that spells them.
//!
//! Knows how things are named and found, not what they hold. `docs/data-model.md` shows each key with its item.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
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
    pub(crate) const DOCUMENT: &str = "document";
    pub(crate) const OMITTED: &str = "omitted";
    pub(crate) const DELETED_AT: &str = "deleted_at";
    pub(crate) const PENDING_KEY: &str = "pending_key";
    pub(crate) const ALIAS_OF: &str = "alias_of";
    pub(crate) const EDIT: &str = "edit";
    pub(crate) const BASE: &str = "base";
    pub(crate) const BASE_LACKS: &str = "base_lacks";
    pub(crate) const CONTACT: &str = "contact";
    pub(crate) const SETTLED: &str = "settled";
    pub(crate) const VERSION_KEY: &str = "version_key";
    pub(crate) const SINCE: &str = "since";
    pub(crate) const UNTIL: &str = "until";
}

/// Names of indexes.
pub(crate) mod index {
    pub(crate) const BY_FOLDER: &str = "by-folder";
    pub(crate) const BY_CHANGE: &str = "by-change";
    pub(crate) const BY_PENDING: &str = "by-pending";
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
    /// That a contact has an e-mail address.
    Email {
        email: EmailKey,
        contact: ContactId,
    },
    /// A page of a plan.
    Plan {
        page: u32,
    },
}

impl StateKey {
    /// Between these lies all that [`crate::MailboxState`] is made of. What may be many (seen pages, e-mail addresses,
    /// plans) begins with a small letter, so it lies behind.
    pub(crate) const FIRST: &'static str = "FOLDER#";
    /// See [`StateKey::FIRST`]; `$` follows `#`.
    pub(crate) const LAST: &'static str = "TIMER$";

    /// What the seen pages of a full round begin with.
    pub(crate) fn seen_pages(folder: &FolderKey, generation: u64) -> String {
        format!("seen#{folder}#{generation:020}#")
    }

    /// What the contacts with an e-mail address begin with.
    pub(crate) fn emails(email: &EmailKey) -> String {
        format!("email#{email}#")
    }

    /// What all e-mail addresses begin with.
    pub(crate) const EMAILS: &'static str = "email#";

    /// What the pages of a plan begin with.
    pub(crate) const PLAN: &'static str = "plan#";

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
            ["email", email, contact] => Self::Email {
                email: EmailKey::parse(email)?,
                contact: contact.parse().ok()?,
            },
            ["plan", page] => Self::Plan {
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
            Self::Email { email, contact } => write!(f, "{}{contact}", Self::emails(email)),
            Self::Plan { page } => write!(f, "{}{page:010}", Self::PLAN),
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
        is_hash(text).then(|| Self(text.to_owned()))
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

fn is_hash(text: &str) -> bool {
    text.len() == 26 && text.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7'))
}

/// An e-mail address in a mailbox, hashed to 26 letters and digits: keys are shown in logs, and addresses are not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmailKey(String);

impl EmailKey {
    /// Of an address as it is compared.
    pub(crate) fn of(mailbox: &MailboxId, address: &str) -> Self {
        // A mailbox's id has always the same length, so the two never run together into the same bytes.
        let hash = Sha256::digest(format!("email {mailbox} {address}"));
        Self(BASE32_NOPAD.encode(&hash[..16]).to_ascii_lowercase())
    }

    fn parse(text: &str) -> Option<Self> {
        is_hash(text).then(|| Self(text.to_owned()))
    }
}

impl fmt::Display for EmailKey {
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

/// The sort key of the table `history`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VersionKey {
    pub(crate) contact: ContactId,
    pub(crate) version: u64,
}

impl VersionKey {
    /// What the versions of a contact begin with.
    pub(crate) fn all_of(contact: &ContactId) -> String {
        format!("{contact}#")
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (contact, version) = text.split_once('#')?;
        let key = Self {
            contact: contact.parse().ok()?,
            version: version.parse().ok()?,
        };
        (key.to_string() == text).then_some(key)
    }
}

/// As wide as the widest number, so that versions sort as they count.
impl fmt::Display for VersionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:020}", Self::all_of(&self.contact), self.version)
    }
}

pub(crate) fn timer_name(kind: TimerKind) -> &'static str {
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
            any::<u32>().prop_map(|page| StateKey::Plan { page }),
            any::<String>().prop_map(|text| StateKey::Email {
                email: EmailKey::of(&mailbox("ada"), &text),
                contact: ContactId::of_request(&mailbox("ada"), &text),
            }),
        ]
    }

    proptest! {
        #[test]
        fn a_state_key_is_read_as_it_was_written(key in state_key()) {
            prop_assert_eq!(StateKey::parse(&key.to_string()), Some(key));
        }

        #[test]
        fn all_but_what_may_be_many_lies_in_the_range_of_a_mailbox_state(key in state_key()) {
            let text = key.to_string();
            let inside = (StateKey::FIRST..=StateKey::LAST).contains(&text.as_str());
            let may_be_many = matches!(key, StateKey::Seen { .. } | StateKey::Email { .. } | StateKey::Plan { .. });
            prop_assert_eq!(inside, !may_be_many, "{}", text);
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
        fn versions_sort_as_they_count_and_are_read_as_written(a: u64, b: u64) {
            let key = |version| VersionKey {
                contact: ContactId::of_request(&mailbox("ada"), "1"),
                version,
            };
            prop_assert_eq!(VersionKey::parse(&key(a).to_string()), Some(key(a)));
            prop_assert_eq!(key(a).to_string().cmp(&key(b).to_string()), a.cmp(&b));
        }

        #[test]
        fn garbage_is_no_key(text in "(MAILBOX|FOLDER|SUBSCRIPTION|TIMER|seen|email|plan)?[#a-z0-9 ]{0,30}") {
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
        assert_eq!(StateKey::Plan { page: 3 }.to_string(), "plan#0000000003");
        let email = EmailKey::of(&mailbox("ada"), "ada@example.com");
        let contact = ContactId::of_request(&mailbox("ada"), "1");
        assert_eq!(
            StateKey::Email {
                email: email.clone(),
                contact: contact.clone()
            }
            .to_string(),
            format!("email#{email}#{contact}")
        );
        assert_ne!(email, EmailKey::of(&mailbox("bob"), "ada@example.com"));
    }
}
