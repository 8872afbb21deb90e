//! This function's variables, and the function that they make.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use ambient::Ambient;
use contact_store::{Shard, Store, Tables};
use graph_client::HttpTransport;
use job_queue::{JobQueue, LifecycleQueue};
use lambda_boot::secrets::client_state_keys;
use lambda_boot::{MetricSink, SecretReader, Vars, VarsError};
use lambda_runtime::Error;
use sync_engine::Subscriber;
use sync_engine::boot::GraphConfig;

use crate::Renewer;

/// How long secrets are kept before they are read again.
const SECRETS_FOR: Duration = Duration::from_mins(15);

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Config {
    state_table: String,
    work_queue: String,
    lifecycle_queue: String,
    graph: GraphConfig,
    client_state_arn: String,
    notification_url: String,
}

impl Config {
    /// Reads it; every problem is reported at once.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, VarsError> {
        Vars::read(lookup, |vars| Self {
            state_table: vars.required("STATE_TABLE"),
            work_queue: vars.required("WORK_QUEUE_URL"),
            lifecycle_queue: vars.required("LIFECYCLE_QUEUE_URL"),
            graph: GraphConfig::from_vars(vars),
            client_state_arn: vars.required("CLIENT_STATE_SECRET_ARN"),
            notification_url: vars.required("NOTIFICATION_URL"),
        })
    }

    /// The function, with every client built once.
    pub async fn connect(
        self,
        ambient: Ambient,
        metrics: MetricSink,
    ) -> Result<Renewer<HttpTransport>, Error> {
        let aws = lambda_boot::aws_config().await;
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        let secrets = Arc::new(SecretReader::new(secrets, ambient.clone(), SECRETS_FOR));
        let keys = client_state_keys(&secrets.read(&self.client_state_arn).await?)?;
        let sqs = aws_sdk_sqs::Client::new(&aws);
        // This function never touches the mirror: it may not, and the name says so should it try.
        let tables = Tables {
            contacts: "not-for-renew-subscriptions".to_owned(),
            state: self.state_table,
        };
        let subscriber = Subscriber {
            graph: Arc::new(self.graph.connect(Arc::clone(&secrets), ambient.clone())?),
            store: Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&aws), tables)),
            work: Arc::new(JobQueue::new(sqs.clone(), self.work_queue)),
            ambient,
            keys: Mutex::new(keys),
            notification_url: self.notification_url,
            shards: Shard::all().collect(),
        };
        Ok(Renewer {
            subscriber,
            lifecycle: LifecycleQueue::new(sqs, self.lifecycle_queue),
            secrets,
            client_state_arn: self.client_state_arn,
            metrics,
        })
    }
}
