//! Restoring: one contact as a version of it was, or a mailbox's contacts as they were at a moment.
//!
//! Knows how a restore is asked for, planned and cut into requests. What a contact becomes is `comeback.rs`; that it gets to
//! Outlook is the sync's. Only what has changed since the moment is looked at, and only what had changed before the plan:
//! what people do meanwhile is theirs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use contact_store::{Contact, Version};
use futures_util::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use sync_core::ids::{ContactId, MailboxId};
use sync_core::members::DISPLAY_NAME;
use sync_core::record::Urgency;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::asked::Folders;
use crate::caller::Caller;
use crate::comeback::{Action, Comeback, Newer, Was, changes, comeback};
use crate::contact_forms::ContactForm;
use crate::contact_writes::answer;
use crate::edit::Occasion;
use crate::failure::Failure;
use crate::paths::{InContact, InMailbox, InVersion};
use crate::precondition::ChangeHeaders;
use crate::problem::{FieldError, Kind, Problem};
use crate::read::{Body, Members};
use crate::write::{Change, Decision, Known, at_once, carry_out, place};

/// Contacts that one request looks at: what a function has the time for.
const AT_MOST: usize = 100;

/// Contacts that are looked up or written at a time.
const AT_ONCE: usize = 16;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(restore_one))
        .routes(routes!(plan_one))
        .routes(routes!(restore_all))
}

/// Which version to bring back.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RestoreVersion)]
struct VersionAsked {
    /// One that is kept: `versions` has them.
    #[schema(minimum = 1)]
    version: u64,
}

/// Bring back a version of a contact
///
/// The contact becomes what it was: an edit like any other, which goes to Outlook. A deleted contact comes back under its
/// id. Its photo stays as it is.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/restore",
    operation_id = "restoreContact", tag = "history", params(InContact, ChangeHeaders),
    request_body = VersionAsked,
    responses(
        (status = 200, description = "The contact as it is now", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 400, description = "Not valid"),
        (status = 404, description = "There is no such contact or version: the problem's type tells"),
        (status = 409, description = "The version can't be brought back, or the mailbox is being removed"),
        (status = 412, description = "The contact has another version"),
        (status = 413, description = "The body is too large, or the contact"),
        (status = 415, description = "The body has another media type"),
        (status = 428, description = "If-Match is required"),
    )
)]
async fn restore_one(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    ChangeHeaders { if_match }: ChangeHeaders,
    caller: Caller,
    Body(body): Body,
) -> Result<impl axum::response::IntoResponse, Failure> {
    let mut errors = Vec::new();
    let mut members = Members::new(body, "", &mut errors);
    let asked = members.number("version");
    members.finish();
    let (Some(asked), true) = (asked, errors.is_empty()) else {
        return Err(Problem::invalid(errors).into());
    };
    let place = place(&api, &mailbox).await?;
    let (present, was) = present_and_was(&api, &mailbox, &id, asked).await?;
    let was = Was::Version(Box::new(was));
    let on = at_once(&api);
    let (id, cause) = (present.id.clone(), caller.restores(Some(asked)));
    let known = Known::Read(Some(Box::new(present)));
    let (_, contact) = carry_out(&api, &mailbox, &id, known, &cause, |present| {
        let present = present.ok_or(Kind::ContactNotFound)?;
        if_match.check(present.version)?;
        match comeback(present, &was, Newer::Keep, &place.folders, on) {
            Comeback::Unchanged | Comeback::Newer => Ok(Decision::Keep),
            Comeback::Becomes(_, contact) => Ok(Decision::Write(Change::Changed, contact, Vec::new())),
            Comeback::Impossible(why) => Err(impossible(why)),
        }
    })
    .await?;
    Ok(answer(contact))
}

