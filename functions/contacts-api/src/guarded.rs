//! Deletes that the delete guard holds: a person releases them, or refuses them.
//!
//! Knows what each of the two makes of a contact, on whichever side it was deleted. Which deletes are held is the worker's
//! to decide.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contact_store::{Cause, Contact, Mailbox, StoreError, Why};
use futures_util::{StreamExt, TryStreamExt, stream};
use serde::Serialize;
use sync_core::guard::Deletes;
use sync_core::ids::{ContactId, MailboxId};
use sync_core::record::{Edit, Hold, Wish};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::asked::Folders;
use crate::caller::Caller;
use crate::edit::{self, Occasion};
use crate::failure::Failure;
use crate::paths::InMailbox;
use crate::problem::{Kind, Problem};
use crate::write::{Change, Decision, Known, at_once, carry_out, place};

/// Contacts that one request decides about: what a function has the time for.
const AT_MOST: usize = 500;

/// Rows of the index that are read at a time.
const ROWS: usize = 100;

/// Contacts that are written at a time.
const AT_ONCE: usize = 16;

/// How often the mailbox's record is saved against whoever writes at the same time.
const ATTEMPTS: usize = 5;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(release))
        .routes(routes!(refuse))
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Decided)]
struct DecidedForm {
    /// About how many contacts.
    contacts: u64,
    /// How many can't be refused: Outlook still has them, in a folder that is not synced any more. They come back when
    /// that folder is synced again.
    left: u64,
    /// True where there are more: repeat the request, unless it was about nobody.
    more: bool,
}

/// Release held deletes
///
/// More contacts were deleted than the delete guard allows, and that was meant: what was deleted in Outlook is deleted
/// here, and what was deleted here is deleted in Outlook. Up to 500 of a mailbox; the list of them is
/// `contacts?sync=guarded`.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/guarded-deletes/release",
    operation_id = "releaseDeletes", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 200, description = "They are carried out", body = DecidedForm),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "The mailbox is being removed"),
    )
)]
async fn release(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    caller: Caller,
) -> Result<Json<DecidedForm>, Failure> {
    let place = place(&api, &mailbox).await?;
    let on = at_once(&api);
    // First: a worker that comes by is not to hold them again.
    save(&api, place.mailbox, |deletes| deletes.released_at = Some(on.now)).await?;
    let cause = caller.asks(Why::Released);
    decide(&api, &mailbox, &cause, |contact, edit| {
        Some(released(contact, edit, on))
    })
    .await
    .map(Json)
}

/// Refuse held deletes
///
/// More contacts were deleted than the delete guard allows, and that was not meant: what was deleted in Outlook is created
/// there anew, in its folder or, where that is gone, in the default folder, and what was deleted here is there again. Up
/// to 500 of a mailbox.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/guarded-deletes/refuse",
    operation_id = "refuseDeletes", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 200, description = "They are undone", body = DecidedForm),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "The mailbox is being removed"),
    )
)]
async fn refuse(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    caller: Caller,
) -> Result<Json<DecidedForm>, Failure> {
    let place = place(&api, &mailbox).await?;
    let on = at_once(&api);
    let cause = caller.asks(Why::Refused);
    decide(&api, &mailbox, &cause, |contact, edit| {
        refused(contact, edit, &place.folders, on)
    })
    .await
    .map(Json)
}

/// The edit that the guard holds.
pub(crate) fn guarded(contact: &Contact) -> Option<&Edit> {
    let edit = contact.edit.as_ref()?;
    matches!(edit.hold, Some(Hold::Guarded { .. })).then_some(edit)
}

/// The contact after its delete was carried out here, or is free to be carried out in Outlook.
fn released(contact: &Contact, edit: &Edit, on: Occasion) -> Contact {
    match edit.wish {
        Wish::Delete | Wish::Erase => edit::release(contact, edit, on),
        Wish::Save => edit::discard(contact, edit, on.now),
    }
}

/// The contact after its delete was undone; `None` where it is in Outlook, and created anew would be there twice.
pub(crate) fn refused(contact: &Contact, edit: &Edit, folders: &Folders, on: Occasion) -> Option<Contact> {
    match (edit.wish, &edit.hold) {
        (Wish::Delete, _) => Some(edit::discard(contact, edit, on.now)),
        (Wish::Erase, _) | (Wish::Save, Some(Hold::Guarded { elsewhere: true, .. })) => None,
        (Wish::Save, _) => Some(Contact {
            folder: folders.home_of(&contact.folder).clone(),
            ..edit::release(contact, edit, on)
        }),
    }
}

/// Decides about each contact that is held, a few at a time.
async fn decide(
    api: &Api,
    mailbox: &MailboxId,
    cause: &Cause,
    becomes: impl Fn(&Contact, &Edit) -> Option<Contact>,
) -> Result<DecidedForm, Failure> {
    let (held, more) = held(api, mailbox).await?;
    let count = held.len() as u64;
    let becomes = &becomes;
    let decided: Vec<Change> = stream::iter(held)
        .map(async |id| {
            let written = carry_out(api, mailbox, &id, Known::Unread, cause, |present| {
                let changed = present.and_then(|it| becomes(it, guarded(it)?));
                Ok(changed.map_or(Decision::Keep, |contact| {
                    Decision::Write(Change::Changed, Box::new(contact), Vec::new())
                }))
            });
            Ok::<_, Failure>(written.await?.0)
        })
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let contacts = decided.iter().filter(|it| **it == Change::Changed).count() as u64;
    Ok(DecidedForm {
        contacts,
        left: count - contacts,
        more,
    })
}

/// Whom the guard holds, and whether there are more. The index lags behind by a moment: what a contact says decides.
async fn held(api: &Api, mailbox: &MailboxId) -> Result<(Vec<ContactId>, bool), Failure> {
    let mut held = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let page = api.store.held(mailbox, after.as_deref(), ROWS).await?;
        let ids: Vec<_> = page.items.into_iter().map(|row| row.id).collect();
        let found = api.store.contacts_by_id(mailbox, &ids).await?;
        let found = found.contacts.into_values();
        held.extend(found.filter(|it| guarded(it).is_some()).map(|it| it.id));
        after = page.next;
        if held.len() >= AT_MOST || after.is_none() {
            return Ok((held, after.is_some()));
        }
    }
}

/// Changes what the guard remembers of the mailbox.
async fn save(api: &Api, mailbox: Mailbox, change: impl Fn(&mut Deletes)) -> Result<(), Failure> {
    let mut mailbox = mailbox;
    let mut lost = Failure::from(Kind::TryAgain);
    for _ in 0..ATTEMPTS {
        change(&mut mailbox.deletes);
        mailbox.updated_at = api.ambient.now();
        match api.store.save_mailbox(&mut mailbox).await {
            Ok(()) => return Ok(()),
            Err(error @ StoreError::Conflict { .. }) => lost = error.into(),
            Err(error) => return Err(error.into()),
        }
        let stored = api.store.mailbox(&mailbox.id).await?;
        mailbox = stored.ok_or(Kind::MailboxNotFound)?;
    }
    Err(lost)
}

/// Why a contact that the guard holds can't be refused.
pub(crate) fn is_elsewhere() -> Problem {
    Problem::new(Kind::NotHeld).detail(
        "Outlook still has it, in a folder that is not synced: it comes back when that is synced again",
    )
}
