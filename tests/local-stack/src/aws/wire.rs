//! The services without sockets: a connector of the SDK's clients that ends in this process, at the same answers as the
//! loopback servers.
//!
//! Knows the wire of the SDK on one side and the services' models on the other. A request suspends its caller before the
//! service has seen it, and again before the caller sees the answer: whoever polls the caller decides what happens in
//! between, and whether it lives to see it. Must not know who asks, nor why a [`Tap`] makes a request go wrong.

use std::fmt;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::json;

use super::database::Database;
use super::server::Answer;
use super::streams::Writes;

/// What becomes of a request between the client and the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Strike {
    /// It is answered.
    #[default]
    None,
    /// The service doesn't see it; its caller sees a 500.
    Refused,
    /// The service carries it out, and its caller sees a 500.
    AnswerLost,
    /// The client's own retry: it is carried out twice, and the caller sees the second answer.
    Repeated,
}

/// A request on its way.
#[derive(Clone, Copy, Debug)]
pub struct Wired<'a> {
    /// The service, as `X-Amz-Target` names it: `DynamoDB_20120810`, `AmazonSQS`, …
    pub service: &'a str,
    /// The action.
    pub action: &'a str,
    /// Its body.
    pub body: &'a [u8],
}

impl Wired<'_> {
    /// True for a request to the tables that leaves them as they are.
    pub fn is_read(&self) -> bool {
        self.action.contains("Get") || self.action == "Query" || self.action == "Scan"
    }
}

/// Somebody who sees every request, and may have it go wrong.
pub trait Tap: Send + Sync {
    /// A request is about to reach its service.
    fn request(&self, request: Wired<'_>) -> Strike;

    /// A service has answered with this status.
    fn answered(&self, request: Wired<'_>, status: u16);
}

pub(super) type Services = Arc<dyn Fn(&str, &str, &[u8]) -> Answer + Send + Sync>;

/// The connector, and the client that always picks it.
#[derive(Clone)]
pub(super) struct Wire {
    database: Arc<dyn Database>,
    writes: Writes,
    services: Services,
    tap: Arc<dyn Tap>,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wire")
    }
}

impl Wire {
    pub(super) fn new(
        database: Arc<dyn Database>,
        writes: Writes,
        services: Services,
        tap: Arc<dyn Tap>,
    ) -> Self {
        Self {
            database,
            writes,
            services,
            tap,
        }
    }

    fn carry_out(&self, request: Wired<'_>) -> (u16, String) {
        let (status, answer) = if request.service.starts_with("DynamoDB_") {
            if !request.is_read() {
                self.writes.count();
            }
            self.database.answer(request.action, request.body)
        } else {
            match (self.services)(request.service, request.action, request.body) {
                Ok(answer) => (200, answer.to_string()),
                Err(fault) => {
                    let body = json!({ "__type": fault.code, "message": fault.message });
                    (fault.status.as_u16(), body.to_string())
                }
            }
        };
        self.tap.answered(request, status);
        (status, answer)
    }

    async fn serve(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        tokio::task::yield_now().await;
        let (status, answer) = {
            let target = request.headers().get("x-amz-target").unwrap_or_default();
            let (service, action) = target.split_once('.').unwrap_or((target, ""));
            let body = request.body().bytes().unwrap_or_default();
            let wired = Wired {
                service,
                action,
                body,
            };
            match self.tap.request(wired) {
                Strike::None => self.carry_out(wired),
                Strike::Refused => broken(),
                Strike::AnswerLost => {
                    self.carry_out(wired);
                    broken()
                }
                Strike::Repeated => {
                    self.carry_out(wired);
                    self.carry_out(wired)
                }
            }
        };
        tokio::task::yield_now().await;
        let status =
            StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
        let mut response = HttpResponse::new(status, SdkBody::from(answer));
        response
            .headers_mut()
            .insert("content-type", "application/x-amz-json-1.0");
        Ok(response)
    }
}

fn broken() -> (u16, String) {
    let body = json!({ "__type": "InternalServerError", "message": "a fault of the test's" });
    (500, body.to_string())
}

impl HttpConnector for Wire {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().serve(request))
    }
}

impl HttpClient for Wire {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
