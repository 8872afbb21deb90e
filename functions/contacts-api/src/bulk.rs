//! Many contacts in one request: an answer for each, and none stands in another's way.
//!
//! Knows how items become single writes. They are edits of many (backfill): single edits go to Outlook before them.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use contact_store::{Cause, Contact, Why};
use futures_util::StreamExt;
use serde::Serialize;
use serde_json::Value;
use sync_core::ids::{ContactId, MailboxId};
use sync_core::record::Urgency;
use sync_core::sighting::Document;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::asked::{Asked, Folders};
use crate::caller::Caller;
use crate::contact_forms::OutlookContact;
use crate::edit::Occasion;
use crate::failure::Failure;
use crate::paths::InMailbox;
use crate::precondition::CreateHeaders;
use crate::problem::{FieldError, Problem};
use crate::read::{Body, Members};
use crate::write::{Change, Decision, Known, Request, carry_out, created, living, new_id, place, replaced};

/// Contacts in one request.
pub(crate) const MOST_ITEMS: usize = 500;

/// A Lambda takes 6 MB at most, of which the event around the body needs some.
pub(crate) const LONGEST_BODY: usize = 4 * 1024 * 1024;

/// Writes under way at once: enough to be done within seconds, and few enough that `DynamoDB` is not surprised.
const AT_ONCE: usize = 16;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(write))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

/// Contacts to be created or replaced.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = Bulk)]
struct BulkForm {
    /// The contacts, each once.
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<BulkItemForm>,
}

/// A contact to be created or replaced: by `id` the one that has it; by `externalId` the one that has it, or a new
/// one; without either a new one.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = BulkItem)]
struct BulkItemForm {
    /// The contact's id here.
    #[schema(nullable = false, pattern = "^con_[a-z2-7]{26}$")]
    id: Option<String>,
    /// The caller's own id of it.
    #[schema(nullable = false, min_length = 1, max_length = 256)]
    external_id: Option<String>,
    /// The id of the folder that it is to lie in. Absent: the default folder, or the one that it lies in.
    #[schema(nullable = false)]
    folder: Option<String>,
    /// All its members.
    #[schema(value_type = OutlookContact)]
    contact: Document,
}

/// An answer for each contact, in the order of the request.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkAnswer)]
pub(crate) struct BulkAnswerForm {
    /// The answers.
    items: Vec<BulkResultForm>,
}

/// What has become of one contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = BulkResult)]
pub(crate) struct BulkResultForm {
    /// 201: created; 200: replaced, or it was so already; else as a request for this contact alone would be answered.
    status: u16,
    /// The contact's id here.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^con_[a-z2-7]{26}$")]
    id: Option<String>,
    /// The contact's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    version: Option<u64>,
    /// Why it was not written.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

/// Create or replace many contacts
///
/// An answer for each: a contact that is not valid is not written, and the others are. The request may be repeated:
/// what was written before is then unchanged. Contacts without `id` and `externalId` need an `Idempotency-Key` for that.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts:bulk",
    operation_id = "writeContacts", tag = "contacts", params(InMailbox, CreateHeaders),
    request_body = BulkForm,
    responses(
        (status = 200, description = "An answer for each contact", body = BulkAnswerForm),
        (status = 400, description = "The list itself is not valid; nothing was written"),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "The mailbox is being removed"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body has another media type"),
    )
)]
async fn write(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    CreateHeaders { key }: CreateHeaders,
    caller: Caller,
    Body(body): Body,
) -> Result<Json<BulkAnswerForm>, Failure> {
    let mut errors = Vec::new();
    let mut members = Members::new(body, "", &mut errors);
    let list = members.list("items", MOST_ITEMS);
    members.finish();
    if !errors.is_empty() {
        return Err(Problem::invalid(errors).into());
    }
    let items = list.into_iter().enumerate();
    let items = items
        .map(|(index, item)| Item::read(item, format!("/items/{index}")))
        .collect();
    let cause = caller.asks(Why::Bulk);
    Ok(Json(upsert(&api, &mailbox, items, key.as_deref(), &cause).await?))
}

/// One contact of many.
#[derive(Clone)]
pub(crate) struct Item {
    /// Where in the request it is.
    at: String,
    id: Option<ContactId>,
    asked: Asked,
    /// What is wrong with it.
    errors: Vec<FieldError>,
}

