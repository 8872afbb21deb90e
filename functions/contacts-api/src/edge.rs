//! The outermost layer: what every request and every answer goes through.
//!
//! Knows request ids, the log of requests, and headers that every answer has. It must not know a resource, and it
//! must not log a path or a query: they hold ids and filters of a caller, and later names.

use std::error::Error;
use std::sync::Arc;

use ambient::Ambient;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use lambda_http::RequestExt;

use crate::Api;
use crate::failure::Cause;
use crate::problem::{Kind, Problem};

/// The id under which the log knows a request: Lambda's own, or a random one where there is no Lambda.
#[derive(Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn of(request: &Request, ambient: &Ambient) -> Self {
        let lambda = request
            .lambda_context_ref()
            .map(|context| context.request_id.clone());
        Self(
            lambda
                .filter(|id| !id.is_empty())
                .unwrap_or_else(|| ambient.uuid().to_string()),
        )
    }
}

impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get()
            .cloned()
            .ok_or_else(|| Problem::new(Kind::Internal))
    }
}

/// Names the request, logs it and its failure once each, and completes the answer.
pub(crate) async fn edge(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let id = RequestId::of(&request, &api.ambient);
    let method = request.method().clone();
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map(|path| path.as_str().to_owned())
        .unwrap_or_default();
    let begun = api.ambient.now();
    request.extensions_mut().insert(id.clone());

    let mut response = next.run(request).await;

    if let Some(cause) = response.extensions_mut().remove::<Cause>() {
        let chain = chain(&*cause.error);
        if cause.kind == Kind::Internal {
            tracing::error!(
                request.id = id.as_str(),
                http.route = route,
                error = chain,
                "the request failed"
            );
        } else {
            tracing::warn!(
                request.id = id.as_str(),
                http.route = route,
                error = chain,
                "the caller was put off"
            );
        }
        response = Problem::new(cause.kind).request_id(id.as_str()).into_response();
    }
    let headers = response.headers_mut();
    // Contacts are personal data: no cache on the way may keep them, and no browser may guess another type.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    tracing::info!(
        request.id = id.as_str(),
        http.method = method.as_str(),
        http.route = route,
        http.status = response.status().as_u16(),
        duration_ms = i64::try_from(api.ambient.now().duration_since(begun).as_millis()).unwrap_or(i64::MAX),
        "answered a request"
    );
    response
}

fn chain(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
