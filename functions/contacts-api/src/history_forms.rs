//! The forms of a contact's history in answers.
//!
//! Knows how versions, and the reasons for them, are shown. It must not decide anything.

use contact_store::{Cause, Version, Who, Why};
use jiff::Timestamp;
use serde::Serialize;
use sync_core::record::Side;
use sync_core::sighting::Document;
use utoipa::ToSchema;

use crate::contact_forms::OutlookContact;

/// Who made a version of a contact, and why.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Cause)]
pub(crate) struct CauseForm {
    /// Who.
    who: WhoName,
    /// Why.
    why: WhyName,
    /// The ARN of the IAM principal that asked for it; absent where nobody did, or his name has not come along.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    principal: Option<String>,
    /// With `restored`: the version that was brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    restored: Option<u64>,
}

/// Who changes contacts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Who)]
enum WhoName {
    /// Somebody in Outlook.
    Outlook,
    /// Somebody who uses the API.
    Platform,
    /// The sync, between the two.
    Sync,
}

/// Why a contact has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Why)]
enum WhyName {
    /// Outlook has shown it so.
    Seen,
    /// A change of Outlook's was merged with an edit that waited.
    Merged,
    /// Both sides had changed the same, and a policy has decided: the conflict log has it.
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
    /// A person has released deletes that the delete guard had held.
    Released,
    /// A person has refused deletes that the delete guard had held.
    Refused,
    /// A person has brought back what it was before.
    Restored,
    /// A person has erased it.
    Erased,
    /// Nobody has written it down.
    Unknown,
}

impl From<Why> for WhyName {
    fn from(why: Why) -> Self {
        match why {
            Why::Seen => Self::Seen,
            Why::Merged => Self::Merged,
            Why::Conflict => Self::Conflict,
            Why::Confirmed => Self::Confirmed,
            Why::Created => Self::Created,
            Why::Edited => Self::Edited,
            Why::Deleted => Self::Deleted,
            Why::Bulk => Self::Bulk,
            Why::Photo => Self::Photo,
            Why::Settled => Self::Settled,
            Why::Linked => Self::Linked,
            Why::Discarded => Self::Discarded,
            Why::Released => Self::Released,
            Why::Refused => Self::Refused,
            Why::Restored => Self::Restored,
            Why::Erased => Self::Erased,
            Why::Unknown => Self::Unknown,
        }
    }
}

impl CauseForm {
    /// Of what is stored. Before reasons were written down, it was known which side it was.
    pub(crate) fn of(cause: Option<&Cause>, changed_by: Side) -> Self {
        let why = cause.map_or(Why::Unknown, |cause| cause.why);
        let who = match (why.who(), changed_by) {
            (Who::Outlook, _) | (Who::Unknown, Side::Outlook) => WhoName::Outlook,
            (Who::Platform, _) | (Who::Unknown, Side::Platform) => WhoName::Platform,
            (Who::Sync, _) => WhoName::Sync,
        };
        Self {
            who,
            why: why.into(),
            principal: cause.and_then(|cause| cause.principal.clone()),
            restored: cause.and_then(|cause| cause.restored),
        }
    }

    /// For people.
    pub(crate) fn words(&self) -> String {
        let who = match self.who {
            WhoName::Outlook => "somebody in Outlook",
            WhoName::Platform => "the platform",
            WhoName::Sync => "the sync",
        };
        let why = match self.why {
            WhyName::Seen => "seen there",
            WhyName::Merged => "both sides had changed something, and it was merged",
            WhyName::Conflict => "both sides had changed the same, and a policy has decided",
            WhyName::Confirmed => "Outlook has added something to what it was sent",
            WhyName::Created => "created through the API",
            WhyName::Edited => "edited through the API",
            WhyName::Deleted => "deleted through the API",
            WhyName::Bulk => "written with many others",
            WhyName::Photo => "given another photo",
            WhyName::Settled => "a conflict was decided otherwise",
            WhyName::Linked => "found to be the same as another contact",
            WhyName::Discarded => "an edit that waited was given up",
            WhyName::Released => "held deletes were released",
            WhyName::Refused => "held deletes were refused",
            WhyName::Restored => "brought back as it was",
            WhyName::Erased => "erased",
            WhyName::Unknown => "nobody has written down why",
        };
        format!("{who}, {why}")
    }
}

/// What a contact was for a while, without its members.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = VersionOutline)]
pub(crate) struct VersionOutlineForm {
    /// The version.
    version: u64,
    /// From when.
    since: Timestamp,
    /// Until when; absent for the present version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    until: Option<Timestamp>,
    /// True where it was deleted.
    deleted: bool,
    /// The folder in which it lay.
    folder: String,
    /// Who made it so, and why.
    cause: CauseForm,
    /// Members that were too large to be kept; `*` stands for all of them, or for more than could be named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    omitted: Vec<String>,
}

impl From<Version> for VersionOutlineForm {
    fn from(of: Version) -> Self {
        Self {
            cause: CauseForm::of(of.cause.as_ref(), of.changed_by),
            version: of.version,
            since: of.since,
            until: Some(of.until),
            deleted: of.deleted,
            folder: of.folder.to_string(),
            omitted: of.omitted,
        }
    }
}

/// What a contact was for a while.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Version)]
pub(crate) struct VersionForm {
    #[serde(flatten)]
    outline: VersionOutlineForm,
    /// The SHA-256 of the photo that it had; the photo itself is not kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    photo: Option<String>,
    /// All its members; none where it was deleted.
    #[schema(value_type = OutlookContact)]
    contact: Document,
}

impl VersionForm {
    /// Of a version that was replaced.
    pub(crate) fn past(mut of: Version) -> Self {
        Self {
            contact: std::mem::take(&mut of.members),
            photo: of.photo.take().map(|photo| photo.hash.into()),
            outline: of.into(),
        }
    }

    /// Of the present version.
    pub(crate) fn present(of: Version) -> Self {
        let mut form = Self::past(of);
        form.outline.until = None;
        form
    }
}
