//! A mailbox's policies: who gets his way where both sides have changed the same.
//!
//! Knows their names, and how they are set. What they mean is `sync-core`'s; the worker goes by them from its next run
//! on, so nobody has to be told.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contact_store::{ConflictPolicy, StoreError};
use serde::Serialize;
use serde_json::{Map, Value};
use sync_core::record::DeletionPolicy;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::failure::Failure;
use crate::forms::MailboxForm;
use crate::mailboxes::ATTEMPTS;
use crate::paths::InMailbox;
use crate::problem::{Kind, Problem};
use crate::read::{Members, Patch};

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(change))
}

/// Who gets his way where both sides have changed the same member of a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ConflictPolicy)]
pub(crate) enum ConflictPolicyName {
    /// The later one; in the same second, Outlook.
    LastWriteWins,
    /// Outlook.
    OutlookWins,
    /// The platform.
    PlatformWins,
    /// The deployment's own function is asked.
    Custom,
}

impl From<ConflictPolicy> for ConflictPolicyName {
    fn from(policy: ConflictPolicy) -> Self {
        match policy {
            ConflictPolicy::LastWriteWins => Self::LastWriteWins,
            ConflictPolicy::OutlookWins => Self::OutlookWins,
            ConflictPolicy::PlatformWins => Self::PlatformWins,
            ConflictPolicy::Custom => Self::Custom,
        }
    }
}

/// Who gets his way where one side has deleted what the other has edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DeletionPolicy)]
pub(crate) enum DeletionPolicyName {
    /// The edit: the contact lives.
    EditWins,
    /// The delete; the edit is kept in the conflict log.
    DeleteWins,
    /// Whoever would win a conflict over a member.
    ByPolicy,
}

impl From<DeletionPolicy> for DeletionPolicyName {
    fn from(policy: DeletionPolicy) -> Self {
        match policy {
            DeletionPolicy::EditWins => Self::EditWins,
            DeletionPolicy::DeleteWins => Self::DeleteWins,
            DeletionPolicy::ByPolicy => Self::ByPolicy,
        }
    }
}

/// What of a mailbox can be changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = MailboxPatch)]
struct PatchForm {
    /// Null: as the deployment says.
    #[schema(required = false)]
    conflict_policy: Option<ConflictPolicyName>,
    /// Null: as the deployment says.
    #[schema(required = false)]
    deletion_policy: Option<DeletionPolicyName>,
}

/// The changes: absent, null or a value each.
#[derive(Clone, Copy)]
#[expect(clippy::option_option, reason = "absent and null differ")]
struct Wanted {
    conflict: Option<Option<ConflictPolicy>>,
    deletion: Option<Option<DeletionPolicy>>,
}

impl Wanted {
    fn read(patch: Map<String, Value>) -> Result<Self, Problem> {
        let mut errors = Vec::new();
        let mut members = Members::new(patch, "", &mut errors);
        let wanted = Self {
            conflict: members.nullable_text("conflictPolicy", conflict),
            deletion: members.nullable_text("deletionPolicy", deletion),
        };
        members.finish();
        if errors.is_empty() {
            Ok(wanted)
        } else {
            Err(Problem::invalid(errors))
        }
    }
}

fn conflict(text: &str) -> Result<ConflictPolicy, &'static str> {
    match text {
        "lastWriteWins" => Ok(ConflictPolicy::LastWriteWins),
        "outlookWins" => Ok(ConflictPolicy::OutlookWins),
        "platformWins" => Ok(ConflictPolicy::PlatformWins),
        "custom" => Ok(ConflictPolicy::Custom),
        _ => Err("must be lastWriteWins, outlookWins, platformWins, custom or null"),
    }
}

fn deletion(text: &str) -> Result<DeletionPolicy, &'static str> {
    match text {
        "editWins" => Ok(DeletionPolicy::EditWins),
        "deleteWins" => Ok(DeletionPolicy::DeleteWins),
        "byPolicy" => Ok(DeletionPolicy::ByPolicy),
        _ => Err("must be editWins, deleteWins, byPolicy or null"),
    }
}

/// Change a mailbox's policies
///
/// A JSON Merge Patch (RFC 7396): what is left out stays, null stands for what the deployment says. Conflicts that were
/// decided before stay as they were decided.
#[utoipa::path(
    patch, path = "/v1/mailboxes/{mailbox}",
    operation_id = "changeMailbox", tag = "mailboxes", params(InMailbox),
    request_body(content = PatchForm, content_type = "application/merge-patch+json"),
    responses(
        (status = 200, description = "The mailbox as it is now", body = MailboxForm),
        (status = 400, description = "Not valid"),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body has another media type"),
    )
)]
async fn change(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox: id }: InMailbox,
    Patch(patch): Patch,
) -> Result<Json<MailboxForm>, Failure> {
    let wanted = Wanted::read(patch)?;
    let mut lost = Failure::from(Kind::TryAgain);
    for _ in 0..ATTEMPTS {
        let mut mailbox = api.store.mailbox(&id).await?.ok_or(Kind::MailboxNotFound)?;
        let before = (mailbox.policy, mailbox.deletion);
        mailbox.policy = wanted.conflict.unwrap_or(mailbox.policy);
        mailbox.deletion = wanted.deletion.unwrap_or(mailbox.deletion);
        if before == (mailbox.policy, mailbox.deletion) {
            return Ok(Json(mailbox.into()));
        }
        mailbox.updated_at = api.ambient.now();
        match api.store.save_mailbox(&mut mailbox).await {
            Ok(()) => return Ok(Json(mailbox.into())),
            Err(error @ StoreError::Conflict { .. }) => lost = error.into(),
            Err(error) => return Err(error.into()),
        }
    }
    Err(lost)
}
