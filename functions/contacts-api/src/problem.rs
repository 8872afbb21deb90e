//! Every answer that is not a success: problem details (RFC 9457).
//!
//! Knows the kinds of problem, their status codes, and how causes inside become answers outside. It must not know
//! a resource. What went wrong *inside* (a source, a chain of them) is for the log alone: [`crate::edge`] takes it
//! off the response and puts the request's id there instead.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contact_store::StoreError;
use jiff::Timestamp;
use job_queue::QueueError;
use serde::{Serialize, Serializer};
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema, openapi::RefOr};

use crate::forms::PhaseName;

/// More than this many errors of one request are not told: the answer stays small, whatever was sent.
const MOST_ERRORS: usize = 100;

/// How long a client waits before it repeats a request that the database or the queue had no room for. On-demand
/// tables and queues make room within seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// The media type of problem details.
pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident $status:ident $slug:literal $title:literal)*) => {
        /// What kind of problem it is. Clients branch on this, never on texts.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind { $($(#[$doc])* $kind,)* }

        impl Kind {
            const ALL: [Self; [$($slug),*].len()] = [$(Self::$kind),*];

            /// RFC 9457 wants a URI that is nobody else's; a tag: URI (RFC 4151) promises no page behind it.
            fn uri(self) -> &'static str {
                match self { $(Self::$kind => concat!("tag:outlook-contact-sync,2026:", $slug),)* }
            }

            fn status(self) -> StatusCode {
                match self { $(Self::$kind => StatusCode::$status,)* }
            }

            fn title(self) -> &'static str {
                match self { $(Self::$kind => $title,)* }
            }
        }
    };
}

kinds! {
    /// Members or parameters of the request are not valid; `errors` names every one.
    InvalidRequest BAD_REQUEST "invalid-request" "The request is not valid"
    /// The body is not a JSON object.
    MalformedBody BAD_REQUEST "malformed-body" "The body is not a JSON object"
    /// The cursor is not one that this list has given.
    InvalidCursor BAD_REQUEST "invalid-cursor" "The cursor is not valid"
    /// Nothing has this path.
    NoSuchResource NOT_FOUND "no-such-resource" "Nothing has this path"
    /// No mailbox with this id is enrolled.
    MailboxNotFound NOT_FOUND "mailbox-not-found" "No such mailbox is enrolled"
    /// The mirror never had a contact with this id.
    ContactNotFound NOT_FOUND "contact-not-found" "No such contact"
    /// The contact was deleted in Outlook; `deletedAt` tells when the mirror learnt of it.
    ContactDeleted NOT_FOUND "contact-deleted" "The contact was deleted"
    /// The resource exists, but not with this method; the `Allow` header names those it has.
    MethodNotAllowed METHOD_NOT_ALLOWED "method-not-allowed" "The resource has no such method"
    /// The mailbox is enrolled already, with other settings.
    EnrolledOtherwise CONFLICT "enrolled-otherwise" "The mailbox is enrolled with other settings"
    /// The mailbox's phase doesn't permit it; `phase` tells the phase.
    NotInThisPhase CONFLICT "not-in-this-phase" "The mailbox's phase does not permit it"
    /// The body is longer than any valid one.
    BodyTooLarge PAYLOAD_TOO_LARGE "body-too-large" "The body is too large"
    /// The body must be `application/json`.
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The body must be application/json"
    /// A fault on this side; the log has the cause under `requestId`.
    Internal INTERNAL_SERVER_ERROR "internal" "Internal error"
    /// No room at the moment. Every request is idempotent: repeat it after `Retry-After` seconds.
    TryAgain SERVICE_UNAVAILABLE "try-again" "Try again"
}

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.uri())
    }
}

impl ToSchema for Kind {
    fn name() -> Cow<'static, str> {
        "ProblemType".into()
    }
}

impl PartialSchema for Kind {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(Self::ALL.map(Self::uri)));
        text.description(Some(
            "What kind of problem it is. Branch on this, never on texts.",
        ))
        .into()
    }
}

/// Problem details (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: Kind,
    /// The kind in words: the same for each problem of the kind.
    title: &'static str,
    /// The HTTP status code.
    status: u16,
    /// What it is this time.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    detail: Option<String>,
    /// Every member and parameter that is not valid, 100 at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    errors: Vec<FieldError>,
    /// The phase that doesn't permit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phase: Option<PhaseName>,
    /// When the mirror learnt that the contact was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deleted_at: Option<Timestamp>,
    /// Under this id the log tells the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
}

/// One member or parameter that is not valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct FieldError {
    /// The member's place in the body: a JSON Pointer (RFC 6901).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) pointer: Option<String>,
    /// The query parameter's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) parameter: Option<String>,
    /// What is wrong with it.
    pub(crate) detail: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: None,
            errors: Vec::new(),
            phase: None,
            deleted_at: None,
            request_id: None,
        }
    }

    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MOST_ERRORS);
        Self {
            errors,
            ..Self::new(Kind::InvalidRequest)
        }
    }

    pub(crate) fn contact_deleted(at: Timestamp) -> Self {
        Self {
            deleted_at: Some(at),
            ..Self::new(Kind::ContactDeleted)
        }
    }

    pub(crate) fn not_in_phase(phase: PhaseName, detail: &str) -> Self {
        Self {
            phase: Some(phase),
            ..Self::new(Kind::NotInThisPhase).detail(detail)
        }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into()),
            ..self
        }
    }

    pub(crate) fn request_id(self, id: &str) -> Self {
        Self {
            request_id: Some(id.to_owned()),
            ..self
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), Json(&self)).into_response();
        response
            .headers_mut()
            .insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if self.kind == Kind::TryAgain {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY_AFTER);
        }
        response
    }
}

/// Why a request was not fulfilled: the client's problem, or a cause on this side that the client doesn't see.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Told as it is.
    Told(Box<Problem>),
    /// Told as the kind alone; the cause goes to the log.
    Inside(Kind, Arc<dyn std::error::Error + Send + Sync>),
}

/// The cause of a failure inside, carried by its response as an extension to the place where it is logged.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) kind: Kind,
    pub(crate) error: Arc<dyn std::error::Error + Send + Sync>,
}

impl Failure {
    pub(crate) fn internal(error: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Inside(Kind::Internal, Arc::new(error))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Told(Box::new(problem))
    }
}

impl From<Kind> for Failure {
    fn from(kind: Kind) -> Self {
        Problem::new(kind).into()
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::InvalidCursor => Kind::InvalidCursor.into(),
            StoreError::Conflict { .. } | StoreError::Throttled | StoreError::Unavailable(_) => {
                Self::Inside(Kind::TryAgain, Arc::new(error))
            }
            StoreError::NewerSchema { .. }
            | StoreError::Corrupt { .. }
            | StoreError::TooLarge { .. }
            | StoreError::Unwritable { .. } => Self::Inside(Kind::Internal, Arc::new(error)),
        }
    }
}

impl From<QueueError> for Failure {
    /// What was written stays written; the repeated request sends the messages again.
    fn from(error: QueueError) -> Self {
        Self::Inside(Kind::TryAgain, Arc::new(error))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        match self {
            Self::Told(problem) => problem.into_response(),
            Self::Inside(kind, error) => {
                let mut response = Problem::new(kind).into_response();
                response.extensions_mut().insert(Cause { kind, error });
                response
            }
        }
    }
}
