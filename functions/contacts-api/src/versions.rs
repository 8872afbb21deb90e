//! The resource *version*: what a contact was before.
//!
//! Knows how versions are asked for. It must not know how they come about, nor how one is brought back (`restore.rs`).

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contact_store::Version;
use sync_core::ids::{ContactId, MailboxId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::failure::Failure;
use crate::forms::PageForm;
use crate::history_forms::{VersionForm, VersionOutlineForm};
use crate::paths::{InContact, InVersion};
use crate::problem::Kind;
use crate::queries::PageQuery;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(read))
}

/// List a contact's versions
///
/// What it was before, the newest first. A version is kept for the history's days after it was replaced; the present one is
/// the contact itself.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/versions",
    operation_id = "listVersions", tag = "history", params(InContact, PageQuery),
    responses(
        (status = 200, description = "A page of them", body = PageForm<VersionOutlineForm>),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "There is no such contact, and there was none"),
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact }: InContact,
    query: PageQuery,
) -> Result<Json<PageForm<VersionOutlineForm>>, Failure> {
    let (id, present) = resolved(&api, &mailbox, contact).await?;
    let limit = usize::from(query.limit);
    let page = api
        .store
        .versions(&mailbox, &id, query.cursor.as_deref(), limit)
        .await?;
    if page.items.is_empty() && query.cursor.is_none() && present.is_none() {
        return Err(Kind::ContactNotFound.into());
    }
    Ok(Json(page.into()))
}

/// Read a version of a contact
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/versions/{version}",
    operation_id = "readVersion", tag = "history", params(InVersion),
    responses(
        (status = 200, description = "What the contact was, or is", body = VersionForm),
        (status = 404, description = "There is no such version, or it was replaced too long ago"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InVersion {
        mailbox,
        contact,
        version,
    }: InVersion,
) -> Result<Json<VersionForm>, Failure> {
    let (id, present) = resolved(&api, &mailbox, contact).await?;
    if let Some(present) = present.filter(|present| present.version == version) {
        return Ok(Json(VersionForm::present(present)));
    }
    let version = api.store.version(&mailbox, &id, version).await?;
    Ok(Json(VersionForm::past(version.ok_or(Kind::VersionNotFound)?)))
}

/// The contact's own id, and what it is now.
async fn resolved(
    api: &Api,
    mailbox: &MailboxId,
    asked: ContactId,
) -> Result<(ContactId, Option<Version>), Failure> {
    let contact = api.store.contact(mailbox, &asked).await?;
    let present = contact.map(|contact| Version::of(&contact, api.ambient.now()));
    let id = present.as_ref().map_or(asked, |present| present.contact.clone());
    Ok((id, present))
}
