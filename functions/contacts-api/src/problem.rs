//! Every answer that is not a success: problem details (RFC 9457).
//!
//! Knows the kinds of problem and their status codes. It must not know a resource, nor what went wrong inside
//! (`failure.rs`).

use std::borrow::Cow;
use std::num::NonZeroU64;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use sync_core::ids::ContactId;
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
    /// The contacts of the body can't be read in their own format; `errors` names every property that is wrong.
    UnreadableCards BAD_REQUEST "unreadable-cards" "The contacts can't be read"
    /// The body is no JPEG.
    NotAJpeg BAD_REQUEST "not-a-jpeg" "The body is not a JPEG"
    /// Nothing has this path.
    NoSuchResource NOT_FOUND "no-such-resource" "Nothing has this path"
    /// No mailbox with this id is enrolled.
    MailboxNotFound NOT_FOUND "mailbox-not-found" "No such mailbox is enrolled"
    /// The mirror never had a contact with this id.
    ContactNotFound NOT_FOUND "contact-not-found" "No such contact"
    /// The contact was deleted in Outlook; `deletedAt` tells when the mirror learnt of it.
    ContactDeleted NOT_FOUND "contact-deleted" "The contact was deleted"
    /// The contact has no photo.
    PhotoNotFound NOT_FOUND "photo-not-found" "The contact has no photo"
    /// The deployment does not keep photos.
    PhotosOff NOT_FOUND "photos-off" "Photos are switched off"
    /// No conflict with this id was recorded, or it was too long ago.
    ConflictNotFound NOT_FOUND "conflict-not-found" "No such conflict"
    /// The contact has no such version, or it was replaced too long ago.
    VersionNotFound NOT_FOUND "version-not-found" "No such version"
    /// No plan has been made, or it was dropped.
    PlanNotFound NOT_FOUND "plan-not-found" "There is no plan"
    /// Changes between the cursor and now may be forgotten: begin without a cursor, and drop what is not shown then.
    ExpiredCursor GONE "expired-cursor" "The cursor is too old"
    /// None of the media types that `Accept` names.
    NotAcceptable NOT_ACCEPTABLE "not-acceptable" "There is no such representation"
    /// The resource exists, but not with this method; the `Allow` header names those it has.
    MethodNotAllowed METHOD_NOT_ALLOWED "method-not-allowed" "The resource has no such method"
    /// The mailbox is enrolled already, with other settings.
    EnrolledOtherwise CONFLICT "enrolled-otherwise" "The mailbox is enrolled with other settings"
    /// The mailbox's phase doesn't permit it; `phase` tells the phase.
    NotInThisPhase CONFLICT "not-in-this-phase" "The mailbox's phase does not permit it"
    /// Another contact has this external id; `contact` names it.
    ExternalIdTaken CONFLICT "external-id-taken" "Another contact has this external id"
    /// The mailbox's folders have not been listed yet: leave `folder` out, or wait.
    FoldersUnknown CONFLICT "folders-unknown" "The mailbox's folders are not known yet"
    /// The contact waits for nobody's decision, or for another one.
    NotHeld CONFLICT "not-held" "The contact does not wait for this"
    /// The two contacts can't be made one.
    NotLinkable CONFLICT "not-linkable" "The contacts can't be made one"
    /// The version can't be brought back; `detail` tells why.
    NotRestorable CONFLICT "not-restorable" "The version can't be brought back"
    /// The conflict was settled before.
    AlreadySettled CONFLICT "already-settled" "The conflict was settled before"
    /// The contact has another version than `If-Match` says; `version` tells which.
    StaleVersion PRECONDITION_FAILED "stale-version" "The contact has another version"
    /// The body is longer than any valid one.
    BodyTooLarge PAYLOAD_TOO_LARGE "body-too-large" "The body is too large"
    /// The contact is larger than the mirror can keep.
    ContactTooLarge PAYLOAD_TOO_LARGE "contact-too-large" "The contact is too large"
    /// The body's media type is none that this method takes; `detail` names those that it takes.
    UnsupportedMediaType UNSUPPORTED_MEDIA_TYPE "unsupported-media-type" "The body has another media type"
    /// The `Idempotency-Key` came before, with another request.
    KeyUsedOtherwise UNPROCESSABLE_ENTITY "key-used-otherwise" "The key came with another request"
    /// A change of a contact needs `If-Match`: the `ETag` that it is based on, or `*`.
    PreconditionRequired PRECONDITION_REQUIRED "precondition-required" "If-Match is required"
    /// A fault on this side; the log has the cause under `requestId`.
    Internal INTERNAL_SERVER_ERROR "internal" "Internal error"
    /// No room at the moment: repeat the request after `Retry-After` seconds.
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
    detail: Option<Box<str>>,
    /// Every member and parameter that is not valid, 100 at most.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<FieldError>, required = false)]
    errors: Box<[FieldError]>,
    /// The phase that doesn't permit it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    phase: Option<PhaseName>,
    /// When the mirror learnt that the contact was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    deleted_at: Option<Timestamp>,
    /// The version that the contact has.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>, nullable = false)]
    version: Option<NonZeroU64>,
    /// The contact that stands in the way.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    contact: Option<Box<str>>,
    /// Under this id the log tells the cause.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<Box<str>>,
}

/// One member, parameter or header that is not valid.
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
    /// The header's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(crate) header: Option<&'static str>,
    /// What is wrong with it.
    pub(crate) detail: String,
}

impl FieldError {
    /// Of a member of the body.
    pub(crate) fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: Some(pointer.into()),
            parameter: None,
            header: None,
            detail: detail.into(),
        }
    }

    /// Of a query parameter.
    pub(crate) fn parameter(name: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: Some(name.into()),
            header: None,
            detail: detail.into(),
        }
    }

    /// Of a header.
    pub(crate) fn header(name: &'static str, detail: impl Into<String>) -> Self {
        Self {
            pointer: None,
            parameter: None,
            header: Some(name),
            detail: detail.into(),
        }
    }
}

impl Problem {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            title: kind.title(),
            status: kind.status().as_u16(),
            detail: None,
            errors: Box::default(),
            phase: None,
            deleted_at: None,
            version: None,
            contact: None,
            request_id: None,
        }
    }

    pub(crate) fn invalid(mut errors: Vec<FieldError>) -> Self {
        errors.truncate(MOST_ERRORS);
        Self {
            errors: errors.into(),
            ..Self::new(Kind::InvalidRequest)
        }
    }

    pub(crate) fn contact_deleted(at: Timestamp) -> Self {
        Self {
            deleted_at: Some(at),
            ..Self::new(Kind::ContactDeleted)
        }
    }

    /// The same with another kind.
    pub(crate) fn of_kind(self, kind: Kind) -> Self {
        Self {
            kind,
            title: kind.title(),
            status: kind.status().as_u16(),
            ..self
        }
    }

    pub(crate) fn stale(version: u64) -> Self {
        Self {
            version: NonZeroU64::new(version),
            ..Self::new(Kind::StaleVersion)
        }
    }

    pub(crate) fn external_id_taken(by: &ContactId) -> Self {
        Self {
            contact: Some(by.as_str().into()),
            ..Self::new(Kind::ExternalIdTaken)
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.status
    }

    pub(crate) fn not_in_phase(phase: PhaseName, detail: &str) -> Self {
        Self {
            phase: Some(phase),
            ..Self::new(Kind::NotInThisPhase).detail(detail)
        }
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Self {
        Self {
            detail: Some(detail.into().into()),
            ..self
        }
    }

    pub(crate) fn request_id(self, id: &str) -> Self {
        Self {
            request_id: Some(id.into()),
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