/// Plan the restore of a version
///
/// What a restore of this version would do about the contact, and which of its members it would change. Nothing is changed. Neither
/// `action` nor `problem`: the contact is what it was.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/versions/{version}/plan",
    operation_id = "planRestore", tag = "history", params(InVersion),
    responses(
        (status = 200, description = "What would be done", body = RestoredForm),
        (status = 404, description = "There is no such contact or version: the problem's type tells"),
        (status = 409, description = "The version can't be brought back, or the mailbox is being removed"),
    )
)]
async fn plan_one(
    State(api): State<Arc<Api>>,
    InVersion {
        mailbox,
        contact: id,
        version: asked,
    }: InVersion,
) -> Result<Json<RestoredForm>, Failure> {
    let place = place(&api, &mailbox).await?;
    let (present, version) = present_and_was(&api, &mailbox, &id, asked).await?;
    let was = Was::Version(Box::new(version.clone()));
    let comeback = comeback(&present, &was, Newer::Keep, &place.folders, at_once(&api));
    Ok(Json(RestoredForm::of(&present, Some(&version), &comeback)))
}

/// A contact, and what it was in a version of it.
async fn present_and_was(
    api: &Api,
    mailbox: &MailboxId,
    id: &ContactId,
    version: u64,
) -> Result<(Contact, Version), Failure> {
    let present = api.store.contact(mailbox, id).await?;
    let present = present.ok_or(Kind::ContactNotFound)?;
    let was = if version == present.version {
        Some(Version::of(&present, api.ambient.now()))
    } else {
        api.store.version(mailbox, &present.id, version).await?
    };
    let was = was.ok_or(Kind::VersionNotFound)?;
    if was.deleted {
        return Err(impossible("it was deleted then: delete the contact instead"));
    }
    Ok((present, was))
}

fn impossible(why: &str) -> Failure {
    Problem::new(Kind::NotRestorable).detail(why).into()
}

/// As of when to restore, and whether to do it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = RestoreMailbox)]
struct MomentAsked {
    /// The contacts are to be as they were at this moment. No longer ago than versions are kept.
    at: Timestamp,
    /// True: only say what would be done. That is the default.
    #[schema(default = true, required = false)]
    plan: bool,
    /// True: contacts that were not there at that moment are deleted. They are let be by default.
    #[schema(default = false, required = false)]
    delete_newer: bool,
    /// What has changed at this moment or later stays as it is: `until` of the plan. Absent: now.
    #[schema(value_type = Option<String>, format = DateTime, nullable = false)]
    until: Option<Timestamp>,
    /// `next` of the answer before; absent for the first request. `at`, `deleteNewer` and `until` stay the same.
    #[schema(nullable = false)]
    cursor: Option<String>,
}

/// What is done, or would be.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Restoration)]
struct RestorationForm {
    /// True where it is a plan, and nothing was done.
    plan: bool,
    /// As of when.
    at: Timestamp,
    /// What has changed then or later is let be. Send it with the requests that follow.
    until: Timestamp,
    /// The contacts that are not as they were.
    items: Vec<RestoredForm>,
    /// How many contacts were looked at and are as they were.
    unchanged: u64,
    /// The `cursor` of the next request; absent with the last one. A request about nobody may have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
    /// How many contacts could not be read, and are let be; absent for none. The log names them.
    #[serde(skip_serializing_if = "crate::forms::is_zero")]
    #[schema(required = false)]
    unreadable: u64,
}

/// A contact that is not as it was.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Restored)]
struct RestoredForm {
    /// The contact's id.
    #[schema(pattern = "^con_[a-z2-7]{26}$")]
    contact: String,
    /// What people know it by, as it is or was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<String>,
    /// What is done about it. Absent where nothing can be: `problem` tells why.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    action: Option<ActionName>,
    /// The version that it gets back; absent where it was not there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    version: Option<u64>,
    /// The names of what changes; `folder` and `externalId` stand for those.
    changed: Vec<String>,
    /// Why it was not restored.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    problem: Option<Problem>,
}

impl RestoredForm {
    /// What this comeback does about a contact.
    fn of(present: &Contact, was: Option<&Version>, comeback: &Comeback) -> Self {
        let (action, changed, problem) = match comeback {
            Comeback::Unchanged => (None, Vec::new(), None),
            Comeback::Newer => (Some(Action::KeepNewer), Vec::new(), None),
            Comeback::Impossible(why) => {
                let problem = Problem::new(Kind::NotRestorable).detail(*why);
                (None, Vec::new(), Some(problem))
            }
            Comeback::Becomes(Action::Update, becomes) => {
                let changed = changes(present, becomes).into_iter().collect();
                (Some(Action::Update), changed, None)
            }
            Comeback::Becomes(action, _) => (Some(*action), Vec::new(), None),
        };
        Self {
            contact: present.id.to_string(),
            title: title(present, was),
            action: action.map(ActionName::from),
            version: was.map(|was| was.version),
            changed,
            problem,
        }
    }
}

