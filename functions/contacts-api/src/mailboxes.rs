//! The resource *mailbox*: enrolling, reading, and asking something of it.
//!
//! Knows the order of things: first the state, then the messages. A crash between the two is healed by repeating
//! the request, which sends the messages again. It must not do the work itself: no Graph here.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use contact_store::{Enrolment as Stored, Mailbox, Phase, StoreError, Timer, TimerKind};
use job_queue::{LifecycleJob, WorkJob};
use sync_core::guard::Deletes;
use sync_core::ids::MailboxId;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::edge::RequestId;
use crate::enrolment::{Enrolment, EnrolmentForm};
use crate::failure::Failure;
use crate::folder_forms::FolderForm;
use crate::forms::{MailboxForm, MailboxStateForm, PageForm};
use crate::paths::InMailbox;
use crate::phase::{Action, Verdict, judge};
use crate::problem::{Kind, Problem};
use crate::queries::PageQuery;
use crate::read::Body;

/// The worker writes the mailbox's record at page ends, so to lose this many races in a row is no race any more.
pub(crate) const ATTEMPTS: usize = 5;

/// A new or resumed mailbox whose messages are lost, and whose caller doesn't repeat the request, is found by its timer.
const FIRST_POLL: Duration = Duration::from_mins(5);

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(enrol, list))
        .routes(routes!(read, remove))
        .routes(routes!(folders))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(resync))
}

/// Enrol a mailbox
///
/// The first sync begins at once, unless it is to start paused; the mailbox's state tells how far it is. Enrolling it again with the same settings
/// changes nothing.
#[utoipa::path(
    post, path = "/v1/mailboxes",
    operation_id = "enrolMailbox", tag = "mailboxes",
    request_body = EnrolmentForm,
    responses(
        (status = 201, description = "Enrolled", body = MailboxForm,
            headers(("Location", description = "The mailbox's path"))),
        (status = 200, description = "Was enrolled already, with these settings", body = MailboxForm,
            headers(("Location", description = "The mailbox's path"))),
        (status = 400, description = "Not valid"),
        (status = 409, description = "Enrolled with other settings, or being removed"),
        (status = 413, description = "The body is too large"),
        (status = 415, description = "The body is not JSON"),
    )
)]
async fn enrol(
    State(api): State<Arc<Api>>,
    request: RequestId,
    Body(body): Body,
) -> Result<impl IntoResponse, Failure> {
    let wanted = fresh(&api, Enrolment::read(body)?);
    let poll_at = ambient::add(wanted.enrolled_at, FIRST_POLL);
    let (status, mailbox) = match api.store.enrol(&wanted, poll_at).await? {
        Stored::Created(mailbox) => (StatusCode::CREATED, mailbox),
        Stored::Existing(mailbox) => (StatusCode::OK, unchanged(mailbox, &wanted)?),
    };
    if mailbox.phase == Phase::Enrolled {
        begin(&api, &mailbox.id, &request).await?;
    }
    let location = format!("/v1/mailboxes/{}", mailbox.id);
    Ok((
        status,
        [(header::LOCATION, location)],
        Json(MailboxForm::from(mailbox)),
    ))
}

fn fresh(api: &Api, wanted: Enrolment) -> Mailbox {
    let now = api.ambient.now();
    Mailbox {
        id: wanted.mailbox(),
        tenant: wanted.tenant,
        user: wanted.user,
        scope: wanted.scope,
        phase: wanted.phase,
        folder_link: None,
        folders_listed_at: None,
        last_success_at: None,
        last_error: None,
        comparison: None,
        policy: None,
        deletion: None,
        creating: None,
        linked_at: None,
        deletes: Deletes::default(),
        enrolled_at: now,
        updated_at: now,
        rev: 0,
    }
}

