//! Why a contact is as it is: what made its present version, and who did it.
//!
//! Plain data, stored with the contact by whoever changes it, so that it costs no write of its own. Takes no decision.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A principal's ARN that is longer than this is cut: it is shown to people, and nothing is decided by it.
const LONGEST_PRINCIPAL: usize = 300;

/// What made a version of a contact.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Why.
    pub why: Why,
    /// The IAM principal that asked for it, where somebody did and his name has come along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Of a restore: the version that was restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restored: Option<u64>,
}

impl Cause {
    /// Nobody asked for it by name.
    pub fn of(why: Why) -> Self {
        Self {
            why,
            principal: None,
            restored: None,
        }
    }

    /// Somebody asked for it.
    pub fn asked(why: Why, principal: Option<&str>) -> Self {
        let shortened = |arn: &str| arn.chars().take(LONGEST_PRINCIPAL).collect();
        Self {
            principal: principal.map(shortened),
            ..Self::of(why)
        }
    }
}

/// Leaves out who it was: a session's name may be a person's.
impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cause")
            .field("why", &self.why)
            .finish_non_exhaustive()
    }
}

/// Why a contact has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// Outlook has shown it so.
    Seen,
    /// A change of Outlook's was merged with an edit that waited.
    Merged,
    /// Both sides had changed the same, and a policy has decided.
    Conflict,
    /// Outlook has answered an edit with more than was asked of it.
    Confirmed,
    /// The API has created it.
    Created,
    /// The API has edited it.
    Edited,
    /// The API has deleted it.
    Deleted,
    /// It was one of many that the API has written.
    Bulk,
    /// The API has given it another photo.
    Photo,
    /// A person has decided a conflict otherwise.
    Settled,
    /// A person has found it to be the same as another.
    Linked,
    /// A person has given up an edit that waited.
    Discarded,
    /// A person has released deletes that the guard had held.
    Released,
    /// A person has refused deletes that the guard had held.
    Refused,
    /// A person has brought back what it was before.
    Restored,
    /// A person has erased it.
    Erased,
    /// A newer version of this software knows.
    #[serde(other)]
    Unknown,
}

/// Who changes contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// Somebody in Outlook.
    Outlook,
    /// Somebody who uses the API.
    Platform,
    /// The sync, between the two.
    Sync,
    /// Nobody has written it down.
    Unknown,
}

impl Why {
    /// Who does such a thing.
    pub fn who(self) -> Who {
        match self {
            Self::Seen => Who::Outlook,
            Self::Merged | Self::Conflict | Self::Confirmed => Who::Sync,
            Self::Created
            | Self::Edited
            | Self::Deleted
            | Self::Bulk
            | Self::Photo
            | Self::Settled
            | Self::Linked
            | Self::Discarded
            | Self::Released
            | Self::Refused
            | Self::Restored
            | Self::Erased => Who::Platform,
            Self::Unknown => Who::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_of_a_newer_version_is_read_as_unknown() {
        let cause: Cause = serde_json::from_str(r#"{"why":"dreamt","by":"somebody"}"#).unwrap();
        assert_eq!(cause, Cause::of(Why::Unknown));
        assert_eq!(cause.why.who(), Who::Unknown);
    }

    #[test]
    fn a_principal_is_not_shown_in_a_log_and_not_kept_beyond_its_measure() {
        let cause = Cause::asked(Why::Edited, Some(&"ada".repeat(200)));
        assert_eq!(cause.principal.as_ref().map(String::len), Some(LONGEST_PRINCIPAL));
        assert!(!format!("{cause:?}").contains("ada"));
    }
}
