//! Erasing a person: whatever is kept of a contact goes, here and in Outlook, and others are told.
//!
//! Knows in which order that is safe, and what can't be erased from here. The contact's own item is emptied first: from
//! then on nothing new comes about, and the stream tells the bus, drops the history once more and queues the deletion in
//! Outlook. The ids that lead to the contact stay until Outlook has deleted it: without them its item there would come back
//! as somebody new. So the request is repeated until it says that it is complete; it goes on wherever it was cut.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contact_store::{Contact, Outsider, PlanEntry, PlanPage, Why};
use jiff::Timestamp;
use serde::Serialize;
use sync_core::ids::{ContactId, MailboxId};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::Caller;
use crate::contact_forms::{SyncForm, SyncState};
use crate::edit;
use crate::failure::Failure;
use crate::paths::InContact;
use crate::problem::Kind;
use crate::write::{Change, Decision, Known, at_once, carry_out, place};

/// Pages of a plan that are read at a time.
const PAGES: usize = 10;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(erase))
}

/// What was erased of a contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Receipt)]
struct ReceiptForm {
    /// The contact's id.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    contact: String,
    /// The mailbox's id.
    #[schema(pattern = "^mbx_[a-z2-7]{26}$")]
    mailbox: String,
    /// The version under which it was erased, and of which the event tells.
    version: u64,
    /// When it was erased here.
    erased_at: Timestamp,
    /// True where nothing is left to be done. Else repeat the request later.
    complete: bool,
    /// How it stands with Outlook: `settled` where Outlook does not have it any more.
    outlook: SyncForm,
    /// What this request has removed, by kind. Those of an earlier one are in its own receipt.
    removed: RemovedForm,
    /// What is left elsewhere, and goes by itself or by another hand.
    remains: Vec<RemainForm>,
}

/// What was removed, by kind.
#[derive(Debug, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Removed)]
struct RemovedForm {
    /// Members of the contact in the mirror.
    members: u64,
    /// The caller's own id of it.
    external_ids: u64,
    /// Edits that waited for Outlook, or for a person.
    edits: u64,
    /// Entries of the index of e-mail addresses.
    email_addresses: u64,
    /// Versions in the history.
    versions: u64,
    /// Entries of the conflict log.
    conflicts: u64,
    /// Plans of a first sync that showed it.
    plans: u64,
    /// Ids that led to it.
    aliases: u64,
    /// Dead letters. The queues carry ids and times, and nothing of a contact: always 0.
    dead_letters: u64,
}

/// Something that is left elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Remains)]
enum RemainForm {
    /// The item in Outlook is about to be deleted.
    OutlookItem,
    /// Outlook keeps what was deleted among its deleted items until its owner or a retention policy empties them.
    OutlookDeletedItems,
    /// Its photo is about to be deleted from the bucket.
    Photo,
    /// The streams of the tables hold the changes of the last 24 hours.
    TableStreams,
    /// The tables can be restored to any moment of the last 35 days, with what they held then.
    PointInTimeRecovery,
}

/// Erase a person
///
/// Nothing is left of the contact here but that there was one, and Outlook deletes it, whoever has changed it there. Its
/// history, its conflicts and whatever leads to it go as well, and the bus is told by `contact.erased`. Repeat the request
/// until it says `complete`: Outlook comes first, and what leads to the contact after that.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/erase",
    operation_id = "eraseContact", tag = "history", params(InContact),
    responses(
        (status = 200, description = "What was erased, now", body = ReceiptForm),
        (status = 404, description = "There is none"),
        (status = 409, description = "The mailbox is being removed, and all of it erased"),
    )
)]
async fn erase(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    caller: Caller,
) -> Result<Json<ReceiptForm>, Failure> {
    place(&api, &mailbox).await?;
    let before = api.store.contact(&mailbox, &id).await?;
    let before = before.ok_or(Kind::ContactNotFound)?;
    let mut removed = RemovedForm::default();
    if !before.is_erased() {
        removed = RemovedForm::of(&before);
    }
    let on = at_once(&api);
    let known = Known::Read(Some(Box::new(before)));
    let cause = caller.asks(Why::Erased);
    let (_, contact) = carry_out(&api, &mailbox, &id, known, &cause, |present| {
        let present = present.ok_or(Kind::ContactNotFound)?;
        if present.is_erased() {
            return Ok(Decision::Keep);
        }
        let erased = Box::new(edit::erase(present, on));
        Ok(Decision::Write(Change::Changed, erased, Vec::new()))
    })
    .await?;
    let aliases = api.store.aliases_of(&mailbox, &contact.id).await?;
    // Contacts that were found to be this one have left something under their own ids.
    for id in std::iter::once(&contact.id).chain(&aliases) {
        removed.versions += api.store.erase_versions(&mailbox, id).await? as u64;
        removed.conflicts += api.store.erase_conflicts(&mailbox, id).await? as u64;
        removed.email_addresses += api.store.erase_emails(&mailbox, id).await? as u64;
    }
    removed.plans = u64::from(erase_plan(&api, &mailbox, &contact, &aliases).await?);
    if contact.is_tombstone() {
        api.store.erase_aliases(&mailbox, &aliases).await?;
        removed.aliases = aliases.len() as u64;
    }
    let keeps_photos = api.photos.is_some();
    Ok(Json(receipt(contact, removed, keeps_photos, on.now)))
}

