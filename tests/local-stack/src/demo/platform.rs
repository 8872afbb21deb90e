//! The platform: another system, that knows of contacts what the API tells, and edits them through it.
//!
//! Knows the API's requests. Deployed they are signed; here the router is called.

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, to_bytes};
use lambda_http::http::{Request, StatusCode};
use serde_json::{Value, json};
use sync_core::ids::{ContactId, MailboxId};
use tower::ServiceExt as _;

use super::edits::Deed;

/// A caller of the API.
pub(super) struct Platform {
    api: Router,
}

impl Platform {
    pub(super) fn new(api: Router) -> Self {
        Self { api }
    }

    /// Does a deed, and answers with the contact's id.
    pub(super) async fn act(&self, mailbox: &MailboxId, deed: &Deed) -> anyhow::Result<ContactId> {
        let contacts = format!("/v1/mailboxes/{mailbox}/contacts");
        let (method, path, body) = match deed {
            Deed::Create {
                given,
                family,
                address,
                place,
            } => {
                let name = format!("{given} {family}");
                let contact = json!({
                    "givenName": given,
                    "surname": family,
                    "displayName": name,
                    "emailAddresses": [{ "name": name, "address": address }],
                });
                let body = json!({ "folder": place.id, "contact": contact });
                ("POST", contacts, Some(body))
            }
            Deed::Edit { card, member, value } => {
                let body = json!({ "contact": { *member: value } });
                ("PATCH", format!("{contacts}/{}", card.id), Some(body))
            }
            Deed::Move { card, place } => {
                let body = json!({ "folder": place.id });
                ("PATCH", format!("{contacts}/{}", card.id), Some(body))
            }
            Deed::Delete { card, .. } => ("DELETE", format!("{contacts}/{}", card.id), None),
            Deed::File { .. } => anyhow::bail!("the API makes no folders"),
        };
        let answer = self.ask(method, &path, body).await?;
        let id = answer["id"].as_str().context("a contact without an id")?;
        Ok(id.parse()?)
    }

    /// One request, whatever the contact's version is. Anything but a success is an error.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> anyhow::Result<Value> {
        let mut request = Request::builder().method(method).uri(path);
        if ["PATCH", "PUT", "DELETE"].contains(&method) {
            request = request.header("if-match", "*");
        }
        let body = match body {
            Some(body) => {
                let kind = if method == "PATCH" {
                    "application/merge-patch+json"
                } else {
                    "application/json"
                };
                request = request.header("content-type", kind);
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let answer = self.api.clone().oneshot(request.body(body)?).await?;
        let status = answer.status();
        let answer: Value =
            serde_json::from_slice(&to_bytes(answer.into_body(), usize::MAX).await?).unwrap_or_default();
        let is_done = [StatusCode::OK, StatusCode::CREATED, StatusCode::ACCEPTED].contains(&status);
        anyhow::ensure!(
            is_done,
            "the API answered {method} {path} with {status}: {answer}"
        );
        Ok(answer)
    }
}
