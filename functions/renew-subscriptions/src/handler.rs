//! A tick of the schedule, or a batch of the lifecycle queue.

use std::sync::Arc;

use aws_lambda_events::event::sqs::{SqsBatchResponse, SqsEvent};
use graph_client::Transport;
use jiff::Timestamp;
use job_queue::{JobError, LifecycleJob, LifecycleQueue};
use lambda_boot::metrics::names;
use lambda_boot::secrets::client_state_keys;
use lambda_boot::sqs::{Message, run_batch};
use lambda_boot::{MetricSink, Metrics, SecretReader};
use serde::Deserialize;
use sync_engine::{Subscriber, SubscriberReport, Trouble, boot};

use crate::FUNCTION;

/// What starts the function.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Trigger {
    /// A batch of the lifecycle queue.
    Lifecycle(SqsEvent),
    /// The schedule.
    Schedule {
        /// What for.
        task: Task,
    },
}

/// What the schedule asks for.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// Renew what is due.
    Renew,
}

/// Why a message of the lifecycle queue comes again.
#[derive(Debug, thiserror::Error)]
enum JobFailure {
    #[error("the message can't be read: {0}")]
    Unreadable(JobError),
    #[error("{}", lambda_boot::chain(.0))]
    Trouble(Trouble),
}

/// The function.
pub struct Renewer<T> {
    /// Does the work.
    pub subscriber: Subscriber<T>,
    /// Where messages are put off.
    pub lifecycle: LifecycleQueue,
    /// Reads the key of `clientState`, again and again: it may be rotated while this process lives.
    pub secrets: Arc<SecretReader>,
    /// Where that key is.
    pub client_state_arn: String,
    /// Takes the metrics.
    pub metrics: MetricSink,
}

impl<T: Transport> Renewer<T> {
    /// Handles an event within a life that ends at `ends_at`. For a batch, the answer says which messages come again.
    pub async fn handle(&self, trigger: Trigger, ends_at: Timestamp) -> Result<SqsBatchResponse, Trouble> {
        self.refresh_keys().await;
        match trigger {
            Trigger::Schedule { task: Task::Renew } => {
                let deadline = boot::work_until(self.subscriber.ambient.now(), ends_at);
                let report = self.subscriber.renew_due(deadline).await?;
                self.count(report);
                Ok(SqsBatchResponse::default())
            }
            Trigger::Lifecycle(event) => {
                Ok(run_batch(event, async |message: &Message| self.message(message).await).await)
            }
        }
    }

    /// Where the key can't be read, the one before goes on signing: notifications are checked by it too.
    async fn refresh_keys(&self) {
        let secret = self.secrets.read(&self.client_state_arn).await;
        match secret.and_then(|secret| client_state_keys(&secret)) {
            Ok(keys) => self.subscriber.use_keys(keys),
            Err(error) => tracing::error!(
                error = lambda_boot::chain(&error),
                "the key of clientState can't be read"
            ),
        }
    }

    async fn message(&self, message: &Message) -> Result<(), JobFailure> {
        let job = LifecycleJob::parse(&message.body).map_err(JobFailure::Unreadable)?;
        match self.subscriber.handle(&job).await {
            Ok(report) => {
                self.count(report);
                Ok(())
            }
            Err(trouble) => {
                let until = self.subscriber.retry_at(&trouble, message.receives);
                let now = self.subscriber.ambient.now();
                if let Err(error) = self.lifecycle.postpone(&message.receipt_handle, until, now).await {
                    tracing::warn!(
                        error = lambda_boot::chain(&error),
                        "a message could not be put off"
                    );
                }
                Err(JobFailure::Trouble(trouble))
            }
        }
    }

    fn count(&self, report: SubscriberReport) {
        Metrics::new(FUNCTION)
            .count("SubscriptionsCreated", report.created)
            .count("SubscriptionsRenewed", report.renewed)
            .count("SubscriptionsDeleted", report.deleted)
            .count(names::RENEWALS_FAILED, report.failed)
            .count(names::GRAPH_THROTTLED, report.throttled)
            .emit_to(&self.metrics, self.subscriber.ambient.now());
    }
}
