//! The names of things: one newtype each, so that a folder's id can't be given where a contact's is meant.
//!
//! Ids of ours ([`MailboxId`], [`ContactId`]) are derived by hash from what they name: the same mailbox enrolled
//! twice is one mailbox, and a page applied twice is one contact. Ids of Graph are opaque text, compared byte by
//! byte (facts 10: case-sensitive, up to 512 bytes and beyond).

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE32_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

macro_rules! opaque_ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it is.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The text, as Graph gave it.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

opaque_ids! {
    /// A Microsoft Entra tenant: the GUID of its directory, in lower case, or one of its domain names.
    TenantId
    /// How Graph is told whose mailbox it is: the user's object id, or the user principal name.
    UserId
    /// A contact's immutable id in Outlook.
    OutlookId
    /// A contact folder's id in Outlook.
    FolderId
    /// Outlook's version of a contact: it changes with every change.
    ChangeKey
    /// A change notification subscription's id.
    SubscriptionId
}

/// An id of ours could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id of the form {prefix}_ and 26 letters or digits")]
pub struct InvalidId {
    prefix: &'static str,
}

macro_rules! derived_ids {
    ($($(#[$doc:meta])* $name:ident $prefix:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }

            fn hashed(parts: &[&str]) -> Self {
                Self(format!("{}_{}", $prefix, hash26(parts)))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let valid = text
                    .strip_prefix(concat!($prefix, "_"))
                    .is_some_and(|rest| rest.len() == 26 && rest.bytes().all(|b| matches!(b, b'a'..=b'z' | b'2'..=b'7')));
                if valid { Ok(Self(text.to_owned())) } else { Err(InvalidId { prefix: $prefix }) }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

derived_ids! {
    /// An enrolled mailbox. The message group, the partition and the API's path are all this.
    MailboxId "mbx"
    /// A contact of the mirror. It outlives the contact's ids in Outlook.
    ContactId "con"
}

impl MailboxId {
    /// The id of a user's mailbox in a tenant. Letter case makes no difference: Entra ignores it in both.
    pub fn derive(tenant: &TenantId, user: &UserId) -> Self {
        Self::hashed(&[
            "mailbox",
            &tenant.as_str().to_lowercase(),
            &user.as_str().to_lowercase(),
        ])
    }
}

impl ContactId {
    /// The id of a contact that was born in Outlook.
    pub fn derive(mailbox: &MailboxId, outlook: &OutlookId) -> Self {
        Self::hashed(&["contact", mailbox.as_str(), outlook.as_str()])
    }

    /// The id of this contact's twin: a contact beside it that has this item, which was this one's before. There is never a
    /// second one of an item.
    #[must_use]
    pub fn twin(&self, outlook: &OutlookId) -> Self {
        Self::hashed(&["twin", self.as_str(), outlook.as_str()])
    }

    /// The id of a contact that was born here under the caller's own external id. So there is never a second one.
    pub fn of_external(mailbox: &MailboxId, external: &str) -> Self {
        Self::hashed(&["external", mailbox.as_str(), external])
    }

    /// The id of a contact that was born here, by a request with this key; a repeated request finds the contact.
    pub fn of_request(mailbox: &MailboxId, key: &str) -> Self {
        Self::hashed(&["request", mailbox.as_str(), key])
    }
}

/// The id of a conflict: when it was decided and about which contact. The order of the texts is the order of the times.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ConflictId(String);

impl ConflictId {
    /// What every one begins with.
    pub const PREFIX: &'static str = "cfl_";

    /// The conflict that was decided about a contact at this moment. There can be only one, since a contact has one
    /// writer at a time.
    pub fn of(at: Timestamp, contact: &ContactId) -> Self {
        let contact = contact.as_str().trim_start_matches("con_");
        Self(format!(
            "{}{:013}_{contact}",
            Self::PREFIX,
            at.as_millisecond().max(0)
        ))
    }

    /// The id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ConflictId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let rest = text
            .strip_prefix(Self::PREFIX)
            .and_then(|rest| rest.split_once('_'));
        let valid = rest.is_some_and(|(at, contact)| {
            at.len() == 13
                && at.bytes().all(|b| b.is_ascii_digit())
                && format!("con_{contact}").parse::<ContactId>().is_ok()
        });
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidId { prefix: "cfl" })
        }
    }
}

impl TryFrom<String> for ConflictId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<ConflictId> for String {
    fn from(id: ConflictId) -> String {
        id.0
    }
}

impl fmt::Display for ConflictId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FolderId {
    /// A short key of the folder, for places that can't hold the long id.
    pub fn key(&self) -> String {
        hash26(&["folder", &self.0])
    }
}

/// 128 bits of the SHA-256 of the parts, in base 32. Each part is preceded by its length, so that two lists of
/// parts never run together into the same bytes.
fn hash26(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let mut text = BASE32_NOPAD.encode(&hasher.finalize()[..16]);
    text.make_ascii_lowercase();
    text
}
