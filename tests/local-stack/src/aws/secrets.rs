//! Secrets Manager: secrets with a current and a previous version, and `GetSecretValue`.
//!
//! Knows versions, stages and the wire. It must not know what a secret's text means. Rotation is a new
//! [`LocalSecrets::put`]: there is no rotation Lambda.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ambient::Ambient;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde_json::json;

use super::server::{Answer, Fault, parse};
use super::{ACCOUNT, REGION};

/// The secrets of one account. Clones are handles of the same ones.
#[derive(Clone, Debug)]
pub struct LocalSecrets {
    ambient: Ambient,
    secrets: Arc<Mutex<BTreeMap<String, Secret>>>,
}

#[derive(Debug, Default)]
struct Secret {
    versions: Vec<Version>,
    reads: u64,
}

#[derive(Debug)]
struct Version {
    id: String,
    text: SecretString,
    created_at: Timestamp,
}

impl LocalSecrets {
    pub(super) fn new(ambient: Ambient) -> Self {
        Self {
            ambient,
            secrets: Arc::default(),
        }
    }

    /// Creates a secret, or rotates it: the text becomes AWSCURRENT, the one before it AWSPREVIOUS. Answers the ARN.
    pub fn put(&self, name: &str, text: &str) -> String {
        let mut secrets = self.lock();
        let secret = secrets.entry(name.to_owned()).or_default();
        // The SDK takes ids of 32 to 64 characters.
        let id = format!("00000000-0000-4000-8000-{:012}", secret.versions.len() + 1);
        let created_at = self.ambient.now();
        secret.versions.push(Version {
            id,
            text: SecretString::from(text),
            created_at,
        });
        arn(name)
    }

    /// How often it was read, so that a test can tell a cache from its absence.
    pub fn reads(&self, name: &str) -> u64 {
        self.lock().get(name).map_or(0, |secret| secret.reads)
    }

    pub(super) fn answer(&self, action: &str, body: &[u8]) -> Answer {
        if action == "GetSecretValue" {
            self.get(&parse(body)?)
        } else {
            Err(Fault::client("UnknownOperationException", action))
        }
    }

    fn get(&self, request: &GetSecretValue) -> Answer {
        let missing = || Fault::client("ResourceNotFoundException", "Secrets Manager can't find it");
        let mut secrets = self.lock();
        let (name, secret) = secrets
            .iter_mut()
            .find(|(name, _)| **name == request.secret_id || arn(name) == request.secret_id)
            .ok_or_else(missing)?;
        secret.reads += 1;
        let newest_first = secret.versions.iter().rev().zip(["AWSCURRENT", "AWSPREVIOUS"]);
        let stage = request.version_stage.as_deref();
        let (version, stage) = match &request.version_id {
            Some(id) => newest_first.clone().find(|(version, _)| version.id == *id),
            None => newest_first
                .clone()
                .find(|(_, of)| *of == stage.unwrap_or("AWSCURRENT")),
        }
        .ok_or_else(missing)?;
        Ok(json!({
            "ARN": arn(name),
            "Name": name,
            "VersionId": version.id,
            "SecretString": version.text.expose_secret(),
            "VersionStages": [stage],
            "CreatedDate": version.created_at.as_second(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Secret>> {
        self.secrets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// AWS adds six random characters to the name; here they are always the same.
fn arn(name: &str) -> String {
    format!("arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf")
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct GetSecretValue {
    secret_id: String,
    version_id: Option<String>,
    version_stage: Option<String>,
}
