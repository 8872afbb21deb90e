//! What went wrong with a call, as one enum that a caller branches on, and the ids that Microsoft's support asks for.
//!
//! Must not carry contact data: no bodies, no URLs, no message texts, only statuses, codes and request ids. The one
//! exception is [`GraphError::reason`], which no form of an error that gets into a log shows.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

/// The longest reason that is kept, in characters.
const LONGEST_REASON: usize = 500;

/// What a caller does about an error. Made from the status and `error.code`, never from message text (facts 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Not carried out, or harmless to repeat. Ask again at this moment, not before: requests made while throttled count (facts 7).
    Throttled {
        /// When the server may be asked again.
        until: Timestamp,
    },
    /// A delta or page link is dead: start a full round (facts 4.3).
    SyncStateGone,
    /// The item, or the subscription, does not exist. Lookups say `Ok(None)` instead.
    NotFound,
    /// There is no such mailbox to be had.
    MailboxUnavailable(MailboxProblem),
    /// The folder is gone.
    FolderNotFound,
    /// An admin has not granted this, or has taken it back.
    Forbidden,
    /// The mailbox is full, or out of named properties (facts 1.3, 4.3). Delta fails then; plain lists work.
    QuotaExceeded,
    /// Somebody else's write came first (409 or 412, facts 2.4): read again and decide again.
    Conflict,
    /// There is one already: a folder of that name, or a subscription to that resource.
    AlreadyExists,
    /// The app's credential is refused, or can't be had. It is not tried again for a while.
    BadCredential,
    /// There is no such tenant, or its name can't be one.
    TenantNotFound,
    /// A link or redirect leads away from the configured Graph. No request was made.
    ForeignHost,
    /// May go better later: faults of the server or of the connection, unreadable answers.
    Transient,
    /// Will not go better without a change.
    Permanent,
}

/// Why there is no mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailboxProblem {
    /// No licence, inactive, or not in Exchange Online.
    NotEnabled,
    /// No such user in the tenant.
    UserNotFound,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Throttled { until } => return write!(f, "throttled until {until}"),
            Self::SyncStateGone => "the sync state is gone",
            Self::NotFound => "not found",
            Self::MailboxUnavailable(MailboxProblem::NotEnabled) => "the mailbox is not enabled",
            Self::MailboxUnavailable(MailboxProblem::UserNotFound) => "the user does not exist",
            Self::FolderNotFound => "the folder does not exist",
            Self::Forbidden => "access is denied",
            Self::QuotaExceeded => "a quota of the mailbox is exceeded",
            Self::Conflict => "another write came first",
            Self::AlreadyExists => "it already exists",
            Self::BadCredential => "the app's credential is refused",
            Self::TenantNotFound => "the tenant does not exist",
            Self::ForeignHost => "a link leads away from the configured endpoint",
            Self::Transient => "a passing fault",
            Self::Permanent => "the request is refused",
        })
    }
}

/// A call that failed for good, after the retries that were due.
#[derive(Clone)]
pub struct GraphError(Box<Detail>);

#[derive(Clone)]
struct Detail {
    kind: ErrorKind,
    operation: &'static str,
    status: Option<u16>,
    code: Option<String>,
    request_id: Option<String>,
    client_request_id: Option<String>,
    attempts: u32,
    reason: Option<String>,
    /// An attempt of which nobody knows what became: no answer, or one that was worth another attempt.
    lost: bool,
    not_sent: bool,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

impl GraphError {
    pub(crate) fn new(kind: ErrorKind, operation: &'static str) -> Self {
        Self(Box::new(Detail {
            kind,
            operation,
            status: None,
            code: None,
            request_id: None,
            client_request_id: None,
            attempts: 0,
            reason: None,
            lost: false,
            not_sent: false,
            source: None,
        }))
    }

