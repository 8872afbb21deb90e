//! Who asks: the IAM principal that Lambda's function URL has let in.
//!
//! Knows where a request says so. It is kept with what was asked for, for people to read; nothing is decided by it, and
//! no log has it. Where there is no Lambda, nobody is known.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use contact_store::{Cause, Why};
use lambda_http::RequestExt;
use lambda_http::request::RequestContext;

/// Who asks.
#[derive(Clone)]
pub(crate) struct Caller(Option<String>);

impl Caller {
    /// That this caller has asked for a change, and why.
    pub(crate) fn asks(&self, why: Why) -> Cause {
        Cause::asked(why, self.0.as_deref())
    }

    /// That this caller has asked for a version to be brought back.
    pub(crate) fn restores(&self, version: Option<u64>) -> Cause {
        Cause {
            restored: version,
            ..self.asks(Why::Restored)
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let principal = match parts.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => {
                let authorizer = context.authorizer.as_ref();
                authorizer.and_then(|it| it.iam.as_ref()?.user_arn.clone())
            }
            Some(_) | None => None,
        };
        Ok(Self(principal))
    }
}
