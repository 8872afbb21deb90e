//! The API of operators and outside systems: enrol mailboxes, watch them, read and write their contacts.
//!
//! An axum router. `main.rs` serves it behind a function URL with AWS signatures, a local stack serves the same one.
//! Who may call is decided before a request gets here (IAM). The API reads and writes the store and sends jobs; it
//! must not know Microsoft Graph. A change of a contact is one conditional write, and no message: the table's stream is
//! the outbox.
//!
//! Drill down: [`router`] -> `edge` (what every request goes through) -> the resources: `mailboxes`, `policy`, `plan`;
//! `contacts`, `contact_writes`, `photos`, `bulk`, `export`, `held`, `guarded`, `feed`; `versions`, `explain`,
//! `restore`, `erase`; `conflicts`; `service` -> `read`, `paths`, `queries`,
//! `precondition`, `cards`, `enrolment`, `asked`, `caller`, `valid` (what comes in), `phase`, `edit`, `photo_edit`, `link`, `settle`, `comeback` (what becomes
//! of it, purely), `write` (how it is written), `*_forms`, `problem`, `failure` (what goes out).

mod asked;
mod bulk;
mod caller;
mod cards;
mod comeback;
mod conflict_forms;
mod conflicts;
mod contact_forms;
mod contact_writes;
mod contacts;
mod edge;
mod edit;
mod enrolment;
mod erase;
mod explain;
mod export;
mod failure;
mod feed;
mod folder_forms;
mod forms;
mod guarded;
mod held;
mod history_forms;
mod link;
mod mailboxes;
mod openapi;
mod paths;
mod phase;
mod photo_edit;
mod photos;
mod plan;
mod policy;
mod precondition;
mod problem;
mod queries;
mod read;
mod restore;
mod service;
mod settle;
mod valid;
mod versions;
mod write;

use std::sync::{Arc, OnceLock};

use ambient::Ambient;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use contact_store::Store;
use job_queue::{JobQueue, LifecycleQueue};
use photo_store::PhotoStore;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub use crate::link::Policies;
use crate::problem::{Kind, Problem};

/// Longer than any valid body but those of many contacts, which have a limit of their own (`bulk`).
const LONGEST_BODY: usize = 256 * 1024;

/// What the API works with.
#[derive(Debug)]
pub struct Api {
    /// The mirror and the state of the sync.
    pub store: Store,
    /// Where work for a mailbox goes.
    pub work: JobQueue,
    /// Where work on subscriptions goes.
    pub lifecycle: LifecycleQueue,
    /// Who gets his way in a conflict.
    pub policies: Policies,
    /// Where photos are kept; `None`: the deployment keeps none.
    pub photos: Option<PhotoStore>,
    /// Time and chance.
    pub ambient: Ambient,
}

/// The API as a service over HTTP.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let (router, _) = described();
    router
        .clone()
        .fallback(async || Problem::new(Kind::NoSuchResource))
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn_with_state(Arc::clone(&api), edge::edge))
        .with_state(api)
}

/// The API's description: `OpenAPI` 3.1.
pub fn openapi() -> OpenApi {
    let mut description = described().1.clone();
    openapi::complete(&mut description);
    description
}

/// Every resource, and their description. Put together once in the life of the process: it is a tenth of what a short
/// test costs.
fn described() -> &'static (Router<Arc<Api>>, OpenApi) {
    static DESCRIBED: OnceLock<(Router<Arc<Api>>, OpenApi)> = OnceLock::new();
    DESCRIBED.get_or_init(|| resources().split_for_parts())
}

fn resources() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::blank())
        .merge(mailboxes::routes())
        .merge(contacts::routes())
        .merge(contact_writes::routes())
        .merge(bulk::routes())
        .merge(export::routes())
        .merge(photos::routes())
        .merge(held::routes())
        .merge(guarded::routes())
        .merge(feed::routes())
        .merge(versions::routes())
        .merge(explain::routes())
        .merge(restore::routes())
        .merge(erase::routes())
        .merge(conflicts::routes())
        .merge(policy::routes())
        .merge(plan::routes())
        .merge(service::routes())
}
