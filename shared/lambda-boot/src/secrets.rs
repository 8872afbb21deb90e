//! Secrets out of Secrets Manager.
//!
//! Knows how to read, keep and reread a secret, and the form of the `clientState` secret. Must not know what the
//! others hold: they are handed on as text.

use std::collections::BTreeMap;
use std::time::Duration;

use ambient::Ambient;
use aws_sdk_secretsmanager::Client;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sync_core::client_state::{ClientStateKeys, WeakKey};
use tokio::sync::Mutex;

use crate::chain;

/// Why there is no secret. Names the secret by its ARN, never shows a part of it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Secrets Manager gave no answer, or an error: no such secret, no permission, throttled.
    #[error("the secret {arn} could not be read")]
    Unavailable {
        /// Which secret.
        arn: String,
        /// What Secrets Manager said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The secret is binary.
    #[error("the secret {arn} holds no text")]
    NotText {
        /// Which secret.
        arn: String,
    },
    /// Not of the form `{"current": "...", "previous": "..."}`. What is wrong is not quoted: it could be the secret.
    #[error("the clientState secret is not JSON with a text `current`")]
    Malformed,
    /// A key is too short.
    #[error("the clientState secret can't be used")]
    Weak(#[source] WeakKey),
}

/// Reads secrets and keeps them for a while, so that a rotated one needs no new deployment.
#[derive(Debug)]
pub struct SecretReader {
    client: Client,
    ambient: Ambient,
    keep: Duration,
    /// By ARN: when it was read, and what it was. The lock is held while reading, so that many askers make one call.
    kept: Mutex<BTreeMap<String, (Timestamp, SecretString)>>,
}

impl SecretReader {
    /// Reads through `client`; a secret is asked for again after `keep`.
    pub fn new(client: Client, ambient: Ambient, keep: Duration) -> Self {
        Self {
            client,
            ambient,
            keep,
            kept: Mutex::default(),
        }
    }

    /// The secret's text, read at most `keep` ago. While Secrets Manager can't be reached, the one that was last
    /// read goes on serving: an old secret mostly works, none never does.
    pub async fn read(&self, arn: &str) -> Result<SecretString, SecretError> {
        self.read_within(arn, self.keep).await
    }

    /// As [`SecretReader::read`], but read at most `age` ago: for a doubt that anybody can raise, so that it costs at
    /// most one call per `age`.
    pub async fn read_within(&self, arn: &str, age: Duration) -> Result<SecretString, SecretError> {
        let mut kept = self.kept.lock().await;
        let now = self.ambient.now();
        let last = kept.get(arn).cloned();
        if let Some((read_at, secret)) = &last
            && now < ambient::add(*read_at, age)
        {
            return Ok(secret.clone());
        }
        match (self.fetch(arn).await, last) {
            (Ok(secret), _) => {
                kept.insert(arn.to_owned(), (now, secret.clone()));
                Ok(secret)
            }
            (Err(error), Some((_, secret))) => {
                tracing::warn!(
                    secret.arn = arn,
                    error = chain(&error),
                    "a secret can't be read; the old one serves on"
                );
                Ok(secret)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// The secret's text as it is in this moment: for one that has just been refused.
    pub async fn reread(&self, arn: &str) -> Result<SecretString, SecretError> {
        let mut kept = self.kept.lock().await;
        let secret = self.fetch(arn).await?;
        kept.insert(arn.to_owned(), (self.ambient.now(), secret.clone()));
        Ok(secret)
    }

    async fn fetch(&self, arn: &str) -> Result<SecretString, SecretError> {
        let answer = self.client.get_secret_value().secret_id(arn).send().await;
        let answer = answer.map_err(|error| SecretError::Unavailable {
            arn: arn.to_owned(),
            source: error.into(),
        })?;
        let text = answer
            .secret_string
            .ok_or_else(|| SecretError::NotText { arn: arn.to_owned() })?;
        Ok(SecretString::from(text))
    }
}

/// Reads the `clientState` secret: `current` signs and checks, `previous` (missing, null or empty where the key has
/// never been rotated) still checks. A key is the UTF-8 bytes of its text.
pub fn client_state_keys(secret: &SecretString) -> Result<ClientStateKeys, SecretError> {
    #[derive(Deserialize)]
    struct Keys {
        current: String,
        previous: Option<String>,
    }
    let Keys { current, previous } =
        serde_json::from_str(secret.expose_secret()).map_err(|_| SecretError::Malformed)?;
    let previous = previous.filter(|key| !key.is_empty());
    ClientStateKeys::new(std::iter::once(current).chain(previous).map(String::into_bytes))
        .map_err(SecretError::Weak)
}