    pub(crate) fn because(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    pub(crate) fn answered(mut self, status: u16, code: Option<&str>) -> Self {
        self.0.status = Some(status);
        self.0.code = code.and_then(harmless);
        self
    }

    pub(crate) fn traced(mut self, request_id: Option<&str>, client_request_id: &str, attempts: u32) -> Self {
        self.0.request_id = request_id.and_then(harmless);
        self.0.client_request_id = harmless(client_request_id);
        self.0.attempts = attempts;
        self
    }

    /// An attempt, this one or an earlier one, may have been carried out although the answer doesn't say so.
    pub(crate) fn lost(mut self, lost: bool) -> Self {
        self.0.lost |= lost;
        self
    }

    /// The call that this is the error of was not sent: it only tells why.
    pub(crate) fn unsent(mut self) -> Self {
        self.0.lost = false;
        self.0.not_sent = true;
        self
    }

    pub(crate) fn of_kind(mut self, kind: ErrorKind) -> Self {
        self.0.kind = kind;
        self.0.reason = None;
        self
    }

    /// With Graph's own words about a write that it refuses.
    pub(crate) fn explained(mut self, body: &Value) -> Self {
        if self.0.kind == ErrorKind::Permanent {
            self.0.reason = reason_in(body);
        }
        self
    }

    /// The same, told again without a request.
    pub(crate) fn remembered(mut self) -> Self {
        self.0.attempts = 0;
        self
    }

    /// What a caller does about it.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// Which call, for example `contact.get`.
    pub fn operation(&self) -> &'static str {
        self.0.operation
    }

    /// The HTTP status of the last answer; `None` where there was no answer.
    pub fn status(&self) -> Option<u16> {
        self.0.status
    }

    /// The innermost known `error.code`, else the outermost one; `None` where the answer had none.
    pub fn code(&self) -> Option<&str> {
        self.0.code.as_deref()
    }

    /// Microsoft's id of the last attempt.
    pub fn request_id(&self) -> Option<&str> {
        self.0.request_id.as_deref()
    }

    /// Our id of the last attempt.
    pub fn client_request_id(&self) -> Option<&str> {
        self.0.client_request_id.as_deref()
    }

    /// Requests made. 0 where the call was refused before one.
    pub fn attempts(&self) -> u32 {
        self.0.attempts
    }

    /// Why Graph refuses a write for good ([`ErrorKind::Permanent`]), in its own words, at most 500 characters. It may
    /// quote the contact, so it is for whoever may see the contact: not for logs, and not in `Display` or `Debug`.
    pub fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// True where the call was never sent, and not because of itself: there was no token or no connection, no time was
    /// left, or the batch before it failed. [`GraphError::kind`] says which; what was to be done stays to be done.
    pub fn not_sent(&self) -> bool {
        self.0.not_sent
    }

    /// False where the call was certainly not carried out. True where it was, or may have been: there was no answer, an
    /// unreadable one, or one like 504 that a gateway gives when it has lost sight of the request.
    pub fn may_have_happened(&self) -> bool {
        let said = self.0.status.is_some_and(|status| match status {
            // A dead gateway's words; a whole batch may end in 424 for one of its items (facts 6).
            408 | 424 => true,
            300..=499 | 501 => false,
            _ => self.0.kind != ErrorKind::QuotaExceeded,
        });
        !self.0.not_sent && (self.0.lost || said)
    }
}

impl fmt::Display for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.operation, self.0.kind)?;
        match (self.0.status, &self.0.code) {
            (Some(status), Some(code)) => write!(f, " ({status} {code})"),
            (Some(status), None) => write!(f, " ({status})"),
            (None, _) => Ok(()),
        }
    }
}

impl fmt::Debug for GraphError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GraphError")
            .field("operation", &self.0.operation)
            .field("kind", &self.0.kind)
            .field("status", &self.0.status)
            .field("code", &self.0.code)
            .field("request_id", &self.0.request_id)
            .field("client_request_id", &self.0.client_request_id)
            .field("attempts", &self.0.attempts)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl Error for GraphError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| source.as_ref() as _)
    }
}

/// A JSON document, or a part of one, that isn't what it should be. Names the place, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem} at `{path}`")]
pub struct DecodeError {
    path: String,
    problem: &'static str,
}

impl DecodeError {
    pub(crate) fn new(path: impl Into<String>, problem: &'static str) -> Self {
        Self {
            path: path.into(),
            problem,
        }
    }
}

