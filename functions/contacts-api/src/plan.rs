//! The resource *plan*: what a first sync would do, to be looked at before it is done.
//!
//! Knows how a plan is asked for and shown. It is made by the worker, which alone knows Outlook.

use std::sync::Arc;

use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use contact_store::{Outsider, PlanEntry, PlanSummary};
use jiff::Timestamp;
use job_queue::WorkJob;
use serde::Serialize;
use sync_core::matching::Ground;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::edge::RequestId;
use crate::failure::Failure;
use crate::forms::{MailboxForm, is_zero};
use crate::mailboxes::{Accepted, accepted, enter};
use crate::paths::InMailbox;
use crate::phase::Action;
use crate::problem::{Kind, Problem};
use crate::read::Parameters;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default().routes(routes!(make, read))
}

/// Make a plan
///
/// Reads the whole mailbox and finds out which of the platform's contacts are in Outlook already. Nothing is changed on
/// either side. A plan that was made before is replaced.
#[utoipa::path(
    post, path = "/v1/mailboxes/{mailbox}/plan",
    operation_id = "planSync", tag = "mailboxes", params(InMailbox),
    responses(
        (status = 202, description = "The plan will be made", body = MailboxForm),
        (status = 404, description = "No such mailbox is enrolled"),
        (status = 409, description = "It is unavailable, or being removed"),
    )
)]
async fn make(
    State(api): State<Arc<Api>>,
    request: RequestId,
    InMailbox { mailbox }: InMailbox,
) -> Result<Accepted, Failure> {
    let mailbox = enter(&api, &mailbox, Action::Plan).await?;
    let job = WorkJob::Plan {
        mailbox: mailbox.id.clone(),
        requested_at: api.ambient.now(),
    };
    api.work.send(&[job], request.as_str()).await?;
    Ok(accepted(mailbox))
}

/// Which part of a plan.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
struct PlanQuery {
    /// `next` of the part before; absent for the first part.
    cursor: Option<String>,
}

impl<S: Send + Sync> FromRequestParts<S> for PlanQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let mut parameters = Parameters::of(parts)?;
        let cursor = parameters.get("cursor");
        parameters.finish().map(|()| Self { cursor })
    }
}

/// A part of what a first sync would do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Plan)]
struct PlanForm {
    /// What it comes to; with the first part only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    summary: Option<SummaryForm>,
    /// What would become of each contact.
    items: Vec<EntryForm>,
    /// The `cursor` of the next part; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    next: Option<String>,
    /// How many parts could not be read, and are missing; absent for none. The log names them.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(required = false)]
    unreadable: u64,
}

/// What a plan comes to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = PlanSummary)]
struct SummaryForm {
    /// When it was begun.
    started_at: Timestamp,
    /// When it was complete; absent while it is being made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    finished_at: Option<Timestamp>,
    /// Contacts on both sides that are one.
    link: u64,
    /// Contacts of the platform that may be one of Outlook's: a person decides.
    review: u64,
    /// Contacts that Outlook would get.
    create: u64,
    /// Contacts that the mirror would get.
    import: u64,
}

impl From<PlanSummary> for SummaryForm {
    fn from(of: PlanSummary) -> Self {
        Self {
            started_at: of.started_at,
            finished_at: of.finished_at,
            link: of.link,
            review: of.review,
            create: of.create,
            import: of.import,
        }
    }
}

/// What would become of a contact.
#[derive(Serialize, ToSchema)]
#[serde(tag = "action", rename_all = "camelCase", rename_all_fields = "camelCase")]
#[schema(as = PlanEntry)]
enum EntryForm {
    /// The platform's contact and Outlook's are one.
    Link {
        /// The platform's contact.
        contact: String,
        /// Outlook's.
        outlook: OutsiderForm,
        /// How that is known.
        by: GroundName,
    },
    /// They may be one: a person decides.
    Review {
        /// The platform's contact.
        contact: String,
        /// Those of Outlook's that it may be.
        candidates: Vec<OutsiderForm>,
        /// What makes them alike.
        by: GroundName,
    },
    /// Outlook would get it.
    Create {
        /// The platform's contact.
        contact: String,
    },
    /// The mirror would get it.
    Import {
        /// Outlook's contact.
        outlook: OutsiderForm,
        /// The id of the folder that it lies in.
        folder: String,
    },
}

/// A contact of Outlook's.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Outsider)]
struct OutsiderForm {
    /// Its id in Outlook.
    id: String,
    /// Its id here, where the mirror has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    contact: Option<String>,
    /// What a person knows it by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    title: Option<String>,
}

impl From<Outsider> for OutsiderForm {
    fn from(of: Outsider) -> Self {
        Self {
            id: of.id.to_string(),
            contact: of.contact.map(Into::into),
            title: of.title,
        }
    }
}

/// What makes two contacts one.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Ground)]
enum GroundName {
    /// Outlook's bears the platform's own mark.
    Stamp,
    /// An e-mail address.
    Email,
    /// A phone number.
    Phone,
    /// Name and company.
    NameAndCompany,
}

impl From<Ground> for GroundName {
    fn from(of: Ground) -> Self {
        match of {
            Ground::Stamp => Self::Stamp,
            Ground::Email => Self::Email,
            Ground::Phone => Self::Phone,
            Ground::NameAndCompany => Self::NameAndCompany,
        }
    }
}

impl From<PlanEntry> for EntryForm {
    fn from(of: PlanEntry) -> Self {
        match of {
            PlanEntry::Link { contact, outlook, by } => Self::Link {
                contact: contact.into(),
                outlook: outlook.into(),
                by: by.into(),
            },
            PlanEntry::Review {
                contact,
                candidates,
                by,
            } => Self::Review {
                contact: contact.into(),
                candidates: candidates.into_iter().map(Into::into).collect(),
                by: by.into(),
            },
            PlanEntry::Create { contact } => Self::Create {
                contact: contact.into(),
            },
            PlanEntry::Import { outlook, folder } => Self::Import {
                outlook: outlook.into(),
                folder: folder.to_string(),
            },
        }
    }
}

/// Read the plan
///
/// In parts of some hundred contacts. While it is being made it may be incomplete: `summary.finishedAt` tells.
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/plan",
    operation_id = "readPlan", tag = "mailboxes", params(InMailbox, PlanQuery),
    responses(
        (status = 200, description = "A part of the plan", body = PlanForm),
        (status = 400, description = "A parameter is not valid"),
        (status = 404, description = "There is no plan, or no such mailbox: the problem's type tells"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InMailbox { mailbox }: InMailbox,
    PlanQuery { cursor }: PlanQuery,
) -> Result<Json<PlanForm>, Failure> {
    let page = api.store.plan_pages(&mailbox, cursor.as_deref(), 1).await?;
    if page.items.is_empty() && page.unreadable == 0 {
        api.store.mailbox(&mailbox).await?.ok_or(Kind::MailboxNotFound)?;
        if cursor.is_none() {
            return Err(Kind::PlanNotFound.into());
        }
    }
    let mut form = PlanForm {
        summary: None,
        items: Vec::new(),
        next: page.next,
        unreadable: page.unreadable,
    };
    for part in page.items {
        form.summary = form.summary.or(part.summary.map(Into::into));
        form.items.extend(part.entries.into_iter().map(Into::into));
    }
    Ok(Json(form))
}