/// What is done about a contact.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = RestoreAction)]
enum ActionName {
    /// It was deleted, and comes back under its id. Outlook gets it anew.
    Create,
    /// It gets what it had.
    Update,
    /// It was not there, and is deleted.
    Delete,
    /// It was not there, and is let be.
    KeepNewer,
}

impl From<Action> for ActionName {
    fn from(action: Action) -> Self {
        match action {
            Action::Create => Self::Create,
            Action::Update => Self::Update,
            Action::Delete => Self::Delete,
            Action::KeepNewer => Self::KeepNewer,
        }
    }
}

/// What a request asks for.
#[derive(Clone, Debug)]
struct Asked {
    at: Timestamp,
    is_plan: bool,
    newer: Newer,
    until: Timestamp,
    cursor: Option<String>,
}

impl Asked {
    fn read(api: &Api, body: serde_json::Map<String, serde_json::Value>) -> Result<Self, Problem> {
        const MOMENT: &str = "must be a date and time of RFC 3339, as in 2026-11-23T06:41:00Z";
        let now = api.ambient.now();
        let mut errors = Vec::new();
        let mut members = Members::new(body, "", &mut errors);
        let moment = |text: &str| text.parse::<Timestamp>().map_err(|_| MOMENT);
        let at = members.text("at", moment);
        let is_plan = members.flag("plan", true);
        let newer = if members.flag("deleteNewer", false) {
            Newer::Delete
        } else {
            Newer::Keep
        };
        let until = members.optional_text("until", moment);
        let cursor = members.optional_text("cursor", |text| Ok(text.to_owned()));
        members.finish();
        let kept = SignedDuration::try_from(api.store.history_retention()).unwrap_or(SignedDuration::MAX);
        if at.is_some_and(|at| at > now || now.duration_since(at) > kept) {
            let detail = format!(
                "must be in the past, and within the {} days that versions are kept",
                kept.as_hours() / 24
            );
            errors.push(FieldError::at("/at", detail));
        }
        if until.is_some_and(|until| until > now || at.is_some_and(|at| until < at)) {
            errors.push(FieldError::at("/until", "must be between `at` and now"));
        }
        match at.filter(|_| errors.is_empty()) {
            None => Err(Problem::invalid(errors)),
            Some(at) => Ok(Self {
                at,
                is_plan,
                newer,
                until: until.unwrap_or(now),
                cursor,
            }),
        }
    }
}

/// Restore a mailbox's contacts
///
/// Without `plan: false` nothing is changed, and the answer tells what would be: it is the plan. The same again with
/// `plan: false` and the plan's `until` does it, some 100 contacts at a time: repeat it with `cursor` until there is no
/// `next`. Repeated, or cut and begun anew, it does nothing twice. Contacts get their members and folders back as by edits
/// of the API: Outlook has them within minutes. Nothing is deleted unless `deleteNewer` says so.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/restore",
    operation_id = "restoreMailbox", tag = "history", params(InMailbox),
    request_body = MomentAsked,
    responses(
        (status = 200, description = "What is done, or would be", body = RestorationForm),
        (status = 400, description = "Not valid, or longer ago than versions are kept"),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "The mailbox is being removed"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body has another media type"),
    )
)]
async fn restore_all(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    caller: Caller,
    Body(body): Body,
) -> Result<Json<RestorationForm>, Failure> {
    let asked = Asked::read(&api, body)?;
    let place = place(&api, &mailbox).await?;
    let after = asked.cursor.as_deref();
    let page = api
        .store
        .contacts_changed_since(&mailbox, asked.at, after, AT_MOST)
        .await?;
    let is_over = page
        .items
        .last()
        .is_some_and(|last| last.changed_at >= asked.until);
    let changed = page.items.into_iter();
    // At that very moment it was so already. What this restore itself has changed is as late as `until`, or later.
    let changed = changed.filter(|it| it.changed_at > asked.at && it.changed_at < asked.until);
    let on = Occasion {
        now: api.ambient.now(),
        urgency: Urgency::Backfill,
    };
    let work = Work {
        api: &api,
        mailbox: &mailbox,
        folders: &place.folders,
        caller: &caller,
        asked: &asked,
        on,
    };
    let restored: Vec<Option<RestoredForm>> = stream::iter(changed)
        .map(|contact| work.restored(contact))
        .buffered(AT_ONCE)
        .collect::<Vec<Result<_, Failure>>>()
        .await
        .into_iter()
        .collect::<Result<_, _>>()?;
    let looked_at = restored.len();
    let items: Vec<_> = restored.into_iter().flatten().collect();
    Ok(Json(RestorationForm {
        plan: asked.is_plan,
        at: asked.at,
        until: asked.until,
        unchanged: (looked_at - items.len()) as u64,
        items,
        next: page.next.filter(|_| !is_over),
        unreadable: page.unreadable,
    }))
}

