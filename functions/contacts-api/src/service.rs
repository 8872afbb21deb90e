//! The resources of the API itself: its health and its description.
//!
//! Knows nothing of mailboxes, and asks nobody: an API that is up says so even while the database is not.

use std::sync::Arc;

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(health))
        .routes(routes!(description))
}

/// That the API answers.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`.
    status: &'static str,
}

/// Tell whether the API answers
#[utoipa::path(
    get, path = "/v1/health",
    operation_id = "readHealth", tag = "service",
    responses((status = 200, description = "It does", body = Health))
)]
async fn health() -> Json<Health> {
    Json(Health { status: "ok" })
}

/// Read this description
#[utoipa::path(
    get, path = "/v1/openapi.json",
    operation_id = "readDescription", tag = "service",
    responses((status = 200, description = "OpenAPI 3.1", body = Object))
)]
async fn description() -> Json<OpenApi> {
    // Made anew each time: it is asked for too seldom to be kept.
    Json(crate::openapi())
}
