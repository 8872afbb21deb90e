//! The resource *contact*: creating, replacing, patching and deleting.
//!
//! Knows which status answers which request. What becomes of the record is `edit.rs`, what is valid is `asked.rs` and
//! `valid.rs`, how it is written is `write.rs`.

use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use contact_store::{Contact, Why};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::asked::{Asked, AskedForm};
use crate::bulk::{BulkAnswerForm, Item, LONGEST_BODY, upsert};
use crate::caller::Caller;
use crate::cards::Incoming;
use crate::contact_forms::{ContactForm, TombstoneForm};
use crate::edit;
use crate::failure::Failure;
use crate::paths::{InContact, InMailbox};
use crate::precondition::{ChangeHeaders, CreateHeaders, tag};
use crate::read::{Body, Patch};
use crate::write::{
    Change, Decision, Known, Request, at_once, carry_out, created, living, new_id, place, replaced,
};

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .merge(
            OpenApiRouter::default()
                .routes(routes!(create))
                .layer(DefaultBodyLimit::max(LONGEST_BODY)),
        )
        .routes(routes!(replace, patch, delete))
}

/// Describes the answer to a creation that was carried out before, or to many.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what two places answer")]
enum ContactOrBulk {
    /// One contact.
    Contact(Box<ContactForm>),
    /// Of several cards.
    Bulk(BulkAnswerForm),
}

/// Create a contact
///
/// The mirror has it at once, Outlook within seconds: `sync` tells. With an `externalId` or an `Idempotency-Key` the
/// request may be repeated and creates one contact; a deleted contact comes back under its external id.
///
/// vCards and `JSContact` cards are imported, up to 500 at once. For several of them the answer is that of a bulk.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts",
    operation_id = "createContact", tag = "contacts", params(InMailbox, CreateHeaders),
    request_body(content(
        (AskedForm = "application/json"),
        (String = "text/vcard"),
        (Value = "application/jscontact+json"),
    )),
    responses(
        (status = 201, description = "Created", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"), ("Location", description = "The contact's path"))),
        (status = 200, description = "Was created by this request before: the contact as it is now. Of several cards: an answer for each",
            body = ContactOrBulk,
            headers(("ETag", description = "The contact's version, in quotes"), ("Location", description = "The contact's path"))),
        (status = 400, description = "Not valid"),
        (status = 404, description = "No such mailbox is enrolled; or the request was carried out before, and the contact deleted since"),
        (status = 409, description = "The external id is another contact's, the folders are not known yet, or the mailbox is being removed"),
        (status = 413, description = "The body or the contact is too large"),
        (status = 415, description = "The body has another media type"),
        (status = 422, description = "The key came before with another request"),
    )
)]
async fn create(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    CreateHeaders { key }: CreateHeaders,
    caller: Caller,
    incoming: Incoming,
) -> Result<Response, Failure> {
    let mut errors = Vec::new();
    let (request, asked) = match incoming {
        Incoming::Ours(body) => {
            let request = Request::of(key.as_deref(), &Value::Object(body.clone()));
            (request, Asked::read(body, &mut errors))
        }
        Incoming::Cards(mut cards) => match (cards.pop(), cards.is_empty()) {
            (Some(card), true) => {
                let request = Request::of(key.as_deref(), &Value::Object(card.clone()));
                (request, Asked::of(card))
            }
            (last, _) => {
                let cards = cards.into_iter().chain(last).enumerate();
                let items = cards.map(|(index, card)| Item::imported(card, format!("/{index}")));
                let answers = upsert(
                    &api,
                    &mailbox,
                    items.collect(),
                    key.as_deref(),
                    &caller.asks(Why::Bulk),
                )
                .await?;
                return Ok(Json(answers).into_response());
            }
        },
    };
    let place = place(&api, &mailbox).await?;
    let external = asked.external_id.clone();
    let wanted = asked.wanted(None, &place.folders, "", &mut errors)?;
    let id = new_id(&api, &mailbox, external.as_deref(), key.as_deref());
    let on = at_once(&api);
    let (change, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Created),
        |present| created(&mailbox, &id, present, wanted.clone(), &request, on),
    )
    .await?;
    let status = match change {
        Change::Created => StatusCode::CREATED,
        Change::Nothing | Change::Changed => StatusCode::OK,
    };
    let location = format!("/v1/mailboxes/{mailbox}/contacts/{}", contact.id);
    Ok((status, [(header::LOCATION, location)], answer(contact)).into_response())
}

