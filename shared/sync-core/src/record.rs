//! A contact as the mirror keeps it while two sides may change it: what the platform wants, and what Outlook had last.
//!
//! Plain data. While nothing is pending the two are one document and there is no [`Edit`]. An edit made here keeps the
//! **base**: Outlook's members as both sides last agreed on them. Whatever Outlook shows later is merged at once, and
//! becomes the new base; so the base is always the last that is known of Outlook, and nothing else has to be kept.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ids::{ChangeKey, ContactId, FolderId, OutlookId};
use crate::members::same;
use crate::sighting::Document;

/// The two that may change a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// Somebody in Outlook.
    Outlook,
    /// Somebody who uses the API.
    Platform,
}

/// What Outlook knows a contact by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutlookItem {
    /// Its immutable id. Another one after a move, which is a create and a delete (facts 2.6).
    #[serde(rename = "outlook_id")]
    pub id: OutlookId,
    /// Outlook's version of it, as last seen.
    pub change_key: ChangeKey,
}

/// Edits made here that Outlook has not confirmed: all of them since both sides last agreed, as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// What is to become of the contact in Outlook.
    pub wish: Wish,
    /// Outlook's members as last seen. `None` while the contact is not in Outlook.
    pub base: Option<Document>,
    /// The folder in which Outlook has it; `None` while the contact is not in Outlook. Where it is not the contact's
    /// own, a move is wanted.
    pub base_folder: Option<FolderId>,
    /// When each member was last edited here, by its name; [`crate::rebase::FOLDER`] for the folder.
    pub members: BTreeMap<String, Timestamp>,
    /// What members were before, while the contact is not in Outlook or is being moved, the last few values of each; null: not
    /// set. A create whose answer was lost has sent one of them, or what they are now.
    pub earlier: BTreeMap<String, Vec<Value>>,
    /// When the contact was last edited here in any way.
    pub edited_at: Timestamp,
    /// Counts the edits. The outbox sees by it that there is a new one, and who has pushed one sees whether it was the
    /// last.
    pub count: u64,
    /// Who is waiting for it.
    pub urgency: Urgency,
    /// How often it has failed in Outlook, where that may pass. Another edit begins anew.
    pub failed: Option<Failed>,
    /// Why it is not pushed.
    pub hold: Option<Hold>,
}

impl Edit {
    /// What a create whose answer was lost has sent of a member that `is` now so, and that Outlook shows otherwise or not:
    /// what it shows, if the contact has had that here. If not, somebody has changed the item since.
    pub fn sent<'v>(
        &'v self,
        name: &str,
        is: Option<&'v Value>,
        shown: Option<&'v Value>,
    ) -> Option<&'v Value> {
        let earlier = self.earlier.get(name).into_iter().flatten();
        let had: Vec<_> = earlier
            .map(|value| Some(value).filter(|value| !value.is_null()))
            .chain([is])
            .collect();
        if had.iter().any(|had| same(name, *had, shown)) {
            shown
        } else {
            had.into_iter().next().flatten()
        }
    }
}

/// How often one edit has failed, for no reason that would hold for ever, and not for the mailbox's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// So often.
    pub times: u32,
    /// When it did last.
    pub at: Timestamp,
}

impl Failed {
    /// So often an edit may fail. Then it counts as refused.
    const AT_MOST: u32 = 8;

    /// The same edit has failed once more.
    pub fn again(before: Option<Self>, at: Timestamp) -> Self {
        let times = before.map_or(0, |before| before.times).saturating_add(1);
        Self { times, at }
    }

    /// True where nobody need hope any more.
    pub fn is_for_good(self) -> bool {
        self.times >= Self::AT_MOST
    }

