//! What a person does about a contact that waits for one: a refused edit, or a contact that may be another.
//!
//! Knows which request answers which kind of waiting. What becomes of the record is `edit.rs` and `link.rs`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use contact_store::{Companion, Contact, Why};
use serde::Serialize;
use sync_core::ids::ContactId;
use sync_core::record::{Edit, Hold, Wish};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::Caller;
use crate::contact_forms::{ContactForm, ItemForm};
use crate::contact_writes::answer;
use crate::edit;
use crate::failure::Failure;
use crate::guarded::{is_elsewhere, refused};
use crate::link::{link, objection};
use crate::paths::InContact;
use crate::photo_edit;
use crate::problem::{FieldError, Kind, Problem};
use crate::read::{Body, Members};
use crate::write::{Change, Decision, Known, at_once, carry_out, living, place};

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(retry))
        .routes(routes!(discard))
        .routes(routes!(create))
        .routes(routes!(merge))
}

const GUARDED: &str =
    "the delete guard holds its delete: release or refuse the mailbox's held deletes, or discard this one";

/// What keeps a contact waiting.
#[derive(Clone, Copy)]
enum Waiting<'c> {
    /// Nothing: Outlook has it, or will have it without more ado.
    No,
    Refused(&'c Edit),
    /// Its photo was refused.
    RefusedPhoto,
    Review(&'c Edit),
    /// The delete guard holds its delete.
    Guarded(&'c Edit),
}

fn waiting(contact: &Contact) -> Waiting<'_> {
    match &contact.edit {
        Some(edit) => match &edit.hold {
            Some(Hold::Refused(_)) => Waiting::Refused(edit),
            Some(Hold::Review { .. }) => Waiting::Review(edit),
            Some(Hold::Guarded { .. }) => Waiting::Guarded(edit),
            None => of_photo(contact),
        },
        None => of_photo(contact),
    }
}

fn of_photo<'c>(contact: &Contact) -> Waiting<'c> {
    if photo_edit::is_refused(contact) {
        Waiting::RefusedPhoto
    } else {
        Waiting::No
    }
}

fn not_held(detail: &str) -> Failure {
    Problem::new(Kind::NotHeld).detail(detail).into()
}

fn written(contact: Contact) -> Decision {
    Decision::Write(Change::Changed, Box::new(contact), Vec::new())
}

/// Try a refused edit again
///
/// Once more as it is. A contact that waits for nobody is left as it is.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/retry",
    operation_id = "retryContact", tag = "contacts", params(InContact),
    responses(
        (status = 200, description = "The contact; or what is left of it, if its delete was refused", body = ItemForm),
        (status = 404, description = "There is none"),
        (status = 409, description = "It waits for a review, or the mailbox is being removed"),
    )
)]
async fn retry(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
) -> Result<Json<ItemForm>, Failure> {
    place(&api, &mailbox).await?;
    let on = at_once(&api);
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Edited),
        |present| {
            let present = present.ok_or(Kind::ContactNotFound)?;
            match waiting(present) {
                Waiting::Refused(edit) => Ok(written(edit::release(present, edit, on))),
                Waiting::RefusedPhoto => Ok(written(photo_edit::release(present, on.now))),
                Waiting::Review(_) => Err(not_held(
                    "it waits for a review: link it, create it or discard it",
                )),
                Waiting::Guarded(_) => Err(not_held(GUARDED)),
                Waiting::No => Ok(Decision::Keep),
            }
        },
    )
    .await?;
    Ok(Json(contact.into()))
}

/// Discard an edit that waits
///
/// The contact becomes as Outlook has it, and is gone if Outlook never had it. A delete that was refused is undone, and so
/// is one that the delete guard holds, on whichever side it was made.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/discard",
    operation_id = "discardEdit", tag = "contacts", params(InContact),
    responses(
        (status = 200, description = "The contact as Outlook has it, or what is left of it", body = ItemForm),
        (status = 404, description = "There is none"),
        (status = 409, description = "Its edit may be on its way already, or the mailbox is being removed"),
    )
)]
async fn discard(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
) -> Result<Json<ItemForm>, Failure> {
    let place = place(&api, &mailbox).await?;
    let on = at_once(&api);
    let now = on.now;
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Discarded),
        |present| {
            let present = present.ok_or(Kind::ContactNotFound)?;
            match waiting(present) {
                Waiting::Refused(edit) if edit.wish == Wish::Erase => {
                    Err(not_held("it is being erased: retry it"))
                }
                Waiting::Refused(edit) | Waiting::Review(edit) => {
                    Ok(written(edit::discard(present, edit, now)))
                }
                Waiting::RefusedPhoto => Ok(written(photo_edit::discard(present, now))),
                Waiting::Guarded(edit) => refused(present, edit, &place.folders, on)
                    .map(written)
                    .ok_or_else(|| is_elsewhere().into()),
                Waiting::No if present.edit.is_some() => Err(not_held(
                    "its edit may be on its way already: edit it back instead",
                )),
                Waiting::No => Ok(Decision::Keep),
            }
        },
    )
    .await?;
    Ok(Json(contact.into()))
}