/// Replace a contact
///
/// `contact` becomes what is sent: members that are left out are cleared. The folder and the external id stay if they
/// are left out. What Outlook makes by itself, and what only it knows, stays.
#[utoipa::path(
    put, path = "/v1/mailboxes/{mailbox}/contacts/{contact}",
    operation_id = "replaceContact", tag = "contacts", params(InContact, ChangeHeaders),
    request_body = AskedForm,
    responses(
        (status = 200, description = "The contact as it is now", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 400, description = "Not valid"),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
        (status = 409, description = "The external id is another contact's, the folders are not known yet, or the mailbox is being removed"),
        (status = 412, description = "The contact has another version"),
        (status = 413, description = "The body or the contact is too large"),
        (status = 415, description = "The body has another media type"),
        (status = 428, description = "If-Match is required"),
    )
)]
async fn replace(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
    ChangeHeaders { if_match }: ChangeHeaders,
    Body(body): Body,
) -> Result<impl IntoResponse, Failure> {
    let place = place(&api, &mailbox).await?;
    let on = at_once(&api);
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Edited),
        |present| {
            let present = living(present)?;
            if_match.check(present.version)?;
            let mut errors = Vec::new();
            let asked = Asked::read(body.clone(), &mut errors).in_place_of(present);
            let wanted = asked.wanted(Some(present), &place.folders, "", &mut errors)?;
            Ok(replaced(present, wanted, on))
        },
    )
    .await?;
    Ok(answer(contact))
}

/// Change some of a contact
///
/// A JSON Merge Patch (RFC 7396) of `folder`, `externalId` and `contact`: what is left out stays, null clears a member,
/// a list is replaced as a whole.
#[utoipa::path(
    patch, path = "/v1/mailboxes/{mailbox}/contacts/{contact}",
    operation_id = "patchContact", tag = "contacts", params(InContact, ChangeHeaders),
    request_body(content = Object, content_type = "application/merge-patch+json",
        description = "Any part of a `NewContact`"),
    responses(
        (status = 200, description = "The contact as it is now", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 400, description = "Not valid"),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
        (status = 409, description = "The external id is another contact's, the folders are not known yet, or the mailbox is being removed"),
        (status = 412, description = "The contact has another version"),
        (status = 413, description = "The body or the contact is too large"),
        (status = 415, description = "The body has another media type"),
        (status = 428, description = "If-Match is required"),
    )
)]
async fn patch(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
    ChangeHeaders { if_match }: ChangeHeaders,
    Patch(patch): Patch,
) -> Result<impl IntoResponse, Failure> {
    let place = place(&api, &mailbox).await?;
    let on = at_once(&api);
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Edited),
        |present| {
            let present = living(present)?;
            if_match.check(present.version)?;
            let mut errors = Vec::new();
            let asked = Asked::patched(present, patch.clone(), &mut errors);
            let wanted = asked.wanted(Some(present), &place.folders, "", &mut errors)?;
            Ok(replaced(present, wanted, on))
        },
    )
    .await?;
    Ok(answer(contact))
}

/// Delete a contact
///
/// It is gone here at once, and within seconds in Outlook, where it lies among the deleted items. If somebody has
/// changed it in Outlook meanwhile, the deletion policy says who gets his way.
#[utoipa::path(
    delete, path = "/v1/mailboxes/{mailbox}/contacts/{contact}",
    operation_id = "deleteContact", tag = "contacts", params(InContact, ChangeHeaders),
    responses(
        (status = 200, description = "Deleted; what is left of it", body = TombstoneForm),
        (status = 400, description = "If-Match is not valid"),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
        (status = 409, description = "The mailbox is being removed"),
        (status = 412, description = "The contact has another version"),
        (status = 428, description = "If-Match is required"),
    )
)]
async fn delete(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
    ChangeHeaders { if_match }: ChangeHeaders,
) -> Result<Json<TombstoneForm>, Failure> {
    place(&api, &mailbox).await?;
    let on = at_once(&api);
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Deleted),
        |present| {
            let present = living(present)?;
            if_match.check(present.version)?;
            let gone = edit::delete(present, on);
            Ok(Decision::Write(Change::Changed, Box::new(gone), Vec::new()))
        },
    )
    .await?;
    Ok(Json(TombstoneForm::of(contact, on.now)))
}

/// A contact with its version as the `ETag`.
pub(crate) fn answer(contact: Contact) -> impl IntoResponse {
    (
        [(header::ETAG, tag(contact.version))],
        Json(ContactForm::from(contact)),
    )
}
