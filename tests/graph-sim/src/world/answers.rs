//! How Graph answers: JSON bodies, errors with a code, empty answers.
//!
//! Knows status codes and bodies. Must not know mailboxes or routes. Sections are those of the fact sheet,
//! whose section 8 has the codes and texts.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};

/// One complete answer.
pub(crate) type Answer = Response<Bytes>;

/// A request that Graph doesn't carry out, and how it says so (facts 8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: Cow<'static, str>,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(crate) fn new(
        status: u16,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub(crate) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A request that can't be understood.
    pub(crate) fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    /// A body with a wrong member or a wrong type.
    pub(crate) fn bad_body(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(400, "RequestBodyRead", message)
    }

    /// An id that was never an id of Outlook.
    pub(crate) fn malformed_id() -> Self {
        Self::new(400, "ErrorInvalidIdMalformed", "Id is malformed.")
    }

    /// An item or folder that isn't there (any more), or whose classic id changed with a move.
    pub(crate) fn item_not_found() -> Self {
        Self::new(
            404,
            "ErrorItemNotFound",
            "The specified object was not found in the store.",
        )
    }

    /// A write against a state that is no longer the present one (facts 2.4).
    pub(crate) fn stale_etag() -> Self {
        Self::new(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the \
             request does not match the current change key for the item.",
        )
    }

    /// The app sends too much (facts 7). The wait is rounded up to whole seconds.
    pub(crate) fn throttled(code: &'static str, message: &'static str, wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Self::new(429, code, message).with_header("retry-after", seconds.max(1).to_string())
    }

    /// The answer that tells it.
    pub(crate) fn answer(&self, request_id: &str, client_request_id: Option<&str>, date: &str) -> Answer {
        let mut inner = json!({ "date": date, "request-id": request_id });
        if let (Some(members), Some(id)) = (inner.as_object_mut(), client_request_id) {
            members.insert("client-request-id".to_owned(), Value::from(id));
        }
        let body = json!({ "error": { "code": self.code, "message": self.message, "innerError": inner } });
        let mut answer = json_answer(self.status, &body);
        for (name, value) in &self.headers {
            set_header(&mut answer, name, value);
        }
        answer
    }
}

/// A JSON answer with the content type that Graph gives.
pub(crate) fn json_answer(status: u16, body: &Value) -> Answer {
    let content_type =
        "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8";
    bytes_answer(status, content_type, Bytes::from(body.to_string()))
}

/// An answer with any body.
pub(crate) fn bytes_answer(status: u16, content_type: &str, body: Bytes) -> Answer {
    let mut answer = empty_answer(status);
    *answer.body_mut() = body;
    set_header(&mut answer, "content-type", content_type);
    answer
}

/// An answer without a body.
pub(crate) fn empty_answer(status: u16) -> Answer {
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    answer
}

/// Sets a header; a value that can't be one is left out.
pub(crate) fn set_header(answer: &mut Answer, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
        answer.headers_mut().insert(name, value);
    }
}
