//! The resource *conflict*: what both sides had, who got his way, and deciding otherwise.
//!
//! Knows forms and requests. What a decision makes of the contact is `settle.rs`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use contact_store::{Cause, Companion, Conflict, Contact, Settled, Settlement, StoreError, Why};
use serde::Serialize;
use serde_json::{Map, Value};
use sync_core::ids::MailboxId;
use sync_core::record::Side;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::Caller;
use crate::conflict_forms::{ConflictForm, ConflictOutlineForm};
use crate::edit;
use crate::failure::Failure;
use crate::forms::{LARGEST_ANSWER, PageForm};
use crate::paths::{InConflict, InMailbox};
use crate::problem::{FieldError, Kind, Problem};
use crate::queries::ConflictsQuery;
use crate::read::{Body, Members};
use crate::settle::{Choice, Outcome, outcome};
use crate::write::{Change, Decision, Known, Place, at_once, carry_out, place};

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(list))
        .routes(routes!(read))
        .routes(routes!(settle))
}

/// List conflicts
///
/// The newest first. They are kept for a while (90 days), settled or not.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/conflicts",
    operation_id = "listConflicts", tag = "conflicts", params(InMailbox, ConflictsQuery),
    responses(
        (status = 200, description = "A page of them", body = PageForm<ConflictOutlineForm>),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "No such mailbox is enrolled"),
    )
)]
async fn list(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    query: ConflictsQuery,
) -> Result<impl IntoResponse, Failure> {
    let after = query.cursor.as_deref();
    let mut limit = usize::from(query.limit);
    let body = loop {
        let page = api
            .store
            .conflicts(&mailbox, query.contact.as_ref(), after, limit)
            .await?;
        let page = PageForm::<ConflictOutlineForm>::from(page);
        if page.is_empty() && api.store.mailbox(&mailbox).await?.is_none() {
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

/// Read a conflict
///
/// With the three versions of the contact: as both sides last agreed on it, as the platform had it, as Outlook had it.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/conflicts/{conflict}",
    operation_id = "readConflict", tag = "conflicts", params(InConflict),
    responses(
        (status = 200, description = "The conflict", body = ConflictForm),
        (status = 404, description = "There is none, or it was too long ago"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InConflict { mailbox, conflict }: InConflict,
) -> Result<Json<ConflictForm>, Failure> {
    let conflict = api.store.conflict(&mailbox, &conflict).await?;
    Ok(Json(conflict.ok_or(Kind::ConflictNotFound)?.into()))
}

/// Whose values to take.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Settlement)]
struct SettlementForm {
    /// Whose.
    take: TakeName,
    /// With `values`: the values by member. Only members that were in conflict; those left out stay as they are.
    #[schema(value_type = Option<Object>, nullable = false)]
    values: Option<Map<String, Value>>,
}

/// Whose values to take, in a word.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Take)]
#[expect(dead_code, reason = "describes what is read by name")]
enum TakeName {
    /// What Outlook had.
    Outlook,
    /// What the platform had.
    Platform,
    /// Those in `values`.
    Values,
}

fn choice(body: Map<String, Value>) -> Result<Choice, Problem> {
    let mut errors = Vec::new();
    let takes_values = body.get("take").is_some_and(|take| take == "values");
    let mut members = Members::new(body, "", &mut errors);
    let side = members.text("take", |text| match text {
        "outlook" => Ok(Some(Side::Outlook)),
        "platform" => Ok(Some(Side::Platform)),
        "values" => Ok(None),
        _ => Err("must be outlook, platform or values"),
    });
    let values = if takes_values {
        members.document("values")
    } else {
        Map::new()
    };
    members.finish();
    if errors.is_empty() && takes_values && values.is_empty() {
        errors.push(FieldError::at("/values", "must have a member"));
    }
    match side {
        Some(side) if errors.is_empty() => Ok(side.map_or(Choice::Values(values), Choice::Side)),
        Some(_) | None => Err(Problem::invalid(errors)),
    }
}

fn by(choice: &Choice) -> Settlement {
    match choice {
        Choice::Side(side) => Settlement::Side(*side),
        Choice::Values(_) => Settlement::Values,
    }
}

/// Settle a conflict
///
/// The members that were in conflict become what is chosen: an edit of the contact like any other, which goes to
/// Outlook where that has something else. What was edited since stays. A conflict is settled once.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/conflicts/{conflict}/settle",
    operation_id = "settleConflict", tag = "conflicts", params(InConflict),
    request_body = SettlementForm,
    responses(
        (status = 200, description = "Settled, now or by the same choice before", body = ConflictForm),
        (status = 400, description = "Not valid"),
        (status = 404, description = "There is none, or its contact was deleted: the problem's type tells"),
        (status = 409, description = "It was settled before, or the mailbox is being removed"),
        (status = 413, description = "The body or the contact is too large"),
        (status = 415, description = "The body has another media type"),
    )
)]
async fn settle(
    State(api): State<Arc<Api>>,
    InConflict {
        mailbox,
        conflict: id,
    }: InConflict,
    caller: Caller,
    Body(body): Body,
) -> Result<Json<ConflictForm>, Failure> {
    let choice = choice(body)?;
    let place = place(&api, &mailbox).await?;
    let conflict = api.store.conflict(&mailbox, &id).await?;
    let conflict = conflict.ok_or(Kind::ConflictNotFound)?;
    if let Some(settled) = &conflict.settled {
        return if matches!(choice, Choice::Side(_)) && settled.by == by(&choice) {
            Ok(Json(conflict.into()))
        } else {
            Err(Kind::AlreadySettled.into())
        };
    }
    let cause = caller.asks(Why::Settled);
    match decided(&api, &mailbox, &place, &conflict, &choice, &cause).await {
        Err(Failure::Inside(Kind::TryAgain, error)) => {
            // Somebody else may have settled it at the same time.
            let now = api.store.conflict(&mailbox, &id).await?;
            match now.and_then(|now| now.settled) {
                Some(_) => Err(Kind::AlreadySettled.into()),
                None => Err(Failure::Inside(Kind::TryAgain, error)),
            }
        }
        decided => decided.map(|conflict| Json(conflict.into())),
    }
}

/// Writes the decision: the contact and the mark in one, or the mark alone where the contact is so already.
async fn decided(
    api: &Api,
    mailbox: &MailboxId,
    place: &Place,
    conflict: &Conflict,
    choice: &Choice,
    cause: &Cause,
) -> Result<Conflict, Failure> {
    let on = at_once(api);
    let settled = Conflict {
        settled: Some(Settled {
            at: on.now,
            by: by(choice),
        }),
        ..conflict.clone()
    };
    let write = |contact: Contact| {
        let mark = Companion::Settled(settled.clone());
        Decision::Write(Change::Changed, Box::new(contact), vec![mark])
    };
    let (change, _) = carry_out(api, mailbox, &conflict.contact, Known::Unread, cause, |present| {
        let present = present.ok_or(Kind::ContactNotFound)?;
        if present.is_erased() {
            return Err(Problem::contact_deleted(present.deleted_at.unwrap_or(on.now)).into());
        }
        Ok(match outcome(conflict, choice, present, &place.folders)? {
            Outcome::Gone if present.deleted_at.is_some() => Decision::Keep,
            Outcome::Gone => write(edit::delete(present, on)),
            Outcome::Like(wanted) if present.deleted_at.is_some() => {
                let hash = present.request_hash.clone().unwrap_or_default();
                write(edit::revive(present, wanted, hash, on))
            }
            Outcome::Like(wanted) => edit::replace(present, wanted, on).map_or(Decision::Keep, &write),
            Outcome::Deleted => {
                let at = present.deleted_at.unwrap_or(on.now);
                return Err(Problem::contact_deleted(at).into());
            }
        })
    })
    .await?;
    if change == Change::Nothing {
        match api.store.settle_conflict(&settled).await {
            Err(StoreError::Conflict { .. }) => return Err(Kind::AlreadySettled.into()),
            done => done?,
        }
    }
    Ok(settled)
}