impl From<serde_path_to_error::Error<serde_json::Error>> for DecodeError {
    // serde's own text may quote the value, so only its category is kept.
    fn from(error: serde_path_to_error::Error<serde_json::Error>) -> Self {
        let problem = match error.inner().classify() {
            serde_json::error::Category::Data => "a missing member or a wrong type",
            serde_json::error::Category::Eof => "a cut document",
            serde_json::error::Category::Syntax | serde_json::error::Category::Io => "no JSON",
        };
        Self {
            path: error.path().to_string(),
            problem,
        }
    }
}

/// The outermost message of an error body that says something.
fn reason_in(body: &Value) -> Option<String> {
    let mut level = body.get("error");
    while let Some(error) = level {
        let message = error.get("message").and_then(Value::as_str).unwrap_or_default();
        let message: String = message
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .take(LONGEST_REASON)
            .collect();
        let message = message.trim();
        if !message.is_empty() {
            return Some(message.to_owned());
        }
        level = error.get("innerError").or_else(|| error.get("innererror"));
    }
    None
}

/// Codes and ids come from outside: only what looks like one gets into errors and logs.
fn harmless(text: &str) -> Option<String> {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let text: String = text.chars().filter(|&c| fit(c)).take(100).collect();
    if text.is_empty() { None } else { Some(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_reads_alone_and_keeps_its_cause_for_the_chain() {
        let error = GraphError::new(ErrorKind::NotFound, "contact.get")
            .answered(404, Some("ErrorItemNotFound"))
            .because(DecodeError::new(
                "value[3].id",
                "a missing member or a wrong type",
            ));
        assert_eq!(
            error.to_string(),
            "contact.get: not found (404 ErrorItemNotFound)"
        );
        assert_eq!(
            error.source().unwrap().to_string(),
            "a missing member or a wrong type at `value[3].id`"
        );
    }

    #[test]
    fn codes_from_outside_are_stripped_of_what_no_code_holds() {
        let error = GraphError::new(ErrorKind::Permanent, "x").answered(400, Some("Bad\u{1b}[31m\nCode"));
        assert_eq!(error.code(), Some("Bad31mCode"));
    }

    #[test]
    fn a_status_tells_whether_a_call_may_have_been_carried_out() {
        let happened = |status, kind| {
            GraphError::new(kind, "x")
                .answered(status, None)
                .may_have_happened()
        };
        for status in [200, 201, 408, 424, 500, 502, 503, 504, 509] {
            assert!(happened(status, ErrorKind::Transient), "{status}");
        }
        for status in [302, 400, 401, 403, 404, 405, 409, 412, 413, 429, 501] {
            assert!(!happened(status, ErrorKind::Permanent), "{status}");
        }
        assert!(!happened(507, ErrorKind::QuotaExceeded));
        assert!(!GraphError::new(ErrorKind::Permanent, "x").may_have_happened());
        let lost = GraphError::new(ErrorKind::Conflict, "x")
            .answered(412, None)
            .lost(true);
        assert!(lost.may_have_happened(), "an earlier attempt of ours");
        assert!(!lost.unsent().may_have_happened());
    }

    #[test]
    fn a_reason_is_short_tidy_and_not_for_logs() {
        let body = |message: &str| serde_json::json!({ "error": { "code": "x", "message": "", "innerError": { "message": message } } });
        let error = |kind, message: &str| GraphError::new(kind, "contact.write").explained(&body(message));
        let refused = error(ErrorKind::Permanent, " Ada's birthday\r\nis wrong ");
        assert_eq!(refused.reason(), Some("Ada's birthday  is wrong"));
        assert!(!format!("{refused} {refused:?}").contains("Ada"));
        let long = error(ErrorKind::Permanent, &"\u{e4}".repeat(900));
        assert_eq!(long.reason().unwrap().chars().count(), 500);
        assert_eq!(error(ErrorKind::Permanent, "").reason(), None);
        assert_eq!(error(ErrorKind::Transient, "busy").reason(), None);
    }
}
