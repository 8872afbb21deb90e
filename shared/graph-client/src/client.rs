//! The client, and the life of a request: link check, token, attempts, one new token, answer.
//!
//! Knows everything that all calls have in common. Must not know any resource.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ambient::Ambient;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderName, IF_MATCH, LOCATION};
use http::{HeaderValue, Method, Request};
use jiff::Timestamp;
use serde_json::Value;
use tracing::Instrument;
use url::Url;

use crate::auth::{Asking, CredentialSource, TokenPolicy, Tokens};
use crate::classify::Subject;
use crate::endpoints::{Endpoints, path};
use crate::error::{ErrorKind, GraphError};
use crate::exchange::{Answer, Exchange, Terms};
use crate::resources::{MailboxClient, Tenant};
use crate::retry::{Repeat, RetryPolicy};
use crate::transport::Transport;

/// Rows asked for per page. Delta was seen to cap pages at 200 (facts 4.2).
const PAGE_SIZE: u32 = 200;

const PREFER: HeaderName = HeaderName::from_static("prefer");

/// Microsoft Graph for one app, in all its tenants. Cheap to clone; clones share connections, tokens and counters.
pub struct GraphClient<T> {
    shared: Arc<Shared<T>>,
    deadline: Option<Timestamp>,
    page_size: u32,
}

struct Shared<T> {
    endpoints: Endpoints,
    exchange: Exchange<T>,
    tokens: Tokens,
    batch_items: AtomicU64,
}

impl<T> Clone for GraphClient<T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            deadline: self.deadline,
            page_size: self.page_size,
        }
    }
}

/// Where a call goes.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// Below the version root, segment by segment; each is encoded.
    Path(&'a [&'a str]),
    /// As [`Target::Path`], with a query that is already encoded.
    Query(&'a [&'a str], &'a str),
    /// A URL that Graph gave. Refused where it leads elsewhere.
    Link(&'a str),
}

/// One call, as its method in `resources` writes it down.
pub(crate) struct Call<'a> {
    pub(crate) operation: &'static str,
    pub(crate) method: Method,
    pub(crate) target: Target<'a>,
    pub(crate) subject: Subject,
    pub(crate) repeat: Repeat,
    pub(crate) body: Option<Bytes>,
    content_type: HeaderValue,
    pub(crate) if_match: Option<&'a str>,
    /// Whether the answer has pages; their size must be asked for with each (facts 4.2).
    pub(crate) paged: bool,
}

impl<'a> Call<'a> {
    /// Reading: always safe to repeat.
    pub(crate) fn get(operation: &'static str, subject: Subject, target: Target<'a>) -> Self {
        Self::new(operation, Method::GET, subject, target, Repeat::Safe)
    }

    pub(crate) fn new(
        operation: &'static str,
        method: Method,
        subject: Subject,
        target: Target<'a>,
        repeat: Repeat,
    ) -> Self {
        let subject = if matches!(target, Target::Link(_)) {
            Subject::Link
        } else {
            subject
        };
        Self {
            operation,
            method,
            target,
            subject,
            repeat,
            body: None,
            content_type: HeaderValue::from_static("application/json"),
            if_match: None,
            paged: false,
        }
    }

    pub(crate) fn body(mut self, body: &Value) -> Self {
        self.body = Some(Bytes::from(body.to_string()));
        self
    }

    pub(crate) fn bytes(mut self, content_type: &'static str, body: Bytes) -> Self {
        self.content_type = HeaderValue::from_static(content_type);
        self.body = Some(body);
        self
    }

    pub(crate) fn if_match(mut self, etag: Option<&'a str>) -> Self {
        self.if_match = etag;
        self
    }

    pub(crate) fn paged(mut self) -> Self {
        self.paged = true;
        self
    }

    pub(crate) fn failed(&self, kind: ErrorKind) -> GraphError {
        GraphError::new(kind, self.operation)
    }
}