impl RemovedForm {
    /// What an item holds of a person.
    fn of(contact: &Contact) -> Self {
        let edits = [contact.edit.is_some(), contact.photo_edit.is_some()];
        Self {
            members: edit::shown(contact).len() as u64,
            external_ids: u64::from(contact.external_id.is_some()),
            edits: edits.into_iter().filter(|it| *it).count() as u64,
            ..Self::default()
        }
    }
}

/// A plan shows by what people know a contact of Outlook's. One that shows this one is dropped as a whole: it is made anew
/// for the asking.
async fn erase_plan(
    api: &Api,
    mailbox: &MailboxId,
    contact: &Contact,
    aliases: &[ContactId],
) -> Result<bool, Failure> {
    let mut after: Option<String> = None;
    loop {
        let page = api.store.plan_pages(mailbox, after.as_deref(), PAGES).await?;
        if page.items.iter().any(|page| shows(page, contact, aliases)) {
            api.store.clear_plan(mailbox).await?;
            return Ok(true);
        }
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(false),
        }
    }
}

fn shows(page: &PlanPage, contact: &Contact, aliases: &[ContactId]) -> bool {
    let is_it = |id: &ContactId| *id == contact.id || aliases.contains(id);
    let is_its_item = |outsider: &Outsider| {
        let is_its = contact
            .outlook
            .as_ref()
            .is_some_and(|item| item.id == outsider.id);
        is_its || outsider.contact.as_ref().is_some_and(is_it)
    };
    page.entries.iter().any(|entry| match entry {
        PlanEntry::Link { contact, outlook, .. } => is_it(contact) || is_its_item(outlook),
        PlanEntry::Review {
            contact, candidates, ..
        } => is_it(contact) || candidates.iter().any(is_its_item),
        PlanEntry::Create { contact } => is_it(contact),
        PlanEntry::Import { outlook, .. } => is_its_item(outlook),
    })
}

/// Where photos are kept no longer, nobody deletes one that was: the operator has to.
fn receipt(contact: Contact, removed: RemovedForm, keeps_photos: bool, now: Timestamp) -> ReceiptForm {
    let is_gone = contact.is_tombstone();
    let was_in_outlook = contact.outlook.is_some();
    let remains = [
        (RemainForm::OutlookItem, was_in_outlook && !is_gone),
        (RemainForm::OutlookDeletedItems, was_in_outlook),
        (RemainForm::Photo, contact.photo.is_some()),
        (RemainForm::TableStreams, true),
        (RemainForm::PointInTimeRecovery, true),
    ];
    let is_settled = SyncState::of(&contact) == SyncState::Settled;
    ReceiptForm {
        version: contact.version,
        erased_at: contact.cause.as_ref().map_or(now, |_| contact.changed_at),
        complete: is_gone
            && is_settled
            && contact.superseded.is_empty()
            && !(keeps_photos && contact.photo.is_some()),
        outlook: SyncForm::of(&contact),
        removed,
        remains: remains
            .into_iter()
            .filter(|(_, is)| *is)
            .map(|(it, _)| it)
            .collect(),
        contact: contact.id.into(),
        mailbox: contact.mailbox.into(),
    }
}
