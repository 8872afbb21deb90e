//! The resource *contact*: reading the mirror.
//!
//! Knows which question to the store answers which request. It must not know how contacts come into the mirror.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{Uri, header};
use axum::response::{AppendHeaders, IntoResponse};
use contact_store::{Contact, Page};
use sync_core::ids::{FolderId, MailboxId};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::cards::{Form, cards, jscontact, vcard};
use crate::contact_forms::{ContactForm, ItemForm, SyncState};
use crate::failure::Failure;
use crate::forms::{LARGEST_ANSWER, PageForm};
use crate::paths::{InContact, InMailbox};
use crate::precondition::tag;
use crate::problem::{Kind, Problem};
use crate::queries::{ContactsQuery, Unsettled};

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
        (status = 200, description = "A page of them. As cards: without tombstones, and with the path of the next page in `Link`",
            content(
                (PageForm<ItemForm> = "application/json"),
                (String = "text/vcard"),
                (Vec<Value> = "application/jscontact+json"),
            ),
            headers(("Link", description = "Of cards: the next page, as in `<path>; rel=\"next\"`"))),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 406, description = "There is no such representation"),
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    query: ContactsQuery,
    form: Form,
    uri: Uri,
) -> Result<impl IntoResponse, Failure> {
    let (next, body) = paged(&api, &mailbox, &query, |page| listed(page, form)).await?;
    // In our own form, the page says itself what is next.
    let next = next.filter(|_| form != Form::Json);
    let next = next.map(|cursor| (header::LINK, link(&uri, &cursor)));
    let head = [
        (header::CONTENT_TYPE, form.media_type()),
        (header::VARY, "accept"),
    ];
    Ok((head, AppendHeaders(next), body))
}

/// The cursor of the next page, and a body that an answer has room for: a page that is too long is read again at half its
/// length.
pub(crate) async fn paged(
    api: &Api,
    mailbox: &MailboxId,
    query: &ContactsQuery,
    body: impl Fn(Page<Contact>) -> Result<Vec<u8>, Failure>,
) -> Result<(Option<String>, Vec<u8>), Failure> {
    let mut limit = usize::from(query.limit);
    loop {
        let page = page(api, mailbox, query, limit).await?;
        // Only an empty list is worth the second read that tells whether there is such a mailbox at all.
        if page.items.is_empty() && query.cursor.is_none() && api.store.mailbox(mailbox).await?.is_none() {
            return Err(Kind::MailboxNotFound.into());
        }
        let next = page.next.clone();
        let body = body(page)?;
        if body.len() <= LARGEST_ANSWER || limit == 1 {
            return Ok((next, body));
        }
        limit = limit.div_ceil(2);
    }
}

/// A page as a body in this form.
fn listed(page: Page<Contact>, form: Form) -> Result<Vec<u8>, Failure> {
    if form != Form::Json {
        return cards(
            page.items.iter().filter(|contact| contact.deleted_at.is_none()),
            form,
        );
    }
    serde_json::to_vec(&PageForm::<ItemForm>::from(page)).map_err(Failure::internal)
}

/// Where the next page is: the same question with another cursor.
pub(crate) fn link(uri: &Uri, cursor: &str) -> String {
    let cursor = format!("cursor={cursor}");
    let pairs = uri.query().unwrap_or_default().split('&');
    let pairs = pairs.filter(|pair| !pair.is_empty() && !pair.starts_with("cursor="));
    let query: Vec<_> = pairs.chain([cursor.as_str()]).collect();
    format!("<{}?{}>; rel=\"next\"", uri.path(), query.join("&"))
}

async fn page(
    api: &Api,
    mailbox: &MailboxId,
    query: &ContactsQuery,
    limit: usize,
) -> Result<Page<Contact>, Failure> {
    let after = query.cursor.as_deref();
    let folder = query.folder.as_deref().map(FolderId::new);
    if let Some(email) = &query.email {
        return Ok(one_page(
            api.store.contacts_by_email(mailbox, email, limit).await?,
        ));
    }
    if let Some(external) = &query.external_id {
        let found = api.store.contact_by_external_id(mailbox, external).await?;
        let living = found.filter(|contact| contact.deleted_at.is_none());
        return Ok(one_page(living.into_iter().collect()));
    }
    if let Some(how) = query.sync {
        return unsettled(api, mailbox, how, after, limit).await;
    }
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

fn one_page(items: Vec<Contact>) -> Page<Contact> {
    Page {
        items,
        next: None,
        unreadable: 0,
    }
}

/// A page of contacts that Outlook does not have as they are here. The index that names them lags behind by a moment,
/// so what each of them says itself decides.
async fn unsettled(
    api: &Api,
    mailbox: &MailboxId,
    how: Unsettled,
    after: Option<&str>,
    limit: usize,
) -> Result<Page<Contact>, Failure> {
    let (rows, wanted) = match how {
        Unsettled::Pending => (
            api.store.pending(mailbox, after, limit).await?,
            SyncState::Pending,
        ),
        Unsettled::Refused => (api.store.held(mailbox, after, limit).await?, SyncState::Refused),
        Unsettled::Review => (api.store.held(mailbox, after, limit).await?, SyncState::Review),
        Unsettled::Guarded => (api.store.held(mailbox, after, limit).await?, SyncState::Guarded),
    };
    let ids: Vec<_> = rows.items.iter().map(|row| row.id.clone()).collect();
    let mut found = api.store.contacts_by_id(mailbox, &ids).await?;
    let items = ids.iter().filter_map(|id| found.contacts.remove(id));
    Ok(Page {
        items: items.filter(|contact| SyncState::of(contact) == wanted).collect(),
        next: rows.next,
        unreadable: rows.unreadable + found.unreadable.len() as u64,
    })
}

/// Read a contact
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}",
    operation_id = "readContact", tag = "contacts", params(InContact),
    responses(
        (status = 200, description = "The contact",
            content(
                (ContactForm = "application/json"),
                (String = "text/vcard"),
                (Value = "application/jscontact+json"),
            ),
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
        (status = 406, description = "There is no such representation"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact }: InContact,
    form: Form,
) -> Result<impl IntoResponse, Failure> {
    let contact = api
        .store
        .contact(&mailbox, &contact)
        .await?
        .ok_or(Kind::ContactNotFound)?;
    if let Some(at) = contact.deleted_at {
        return Err(Problem::contact_deleted(at).into());
    }
    let head = [
        (header::CONTENT_TYPE, form.media_type().to_owned()),
        (header::ETAG, tag(contact.version)),
        (header::VARY, "accept".to_owned()),
    ];
    let body = match form {
        Form::Json => serde_json::to_vec(&ContactForm::from(contact)),
        Form::VCard => Ok(vcard(&contact).into_bytes()),
        Form::JsContact => serde_json::to_vec(&jscontact(&contact)),
    };
    Ok((head, body.map_err(Failure::internal)?))
}
