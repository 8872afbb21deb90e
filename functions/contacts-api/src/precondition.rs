//! What a request says of itself in headers: which version it is based on, and under which key it may be repeated.
//!
//! Knows `If-Match` (RFC 9110) and `Idempotency-Key`. It must not know contacts: it is asked about a version.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use utoipa::IntoParams;

use crate::problem::{FieldError, Kind, Problem};

/// As long as the longest keys that are in use (a UUID has 36), and short enough to be no document.
const LONGEST_KEY: usize = 255;

/// The `ETag` of a version.
pub(crate) fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Which versions a change may be based on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Any.
    Any,
    /// One of these.
    Versions(Vec<u64>),
}

/// The precondition of a change.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct ChangeHeaders {
    /// The `ETag` that the change is based on, or `*` for any.
    #[param(rename = "If-Match", value_type = String, required = true, example = "\"3\"")]
    pub(crate) if_match: IfMatch,
}

impl IfMatch {
    /// Fails unless the contact has one of the versions.
    pub(crate) fn check(&self, version: u64) -> Result<(), Problem> {
        match self {
            Self::Versions(versions) if !versions.contains(&version) => Err(Problem::stale(version)),
            Self::Any | Self::Versions(_) => Ok(()),
        }
    }

    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut versions = Vec::new();
        for value in headers.get_all(header::IF_MATCH) {
            let text = value.to_str().map_err(|_| malformed())?;
            for tag in text.split(',').map(str::trim) {
                if tag == "*" {
                    return Ok(Self::Any);
                }
                let is_weak = tag.starts_with("W/");
                let quoted = tag.trim_start_matches("W/");
                let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
                let inner = inner.ok_or_else(malformed)?;
                // A weak tag, or one that was never given here, is well-formed and matches nothing.
                versions.extend(inner.parse::<u64>().ok().filter(|_| !is_weak));
            }
        }
        if headers.contains_key(header::IF_MATCH) {
            Ok(Self::Versions(versions))
        } else {
            Err(Problem::new(Kind::PreconditionRequired))
        }
    }
}

fn malformed() -> Problem {
    let detail = "must be the ETag in its quotes, as in \"3\", or *";
    Problem::invalid(vec![FieldError::header("If-Match", detail)])
}

impl<S: Sync> FromRequestParts<S> for ChangeHeaders {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let if_match = IfMatch::read(&parts.headers)?;
        Ok(Self { if_match })
    }
}

/// What makes a creation repeatable.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct CreateHeaders {
    /// The caller's name for this request, a UUID for instance. The request repeated under it creates nothing more.
    #[param(rename = "Idempotency-Key", value_type = Option<String>, min_length = 1, max_length = 255)]
    pub(crate) key: Option<String>,
}

impl<S: Sync> FromRequestParts<S> for CreateHeaders {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        const NAME: &str = "Idempotency-Key";
        let read = |value: &HeaderValue| {
            let text = value.to_str().ok().map(str::trim).map(str::to_owned);
            let fits = |text: &String| (1..=LONGEST_KEY).contains(&text.len());
            text.filter(fits).ok_or_else(|| {
                let detail = format!("must have 1 to {LONGEST_KEY} characters of ASCII");
                Problem::invalid(vec![FieldError::header(NAME, detail)])
            })
        };
        let key = parts.headers.get(NAME).map(read).transpose()?;
        Ok(Self { key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_strong_tag_that_was_given_here_matches() {
        let read = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_MATCH, value.parse().unwrap());
            IfMatch::read(&headers)
        };
        for (value, matches) in [
            ("\"3\"", true),
            ("*", true),
            ("\"2\", \"3\"", true),
            ("\"2\",*", true),
            ("W/\"3\"", false),
            ("\"2\"", false),
            ("\"abc\"", false),
            ("\"\"", false),
        ] {
            assert_eq!(read(value).unwrap().check(3).is_ok(), matches, "{value}");
        }
        for malformed in ["3", "\"3", "", "\"3\", 4"] {
            assert!(read(malformed).is_err(), "{malformed}");
        }
        assert!(IfMatch::read(&HeaderMap::new()).is_err());
    }
}
