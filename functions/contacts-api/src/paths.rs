//! Ids in paths.
//!
//! What can't be an id names nothing: 404. It must not look anything up.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use sync_core::ids::{ConflictId, ContactId, MailboxId};
use utoipa::IntoParams;

use crate::problem::{Kind, Problem};

/// A mailbox in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InMailbox {
    /// The mailbox's id.
    #[param(value_type = String, pattern = "^mbx_[a-z2-7]{26}$")]
    pub(crate) mailbox: MailboxId,
}

impl<S: Send + Sync> FromRequestParts<S> for InMailbox {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let mailbox = in_path(parts, state, "mailbox", Kind::MailboxNotFound).await?;
        Ok(Self { mailbox })
    }
}

/// A contact in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InContact {
    /// The mailbox's id.
    #[param(value_type = String, pattern = "^mbx_[a-z2-7]{26}$")]
    pub(crate) mailbox: MailboxId,
    /// The contact's id.
    #[param(value_type = String, pattern = "^con_[a-z2-7]{26}$")]
    pub(crate) contact: ContactId,
}

impl<S: Send + Sync> FromRequestParts<S> for InContact {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InMailbox { mailbox } = InMailbox::from_request_parts(parts, state).await?;
        let contact = in_path(parts, state, "contact", Kind::ContactNotFound).await?;
        Ok(Self { mailbox, contact })
    }
}

/// A version of a contact in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InVersion {
    /// The mailbox's id.
    #[param(value_type = String, pattern = "^mbx_[a-z2-7]{26}$")]
    pub(crate) mailbox: MailboxId,
    /// The contact's id.
    #[param(value_type = String, pattern = "^con_[a-z2-7]{26}$")]
    pub(crate) contact: ContactId,
    /// The version.
    #[param(value_type = u64, minimum = 1)]
    pub(crate) version: u64,
}

impl<S: Send + Sync> FromRequestParts<S> for InVersion {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InContact { mailbox, contact } = InContact::from_request_parts(parts, state).await?;
        let version = in_path(parts, state, "version", Kind::VersionNotFound).await?;
        Ok(Self {
            mailbox,
            contact,
            version,
        })
    }
}

/// A conflict in a path.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct InConflict {
    /// The mailbox's id.
    #[param(value_type = String, pattern = "^mbx_[a-z2-7]{26}$")]
    pub(crate) mailbox: MailboxId,
    /// The conflict's id.
    #[param(value_type = String, pattern = "^cfl_[0-9]{13}_[a-z2-7]{26}$")]
    pub(crate) conflict: ConflictId,
}

impl<S: Send + Sync> FromRequestParts<S> for InConflict {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let InMailbox { mailbox } = InMailbox::from_request_parts(parts, state).await?;
        let conflict = in_path(parts, state, "conflict", Kind::ConflictNotFound).await?;
        Ok(Self { mailbox, conflict })
    }
}

async fn in_path<S: Send + Sync, T: FromStr>(
    parts: &mut Parts,
    state: &S,
    name: &str,
    otherwise: Kind,
) -> Result<T, Problem> {
    let values = RawPathParams::from_request_parts(parts, state).await.ok();
    let value = values
        .as_ref()
        .and_then(|values| values.iter().find(|(key, _)| *key == name));
    value
        .and_then(|(_, text)| text.parse().ok())
        .ok_or_else(|| Problem::new(otherwise))
}
