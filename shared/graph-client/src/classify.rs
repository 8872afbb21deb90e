//! From a status and a code to an [`ErrorKind`]: pure, one table.
//!
//! Knows facts 4.3, 8 and 9.1. Must not look at message texts.

use serde_json::Value;

use crate::error::{ErrorKind, MailboxProblem};

/// What a call is about. The same 404 means different things for an item and for its folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// One contact by id.
    Item,
    /// A folder, or what is in it.
    Folder,
    /// The mailbox as a whole.
    Mailbox,
    /// A link that Graph gave earlier: next page or delta.
    Link,
    /// A subscription by id.
    Subscription,
    /// The creation of a subscription.
    NewSubscription,
}

#[derive(Clone, Copy)]
enum Meaning {
    SyncStateDead,
    IdMalformed,
    ItemNotFound,
    FolderNotFound,
    MailboxNotEnabled,
    UserNotFound,
    AccessDenied,
    QuotaExceeded,
    Conflict,
    AlreadyExists,
    TokenRefused,
    Busy,
    Unreadable,
}

/// Codes are compared without regard to case (facts 8).
const CODES: &[(&str, Meaning)] = &[
    ("SyncStateNotFound", Meaning::SyncStateDead),
    ("SyncStateInvalid", Meaning::SyncStateDead),
    ("ResyncRequired", Meaning::SyncStateDead),
    ("ErrorInvalidIdMalformed", Meaning::IdMalformed),
    ("ErrorItemNotFound", Meaning::ItemNotFound),
    ("ErrorFolderNotFound", Meaning::FolderNotFound),
    ("ErrorSyncFolderNotFound", Meaning::FolderNotFound),
    ("MailboxNotEnabledForRESTAPI", Meaning::MailboxNotEnabled),
    ("ErrorInvalidUser", Meaning::UserNotFound),
    ("Request_ResourceNotFound", Meaning::UserNotFound),
    ("ResourceNotFound", Meaning::UserNotFound),
    ("ErrorAccessDenied", Meaning::AccessDenied),
    ("Authorization_RequestDenied", Meaning::AccessDenied),
    ("ErrorQuotaExceeded", Meaning::QuotaExceeded),
    ("QuotaExceededException", Meaning::QuotaExceeded),
    ("ErrorIrresolvableConflict", Meaning::Conflict),
    ("PreconditionFailed", Meaning::Conflict),
    ("ErrorFolderExists", Meaning::AlreadyExists),
    ("InvalidAuthenticationToken", Meaning::TokenRefused),
    ("ApplicationThrottled", Meaning::Busy),
    ("TooManyRequests", Meaning::Busy),
    ("activityLimitReached", Meaning::Busy),
    ("ErrorTooManyObjectsOpened", Meaning::Busy),
    ("ErrorServerBusy", Meaning::Busy),
    // The item can't be read, now or later (facts 8): it must not hold up the others.
    ("ErrorCorruptData", Meaning::Unreadable),
];

fn meaning(code: &str) -> Option<Meaning> {
    CODES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(code))
        .map(|&(_, meaning)| meaning)
}

/// The kind of a failed answer. 429, and 503 with a Retry-After, have become [`ErrorKind::Throttled`] before this.
pub(crate) fn kind(status: u16, code: Option<&str>, subject: Subject) -> ErrorKind {
    // Cut on its way, or a gateway's: Graph itself gives a code. Taken for final, a contact that is gone would be passed over.
    if code.is_none() && status == 404 && subject == Subject::Item {
        return ErrorKind::Transient;
    }
    code.and_then(meaning)
        .and_then(|meaning| by_meaning(meaning, status, subject))
        .unwrap_or_else(|| by_status(status, subject))
}