/// The preferences of every request, batch items and subscriptions included. Without immutable ids a contact would
/// have two names (facts 10).
pub(crate) fn prefer(page_size: Option<u32>) -> String {
    let ids = r#"IdType="ImmutableId""#;
    page_size.map_or_else(
        || ids.to_owned(),
        |size| format!("{ids}, odata.maxpagesize={size}"),
    )
}

impl<T: Transport> GraphClient<T> {
    /// A client with the default policies. `user_agent` names the app, version included.
    pub fn new(
        transport: T,
        endpoints: Endpoints,
        credentials: Arc<dyn CredentialSource>,
        ambient: Ambient,
        user_agent: HeaderValue,
    ) -> Self {
        Self::with_policies(
            transport,
            endpoints,
            credentials,
            ambient,
            user_agent,
            RetryPolicy::default(),
            TokenPolicy::default(),
        )
    }

    /// A client with policies of its own.
    pub fn with_policies(
        transport: T,
        endpoints: Endpoints,
        credentials: Arc<dyn CredentialSource>,
        ambient: Ambient,
        user_agent: HeaderValue,
        retry: RetryPolicy,
        token: TokenPolicy,
    ) -> Self {
        let exchange = Exchange {
            transport,
            ambient,
            policy: retry,
            user_agent,
            sent: AtomicU64::new(0),
        };
        let tokens = Tokens::new(credentials, token);
        let shared = Shared {
            endpoints,
            exchange,
            tokens,
            batch_items: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
            deadline: None,
            page_size: PAGE_SIZE,
        }
    }

    /// The same client, under which no attempt is repeated past `deadline`. For a Lambda: its end, less what it needs
    /// to put its work down.
    #[must_use]
    pub fn with_deadline(&self, deadline: Timestamp) -> Self {
        Self {
            deadline: Some(deadline),
            ..self.clone()
        }
    }

    /// The same client, asking for so many rows per page. Default: 200. Graph may send fewer.
    #[must_use]
    pub fn with_page_size(&self, rows: u32) -> Self {
        Self {
            page_size: rows,
            ..self.clone()
        }
    }

    /// What belongs to a tenant: subscriptions and batches. `tenant` is its id or one of its domains.
    pub fn tenant<'a>(&'a self, tenant: &'a str) -> Tenant<'a, T> {
        Tenant { client: self, tenant }
    }

