//! One request and its retries: the loop around [`Transport::send`], used for Graph and for the token endpoint alike.
//!
//! Knows attempts, waiting and the ids of attempts. Must not know tokens, nor what an answer is about.

use std::sync::atomic::{AtomicU64, Ordering};

use ambient::Ambient;
use bytes::Bytes;
use http::header::{HeaderName, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response};
use jiff::Timestamp;
use serde_json::Value;

use crate::classify::{self, Subject};
use crate::error::{DecodeError, ErrorKind, GraphError};
use crate::retry::{Attempt, Repeat, RetryPolicy, Trouble, Verdict, retry_after, verdict};
use crate::transport::{Transport, TransportError};

const REQUEST_ID: HeaderName = HeaderName::from_static("request-id");
const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("client-request-id");

/// A transport and what surrounds each attempt on it.
pub(crate) struct Exchange<T> {
    pub(crate) transport: T,
    pub(crate) ambient: Ambient,
    pub(crate) policy: RetryPolicy,
    pub(crate) user_agent: HeaderValue,
    pub(crate) sent: AtomicU64,
}

/// The terms of one call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) operation: &'static str,
    pub(crate) repeat: Repeat,
    pub(crate) deadline: Option<Timestamp>,
}

/// The last answer of a call, whatever its status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// Set where the server wants to be left alone until then.
    pub(crate) until: Option<Timestamp>,
    pub(crate) operation: &'static str,
    client_request_id: String,
    attempts: u32,
    /// An earlier attempt may have been carried out.
    lost: bool,
}

impl<T: Transport> Exchange<T> {
    /// Sends until an answer stands. An error means that no attempt had an answer.
    pub(crate) async fn send(&self, request: &Request<Bytes>, terms: Terms) -> Result<Answer, GraphError> {
        let mut number = 0;
        let mut lost = false;
        loop {
            number += 1;
            let client_request_id = self.ambient.uuid().to_string();
            let outcome = self
                .transport
                .send(self.stamped(request, &client_request_id))
                .await;
            self.sent.fetch_add(1, Ordering::Relaxed);
            trace(&outcome, terms.operation, number, &client_request_id);

            let trouble = match &outcome {
                Ok(response) => Trouble::of_status(
                    response.status().as_u16(),
                    retry_after(response.headers(), self.ambient.now()),
                ),
                Err(error) => Trouble::of_transport(error),
            };
            let verdict = trouble.map_or(Verdict::GiveUp, |trouble| self.judge(number, trouble, terms));
            let wait = match verdict {
                Verdict::After(wait) => Ok(wait),
                Verdict::Within(limit) => Ok(self.ambient.jitter(limit)),
                Verdict::ComeBack(until) => Err(Some(until)),
                Verdict::GiveUp => Err(None),
            };
            let until = match wait {
                Ok(wait) => {
                    lost |= trouble.is_some_and(Trouble::loses_sight);
                    self.ambient.sleep(wait).await;
                    continue;
                }
                Err(until) => until,
            };
            return match outcome {
                Ok(response) => Ok(Answer::of(
                    response,
                    until,
                    terms.operation,
                    client_request_id,
                    number,
                    lost,
                )),
                Err(error) => Err(unanswered(error, terms.operation, &client_request_id, number).lost(lost)),
            };
        }
    }

    pub(crate) fn judge(&self, number: u32, trouble: Trouble, terms: Terms) -> Verdict {
        let attempt = Attempt {
            number,
            trouble,
            repeat: terms.repeat,
            deadline: terms.deadline,
        };
        verdict(attempt, &self.policy, self.ambient.now())
    }

    fn stamped(&self, request: &Request<Bytes>, client_request_id: &str) -> Request<Bytes> {
        let mut request = request.clone();
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.user_agent.clone());
        if let Ok(id) = HeaderValue::from_str(client_request_id) {
            headers.insert(CLIENT_REQUEST_ID, id);
        }
        request
    }
}

fn unanswered(error: TransportError, operation: &'static str, id: &str, attempts: u32) -> GraphError {
    let (kind, lost) = match error {
        TransportError::TooLarge { .. } => (ErrorKind::Permanent, true),
        TransportError::Timeout(_) | TransportError::Interrupted(_) => (ErrorKind::Transient, true),
        TransportError::Connect(_) => (ErrorKind::Transient, false),
    };
    GraphError::new(kind, operation)
        .traced(None, id, attempts)
        .lost(lost)
        .because(error)
}

fn trace(
    outcome: &Result<Response<Bytes>, TransportError>,
    operation: &'static str,
    number: u32,
    client_request_id: &str,
) {
    match outcome {
        Ok(response) => tracing::debug!(
            graph.operation = operation,
            graph.attempt = number,
            graph.status = response.status().as_u16(),
            graph.client_request_id = client_request_id,
            graph.request_id = header(response.headers(), &REQUEST_ID),
            "answered"
        ),
        Err(error) => tracing::debug!(
            graph.operation = operation,
            graph.attempt = number,
            graph.client_request_id = client_request_id,
            %error,
            "not answered"
        ),
    }
}

fn header<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

impl Answer {
    fn of(
        response: Response<Bytes>,
        until: Option<Timestamp>,
        operation: &'static str,
        client_request_id: String,
        attempts: u32,
        lost: bool,
    ) -> Self {
        let (head, body) = response.into_parts();
        let status = head.status.as_u16();
        Self {
            status,
            headers: head.headers,
            body,
            until,
            operation,
            client_request_id,
            attempts,
            lost,
        }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// An error of this kind, with what this answer tells about it.
    pub(crate) fn error(&self, kind: ErrorKind, code: Option<&str>) -> GraphError {
        let kind = self.until.map_or(kind, |until| ErrorKind::Throttled { until });
        GraphError::new(kind, self.operation)
            .answered(self.status, code)
            .traced(
                header(&self.headers, &REQUEST_ID),
                &self.client_request_id,
                self.attempts,
            )
            .lost(self.lost)
    }

    /// The error of a write, with Graph's words about it where they are to be had.
    pub(crate) fn explained(&self, error: GraphError) -> GraphError {
        match serde_json::from_slice(&self.body) {
            Ok(body) => error.explained(&body),
            Err(_) => error,
        }
    }

    /// The error that a status other than 2xx is.
    pub(crate) fn refusal(&self, subject: Subject) -> GraphError {
        let code = classify::code(&self.body);
        self.error(
            classify::kind(self.status, code.as_deref(), subject),
            code.as_deref(),
        )
    }

    /// An answer that came whole but can't be read: the next one may be better.
    pub(crate) fn unreadable(&self, problem: DecodeError) -> GraphError {
        self.error(ErrorKind::Transient, None).because(problem)
    }

    /// The body as JSON. Errors that hide in a successful answer come out here (facts 8).
    pub(crate) fn json(&self, subject: Subject) -> Result<Value, GraphError> {
        let mut reader = serde_json::Deserializer::from_slice(&self.body);
        let body: Value = serde_path_to_error::deserialize(&mut reader)
            .map_err(|error| self.unreadable(DecodeError::from(error)))?;
        if hidden_error(&body).is_none() {
            return Ok(body);
        }
        let code = classify::code_in(&body);
        Err(self.error(
            classify::kind(self.status, code.as_deref(), subject),
            code.as_deref(),
        ))
    }
}

/// `value`, if it is an error in place of an entity: it has `error` and no `id`.
pub(crate) fn hidden_error(value: &Value) -> Option<&Value> {
    let hidden = value.get("error").is_some_and(Value::is_object) && value.get("id").is_none();
    hidden.then_some(value)
}
