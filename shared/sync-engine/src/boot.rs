//! An engine's parts out of environment variables and secrets: what every function that asks Graph begins with.
//!
//! Knows the variables' names, and the form of the Graph credentials secret. Must not know what the parts are used for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ambient::Ambient;
use graph_client::{
    Cloud, Credential, CredentialError, CredentialFuture, CredentialSource, EndpointError, Endpoints,
    Freshness, GraphClient, HttpConfig, HttpTransport, TransportError,
};
use http::HeaderValue;
use jiff::{SignedDuration, Timestamp};
use lambda_boot::{SecretReader, Vars};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sync_core::guard::Guard;

use crate::Settings;

/// What a run keeps back of its function's life, to put down what it has: an attempt that hangs is given up after
/// [`ATTEMPT_LIMIT`].
const RESERVE: SignedDuration = SignedDuration::from_secs(35);

/// How long one request to Graph may take. Pages of 200 contacts come within a few seconds.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(25);

/// How Graph is reached.
#[derive(Clone, Debug)]
pub struct GraphConfig {
    cloud: String,
    graph_url: String,
    login_url: String,
    credentials_arn: String,
    page_size: u32,
}

/// Why there is no Graph client.
#[derive(Debug, thiserror::Error)]
pub enum BootError {
    /// `GRAPH_CLOUD`, `GRAPH_URL` or `LOGIN_URL`.
    #[error("the Graph endpoints can't be used")]
    Endpoints(#[from] EndpointError),
    /// The HTTP client.
    #[error("the HTTP client can't be built")]
    Transport(#[from] TransportError),
}

impl GraphConfig {
    /// `GRAPH_CLOUD` (`global` where it is not set) or both `GRAPH_URL` and `LOGIN_URL`;
    /// `GRAPH_CREDENTIALS_SECRET_ARN`; `PAGE_SIZE`.
    pub fn from_vars(vars: &mut Vars<'_>) -> Self {
        Self {
            cloud: vars.parsed("GRAPH_CLOUD", "global".to_owned()),
            graph_url: vars.parsed("GRAPH_URL", String::new()),
            login_url: vars.parsed("LOGIN_URL", String::new()),
            credentials_arn: vars.required("GRAPH_CREDENTIALS_SECRET_ARN"),
            page_size: vars.parsed("PAGE_SIZE", 200),
        }
    }

    /// False in a cloud that has no contact delta.
    pub fn has_delta(&self) -> bool {
        self.cloud.parse() != Ok(Cloud::China)
    }

    /// False in a cloud in which a contact can't be deleted for good (facts 2.5).
    pub fn can_purge(&self) -> bool {
        self.cloud.parse() == Ok(Cloud::Global)
    }

    /// The client. Makes no call.
    pub fn connect(
        &self,
        secrets: Arc<SecretReader>,
        ambient: Ambient,
    ) -> Result<GraphClient<HttpTransport>, BootError> {
        let endpoints = if self.graph_url.is_empty() && self.login_url.is_empty() {
            Endpoints::from_cloud(self.cloud.parse()?)
        } else {
            Endpoints::explicit(&self.graph_url, &self.login_url)?
        };
        let http = HttpConfig {
            total_timeout: ATTEMPT_LIMIT,
            plain_http: endpoints.plain_http(),
            ..HttpConfig::default()
        };
        let credentials = SecretCredentials {
            secrets,
            arn: self.credentials_arn.clone(),
        };
        let user_agent =
            HeaderValue::from_static(concat!("outlook-contact-sync/", env!("CARGO_PKG_VERSION")));
        let client = GraphClient::new(
            HttpTransport::new(&http)?,
            endpoints,
            Arc::new(credentials),
            ambient,
            user_agent,
        );
        Ok(client.with_page_size(self.page_size))
    }
}

impl Settings {
    /// `POLL_MINUTES`, `COMPARE_HOURS`, `SILENCE_HOURS`, `TOMBSTONE_DAYS`, `HISTORY_DAYS`, `CONFLICT_DAYS`,
    /// `CONFLICT_POLICY`, `CONFLICT_FALLBACK`, `DELETION_POLICY`, `DELETE_GUARD_MINIMUM`, `DELETE_GUARD_PERCENT`; where one is not set, the
    /// default.
    pub fn from_vars(vars: &mut Vars<'_>) -> Self {
        let default = Self::default();
        let mut duration = |name, unit: u64, default| {
            vars.optional::<u64>(name)
                .map_or(default, |count| Duration::from_secs(count.saturating_mul(unit)))
        };
        Self {
            poll_every: duration("POLL_MINUTES", 60, default.poll_every),
            compare_every: duration("COMPARE_HOURS", 60 * 60, default.compare_every),
            silent_after: duration("SILENCE_HOURS", 60 * 60, default.silent_after),
            // What was deleted can be brought back as long as its history is kept.
            tombstones_for: duration("TOMBSTONE_DAYS", 24 * 60 * 60, default.tombstones_for).max(duration(
                "HISTORY_DAYS",
                24 * 60 * 60,
                Duration::ZERO,
            )),
            conflicts_for: duration("CONFLICT_DAYS", 24 * 60 * 60, default.conflicts_for),
            conflicts: vars.word("CONFLICT_POLICY"),
            fallback: vars.word("CONFLICT_FALLBACK"),
            deletions: vars.word("DELETION_POLICY"),
            guard: Guard {
                at_least: vars
                    .optional("DELETE_GUARD_MINIMUM")
                    .unwrap_or(default.guard.at_least),
                percent: vars
                    .optional("DELETE_GUARD_PERCENT")
                    .unwrap_or(default.guard.percent),
            },
            delta: default.delta,
            purge: default.purge,
        }
    }
}

/// When a run has to begin to put down its work, in a function that ends at `ends_at`.
pub fn work_until(now: Timestamp, ends_at: Timestamp) -> Timestamp {
    // A short life is halved: some work is done in any life.
    let reserve = RESERVE.min(ends_at.duration_since(now) / 2);
    ends_at.saturating_sub(reserve).unwrap_or(now)
}

/// The app's credentials out of the secret
/// `{"clientId": …, "clientSecret": …, "tenants": {"<tenant>": {"clientId": …, "clientSecret": …}}}`. The outer pair is
/// that of a multi-tenant app; `tenants` has those of apps that are registered in one tenant. Either may be missing.
pub struct SecretCredentials {
    /// Reads it.
    pub secrets: Arc<SecretReader>,
    /// Which.
    pub arn: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Credentials {
    #[serde(flatten)]
    everywhere: Option<ClientSecret>,
    #[serde(default)]
    tenants: BTreeMap<String, ClientSecret>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientSecret {
    client_id: String,
    client_secret: SecretString,
}

/// The secret is not what [`SecretCredentials`] says. What is wrong with it is not quoted: it could be the secret.
#[derive(Debug, thiserror::Error)]
#[error("the Graph credentials secret is not JSON of the documented form")]
struct Malformed;

impl CredentialSource for SecretCredentials {
    fn credential<'a>(&'a self, tenant: &'a str, freshness: Freshness) -> CredentialFuture<'a> {
        Box::pin(async move {
            let read = match freshness {
                Freshness::Cached => self.secrets.read(&self.arn).await,
                Freshness::Reread => self.secrets.reread(&self.arn).await,
            };
            let secret = read.map_err(|error| CredentialError::Unavailable(error.into()))?;
            let Credentials { everywhere, tenants } = serde_json::from_str(secret.expose_secret())
                .map_err(|_| CredentialError::Malformed(Malformed.into()))?;
            let own = tenants
                .into_iter()
                .find(|(name, _)| name.eq_ignore_ascii_case(tenant));
            let ClientSecret {
                client_id,
                client_secret,
            } = own
                .map(|(_, own)| own)
                .or(everywhere)
                .ok_or(CredentialError::Missing)?;
            Ok(Credential::ClientSecret {
                client_id,
                secret: client_secret,
            })
        })
    }
}
