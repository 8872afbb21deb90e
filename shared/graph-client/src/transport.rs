//! Bytes to Graph and back: the seam below everything else, and the one file that names reqwest.
//!
//! Knows HTTP. Must not know tokens, retries or what a status means: a status other than 2xx is an answer here, not
//! an error.

use std::future::Future;
use std::time::Duration;

use bytes::{Bytes, BytesMut};

/// Sends one request and gives back one answer, whatever its status.
pub trait Transport: Send + Sync {
    /// One attempt, without retries. The URI is absolute.
    fn send(
        &self,
        request: http::Request<Bytes>,
    ) -> impl Future<Output = Result<http::Response<Bytes>, TransportError>> + Send;
}

impl<T: Transport> Transport for std::sync::Arc<T> {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        self.as_ref().send(request).await
    }
}

/// Why there is no answer. What matters to a caller is whether the request may have been carried out.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// No connection: the request was never sent.
    #[error("no connection could be made")]
    Connect(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request may have been sent and carried out; no answer came in time.
    #[error("no answer in time")]
    Timeout(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The request may have been sent and carried out; the connection ended before the answer did.
    #[error("the connection ended before the answer did")]
    Interrupted(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The answer was larger than this client takes in.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The most that is taken in, in bytes.
        limit: u64,
    },
}

/// The limits of one HTTP request.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// To a connection, TLS included. Default: 5 s.
    pub connect_timeout: Duration,
    /// Between two reads of one answer. Default: 20 s; Graph's own slow pages come within a few seconds.
    pub read_timeout: Duration,
    /// From the first byte sent to the last byte read. Default: 60 s.
    pub total_timeout: Duration,
    /// How long an unused connection is kept. Default: 50 s; a frozen Lambda finds older ones dead.
    pub idle_timeout: Duration,
    /// The largest answer taken in, in bytes after decompression. Default: 32 MiB; 200 contacts with long notes stay
    /// well below.
    pub max_answer_bytes: u64,
    /// Whether `http:` is allowed. Default: no. Only for a configured endpoint that is `http:` itself:
    /// [`Endpoints::plain_http`](crate::Endpoints::plain_http).
    pub plain_http: bool,
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(20),
            total_timeout: Duration::from_mins(1),
            idle_timeout: Duration::from_secs(50),
            max_answer_bytes: 32 << 20,
            plain_http: false,
        }
    }
}

/// HTTP over TLS, with kept connections. Redirects are not followed: a token must not travel where a `Location` says.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    client: reqwest::Client,
    max_answer_bytes: u64,
}

impl HttpTransport {
    /// Builds the client. Costs some milliseconds (TLS roots), so once per process.
    pub fn new(config: &HttpConfig) -> Result<Self, TransportError> {
        let client = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .read_timeout(config.read_timeout)
            .timeout(config.total_timeout)
            .pool_idle_timeout(config.idle_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .no_proxy()
            .gzip(true)
            .https_only(!config.plain_http)
            .build()
            .map_err(|error| TransportError::Connect(Box::new(error)))?;
        Ok(Self {
            client,
            max_answer_bytes: config.max_answer_bytes,
        })
    }

    async fn read(&self, mut answer: reqwest::Response) -> Result<Bytes, TransportError> {
        let mut body = BytesMut::new();
        while let Some(chunk) = answer.chunk().await.map_err(failed)? {
            if (body.len() + chunk.len()) as u64 > self.max_answer_bytes {
                return Err(TransportError::TooLarge {
                    limit: self.max_answer_bytes,
                });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }
}

impl Transport for HttpTransport {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(failed)?;
        let mut answer = self.client.execute(request).await.map_err(failed)?;
        let status = answer.status();
        let headers = std::mem::take(answer.headers_mut());
        let mut response = http::Response::new(self.read(answer).await?);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }
}

/// The URL is left out: it names people, and its query may hold a delta token.
fn failed(error: reqwest::Error) -> TransportError {
    let never_sent = error.is_connect() || error.is_builder();
    let late = error.is_timeout();
    let source = Box::new(error.without_url());
    match (never_sent, late) {
        (true, _) => TransportError::Connect(source),
        (false, true) => TransportError::Timeout(source),
        (false, false) => TransportError::Interrupted(source),
    }
}