/// What the contacts of a request have in common.
struct Work<'w> {
    api: &'w Api,
    mailbox: &'w MailboxId,
    folders: &'w Folders,
    caller: &'w Caller,
    asked: &'w Asked,
    on: Occasion,
}

impl Work<'_> {
    /// What is done about a contact; `None` where it is as it was.
    async fn restored(&self, present: Contact) -> Result<Option<RestoredForm>, Failure> {
        let was = self.was(&present).await?;
        let toward = |contact: &Contact| comeback(contact, &was, self.asked.newer, self.folders, self.on);
        let version = match &was {
            Was::Version(version) if !version.deleted => Some(&**version),
            Was::Version(_) | Was::Nothing | Was::Unknown => None,
        };
        let comeback = toward(&present);
        if matches!(comeback, Comeback::Unchanged) {
            return Ok(None);
        }
        let mut form = RestoredForm::of(&present, version, &comeback);
        if matches!(comeback, Comeback::Becomes(..))
            && !self.asked.is_plan
            && let Err(failure) = self.carry_out(present, form.version, toward).await
        {
            form.action = None;
            form.problem = Some(failure.into_problem());
        }
        Ok(Some(form))
    }

    /// A contact that was not there began after the moment, and its first version tells so. Where that is missing, nobody
    /// knows: deleted for not having been there, it might be lost because its history came late.
    async fn was(&self, present: &Contact) -> Result<Was, Failure> {
        let (store, at) = (&self.api.store, self.asked.at);
        if let Some(version) = store.version_at(self.mailbox, &present.id, at).await? {
            return Ok(Was::Version(Box::new(version)));
        }
        let began_at = if present.version == 1 {
            Some(present.changed_at)
        } else {
            let first = store.version(self.mailbox, &present.id, 1).await?;
            first.map(|first| first.since)
        };
        Ok(match began_at {
            Some(began_at) if began_at > at => Was::Nothing,
            Some(_) | None => Was::Unknown,
        })
    }

    async fn carry_out(
        &self,
        present: Contact,
        version: Option<u64>,
        toward: impl Fn(&Contact) -> Comeback,
    ) -> Result<(), Failure> {
        let (id, cause) = (present.id.clone(), self.caller.restores(version));
        let known = Known::Read(Some(Box::new(present)));
        let until = self.asked.until;
        carry_out(self.api, self.mailbox, &id, known, &cause, |present| {
            let present = present.ok_or(Kind::ContactNotFound)?;
            // Somebody has changed it at this moment: that is his, as what came after the plan is.
            if present.changed_at >= until {
                return Ok(Decision::Keep);
            }
            match toward(present) {
                Comeback::Unchanged | Comeback::Newer => Ok(Decision::Keep),
                Comeback::Becomes(_, contact) => Ok(Decision::Write(Change::Changed, contact, Vec::new())),
                Comeback::Impossible(why) => Err(impossible(why)),
            }
        })
        .await
        .map(drop)
    }
}

fn title(present: &Contact, was: Option<&Version>) -> Option<String> {
    let of_version = was.and_then(|was| was.members.get(DISPLAY_NAME));
    let title = present.document.get(DISPLAY_NAME).or(of_version);
    title.and_then(|title| title.as_str()).map(str::to_owned)
}
