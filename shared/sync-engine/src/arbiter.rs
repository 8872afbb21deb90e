//! The operator's own policy for conflicts: a Lambda function that gets the three versions and answers with values.
//!
//! Knows the form of the question and of the answer, and nothing of what becomes of them. Whatever goes wrong, the
//! caller has a fallback policy. `docs/conflicts.md` shows the function's side.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_lambda::config::timeout::TimeoutConfig;
use aws_sdk_lambda::primitives::Blob;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sync_core::ids::{ContactId, MailboxId};
use sync_core::sighting::Document;

/// The operator's function.
#[derive(Clone, Debug)]
pub struct Arbiter {
    client: aws_sdk_lambda::Client,
    function: String,
    patience: Duration,
}

/// What it is asked.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Question<'a> {
    pub(crate) mailbox: &'a MailboxId,
    pub(crate) contact: &'a ContactId,
    /// The contact as both sides last agreed on it; null where they never have.
    pub(crate) base: Option<&'a Document>,
    pub(crate) platform: &'a Document,
    pub(crate) outlook: &'a Document,
    pub(crate) platform_edited_at: Timestamp,
    pub(crate) outlook_modified_at: Option<Timestamp>,
    /// The members to decide about. Answers for others are passed over.
    pub(crate) members: Vec<&'a str>,
}

#[derive(Deserialize)]
struct Answer {
    /// The values to be kept, by member. A member that is left out is decided by the fallback.
    members: BTreeMap<String, Value>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ArbiterError {
    /// It could not be called, or took longer than it may.
    #[error("the conflict function could not be called")]
    Unreachable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// It failed. What it said is in its own log.
    #[error("the conflict function failed")]
    Failed,
    /// Its answer is not `{"members": {…}}`, or the question could not be written.
    #[error("the conflict function's answer is not of the documented form")]
    Garbled,
}

impl Arbiter {
    /// The function with this ARN, which is waited for so long.
    pub fn new(client: aws_sdk_lambda::Client, function: impl Into<String>, patience: Duration) -> Self {
        Self {
            client,
            function: function.into(),
            patience,
        }
    }

    /// Waits for the answer as long as it may, and no longer than there is time.
    pub(crate) async fn ask(
        &self,
        question: &Question<'_>,
        time_left: Duration,
    ) -> Result<BTreeMap<String, Value>, ArbiterError> {
        let payload = serde_json::to_vec(question).map_err(|_| ArbiterError::Garbled)?;
        let timeouts = TimeoutConfig::builder()
            .operation_timeout(self.patience.min(time_left))
            .build();
        let answer = self
            .client
            .invoke()
            .function_name(&self.function)
            .payload(Blob::new(payload))
            .customize()
            .config_override(aws_sdk_lambda::Config::builder().timeout_config(timeouts))
            .send()
            .await
            .map_err(|error| ArbiterError::Unreachable(error.into()))?;
        if answer.function_error.is_some() {
            return Err(ArbiterError::Failed);
        }
        let payload = answer.payload.unwrap_or_else(|| Blob::new(Vec::new()));
        // serde's words may quote the answer, which is about a person.
        let answer: Answer = serde_json::from_slice(payload.as_ref()).map_err(|_| ArbiterError::Garbled)?;
        Ok(answer.members)
    }
}