/// Create a contact that waits for a review
///
/// It is none of the candidates: Outlook gets it as a new contact.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/create",
    operation_id = "createReviewed", tag = "contacts", params(InContact),
    responses(
        (status = 200, description = "It will be created in Outlook", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
        (status = 409, description = "It does not wait for a review, or the mailbox is being removed"),
    )
)]
async fn create(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
) -> Result<impl IntoResponse, Failure> {
    place(&api, &mailbox).await?;
    let on = at_once(&api);
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Edited),
        |present| {
            let present = living(present)?;
            match waiting(present) {
                Waiting::Review(edit) => Ok(written(edit::release(present, edit, on))),
                Waiting::Refused(_) | Waiting::RefusedPhoto => {
                    Err(not_held("its edit was refused: retry or discard it"))
                }
                Waiting::Guarded(_) => Err(not_held(GUARDED)),
                Waiting::No => Ok(Decision::Keep),
            }
        },
    )
    .await?;
    Ok(answer(contact))
}

/// Which contact it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Link)]
struct LinkForm {
    /// The id of a contact that Outlook has: one of the candidates, or any other.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    contact: String,
}

/// Link a contact that waits for a review
///
/// It and a contact that Outlook has become one, under its own id; the other id leads to it from then on. Their members
/// are merged: what only one has is kept, lists are united, and where both have different values the mailbox's
/// conflict policy decides and the conflict log tells.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/link",
    operation_id = "linkContact", tag = "contacts", params(InContact),
    request_body = LinkForm,
    responses(
        (status = 200, description = "The contact that both have become", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 400, description = "Not valid"),
        (status = 404, description = "There is none, or it was deleted: the problem's type tells"),
        (status = 409, description = "It does not wait for a review, the two can't be made one, or the mailbox is being removed"),
        (status = 413, description = "The body is too large, or the contact that both would become"),
        (status = 415, description = "The body has another media type"),
    )
)]
async fn merge(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
    Body(body): Body,
) -> Result<impl IntoResponse, Failure> {
    let mut errors = Vec::new();
    let mut members = Members::new(body, "", &mut errors);
    let other: Option<ContactId> = members.text("contact", |text| {
        text.parse().map_err(|_| "must be a contact's id")
    });
    members.finish();
    let (Some(other), true) = (other, errors.is_empty()) else {
        return Err(Problem::invalid(errors).into());
    };
    let place = place(&api, &mailbox).await?;
    let other = api.store.contact(&mailbox, &other).await?.ok_or_else(|| {
        Problem::invalid(vec![FieldError::at(
            "/contact",
            "is not the id of a contact of this mailbox",
        )])
    })?;
    let now = api.ambient.now();
    let (_, contact) = carry_out(
        &api,
        &mailbox,
        &id,
        Known::Unread,
        &caller.asks(Why::Linked),
        |present| {
            let present = living(present)?;
            if other.id == present.id && present.outlook.is_some() {
                return Ok(Decision::Keep); // Done before.
            }
            let Waiting::Review(edit) = waiting(present) else {
                return Err(not_held("it does not wait for a review"));
            };
            let itself = (other.id == present.id).then_some("it is the contact itself");
            if let Some(why) = itself.or_else(|| objection(&other)) {
                return Err(Problem::new(Kind::NotLinkable).detail(why).into());
            }
            let linked = link(present, edit, &other, (&place.mailbox, api.policies), now);
            let mut companions = vec![Companion::Replace {
                contact: other.id.clone(),
                rev: other.rev,
            }];
            companions.extend(linked.conflict.map(Companion::Conflict));
            Ok(Decision::Write(
                Change::Changed,
                Box::new(linked.contact),
                companions,
            ))
        },
    )
    .await?;
    Ok(answer(contact))
}
