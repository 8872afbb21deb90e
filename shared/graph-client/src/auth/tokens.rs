//! One token per tenant, asked for once however many calls wait for it, and remembered: the good and the refused.
//!
//! Knows how long to believe what the token endpoint said. Must not put a token anywhere but in a [`Bearer`].

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use ambient::add;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};

use super::credential::{Credential, CredentialError, CredentialSource, Freshness};
use crate::classify;
use crate::endpoints::Endpoints;
use crate::error::{DecodeError, ErrorKind, GraphError};
use crate::exchange::{Answer, Exchange, Terms};
use crate::retry::Repeat;
use crate::transport::Transport;

const OPERATION: &str = "token.get";

/// How long to believe what the token endpoint said.
#[derive(Clone, Debug)]
pub struct TokenPolicy {
    /// A token with less life than this is renewed first; one that never had four times as much, in its last quarter.
    /// Default: 5 min, well above the longest call with its retries.
    pub min_life: Duration,
    /// How long a refusal is believed without asking again. Default: 10 min, so that a bad secret costs a tenant six
    /// requests an hour, and a repaired one is seen soon.
    pub refusal_memory: Duration,
}

impl Default for TokenPolicy {
    fn default() -> Self {
        Self {
            min_life: Duration::from_mins(5),
            refusal_memory: Duration::from_mins(10),
        }
    }
}

/// The least life of a token that is still used when no new one can be had.
const LAST_USE: Duration = Duration::from_secs(30);

pub(crate) struct Tokens {
    credentials: Arc<dyn CredentialSource>,
    policy: TokenPolicy,
    tenants: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Memory>>>>,
}

/// What is known about one tenant. Whoever holds the lock asks; the others wait and read the result.
#[derive(Default)]
struct Memory {
    token: Option<Token>,
    /// The last refusal or throttling, and until when it stands.
    refusal: Option<(GraphError, Timestamp)>,
    asked: u64,
}

#[derive(Clone)]
struct Token {
    bearer: Bearer,
    renew_at: Timestamp,
    ends_at: Timestamp,
}

/// A token to send. Its number tells it from the one before, without comparing secrets.
#[derive(Clone)]
pub(crate) struct Bearer {
    secret: SecretString,
    number: u64,
}

impl Bearer {
    /// The `Authorization` header.
    pub(crate) fn header(&self) -> Result<HeaderValue, http::header::InvalidHeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.secret.expose_secret()))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

/// What asking for a token takes.
pub(crate) struct Asking<'a, T> {
    pub(crate) exchange: &'a Exchange<T>,
    pub(crate) endpoints: &'a Endpoints,
    pub(crate) tenant: &'a str,
    pub(crate) deadline: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Granted {
    #[serde(deserialize_with = "secret")]
    access_token: SecretString,
    expires_in: u64,
}

#[derive(Deserialize)]
struct Refused {
    error: String,
}

impl Tokens {
    pub(crate) fn new(credentials: Arc<dyn CredentialSource>, policy: TokenPolicy) -> Self {
        Self {
            credentials,
            policy,
            tenants: Mutex::default(),
        }
    }

    /// A token with enough life. `refused` is one that Graph did not take: it is dropped, unless somebody else has
    /// replaced it already.
    pub(crate) async fn token<T: Transport>(
        &self,
        asking: &Asking<'_, T>,
        refused: Option<&Bearer>,
    ) -> Result<Bearer, GraphError> {
        if !is_tenant(asking.tenant) {
            return Err(GraphError::new(ErrorKind::TenantNotFound, OPERATION));
        }
        let memory = self.memory(asking.tenant);
        let mut memory = memory.lock().await;
        if let (Some(token), Some(refused)) = (&memory.token, refused)
            && token.bearer.number == refused.number
        {
            memory.token = None;
        }
        let now = asking.exchange.ambient.now();
        if let Some(token) = memory.token.as_ref().filter(|token| now < token.renew_at) {
            return Ok(token.bearer.clone());
        }
        let outcome = match memory.standing_refusal(now) {
            Some(error) => Err(error),
            None => self.renew(asking, &mut memory).await,
        };
        outcome.or_else(|error| memory.last_use(asking.exchange.ambient.now()).ok_or(error))
    }