fn unchanged(stored: Mailbox, wanted: &Mailbox) -> Result<Mailbox, Problem> {
    if stored.phase == Phase::Removing {
        let detail = "the mailbox is being removed: enrol it again when it is gone";
        Err(Problem::not_in_phase((&stored.phase).into(), detail))
    } else if stored.scope != wanted.scope {
        let detail = "it is enrolled with other folders: remove it first, or repeat its own settings";
        Err(Problem::new(Kind::EnrolledOtherwise).detail(detail))
    } else {
        Ok(stored)
    }
}

/// List the mailboxes
///
/// In no order that means anything. A mailbox that is enrolled while the list is being read may be missing from it.
#[utoipa::path(
    get, path = "/v1/mailboxes",
    operation_id = "listMailboxes", tag = "mailboxes", params(PageQuery),
    responses(
        (status = 200, description = "A page of them", body = PageForm<MailboxForm>),
        (status = 400, description = "A parameter is not valid"),
    )
)]
async fn list(State(api): State<Arc<Api>>, page: PageQuery) -> Result<Json<PageForm<MailboxForm>>, Failure> {
    let page = api
        .store
        .mailboxes(page.cursor.as_deref(), page.limit.into())
        .await?;
    Ok(Json(page.into()))
}

/// Read a mailbox
///
/// With the progress of its first sync, its subscriptions, its last success and its last error.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}",
    operation_id = "readMailbox", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 200, description = "The mailbox", body = MailboxStateForm),
        (status = 404, description = "No such mailbox is enrolled"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
) -> Result<Json<MailboxStateForm>, Failure> {
    let state = api
        .store
        .mailbox_state(&mailbox)
        .await?
        .ok_or(Kind::MailboxNotFound)?;
    let pending = api.store.pending_count(&mailbox).await?;
    Ok(Json(MailboxStateForm::of(state, pending)))
}

/// List a mailbox's folders
///
/// All of them in one answer, those out of scope too. Empty until the worker has read the list.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/folders",
    operation_id = "listFolders", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 200, description = "The folders", body = PageForm<FolderForm>),
        (status = 404, description = "No such mailbox is enrolled"),
    )
)]
async fn folders(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
) -> Result<Json<PageForm<FolderForm>>, Failure> {
    let state = api
        .store
        .mailbox_state(&mailbox)
        .await?
        .ok_or(Kind::MailboxNotFound)?;
    Ok(Json(PageForm::whole(state.folders)))
}

/// Pause a mailbox
///
/// Nothing is read from it until it is resumed. The mirror stays as it is, and readable.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/pause",
    operation_id = "pauseMailbox", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 202, description = "Paused; a run that has begun comes to its end within minutes", body = MailboxForm),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "It is being removed"),
    )
)]
async fn pause(State(api): State<Arc<Api>>, InMailbox { mailbox }: InMailbox) -> Result<Accepted, Failure> {
    let mailbox = enter(&api, &mailbox, Action::Pause).await?;
    // A paused mailbox has no subscriptions: nobody would answer their notifications.
    ensure_subscriptions(&api, &mailbox.id).await?;
    Ok(accepted(mailbox))
}

/// Resume a mailbox
///
/// Goes on after a pause. A mailbox that Microsoft Graph has refused is looked at again at once.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/resume",
    operation_id = "resumeMailbox", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 202, description = "Its sync goes on", body = MailboxForm),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "It is being removed"),
    )
)]
async fn resume(
    State(api): State<Arc<Api>>,
    request: RequestId,
    InMailbox { mailbox }: InMailbox,
) -> Result<Accepted, Failure> {
    let mailbox = enter(&api, &mailbox, Action::Resume).await?;
    // Were both messages lost, it would still be found. A pause has cleared its timers.
    let due_at = ambient::add(api.ambient.now(), FIRST_POLL);
    let poll = Timer {
        mailbox: mailbox.id.clone(),
        kind: TimerKind::Poll,
        due_at,
    };
    api.store.set_timer(&poll).await?;
    ensure_subscriptions(&api, &mailbox.id).await?;
    begin(&api, &mailbox.id, &request).await?;
    Ok(accepted(mailbox))
}

