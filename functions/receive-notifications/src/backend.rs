//! What only a notification needs, and a handshake must not wait for: the queues and the key.
//!
//! Knows which AWS services there are behind the function, and the environment that names them.

use std::time::Duration;

use ambient::Ambient;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use job_queue::{JobQueue, LifecycleQueue};
use lambda_boot::secrets::client_state_keys;
use lambda_boot::{SecretError, SecretReader, Vars, VarsError};
use sync_core::client_state::ClientStateKeys;

/// How long the key is kept when nothing speaks against it.
const KEEP_KEY: Duration = Duration::from_mins(5);

/// How old the key may be when it does not fit a `clientState`. A rotated key is so found at once, while forged
/// notifications cost no more than one call in this time.
const DOUBTED_KEY_AGE: Duration = Duration::from_secs(10);

/// Where the queues and the key are.
#[derive(Clone, Debug)]
pub struct Config {
    /// The FIFO queue of work.
    pub work_queue_url: String,
    /// The standard queue of lifecycle events.
    pub lifecycle_queue_url: String,
    /// The secret with the keys of `clientState`.
    pub client_state_secret_arn: String,
}

impl Config {
    /// Reads the function's environment.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, VarsError> {
        Vars::read(lookup, |vars| Self {
            work_queue_url: vars.required("WORK_QUEUE_URL"),
            lifecycle_queue_url: vars.required("LIFECYCLE_QUEUE_URL"),
            client_state_secret_arn: vars.required("CLIENT_STATE_SECRET_ARN"),
        })
    }
}

/// The queues and the key.
#[derive(Debug)]
pub struct Backend {
    pub(crate) work: JobQueue,
    pub(crate) lifecycle: LifecycleQueue,
    secrets: SecretReader,
    client_state_secret_arn: String,
}

impl Backend {
    /// Builds the clients as the Lambda environment says.
    pub async fn connect(config: Config, ambient: Ambient) -> Self {
        let aws = lambda_boot::aws_config().await;
        // The function lives 10 s, since Graph waits no longer. A queue that hangs shall still be answered with 503.
        let limits = TimeoutConfig::builder()
            .operation_attempt_timeout(Duration::from_secs(2))
            .operation_timeout(Duration::from_secs(5))
            .build();
        let sqs = aws_sdk_sqs::config::Builder::from(&aws)
            .timeout_config(limits)
            .build();
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        Self::new(&aws_sdk_sqs::Client::from_conf(sqs), secrets, config, ambient)
    }

    /// Uses clients that there are.
    pub fn new(
        sqs: &aws_sdk_sqs::Client,
        secrets: aws_sdk_secretsmanager::Client,
        config: Config,
        ambient: Ambient,
    ) -> Self {
        Self {
            work: JobQueue::new(sqs.clone(), config.work_queue_url),
            lifecycle: LifecycleQueue::new(sqs.clone(), config.lifecycle_queue_url),
            secrets: SecretReader::new(secrets, ambient, KEEP_KEY),
            client_state_secret_arn: config.client_state_secret_arn,
        }
    }

    /// The keys that check a `clientState`.
    pub(crate) async fn keys(&self) -> Result<ClientStateKeys, SecretError> {
        client_state_keys(&self.secrets.read(&self.client_state_secret_arn).await?)
    }

    /// The keys once more, after a state did not fit them: they may have been rotated.
    pub(crate) async fn doubted_keys(&self) -> Result<ClientStateKeys, SecretError> {
        client_state_keys(
            &self
                .secrets
                .read_within(&self.client_state_secret_arn, DOUBTED_KEY_AGE)
                .await?,
        )
    }
}
