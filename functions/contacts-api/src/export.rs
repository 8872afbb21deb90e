//! The resource *export*: all contacts of a mailbox, in forms that can be imported again as they are, here or elsewhere.
//!
//! Knows what belongs to a contact wherever it is: its members and the caller's id of it. Ids, folders, versions and what
//! waits for Outlook belong to this mailbox, and photos are read one by one. It must not know how cards are written.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{AppendHeaders, IntoResponse};
use contact_store::{Contact, Page};
use serde::Serialize;
use sync_core::members::{Kind as MemberKind, kind};
use sync_core::sighting::Document;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::cards::{Form, cards};
use crate::contact_forms::OutlookContact;
use crate::contacts::{link, paged};
use crate::edit::shown;
use crate::failure::Failure;
use crate::paths::InMailbox;
use crate::queries::PageQuery;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(export))
}

/// A page of an export: a body of `contacts:bulk`.
#[derive(Serialize, ToSchema)]
#[schema(as = Export)]
struct ExportForm {
    /// The contacts.
    items: Vec<ExportItemForm>,
}

/// A contact wherever it may be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ExportItem)]
struct ExportItemForm {
    /// The caller's own id of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    external_id: Option<String>,
    /// All its members but those that Outlook makes of others.
    #[schema(value_type = OutlookContact)]
    contact: Document,
}

impl From<&Contact> for ExportItemForm {
    fn from(of: &Contact) -> Self {
        let mut contact = shown(of);
        contact.retain(|name, _| kind(name) != MemberKind::Derived);
        Self {
            external_id: of.external_id.clone(),
            contact,
        }
    }
}

/// Export a mailbox's contacts
///
/// The first page, and in `Link` where the next one is, until there is none. Each page can be imported as it is: cards by
/// `POST` to `contacts`, JSON by `POST` to `contacts:bulk`. A page may have no contact, and yet a next one. Folders and
/// photos are not in it, and external ids only in JSON.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/export",
    operation_id = "exportContacts", tag = "contacts", params(InMailbox, PageQuery),
    responses(
        (status = 200, description = "A page of them",
            content(
                (ExportForm = "application/json"),
                (String = "text/vcard"),
                (Vec<Value> = "application/jscontact+json"),
            ),
            headers(
                ("Link", description = "The next page, as in `<path>; rel=\"next\"`"),
                ("Content-Disposition", description = "A name for the file"),
            )),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 406, description = "There is no such representation"),
    )
)]
async fn export(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    query: PageQuery,
    form: Form,
    uri: Uri,
) -> Result<impl IntoResponse, Failure> {
    let (next, body) = paged(&api, &mailbox, &query.into(), |page| exported(&page, form)).await?;
    let next = next.map(|cursor| (header::LINK, link(&uri, &cursor)));
    let file = format!("attachment; filename=\"{mailbox}.{}\"", form.ending());
    let head = [
        (header::CONTENT_TYPE, form.media_type().to_owned()),
        (header::CONTENT_DISPOSITION, file),
        (header::VARY, "accept".to_owned()),
    ];
    Ok((head, AppendHeaders(next), body))
}

fn exported(page: &Page<Contact>, form: Form) -> Result<Vec<u8>, Failure> {
    if form != Form::Json {
        return cards(&page.items, form);
    }
    let items = page.items.iter().map(Into::into).collect();
    serde_json::to_vec(&ExportForm { items }).map_err(Failure::internal)
}