/// Compare a mailbox with the mirror
///
/// Reads the whole mailbox, repairs what differs, and reports it in the mailbox's `lastComparison`.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/resync",
    operation_id = "compareMailbox", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 202, description = "The comparison will begin", body = MailboxForm),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "It is paused, unavailable, or being removed"),
    )
)]
async fn resync(
    State(api): State<Arc<Api>>,
    request: RequestId,
    InMailbox { mailbox }: InMailbox,
) -> Result<Accepted, Failure> {
    let mailbox = enter(&api, &mailbox, Action::Resync).await?;
    let job = WorkJob::Compare {
        mailbox: mailbox.id.clone(),
        requested_at: api.ambient.now(),
    };
    api.work.send(&[job], request.as_str()).await?;
    Ok(accepted(mailbox))
}

/// Remove a mailbox
///
/// Its subscriptions at Microsoft Graph are deleted and its mirror is erased. Outlook is not touched. When all is
/// done the mailbox is not found any more.
#[utoipa::path(
    delete, path = "/v1/mailboxes/{mailbox}",
    operation_id = "removeMailbox", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 202, description = "Its removal will begin, or has begun", body = MailboxForm),
        (status = 404, description = "No such mailbox is enrolled"),
    )
)]
async fn remove(
    State(api): State<Arc<Api>>,
    request: RequestId,
    InMailbox { mailbox }: InMailbox,
) -> Result<Accepted, Failure> {
    let mailbox = enter(&api, &mailbox, Action::Remove).await?;
    api.work
        .send(
            &[WorkJob::Remove {
                mailbox: mailbox.id.clone(),
            }],
            request.as_str(),
        )
        .await?;
    Ok(accepted(mailbox))
}

pub(crate) type Accepted = (StatusCode, Json<MailboxForm>);

pub(crate) fn accepted(mailbox: Mailbox) -> Accepted {
    (StatusCode::ACCEPTED, Json(mailbox.into()))
}

/// Moves the mailbox into the phase that `action` asks for, against whatever the worker writes at the same time.
pub(crate) async fn enter(api: &Api, id: &MailboxId, action: Action) -> Result<Mailbox, Failure> {
    let mut lost = Failure::from(Kind::TryAgain);
    for _ in 0..ATTEMPTS {
        let mut mailbox = api.store.mailbox(id).await?.ok_or(Kind::MailboxNotFound)?;
        match judge(action, &mailbox.phase, mailbox.last_success_at.is_some()) {
            Verdict::Refuse(why) => return Err(Problem::not_in_phase((&mailbox.phase).into(), why).into()),
            Verdict::Stay => return Ok(mailbox),
            Verdict::Enter(phase) => mailbox.phase = phase,
        }
        mailbox.updated_at = api.ambient.now();
        match api.store.save_mailbox(&mut mailbox).await {
            Ok(()) => return Ok(mailbox),
            Err(error @ StoreError::Conflict { .. }) => lost = error.into(),
            Err(error) => return Err(error.into()),
        }
    }
    Err(lost)
}

/// Tells the worker to bring the mailbox up to date. It asks for the subscriptions itself, once it knows the folders.
async fn begin(api: &Api, mailbox: &MailboxId, request: &RequestId) -> Result<(), Failure> {
    let sync = WorkJob::Sync {
        mailbox: mailbox.clone(),
        requested_at: api.ambient.now(),
    };
    api.work.send(&[sync], request.as_str()).await?;
    Ok(())
}

/// Tells the renewer to give the mailbox the subscriptions that it ought to have.
async fn ensure_subscriptions(api: &Api, mailbox: &MailboxId) -> Result<(), Failure> {
    let mailbox = mailbox.clone();
    api.lifecycle.send(&[LifecycleJob::Ensure { mailbox }]).await?;
    Ok(())
}