    /// Not before this time it is tried again: at once after the first two failures, then after 3, 9, 27, 81 and 243
    /// minutes. So it takes a morning's outage to have an edit refused, and not a minute's.
    pub fn rests_until(self) -> Timestamp {
        let minutes = match self.times.checked_sub(2) {
            None | Some(0) => 0,
            Some(further) => 3_i64.saturating_pow(further.min(Self::AT_MOST)),
        };
        let rest = SignedDuration::from_mins(minutes);
        self.at.saturating_add(rest).unwrap_or(Timestamp::MAX)
    }
}

/// A contact with edits that Outlook has not confirmed.
#[derive(Clone, Copy, Debug)]
pub struct Pending<'a> {
    /// The members that Outlook can hold, as the platform has them.
    pub document: &'a Document,
    /// What only the mirror keeps (see [`crate::shape`]).
    pub extras: &'a Document,
    /// Where the platform has it.
    pub folder: &'a FolderId,
    /// What Outlook has not confirmed.
    pub edit: &'a Edit,
}

/// A contact as Outlook shows it, whole.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// Its members.
    pub document: &'a Document,
    /// Where it is.
    pub folder: &'a FolderId,
    /// Outlook's time of its last change.
    pub modified_at: Option<Timestamp>,
}

/// What an edit wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// Outlook is to have the contact as it is here.
    Save,
    /// Outlook is to have it no longer.
    Delete,
    /// A person has asked for it to be forgotten: Outlook is to have it no longer, whoever has changed it there, and
    /// nothing that Outlook shows of it is kept here.
    Erase,
}

/// How soon an edit is to reach Outlook.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Urgency {
    /// Somebody has made this one edit.
    Now,
    /// One of many; single edits go first.
    Backfill,
}

/// Why an edit is not pushed until somebody does something about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "kebab-case")]
pub enum Hold {
    /// Graph refused it: the edit's dead letter. Another edit, a retry or a discard ends it.
    Refused(Refusal),
    /// Contacts that Outlook has already may be this one. A person decides.
    Review {
        /// Who they are in the mirror.
        candidates: Vec<ContactId>,
    },
    /// More contacts were deleted than the delete guard allows: here, with the wish to delete; in Outlook, with the wish
    /// to save. A person releases the deletes or refuses them.
    Guarded {
        /// Since when.
        at: Timestamp,
        /// True where Outlook still has it, in a folder that is not synced.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        elsewhere: bool,
    },
}

/// What Graph said when it refused an edit for good; or what we say of one that it is not to be asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// Graph's `error.code`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Graph's own words. They may quote the contact: for the API, never for a log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Graph's request id, for Microsoft's support.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
}

/// Who gets his way where both sides have changed the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Where both have changed the same member.
    pub conflict: Policy,
    /// Where one has deleted what the other has edited.
    pub deletion: DeletionPolicy,
}

/// Who gets his way where both have changed the same member.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// The later one. Outlook's times are whole seconds; in the same second Outlook wins.
    #[default]
    LastWriteWins,
    /// Outlook.
    OutlookWins,
    /// The platform.
    PlatformWins,
}

/// Who gets his way where one has deleted what the other has edited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeletionPolicy {
    /// The edit: the contact lives.
    #[default]
    EditWins,
    /// The delete; the edit is kept in the conflict log.
    DeleteWins,
    /// Whoever would win a conflict over a member.
    ByPolicy,
}

impl Wish {
    /// True where the contact is deleted here, and Outlook does not know yet.
    pub fn is_farewell(self) -> bool {
        match self {
            Self::Save => false,
            Self::Delete | Self::Erase => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edit_that_fails_again_and_again_rests_longer_each_time_and_then_is_refused() {
        let at = Timestamp::UNIX_EPOCH;
        let mut failed = Failed::again(None, at);
        let mut rests = Vec::new();
        while !failed.is_for_good() {
            rests.push(failed.rests_until().as_second() / 60);
            failed = Failed::again(Some(failed), at);
        }
        assert_eq!(rests, [0, 0, 3, 9, 27, 81, 243]);
    }
}
