//! The resource *photo* of a contact.
//!
//! Knows which status answers which request, and that the object is written before the record that names it. What
//! becomes of the record is `photo_edit.rs`. There is no DELETE: what Graph answers to it is nowhere said (facts 1.5).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use contact_store::{Contact, Expected, Photo, StoreError, Why};
use photo_store::{MEDIA_TYPE, PhotoName, PhotoStore};
use sync_core::photo::{LARGEST, PhotoHash};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::Api;
use crate::caller::Caller;
use crate::contact_forms::ContactForm;
use crate::contact_writes::answer;
use crate::failure::Failure;
use crate::paths::InContact;
use crate::photo_edit;
use crate::precondition::ChangeHeaders;
use crate::problem::{Kind, Problem};
use crate::read::{bytes, media_type, unsupported};
use crate::write::{living, place};

/// How often a photo is written, or looked up, against whoever writes at the same time.
const ATTEMPTS: usize = 3;

/// What every JPEG begins with.
const JPEG: [u8; 3] = [0xff, 0xd8, 0xff];

pub(crate) fn routes() -> OpenApiRouter<Arc<Api>> {
    OpenApiRouter::default()
        .routes(routes!(read, write))
        .layer(DefaultBodyLimit::max(LARGEST))
}

/// Describes a photo.
#[derive(ToSchema)]
#[schema(as = Jpeg, value_type = String, format = Binary)]
#[expect(dead_code, reason = "describes what is sent as it is")]
struct JpegForm(Vec<u8>);

/// A body that is a JPEG, as far as its beginning tells.
struct Jpeg(Bytes);

impl<S: Send + Sync> FromRequest<S> for Jpeg {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if media_type(request.headers()) != MEDIA_TYPE {
            return Err(unsupported(&[MEDIA_TYPE]));
        }
        let bytes = bytes(request, state).await?;
        if bytes.starts_with(&JPEG) {
            Ok(Self(bytes))
        } else {
            Err(Problem::new(Kind::NotAJpeg))
        }
    }
}

fn photos(api: &Api) -> Result<&PhotoStore, Failure> {
    api.photos.as_ref().ok_or_else(|| Kind::PhotosOff.into())
}

fn name(contact: &Contact, photo: &Photo) -> PhotoName {
    PhotoName::new(&contact.mailbox, &contact.id, photo.version, &photo.hash)
}

/// Read a contact's photo
#[utoipa::path(
    get, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/photo",
    operation_id = "readPhoto", tag = "contacts",
    params(InContact, ("If-None-Match" = Option<String>, Header, description = "The `ETag` of a photo that the caller has")),
    responses(
        (status = 200, description = "The photo", content_type = "image/jpeg", body = JpegForm,
            headers(("ETag", description = "The SHA-256 of the photo, in quotes"))),
        (status = 304, description = "It is the one that the caller has"),
        (status = 404, description = "There is no photo or no contact, or the deployment keeps no photos: the problem's type tells"),
    )
)]
async fn read(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let photos = photos(&api)?;
    // Replaced between the two reads, an object is gone: then the record names another.
    let mut before: Option<Photo> = None;
    for _ in 0..ATTEMPTS {
        let present = api.store.contact(&mailbox, &id).await?;
        let contact = living(present.as_ref())?;
        let photo = contact.photo.as_ref().ok_or(Kind::PhotoNotFound)?;
        let tag = format!("\"{}\"", photo.hash);
        if has(&headers, &tag) {
            return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
        }
        if before.as_ref() == Some(photo) {
            break;
        }
        if let Some(bytes) = photos.get(&name(contact, photo)).await? {
            let head = [(header::CONTENT_TYPE, MEDIA_TYPE.to_owned()), (header::ETAG, tag)];
            return Ok((head, bytes).into_response());
        }
        before = Some(photo.clone());
    }
    Err(Kind::PhotoNotFound.into())
}

/// True where the caller has the photo with this tag (RFC 9110: compared weakly).
fn has(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).into_iter();
    let tags = values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','));
    tags.map(str::trim)
        .any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

/// Set a contact's photo
///
/// A JPEG of at most 4 MB. The mirror has it at once, Outlook within seconds: `sync` tells. The photo that is there
/// already is no change. A photo can't be taken away, only replaced.
#[utoipa::path(
    put, path = "/v1/mailboxes/{mailbox}/contacts/{contact}/photo",
    operation_id = "replacePhoto", tag = "contacts", params(InContact, ChangeHeaders),
    request_body(content = JpegForm, content_type = "image/jpeg"),
    responses(
        (status = 200, description = "The contact as it is now", body = ContactForm,
            headers(("ETag", description = "The contact's version, in quotes"))),
        (status = 400, description = "Not a JPEG, or If-Match is not valid"),
        (status = 404, description = "There is no contact, it was deleted, or the deployment keeps no photos: the problem's type tells"),
        (status = 409, description = "The mailbox is being removed"),
        (status = 412, description = "The contact has another version"),
        (status = 413, description = "The photo is too large"),
        (status = 415, description = "The body has another media type"),
        (status = 428, description = "If-Match is required"),
    )
)]
async fn write(
    State(api): State<Arc<Api>>,
    InContact { mailbox, contact: id }: InContact,
    ChangeHeaders { if_match }: ChangeHeaders,
    caller: Caller,
    request: Request,
) -> Result<Response, Failure> {
    let photos = photos(&api)?;
    let Jpeg(bytes) = Jpeg::from_request(request, &()).await?;
    place(&api, &mailbox).await?;
    let (hash, size) = (PhotoHash::of(&bytes), bytes.len() as u64);
    let mut lost = Failure::from(Kind::TryAgain);
    for _ in 0..ATTEMPTS {
        let present = api.store.contact(&mailbox, &id).await?;
        let present = living(present.as_ref())?;
        if_match.check(present.version)?;
        let Some(mut contact) = photo_edit::set(present, hash.clone(), size, api.ambient.now()) else {
            return Ok(answer(present.clone()).into_response());
        };
        contact.cause = Some(caller.asks(Why::Photo));
        if let Some(photo) = &contact.photo {
            photos.put(&name(&contact, photo), bytes.clone()).await?;
        }
        let expected = Expected::Rev(present.rev);
        match api.store.put_contact(&contact, expected).await {
            Ok(()) => {
                contact.rev = expected.next_rev();
                return Ok(answer(contact).into_response());
            }
            Err(error @ StoreError::Conflict { .. }) => lost = error.into(),
            Err(error) => return Err(error.into()),
        }
    }
    Err(lost)
}
