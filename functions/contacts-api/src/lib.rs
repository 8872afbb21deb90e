//! The API of operators and outside systems: enrol mailboxes, watch them, read their contacts.
//!
//! An axum router. `main.rs` serves it behind a function URL with AWS signatures, a local stack serves the same one.
//! Who may call is decided before a request gets here (IAM). The API reads and writes the store and sends jobs; it
//! must not know Microsoft Graph.
//!
//! Drill down: [`router`] -> `edge` (what every request goes through) -> `mailboxes`, `contacts`, `service` (the
//! resources) -> `read`, `enrolment` (what comes in), `phase` (what is permitted), `forms`, `contact_forms`,
//! `problem` (what goes out).

mod contact_forms;
mod contacts;
mod edge;
mod enrolment;
mod forms;
mod mailboxes;
mod openapi;
mod phase;
mod problem;
mod read;
mod service;

use std::sync::Arc;

use ambient::Ambient;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use contact_store::Store;
use job_queue::{JobQueue, LifecycleQueue};
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use crate::problem::{Kind, Problem};

/// Far more than the longest valid body: a hundred folders, each with a path of a kilobyte.
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
    /// Time and chance.
    pub ambient: Ambient,
}

/// The API as a service over HTTP.
pub fn router(api: Api) -> Router {
    let api = Arc::new(api);
    let (router, _) = described().split_for_parts();
    router
        .fallback(async || Problem::new(Kind::NoSuchResource))
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(from_fn_with_state(Arc::clone(&api), edge::edge))
        .with_state(api)
}

/// The API's description: `OpenAPI` 3.1.
pub fn openapi() -> OpenApi {
    let mut description = described().into_openapi();
    openapi::complete(&mut description);
    description
}

/// Every resource with its description.
fn described() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::with_openapi(openapi::blank())
        .merge(mailboxes::routes())
        .merge(contacts::routes())
        .merge(service::routes())
}
