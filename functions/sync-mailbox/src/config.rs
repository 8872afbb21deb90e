//! This function's variables, and the engine that they make.

use std::sync::Arc;
use std::time::Duration;

use ambient::Ambient;
use contact_store::{Store, Tables};
use graph_client::HttpTransport;
use job_queue::{JobQueue, LifecycleQueue};
use lambda_boot::{SecretReader, Vars, VarsError};
use photo_store::PhotoStore;
use sync_engine::boot::{BootError, GraphConfig};
use sync_engine::{Arbiter, Engine, Settings};

/// How long the Graph credentials are kept before they are read again.
const SECRETS_FOR: Duration = Duration::from_mins(15);

/// How long the operator's function for conflicts is waited for, unless the environment says otherwise.
const ARBITER_PATIENCE: Duration = Duration::from_secs(10);

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Config {
    tables: Tables,
    work_queue: String,
    lifecycle_queue: String,
    graph: GraphConfig,
    settings: Settings,
    photos: Option<String>,
    arbiter: Option<String>,
    arbiter_patience: Duration,
}

impl Config {
    /// Reads it; every problem is reported at once.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, VarsError> {
        Vars::read(lookup, |vars| {
            let graph = GraphConfig::from_vars(vars);
            let settings = Settings {
                delta: graph.has_delta(),
                purge: graph.can_purge(),
                ..Settings::from_vars(vars)
            };
            Self {
                tables: Tables {
                    contacts: vars.required("CONTACTS_TABLE"),
                    state: vars.required("STATE_TABLE"),
                },
                work_queue: vars.required("WORK_QUEUE_URL"),
                lifecycle_queue: vars.required("LIFECYCLE_QUEUE_URL"),
                graph,
                settings,
                photos: vars.optional("PHOTO_BUCKET"),
                arbiter: vars.optional("CONFLICT_FUNCTION_ARN"),
                arbiter_patience: vars
                    .optional("CONFLICT_TIMEOUT_SECONDS")
                    .map_or(ARBITER_PATIENCE, Duration::from_secs),
            }
        })
    }

    /// The engine, with every client built once. Makes no call but for AWS credentials.
    pub async fn connect(self, ambient: Ambient) -> Result<Engine<HttpTransport>, BootError> {
        let aws = lambda_boot::aws_config().await;
        let secrets = aws_sdk_secretsmanager::Client::new(&aws);
        let secrets = Arc::new(SecretReader::new(secrets, ambient.clone(), SECRETS_FOR));
        let store = Store::new(aws_sdk_dynamodb::Client::new(&aws), self.tables)
            .keeping_tombstones(self.settings.tombstones_for)
            .keeping_conflicts(self.settings.conflicts_for);
        let arbiter = self
            .arbiter
            .map(|function| Arbiter::new(aws_sdk_lambda::Client::new(&aws), function, self.arbiter_patience));
        let photos = self.photos.map(|bucket| PhotoStore::new(&aws, bucket));
        let sqs = aws_sdk_sqs::Client::new(&aws);
        Ok(Engine {
            graph: Arc::new(self.graph.connect(secrets, ambient.clone())?),
            store: Arc::new(store),
            work: Arc::new(JobQueue::new(sqs.clone(), self.work_queue)),
            lifecycle: Arc::new(LifecycleQueue::new(sqs, self.lifecycle_queue)),
            photos,
            arbiter,
            ambient,
            settings: self.settings,
        })
    }
}
