//! The resource *contact*: reading the mirror.
//!
//! Knows which question to the store answers which request. It must not know how contacts come into the mirror.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use contact_store::{Contact, Page};
use sync_core::ids::{FolderId, MailboxId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::contact_forms::{ContactForm, ItemForm};
use crate::forms::PageForm;
use crate::problem::{Failure, Kind, Problem};
use crate::read::{ContactsQuery, InContact, InMailbox};

/// A Lambda answers with 6 MB at most, and puts the body into JSON once more, which makes it longer. Contacts with long
/// notes reach this long before they reach the longest page, which is then asked for again at half its length.
const LARGEST_ANSWER: usize = 4_000_000;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(read))
}

/// List a mailbox's contacts
///
/// With `changedSince`, what has changed since, deleted contacts included. Who asks again and again goes back a minute
/// each time, since changes can become visible a moment out of order; `version` tells what has been seen before.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts",
    operation_id = "listContacts", tag = "contacts", params(InMailbox, ContactsQuery),
    responses(
        (status = 200, description = "A page of them", body = PageForm<ItemForm>),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "No such mailbox is enrolled"),
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    query: ContactsQuery,
) -> Result<impl IntoResponse, Failure> {
    let mut limit = usize::from(query.limit);
    let body = loop {
        let page = PageForm::<ItemForm>::from(page(&api, &mailbox, &query, limit).await?);
        // Only an empty list is worth the second read that tells whether there is such a mailbox at all.
        if page.is_empty() && query.cursor.is_none() && api.store.mailbox(&mailbox).await?.is_none() {
            return Err(Kind::MailboxNotFound.into());
        }
        let body = serde_json::to_vec(&page).map_err(Failure::internal)?;
        if body.len() <= LARGEST_ANSWER || limit == 1 {
            break body;
        }
        limit = limit.div_ceil(2);
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], body))
}

async fn page(
    api: &Api,
    mailbox: &MailboxId,
    query: &ContactsQuery,
    limit: usize,
) -> Result<Page<Contact>, Failure> {
    let after = query.cursor.as_deref();
    let folder = query.folder.as_deref().map(FolderId::new);
    Ok(match (query.changed_since, folder) {
        (Some(since), folder) => {
            let mut page = api
                .store
                .contacts_changed_since(mailbox, since, after, limit)
                .await?;
            // No index has both; changes are few, so what the filter throws away was cheap to read.
            page.items
                .retain(|contact| folder.as_ref().is_none_or(|folder| contact.folder == *folder));
            page
        }
        (None, Some(folder)) => {
            api.store
                .contacts_in_folder(mailbox, &folder, after, limit)
                .await?
        }
        (None, None) => api.store.contacts(mailbox, after, limit).await?,
    })
}

/// Read a contact
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}",
    operation_id = "readContact", tag = "contacts", params(InContact),
    responses(
        (status = 200, description = "The contact", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact }: InContact,
) -> Result<impl IntoResponse, Failure> {
    let contact = api
        .store
        .contact(&mailbox, &contact)
        .await?
        .ok_or(Kind::ContactNotFound)?;
    if let Some(at) = contact.deleted_at {
        return Err(Problem::contact_deleted(at).into());
    }
    let tag = format!("\"{}\"", contact.version);
    Ok(([(header::ETAG, tag)], Json(ContactForm::from(contact))))
}