impl Item {
    fn read(item: Value, at: String) -> Self {
        let mut errors = Vec::new();
        let Value::Object(item) = item else {
            let asked = Asked::of(Document::new());
            let errors = vec![FieldError::at(at.clone(), "must be an object")];
            return Self {
                at,
                id: None,
                asked,
                errors,
            };
        };
        let mut members = Members::new(item, &at, &mut errors);
        let id = members.optional_text("id", |text| text.parse().map_err(|_| "must be a contact's id"));
        let asked = Asked::members(&mut members);
        members.finish();
        Self {
            at,
            id,
            asked,
            errors,
        }
    }

    /// A contact that was read from a card.
    pub(crate) fn imported(contact: Document, at: String) -> Self {
        Self {
            at,
            id: None,
            asked: Asked::of(contact),
            errors: Vec::new(),
        }
    }
}

/// Creates or replaces each contact.
pub(crate) async fn upsert(
    api: &Api,
    mailbox: &MailboxId,
    mut items: Vec<Item>,
    key: Option<&str>,
    cause: &Cause,
) -> Result<BulkAnswerForm, Failure> {
    let place = place(api, mailbox).await?;
    let mut first: BTreeMap<ContactId, String> = BTreeMap::new();
    let mut ids = Vec::with_capacity(items.len());
    for (index, item) in items.iter_mut().enumerate() {
        let key = key.map(|key| format!("{key}#{index}"));
        let id = item
            .id
            .clone()
            .unwrap_or_else(|| new_id(api, mailbox, item.asked.external_id.as_deref(), key.as_deref()));
        if let Some(other) = first.get(&id) {
            let detail = format!("is the same contact as {other}");
            item.errors.push(FieldError::at(item.at.clone(), detail));
        } else {
            first.insert(id.clone(), item.at.clone());
        }
        ids.push((id, key));
    }
    let wanted: Vec<ContactId> = first.into_keys().collect();
    let mut found = api.store.contacts_by_id(mailbox, &wanted).await?;
    let on = Occasion {
        now: api.ambient.now(),
        urgency: Urgency::Backfill,
    };
    let writes: Vec<_> = items
        .into_iter()
        .zip(ids)
        .map(|(item, (id, key))| {
            let known = if found.unreadable.contains(&id) {
                Known::Unread
            } else {
                Known::Read(found.contacts.remove(&id).map(Box::new))
            };
            one(api, mailbox, &place.folders, item, id, key, known, cause, on)
        })
        .collect();
    let items = futures_util::stream::iter(writes)
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(BulkAnswerForm { items })
}

#[expect(clippy::too_many_arguments, reason = "one item, and what all items share")]
async fn one(
    api: &Api,
    mailbox: &MailboxId,
    folders: &Folders,
    item: Item,
    id: ContactId,
    key: Option<String>,
    known: Known,
    cause: &Cause,
    on: Occasion,
) -> BulkResultForm {
    if !item.errors.is_empty() {
        return Problem::invalid(item.errors).into();
    }
    let request = Request::of(key.as_deref(), &Value::Object(item.asked.contact.clone()));
    let written = carry_out(api, mailbox, &id, known, cause, |present| {
        decide(mailbox, &id, folders, &item, present, &request, on)
    })
    .await;
    match written {
        Ok((change, contact)) => BulkResultForm::of(change, contact),
        Err(failure) => failure.into_problem().into(),
    }
}

fn decide(
    mailbox: &MailboxId,
    id: &ContactId,
    folders: &Folders,
    item: &Item,
    present: Option<&Contact>,
    request: &Request,
    on: Occasion,
) -> Result<Decision, Failure> {
    let is_named = item.id.is_some() || item.asked.external_id.is_some();
    let replaces = if item.id.is_some() {
        Some(living(present)?)
    } else {
        present.filter(|present| is_named && present.deleted_at.is_none())
    };
    let asked = item.asked.clone();
    let asked = match replaces {
        Some(present) => asked.in_place_of(present),
        None => asked,
    };
    let wanted = asked.wanted(replaces, folders, &item.at, &mut Vec::new())?;
    match replaces {
        Some(present) => Ok(replaced(present, wanted, on)),
        None => created(mailbox, id, present, wanted, request, on),
    }
}

impl BulkResultForm {
    fn of(change: Change, contact: Contact) -> Self {
        let status = match change {
            Change::Created => StatusCode::CREATED,
            Change::Nothing | Change::Changed => StatusCode::OK,
        };
        Self {
            status: status.as_u16(),
            id: Some(contact.id.into()),
            version: Some(contact.version),
            problem: None,
        }
    }
}

impl From<Problem> for BulkResultForm {
    fn from(problem: Problem) -> Self {
        Self {
            status: problem.status(),
            id: None,
            version: None,
            problem: Some(problem),
        }
    }
}
