//! S3 as far as the bundle uses it: objects in one bucket, put, got, listed and deleted.
//!
//! Knows the wire: paths with the bucket first, XML for lists and errors. It must not know what the objects are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State as Shared};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use data_encoding::BASE64;
use sync_core::photo::PhotoHash;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::server::stopped;

/// The one bucket.
pub const PHOTO_BUCKET: &str = "photos";

/// A photo, and some room.
const LARGEST_OBJECT: usize = 5 << 20;

/// The objects of the bucket. Clones are handles of the same ones.
#[derive(Clone, Debug, Default)]
pub struct LocalObjects(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    objects: BTreeMap<String, Bytes>,
    requests: u64,
    refusing: bool,
}

impl LocalObjects {
    /// The names of what is there.
    pub fn names(&self) -> Vec<String> {
        self.lock().objects.keys().cloned().collect()
    }

    /// An object by its name.
    pub fn get(&self, name: &str) -> Option<Bytes> {
        self.lock().objects.get(name).cloned()
    }

    /// Takes an object away behind everybody's back.
    pub fn lose(&self, name: &str) {
        self.lock().objects.remove(name);
    }

    /// How many requests were made.
    pub fn requests(&self) -> u64 {
        self.lock().requests
    }

    /// From here on S3 fails, or works again.
    pub fn refuse(&self, refusing: bool) {
        self.lock().refusing = refusing;
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: Bytes) -> Response {
        let mut state = self.lock();
        state.requests += 1;
        if state.refusing {
            return refusal(StatusCode::SERVICE_UNAVAILABLE, "SlowDown");
        }
        let path = uri.path().trim_start_matches('/');
        let (bucket, name) = path.split_once('/').unwrap_or((path, ""));
        if bucket != PHOTO_BUCKET {
            return refusal(StatusCode::NOT_FOUND, "NoSuchBucket");
        }
        match (method.as_str(), name) {
            ("GET", "") => list(&state, uri.query().unwrap_or_default()),
            ("GET", name) => match state.objects.get(name) {
                Some(object) => ([(header::CONTENT_TYPE, "image/jpeg")], object.clone()).into_response(),
                None => refusal(StatusCode::NOT_FOUND, "NoSuchKey"),
            },
            ("PUT", name) if is_whole(headers, &body) => {
                state.objects.insert(name.to_owned(), body);
                StatusCode::OK.into_response()
            }
            ("PUT", _) => refusal(StatusCode::BAD_REQUEST, "BadDigest"),
            ("DELETE", name) => {
                state.objects.remove(name);
                StatusCode::NO_CONTENT.into_response()
            }
            _ => refusal(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A body has the checksum that the request tells, and is in no further encoding.
fn is_whole(headers: &HeaderMap, body: &Bytes) -> bool {
    let sum = headers.get("x-amz-checksum-sha256");
    let sum = sum.and_then(|sum| BASE64.decode(sum.as_bytes()).ok());
    let digits = sum.map(|sum| data_encoding::HEXLOWER.encode(&sum));
    !headers.contains_key(header::CONTENT_ENCODING) && digits.as_deref() == Some(PhotoHash::of(body).as_str())
}

fn list(state: &State, query: &str) -> Response {
    let option = |name: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
    };
    // The only character of our names that is written otherwise in a query.
    let prefix = option("prefix").unwrap_or_default().replace("%2F", "/");
    let most = option("max-keys")
        .and_then(|most| most.parse().ok())
        .unwrap_or(1000);
    let mut inside = state.objects.keys().filter(|name| name.starts_with(&prefix));
    let mut contents = String::new();
    for name in inside.by_ref().take(most) {
        // Into a text that grows there is nothing to fail.
        let _ = write!(contents, "<Contents><Key>{name}</Key></Contents>");
    }
    let truncated = inside.next().is_some();
    let body =
        format!("<ListBucketResult><IsTruncated>{truncated}</IsTruncated>{contents}</ListBucketResult>");
    ([(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

fn refusal(status: StatusCode, code: &str) -> Response {
    let body = format!("<Error><Code>{code}</Code><Message>{code}</Message></Error>");
    (status, [(header::CONTENT_TYPE, "application/xml")], body).into_response()
}

/// Serves the objects until stopped.
pub(super) async fn serve(
    listener: TcpListener,
    objects: LocalObjects,
    until: oneshot::Receiver<()>,
) -> Result<(), String> {
    let answer = async |Shared(objects): Shared<LocalObjects>,
                        method: Method,
                        uri: Uri,
                        headers: HeaderMap,
                        body: Bytes| { objects.answer(&method, &uri, &headers, body) };
    let app = Router::new()
        .fallback(answer)
        .layer(DefaultBodyLimit::max(LARGEST_OBJECT))
        .with_state(objects);
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped(until))
        .await
        .map_err(|error| format!("serve objects: {error}"))
}
