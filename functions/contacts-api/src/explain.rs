//! The resource *explain*: how a contact has come to be as it is, for people.
//!
//! Knows how to tell its story from its versions and its conflicts. It must not show a value: which members have changed
//! is told, and what they were is in the versions.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contact_store::{Contact, Version};
use jiff::Timestamp;
use serde::Serialize;
use sync_core::members::same;
use sync_core::record::Wish;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::conflict_forms::ConflictOutlineForm;
use crate::contact_forms::{SyncForm, SyncState};
use crate::failure::Failure;
use crate::history_forms::CauseForm;
use crate::paths::InContact;
use crate::problem::Kind;

/// Chapters of a story. Who wants more reads the versions.
const CHAPTERS: usize = 100;

/// Conflicts that are shown.
const CONFLICTS: usize = 20;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(explain))
}

/// How a contact has come to be as it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Explanation)]
struct ExplanationForm {
    /// The contact's id.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    id: String,
    /// The mailbox's id.
    #[schema(pattern = "^mbx_[a-z2-7]{26}$")]
    mailbox: String,
    /// The answer in a few sentences.
    summary: String,
    /// Whether it is there.
    state: StateName,
    /// Its version.
    version: u64,
    /// Whether Outlook has it as it is here.
    sync: SyncForm,
    /// What has happened to it, the latest first.
    story: Vec<ChapterForm>,
    /// True where more has happened than is told here: the versions have it, as far back as they are kept.
    more: bool,
    /// The latest conflicts about it, the newest first.
    conflicts: Vec<ConflictOutlineForm>,
}

/// Whether a contact is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ContactState)]
enum StateName {
    /// It is.
    Live,
    /// It was deleted.
    Deleted,
    /// It was erased here, and Outlook has yet to delete it.
    Erasing,
}

/// Something that has happened to a contact.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Chapter)]
struct ChapterForm {
    /// When.
    at: Timestamp,
    /// The version that it made.
    version: u64,
    /// What.
    what: WhatName,
    /// Which members have changed; `folder`, `externalId` and `photo` stand for those.
    changed: Vec<String>,
    /// Who did it, and why.
    cause: CauseForm,
    /// The same in a sentence.
    says: String,
}

/// What has happened to a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = What)]
enum WhatName {
    /// It was there for the first time.
    Created,
    /// It was changed.
    Changed,
    /// It was deleted.
    Deleted,
    /// It had been deleted, and was there again.
    CameBack,
    /// It was so: what was before is not kept any more.
    Earliest,
}

/// Explain a contact
///
/// Where it stands, and what has happened to it: when, who, why, and which members have changed.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/explain",
    operation_id = "explainContact", tag = "history", params(InContact),
    responses(
        (status = 200, description = "Its story", body = ExplanationForm),
        (status = 404, description = "There is no such contact"),
    )
)]
async fn explain(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
) -> Result<Json<ExplanationForm>, Failure> {
    let contact = api.store.contact(&mailbox, &id).await?;
    let contact = contact.ok_or(Kind::ContactNotFound)?;
    let past = api.store.versions(&mailbox, &contact.id, None, CHAPTERS).await?;
    let conflicts = api
        .store
        .conflicts(&mailbox, Some(&contact.id), None, CONFLICTS)
        .await?;
    let mut versions = vec![Version::of(&contact, api.ambient.now())];
    // A version that was written again after a restore of the tables is not older than what there is.
    versions.extend(past.items.into_iter().filter(|it| it.version < contact.version));
    let story = story(&versions, past.next.is_some());
    Ok(Json(ExplanationForm {
        summary: summary(&contact, story.first()),
        state: state(&contact),
        version: contact.version,
        sync: SyncForm::of(&contact),
        story,
        more: past.next.is_some(),
        conflicts: conflicts.items.into_iter().map(Into::into).collect(),
        id: contact.id.into(),
        mailbox: contact.mailbox.into(),
    }))
}

/// The versions as they came about, the newest first; `is_cut` where there are older ones. The oldest that is read then
/// only says what the next one has changed.
fn story(versions: &[Version], is_cut: bool) -> Vec<ChapterForm> {
    let told = versions.len() - usize::from(is_cut && versions.len() > 1);
    let befores = versions.iter().skip(1).map(Some).chain([None]);
    let chapters = versions.iter().zip(befores).take(told);
    chapters
        .map(|(version, before)| chapter(version, before))
        .collect()
}

fn chapter(version: &Version, before: Option<&Version>) -> ChapterForm {
    let what = match before {
        _ if version.deleted => WhatName::Deleted,
        None if version.version == 1 => WhatName::Created,
        None => WhatName::Earliest,
        Some(before) if before.deleted => WhatName::CameBack,
        Some(_) => WhatName::Changed,
    };
    let changed: Vec<String> = match (what, before) {
        (WhatName::Changed, Some(before)) => differing(before, version).into_iter().collect(),
        _ => Vec::new(),
    };
    let cause = CauseForm::of(version.cause.as_ref(), version.changed_by);
    let verb = match what {
        WhatName::Created => "It was there for the first time",
        WhatName::Changed if changed.is_empty() => "It was changed",
        WhatName::Changed => "It was changed in",
        WhatName::Deleted => "It was deleted",
        WhatName::CameBack => "It was there again",
        WhatName::Earliest => "It was so, and what was before is not kept any more",
    };
    let names = changed.join(", ");
    let space = if names.is_empty() { "" } else { " " };
    ChapterForm {
        at: version.since,
        version: version.version,
        what,
        says: format!("{verb}{space}{names}: {}.", cause.words()),
        changed,
        cause,
    }
}

/// The names of what has changed from one version to another.
pub(crate) fn differing(before: &Version, after: &Version) -> BTreeSet<String> {
    let names = before.members.keys().chain(after.members.keys());
    let differs = |name: &&String| !same(name, before.members.get(*name), after.members.get(*name));
    let mut names: BTreeSet<String> = names.filter(differs).cloned().collect();
    let hash = |of: &Version| of.photo.as_ref().map(|photo| photo.hash.clone());
    let others = [
        ("folder", before.folder != after.folder),
        ("externalId", before.external_id != after.external_id),
        ("photo", hash(before) != hash(after)),
    ];
    let others = others.into_iter().filter(|(_, differs)| *differs);
    names.extend(others.map(|(name, _)| name.to_owned()));
    names
}

fn state(contact: &Contact) -> StateName {
    let wish = contact.edit.as_ref().map(|edit| edit.wish);
    match (contact.deleted_at, wish) {
        (None, _) => StateName::Live,
        (Some(_), Some(Wish::Erase)) => StateName::Erasing,
        (Some(_), _) => StateName::Deleted,
    }
}

fn summary(contact: &Contact, last: Option<&ChapterForm>) -> String {
    let here = match state(contact) {
        StateName::Live => "The contact is there",
        StateName::Deleted => "The contact was deleted",
        StateName::Erasing => "The contact was erased",
    };
    let there = match SyncState::of(contact) {
        SyncState::Settled => "Outlook has it so",
        SyncState::Pending => "Outlook will have it so",
        SyncState::Refused => "Outlook has refused the last edit, which waits for a person",
        SyncState::Review => "Outlook may have it already as another contact, and a person has to say so",
        SyncState::Guarded => "the delete guard holds its deletion until a person has decided",
    };
    let last = last.map_or_else(String::new, |last| format!(" At {}: {}", last.at, last.says));
    format!("{here}, and {there}.{last}")
}