    fn memory(&self, tenant: &str) -> Arc<tokio::sync::Mutex<Memory>> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tenants.entry(tenant.to_ascii_lowercase()).or_default())
    }

    async fn renew<T: Transport>(
        &self,
        asking: &Asking<'_, T>,
        memory: &mut Memory,
    ) -> Result<Bearer, GraphError> {
        let outcome = self.ask(asking).await;
        let now = asking.exchange.ambient.now();
        match outcome {
            Ok(granted) => {
                memory.refusal = None;
                Ok(memory.keep(granted, now, self.policy.min_life))
            }
            Err(error) => {
                let until = self.stands_until(&error, memory, now);
                memory.refusal = until.map(|until| (error.clone(), until));
                Err(error)
            }
        }
    }

    /// Until when an error is believed. A passing fault only while there is a token to go on with.
    fn stands_until(&self, error: &GraphError, memory: &Memory, now: Timestamp) -> Option<Timestamp> {
        if let ErrorKind::Throttled { until } = error.kind() {
            return Some(until);
        }
        if error.kind() == ErrorKind::Transient {
            return memory.last_use(now).map(|_| add(now, LAST_USE));
        }
        Some(add(now, self.policy.refusal_memory))
    }

    /// Asks, and where the credential is refused once more with a reread one, if that is another: it may have been
    /// rotated. A store that fails now must not make a refused credential look like a passing fault.
    async fn ask<T: Transport>(&self, asking: &Asking<'_, T>) -> Result<Granted, GraphError> {
        let credential = self.credential(asking.tenant, Freshness::Cached).await?;
        let refused = match request(asking, &credential).await {
            Err(error) if error.kind() == ErrorKind::BadCredential => error,
            outcome => return outcome,
        };
        match self.credential(asking.tenant, Freshness::Reread).await {
            Ok(rotated) if !rotated.is(&credential) => request(asking, &rotated).await,
            Ok(_) | Err(_) => Err(refused),
        }
    }

    async fn credential(&self, tenant: &str, freshness: Freshness) -> Result<Credential, GraphError> {
        self.credentials
            .credential(tenant, freshness)
            .await
            .map_err(|error| {
                let kind = match error {
                    CredentialError::Missing | CredentialError::Malformed(_) => ErrorKind::BadCredential,
                    CredentialError::Unavailable(_) => ErrorKind::Transient,
                };
                GraphError::new(kind, OPERATION).because(error)
            })
    }
}

impl Memory {
    fn standing_refusal(&self, now: Timestamp) -> Option<GraphError> {
        let (error, until) = self.refusal.as_ref()?;
        (now < *until).then(|| error.clone().remembered())
    }

    fn keep(&mut self, granted: Granted, now: Timestamp, min_life: Duration) -> Bearer {
        self.asked += 1;
        let bearer = Bearer {
            secret: granted.access_token,
            number: self.asked,
        };
        let life = Duration::from_secs(granted.expires_in);
        let renew_at = add(now, life.saturating_sub(min_life.min(life / 4)));
        self.token = Some(Token {
            bearer: bearer.clone(),
            renew_at,
            ends_at: add(now, life),
        });
        bearer
    }

    /// The old token, while it lives.
    fn last_use(&self, now: Timestamp) -> Option<Bearer> {
        self.token
            .as_ref()
            .filter(|token| add(now, LAST_USE) < token.ends_at)
            .map(|token| token.bearer.clone())
    }
}

async fn request<T: Transport>(
    asking: &Asking<'_, T>,
    credential: &Credential,
) -> Result<Granted, GraphError> {
    let unsendable = |kind| GraphError::new(kind, OPERATION);
    let url = asking
        .endpoints
        .token_url(asking.tenant)
        .map_err(|error| unsendable(ErrorKind::TenantNotFound).because(error))?;
    let request = Request::post(url.as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(credential.form(&asking.endpoints.scope())))
        .map_err(|error| unsendable(ErrorKind::Permanent).because(error))?;
    let terms = Terms {
        operation: OPERATION,
        repeat: Repeat::Safe,
        deadline: asking.deadline,
    };
    let answer = asking.exchange.send(&request, terms).await?;
    if answer.is_success() {
        granted(&answer)
    } else {
        Err(refusal(&answer))
    }
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn granted(answer: &Answer) -> Result<Granted, GraphError> {
    let mut reader = serde_json::Deserializer::from_slice(&answer.body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| answer.unreadable(DecodeError::from(error)))
}

fn refusal(answer: &Answer) -> GraphError {
    let refused = serde_json::from_slice::<Refused>(&answer.body)
        .ok()
        .map(|refused| refused.error);
    answer.error(
        classify::token_kind(answer.status, refused.as_deref()),
        refused.as_deref(),
    )
}

/// A GUID or a domain name, and so safe in a path; not one of the words that mean "any tenant" (facts 9.1).
fn is_tenant(text: &str) -> bool {
    let fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let any = ["common", "organizations", "consumers"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word));
    (1..=253).contains(&text.len())
        && text.bytes().all(fit)
        && !text.starts_with('.')
        && !text.contains("..")
        && !any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_a_guid_or_a_domain() {
        for good in [
            "72f988bf-86f1-41af-91ab-2d7cd011db47",
            "contoso.onmicrosoft.com",
            "a",
        ] {
            assert!(is_tenant(good), "{good}");
        }
        let bad = [
            "",
            ".",
            "..",
            "a..b",
            "a/b",
            "a?b",
            "a%2fb",
            "a b",
            "Common",
            "organizations",
            "ä.example",
            "a:b@c",
        ];
        for bad in bad {
            assert!(!is_tenant(bad), "{bad}");
        }
    }
}