fn by_meaning(meaning: Meaning, status: u16, subject: Subject) -> Option<ErrorKind> {
    Some(match meaning {
        Meaning::SyncStateDead => ErrorKind::SyncStateGone,
        Meaning::IdMalformed if subject == Subject::Link => ErrorKind::SyncStateGone,
        Meaning::IdMalformed => ErrorKind::Permanent,
        Meaning::ItemNotFound => match subject {
            // Callers delete on this, so both signs must agree.
            Subject::Item if status != 404 => return None,
            Subject::Item | Subject::Subscription => ErrorKind::NotFound,
            Subject::Folder | Subject::Mailbox | Subject::Link | Subject::NewSubscription => {
                ErrorKind::FolderNotFound
            }
        },
        Meaning::FolderNotFound => ErrorKind::FolderNotFound,
        Meaning::MailboxNotEnabled => ErrorKind::MailboxUnavailable(MailboxProblem::NotEnabled),
        Meaning::UserNotFound if subject == Subject::Subscription => ErrorKind::NotFound,
        Meaning::UserNotFound => ErrorKind::MailboxUnavailable(MailboxProblem::UserNotFound),
        Meaning::AccessDenied => ErrorKind::Forbidden,
        Meaning::QuotaExceeded => ErrorKind::QuotaExceeded,
        Meaning::Conflict => ErrorKind::Conflict,
        Meaning::AlreadyExists => ErrorKind::AlreadyExists,
        Meaning::TokenRefused => ErrorKind::BadCredential,
        Meaning::Unreadable if subject == Subject::Item => ErrorKind::Permanent,
        Meaning::Busy | Meaning::Unreadable => ErrorKind::Transient,
    })
}

fn by_status(status: u16, subject: Subject) -> ErrorKind {
    match status {
        // "40X-series error" is all that is promised for a dead link (facts 4.3).
        400 | 404 if subject == Subject::Link => ErrorKind::SyncStateGone,
        401 => ErrorKind::BadCredential,
        403 => ErrorKind::Forbidden,
        // For an item, a 404 of unknown origin is no evidence that it is gone: it stays Permanent, below, or is asked again.
        404 if subject == Subject::Subscription => ErrorKind::NotFound,
        409 if subject == Subject::NewSubscription => ErrorKind::AlreadyExists,
        409 | 412 => ErrorKind::Conflict,
        410 => ErrorKind::SyncStateGone,
        501 => ErrorKind::Permanent,
        507 => ErrorKind::QuotaExceeded,
        // 2xx: an error that hid in a successful answer, under a code that says nothing.
        200..300 | 408 | 424 | 429 | 500..600 => ErrorKind::Transient,
        _ => ErrorKind::Permanent,
    }
}

/// The kind of a refusal by the token endpoint, by its `error` member; AADSTS numbers are no contract (facts 9.1).
pub(crate) fn token_kind(status: u16, error: Option<&str>) -> ErrorKind {
    match error {
        Some("invalid_client" | "unauthorized_client" | "invalid_grant") => ErrorKind::BadCredential,
        // The form of our request is fixed, so what is invalid in it is the one part that varies.
        Some("invalid_tenant" | "invalid_request") => ErrorKind::TenantNotFound,
        Some("temporarily_unavailable" | "server_error") => ErrorKind::Transient,
        _ if status == 401 => ErrorKind::BadCredential,
        _ if (400..500).contains(&status) && status != 408 => ErrorKind::Permanent,
        _ => ErrorKind::Transient,
    }
}

/// The code of an error body: the innermost one that is known, else the outermost. `None` where there is none, as in
/// the empty and non-JSON answers of gateways.
pub(crate) fn code(body: &[u8]) -> Option<String> {
    let body: Value = serde_json::from_slice(body).ok()?;
    code_in(&body)
}

