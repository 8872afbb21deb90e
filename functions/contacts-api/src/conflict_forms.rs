//! The forms of conflicts in answers.
//!
//! Knows how what is stored is shown. It must not decide anything.

use contact_store::{Conflict, Settlement};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use sync_core::merge::{Clash, Winner};
use sync_core::record::Side;
use sync_core::sighting::Document;
use utoipa::ToSchema;

use crate::contact_forms::OutlookContact;
use crate::policy::ConflictPolicyName;

/// A conflict that was decided, without the three versions of the contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConflictOutline)]
pub(crate) struct ConflictOutlineForm {
    /// The conflict's id.
    #[schema(pattern = "^cfl_[0-9]{13}_[a-z2-7]{26}$")]
    id: String,
    /// The mailbox's id.
    #[schema(pattern = "^mbx_[a-z2-7]{26}$")]
    mailbox: String,
    /// The contact's id.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    contact: String,
    /// When it was decided.
    at: Timestamp,
    /// The version of the contact that the decision made.
    version: u64,
    /// By which policy.
    policy: ConflictPolicyName,
    /// Member by member.
    clashes: Vec<ClashForm>,
    /// What was too large to be kept: `documents` for the three versions, and the names of members.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    omitted: Vec<String>,
    /// What a person has made of it; absent where nobody has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    settled: Option<SettledForm>,
}

/// A conflict that was decided.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Conflict)]
pub(crate) struct ConflictForm {
    #[serde(flatten)]
    outline: ConflictOutlineForm,
    /// The contact as both sides last agreed on it; absent where they never had.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OutlookContact>, nullable = false)]
    base: Option<Document>,
    /// The contact as the platform had it; absent where the platform had deleted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OutlookContact>, nullable = false)]
    platform: Option<Document>,
    /// The contact as Outlook had it; absent where Outlook had deleted it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<OutlookContact>, nullable = false)]
    outlook: Option<Document>,
}

/// One member that both sides had changed.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Clash)]
struct ClashForm {
    /// Its name. `folder` stands for the contact's folder, and `(deleted)` for its being there: its values are then the
    /// whole contact, or nothing.
    member: String,
    /// What both last agreed on; absent for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    base: Option<Value>,
    /// What the platform had; absent for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    platform: Option<Value>,
    /// What Outlook had; absent for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    outlook: Option<Value>,
    /// Who got his way.
    winner: WinnerName,
    /// What the contact has had since; absent for nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    kept: Option<Value>,
}

/// Who got his way.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Winner)]
enum WinnerName {
    /// Outlook.
    Outlook,
    /// The platform.
    Platform,
    /// Neither alone: the deployment's own policy has answered.
    Custom,
}

/// What a person has made of a conflict.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Settled)]
struct SettledForm {
    /// When.
    at: Timestamp,
    /// Whose values were taken.
    took: TookName,
}

/// Whose values a person has taken.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Took)]
enum TookName {
    /// What Outlook had.
    Outlook,
    /// What the platform had.
    Platform,
    /// Values of their own.
    Values,
}

impl From<Clash> for ClashForm {
    fn from(of: Clash) -> Self {
        Self {
            member: of.member,
            base: of.base,
            platform: of.ours,
            outlook: of.theirs,
            winner: match of.winner {
                Winner::Outlook => WinnerName::Outlook,
                Winner::Platform => WinnerName::Platform,
                Winner::Custom => WinnerName::Custom,
            },
            kept: of.kept,
        }
    }
}

impl From<Settlement> for TookName {
    fn from(of: Settlement) -> Self {
        match of {
            Settlement::Side(Side::Outlook) => Self::Outlook,
            Settlement::Side(Side::Platform) => Self::Platform,
            Settlement::Values => Self::Values,
        }
    }
}

impl From<Conflict> for ConflictOutlineForm {
    fn from(of: Conflict) -> Self {
        Self {
            id: of.id.into(),
            mailbox: of.mailbox.into(),
            contact: of.contact.into(),
            at: of.at,
            version: of.version,
            policy: of.policy.into(),
            clashes: of.clashes.into_iter().map(Into::into).collect(),
            omitted: of.omitted,
            settled: of.settled.map(|settled| SettledForm {
                at: settled.at,
                took: settled.by.into(),
            }),
        }
    }
}

impl From<Conflict> for ConflictForm {
    fn from(mut of: Conflict) -> Self {
        Self {
            base: of.base.take(),
            platform: of.ours.take(),
            outlook: of.theirs.take(),
            outline: of.into(),
        }
    }
}
