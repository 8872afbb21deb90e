//! The conflict log: what both sides had where they contradicted each other, and who got his way.
//!
//! Plain data; its serde form is the stored form. It takes no decision.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sync_core::ids::{ConflictId, ContactId, MailboxId};
use sync_core::merge::Clash;
use sync_core::record::Side;
use sync_core::sighting::Document;

use crate::state::ConflictPolicy;
use crate::{document, stamp};

/// A conflict that was decided, with all that is needed to decide it otherwise.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// Whose contact.
    #[serde(rename = "mailbox_id")]
    pub mailbox: MailboxId,
    /// When it was decided and about whom.
    #[serde(rename = "contact_id")]
    pub id: ConflictId,
    /// About whom.
    pub contact: ContactId,
    /// When it was decided.
    #[serde(with = "stamp")]
    pub at: Timestamp,
    /// The version of the contact that the decision made.
    pub version: u64,
    /// By which policy.
    pub policy: ConflictPolicy,
    /// Member by member.
    #[serde(with = "clashes")]
    pub clashes: Vec<Clash>,
    /// The contact as both sides last agreed on it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "document::option")]
    pub base: Option<Document>,
    /// The contact as the platform had it; `None` only where the documents were too large for the item.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "document::option")]
    pub ours: Option<Document>,
    /// The contact as Outlook had it; `None` where Outlook had deleted it.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "document::option")]
    pub theirs: Option<Document>,
    /// What was too large for the item: `"documents"` for the three, and the names of members whose values are left
    /// out. The store fills it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub omitted: Vec<String>,
    /// What a person has made of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settled: Option<Settled>,
}

/// What a person has made of a conflict that was decided already.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When.
    #[serde(with = "stamp")]
    pub at: Timestamp,
    /// How.
    pub by: Settlement,
}

/// Whose values a person has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Settlement {
    /// One side's.
    Side(Side),
    /// Values of their own.
    Values,
}

/// Leaves out what a person wrote.
impl fmt::Debug for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Conflict")
            .field("mailbox", &self.mailbox)
            .field("id", &self.id.as_str())
            .field("version", &self.version)
            .field("clashes", &self.clashes.len())
            .field("settled", &self.settled)
            .finish_non_exhaustive()
    }
}

/// The stored form of clashes: their values are packed as documents are.
mod clashes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use serde_json::Value;
    use sync_core::merge::{Clash, Winner};

    use crate::document;

    #[derive(Serialize, Deserialize)]
    struct Stored {
        member: String,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "document::value")]
        base: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "document::value")]
        ours: Option<Value>,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "document::value")]
        theirs: Option<Value>,
        winner: Winner,
        #[serde(default, skip_serializing_if = "Option::is_none", with = "document::value")]
        kept: Option<Value>,
    }

    pub(super) fn serialize<S: Serializer>(clashes: &[Clash], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(clashes.iter().cloned().map(|clash| Stored {
            member: clash.member,
            base: clash.base,
            ours: clash.ours,
            theirs: clash.theirs,
            winner: clash.winner,
            kept: clash.kept,
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Clash>, D::Error> {
        let stored = Vec::<Stored>::deserialize(deserializer)?;
        let clashes = stored.into_iter().map(|clash| Clash {
            member: clash.member,
            base: clash.base,
            ours: clash.ours,
            theirs: clash.theirs,
            winner: clash.winner,
            kept: clash.kept,
        });
        Ok(clashes.collect())
    }
}