/// As [`code`], of a parsed document.
pub(crate) fn code_in(body: &Value) -> Option<String> {
    let mut best: Option<&str> = None;
    let mut level = body.get("error");
    while let Some(error) = level {
        let here = error
            .get("code")
            .and_then(Value::as_str)
            .filter(|code| !code.is_empty());
        if let Some(code) = here
            && (best.is_none() || meaning(code).is_some())
        {
            best = Some(code);
        }
        level = error.get("innerError").or_else(|| error.get("innererror"));
    }
    best.map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_code_and_subject_make_the_kind() {
        use ErrorKind as K;
        use MailboxProblem::{NotEnabled, UserNotFound};
        use Subject::{Folder, Item, Link, Mailbox, NewSubscription, Subscription};
        let cases = [
            // Dead links, in all their forms.
            (410, "SyncStateNotFound", Link, K::SyncStateGone),
            (410, "", Link, K::SyncStateGone),
            (410, "", Folder, K::SyncStateGone),
            (400, "syncStateNotFound", Link, K::SyncStateGone),
            (404, "SYNCSTATEINVALID", Link, K::SyncStateGone),
            (409, "resyncRequired", Link, K::SyncStateGone),
            (400, "ErrorInvalidIdMalformed", Link, K::SyncStateGone),
            (400, "BadRequest", Link, K::SyncStateGone),
            (404, "", Link, K::SyncStateGone),
            (404, "ErrorItemNotFound", Link, K::FolderNotFound),
            (404, "ErrorSyncFolderNotFound", Link, K::FolderNotFound),
            // What is gone: the item, its folder, or the mailbox.
            (404, "ErrorItemNotFound", Item, K::NotFound),
            (200, "ErrorItemNotFound", Item, K::Transient),
            (404, "", Item, K::Transient),
            (404, "ErrorItemNotFound", Folder, K::FolderNotFound),
            (
                404,
                "MailboxNotEnabledForRESTAPI",
                Item,
                K::MailboxUnavailable(NotEnabled),
            ),
            (
                404,
                "mailboxNotEnabledForRestApi",
                Mailbox,
                K::MailboxUnavailable(NotEnabled),
            ),
            (
                404,
                "ErrorInvalidUser",
                Mailbox,
                K::MailboxUnavailable(UserNotFound),
            ),
            (
                404,
                "Request_ResourceNotFound",
                Item,
                K::MailboxUnavailable(UserNotFound),
            ),
            (404, "ResourceNotFound", Link, K::MailboxUnavailable(UserNotFound)),
            (404, "ResourceNotFound", Subscription, K::NotFound),
            (404, "", Subscription, K::NotFound),
            // What is not allowed.
            (400, "ErrorInvalidIdMalformed", Item, K::Permanent),
            (400, "RequestBodyRead", Item, K::Permanent),
            (401, "InvalidAuthenticationToken", Mailbox, K::BadCredential),
            (403, "ErrorAccessDenied", Mailbox, K::Forbidden),
            (403, "", Mailbox, K::Forbidden),
            (403, "ErrorQuotaExceeded", Link, K::QuotaExceeded),
            (507, "QuotaExceededException", Item, K::QuotaExceeded),
            (405, "ErrorInvalidRequest", Item, K::Permanent),
            // Who came first.
            (409, "ErrorIrresolvableConflict", Item, K::Conflict),
            (412, "ErrorIrresolvableConflict", Item, K::Conflict),
            (412, "PreconditionFailed", Item, K::Conflict),
            (409, "ErrorFolderExists", Folder, K::AlreadyExists),
            (409, "Conflict", NewSubscription, K::AlreadyExists),
            // What may pass.
            (424, "", Item, K::Transient),
            (500, "ErrorInternalServerError", Item, K::Transient),
            (500, "ErrorCorruptData", Item, K::Permanent),
            (502, "", Link, K::Transient),
            (509, "", Link, K::Transient),
            (400, "ErrorTooManyObjectsOpened", Item, K::Transient),
            (501, "", Item, K::Permanent),
        ];
        for (status, code, subject, expected) in cases {
            let code = Some(code).filter(|code| !code.is_empty());
            assert_eq!(
                kind(status, code, subject),
                expected,
                "{status} {code:?} {subject:?}"
            );
        }
    }

    #[test]
    fn the_innermost_known_code_wins() {
        let cases = [
            (
                r#"{"error":{"code":"ErrorItemNotFound"}}"#,
                Some("ErrorItemNotFound"),
            ),
            (
                r#"{"error":{"code":"Outer","innerError":{"code":"syncStateNotFound"}}}"#,
                Some("syncStateNotFound"),
            ),
            (
                r#"{"error":{"code":"ErrorQuotaExceeded","innererror":{"code":"429","innererror":{"x":1}}}}"#,
                Some("ErrorQuotaExceeded"),
            ),
            (
                r#"{"error":{"code":"Novel","innerError":{"code":"Other"}}}"#,
                Some("Novel"),
            ),
            (r#"{"error":{"code":"","message":""}}"#, None),
            (r#"{"error":"invalid_client"}"#, None),
            ("<html>Bad Gateway</html>", None),
            ("", None),
        ];
        for (body, expected) in cases {
            assert_eq!(code(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }

    #[test]
    fn the_token_endpoint_says_whose_fault_it_is() {
        let cases = [
            (401, Some("invalid_client"), ErrorKind::BadCredential),
            (400, Some("unauthorized_client"), ErrorKind::BadCredential),
            (400, Some("invalid_request"), ErrorKind::TenantNotFound),
            (400, Some("invalid_tenant"), ErrorKind::TenantNotFound),
            (400, Some("invalid_scope"), ErrorKind::Permanent),
            (400, Some("temporarily_unavailable"), ErrorKind::Transient),
            (401, None, ErrorKind::BadCredential),
            (404, None, ErrorKind::Permanent),
            (500, None, ErrorKind::Transient),
            (302, None, ErrorKind::Transient),
        ];
        for (status, error, expected) in cases {
            assert_eq!(token_kind(status, error), expected, "{status} {error:?}");
        }
    }
}