    /// One mailbox. `user` is the object id or the user principal name.
    pub fn mailbox<'a>(&'a self, tenant: &'a str, user: &'a str) -> MailboxClient<'a, T> {
        MailboxClient {
            client: self,
            tenant,
            user,
        }
    }

    /// HTTP requests made so far by all clones: each attempt counts, so do token requests; a batch counts once.
    pub fn requests_sent(&self) -> u64 {
        self.shared.exchange.sent.load(Ordering::Relaxed)
    }

    /// Items of batches sent so far by all clones. For Graph's limits each is a request (facts 6).
    pub fn batch_items_sent(&self) -> u64 {
        self.shared.batch_items.load(Ordering::Relaxed)
    }

    pub(crate) fn page_size(&self) -> u32 {
        self.page_size
    }

    pub(crate) fn count_batch_items(&self, items: usize) {
        self.shared.batch_items.fetch_add(items as u64, Ordering::Relaxed);
    }

    pub(crate) fn endpoints(&self) -> &Endpoints {
        &self.shared.endpoints
    }

    /// True where less than `room` is left before the deadline.
    pub(crate) fn is_late(&self, room: Duration) -> bool {
        let now = self.shared.exchange.ambient.now();
        self.deadline
            .is_some_and(|deadline| ambient::add(now, room) > deadline)
    }

    pub(crate) fn exchange(&self) -> &Exchange<T> {
        &self.shared.exchange
    }

    pub(crate) fn terms(&self, operation: &'static str, repeat: Repeat) -> Terms {
        Terms {
            operation,
            repeat,
            deadline: self.deadline,
        }
    }

    /// Makes a call; an answer other than 2xx is an error.
    pub(crate) async fn call(&self, tenant: &str, call: Call<'_>) -> Result<Answer, GraphError> {
        let answer = self.answer(tenant, &call).await?;
        if answer.is_success() {
            return Ok(answer);
        }
        let error = self.refusal(&answer, call.subject);
        Err(if call.method == Method::GET {
            error
        } else {
            answer.explained(error)
        })
    }

    /// Makes a call, and gives back whatever the last answer was.
    pub(crate) async fn answer(&self, tenant: &str, call: &Call<'_>) -> Result<Answer, GraphError> {
        let span = tracing::debug_span!("graph.call", graph.operation = call.operation);
        self.pipeline(tenant, call).instrument(span).await
    }

    async fn pipeline(&self, tenant: &str, call: &Call<'_>) -> Result<Answer, GraphError> {
        // First of all, so that nothing below can send a token elsewhere.
        let url = self.resolve(call)?;
        let shared = &self.shared;
        let (endpoints, deadline) = (&shared.endpoints, self.deadline);
        let asking = Asking {
            exchange: &shared.exchange,
            endpoints,
            tenant,
            deadline,
        };
        let terms = self.terms(call.operation, call.repeat);

        let token = shared.tokens.token(&asking, None).await;
        let bearer = token.map_err(GraphError::unsent)?;
        let answer = shared
            .exchange
            .send(&self.request(call, &url, bearer.header())?, terms)
            .await?;
        if answer.status != 401 {
            return Ok(answer);
        }
        // Refused before anything was carried out, so even a creation may be sent again, once.
        let token = shared.tokens.token(&asking, Some(&bearer)).await;
        let bearer = token.map_err(GraphError::unsent)?;
        shared
            .exchange
            .send(&self.request(call, &url, bearer.header())?, terms)
            .await
    }

    fn resolve(&self, call: &Call<'_>) -> Result<Url, GraphError> {
        let below_root = |segments: &[&str]| {
            let path = path(segments).map_err(|error| call.failed(ErrorKind::Permanent).because(error))?;
            let url = self.shared.endpoints.below_root(&path);
            url.map_err(|error| call.failed(ErrorKind::Permanent).because(error))
        };
        match call.target {
            Target::Path(segments) => below_root(segments),
            Target::Query(segments, query) => {
                let mut url = below_root(segments)?;
                url.set_query(Some(query));
                Ok(url)
            }
            Target::Link(link) => self
                .shared
                .endpoints
                .admit(link)
                .map_err(|error| call.failed(ErrorKind::ForeignHost).because(error)),
        }
    }

    fn request(
        &self,
        call: &Call<'_>,
        url: &Url,
        authorization: Result<HeaderValue, http::header::InvalidHeaderValue>,
    ) -> Result<Request<Bytes>, GraphError> {
        let unsendable = |error: http::Error| call.failed(ErrorKind::Permanent).because(error);
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(url.as_str())
            .header(
                AUTHORIZATION,
                authorization.map_err(|error| unsendable(error.into()))?,
            )
            .header(PREFER, prefer(call.paged.then_some(self.page_size)));
        if call.body.is_some() {
            request = request.header(CONTENT_TYPE, call.content_type.clone());
        }
        if let Some(etag) = call.if_match {
            request = request.header(IF_MATCH, etag);
        }
        request
            .body(call.body.clone().unwrap_or_default())
            .map_err(unsendable)
    }

    /// The error that an answer other than 2xx is. Redirects are not followed, least of all to another host.
    pub(crate) fn refusal(&self, answer: &Answer, subject: Subject) -> GraphError {
        let location = answer
            .headers
            .get(LOCATION)
            .and_then(|location| location.to_str().ok());
        let redirect = (300..400).contains(&answer.status);
        if redirect && location.is_some_and(|location| self.shared.endpoints.is_foreign(location)) {
            return answer.error(ErrorKind::ForeignHost, None);
        }
        answer.refusal(subject)
    }
}
