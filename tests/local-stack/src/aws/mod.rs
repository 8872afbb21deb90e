//! AWS in this process, as far as the bundle uses it: `DynamoDB` with its streams, SQS, Secrets Manager, an event bus,
//! a bucket, functions to be called, event source mappings and schedules, for the real SDK clients on loopback ports.
//!
//! Knows the services' rules and reads tables and queues from `template.yaml`. It must not know the functions that
//! run on it. Everything here goes by the [`Ambient`] clock and nothing waits, so a simulated clock may jump; only
//! the SDK's time-outs are real time.

mod bus;
mod database;
mod event_source;
mod filter;
mod functions;
mod local_queue;
mod objects;
pub mod queue;
mod schedules;
mod secrets;
mod server;
mod sqs;
#[cfg(test)]
mod stream_tests;
mod streams;
mod template;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ambient::Ambient;
use anyhow::Context as _;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, IdentityCache, Region, SharedHttpClient, StalledStreamProtectionConfig,
};
use axum::http::StatusCode;
use photo_store::PhotoStore;

pub use bus::{BusEvent, LocalBus, PutFault};
pub use database::Kind as DatabaseKind;
pub use event_source::{Batch, Finished};
pub use filter::Filter;
pub use functions::LocalFunctions;
pub use local_queue::{LocalQueue, SendFault};
pub use objects::{LocalObjects, PHOTO_BUCKET};
pub use queue::{Depth, Message, QueueSettings};
pub use schedules::Schedules;
pub use secrets::LocalSecrets;
pub use streams::{LocalStream, StreamBatch, StreamSettings};
pub use wire::{Strike, Tap, Wired};

use database::Database;
use local_queue::Queues;
use server::{Fault, Loopback};
use streams::Writes;
use template::Template;

const ACCOUNT: &str = "000000000000";
const REGION: &str = "us-east-1";

/// Where the deployed bundle's tables and queues are written down.
const TEMPLATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../template.yaml");

/// The name of the contacts' table: its logical id.
pub const CONTACTS_TABLE: &str = "ContactsTable";
/// The name of the state's table.
pub const STATE_TABLE: &str = "StateTable";
/// The name of the history's table.
pub const HISTORY_TABLE: &str = "HistoryTable";
/// The logical id of the FIFO queue of work for mailboxes.
pub const WORK_QUEUE: &str = "WorkQueue";
/// The logical id of the standard queue of work on subscriptions.
pub const LIFECYCLE_QUEUE: &str = "LifecycleQueue";

/// The logical id of the bus that is told of changes.
pub const EVENT_BUS: &str = "EventBus";

/// The address of services in this process. Nobody resolves it.
const NOWHERE: &str = "http://aws.invalid";

/// Loopback answers within milliseconds; a machine under load gets some more.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// The config of an SDK's client for the server at this address. A macro, since each SDK has a builder of its own.
macro_rules! config {
    ($sdk:ident, $url:expr, $http:expr) => {
        $sdk::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url($url)
            .credentials_provider(credentials())
            .timeout_config(timeouts())
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client($http)
    };
}

macro_rules! client {
    ($sdk:ident, $url:expr, $http:expr) => {
        $sdk::Client::from_conf(config!($sdk, $url, $http).build())
    };
}

/// A client whose requests end in this process: nobody looks at a signature there, and nothing takes real time.
macro_rules! near_client {
    ($sdk:ident, $http:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::from_static(REGION))
                .endpoint_url(NOWHERE)
                .allow_no_auth()
                .identity_cache(IdentityCache::no_cache())
                .timeout_config(TimeoutConfig::disabled())
                .retry_config(RetryConfig::disabled())
                .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
                .http_client($http)
                .build(),
        )
    };
}

/// One AWS account of its own, on ports of its own. Dropped or stopped, it leaves nothing running.
pub struct LocalAws {
    dynamodb: aws_sdk_dynamodb::Client,
    sqs: aws_sdk_sqs::Client,
    secrets_manager: aws_sdk_secretsmanager::Client,
    eventbridge: aws_sdk_eventbridge::Client,
    lambda: aws_sdk_lambda::Client,
    database: Arc<dyn Database>,
    queues: Queues,
    of_template: BTreeMap<String, LocalQueue>,
    secrets: LocalSecrets,
    bus: LocalBus,
    functions: LocalFunctions,
    objects: LocalObjects,
    photos: PhotoStore,
    streams: BTreeMap<String, LocalStream>,
    writes: Writes,
    servers: Vec<Loopback>,
}

impl LocalAws {
    /// Starts it with the tables and queues of `template.yaml`, all empty. Runs on the caller's Tokio runtime.
    pub async fn start(ambient: Ambient) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(TEMPLATE).with_context(|| format!("read {TEMPLATE}"))?;
        let template = Template::parse(&text)?;
        let (database_server, database_url, database) = database::serve(&ambient, template.tables()?).await?;

        let (listener, url) = server::free_port().await?;
        let queues = Queues::new(ambient.clone(), &url);
        let of_template = create_queues(&queues, &template)?;
        let secrets = LocalSecrets::new(ambient.clone());
        anyhow::ensure!(template.has_bus(EVENT_BUS), "template.yaml has no {EVENT_BUS}");
        let bus = LocalBus::new(ambient.clone(), EVENT_BUS);
        let streams = open_streams(&ambient, &database, &template, None)?;
        let answer = services(queues.clone(), secrets.clone(), bus.clone());
        let json_server = Loopback::start(|until| server::serve_json(listener, answer, until));
        let functions = LocalFunctions::default();
        let (listener, functions_url) = server::free_port().await?;
        let functions_server = Loopback::start(|until| functions::serve(listener, functions.clone(), until));

        let objects = LocalObjects::default();
        let (listener, objects_url) = server::free_port().await?;
        let objects_server = Loopback::start(|until| objects::serve(listener, objects.clone(), until));

        // One plain HTTP client for all of them: no TLS to load, and no proxy from the environment in the way.
        let http = aws_smithy_http_client::Builder::new().build_http();
        Ok(Self {
            dynamodb: client!(aws_sdk_dynamodb, &database_url, http.clone()),
            sqs: client!(aws_sdk_sqs, &url, http.clone()),
            secrets_manager: client!(aws_sdk_secretsmanager, &url, http.clone()),
            eventbridge: client!(aws_sdk_eventbridge, &url, http.clone()),
            lambda: client!(aws_sdk_lambda, &functions_url, http.clone()),
            photos: photos(&objects_url, http),
            database,
            queues,
            of_template,
            secrets,
            bus,
            functions,
            objects,
            streams,
            writes: Writes::default(),
            servers: vec![database_server, json_server, functions_server, objects_server],
        })
    }

    /// The same without a socket: the clients' requests end in this process, and `tap` sees each of them. Nothing here
    /// needs a runtime, and nothing but the caller's polls decides what happens when.
    pub fn in_process(ambient: &Ambient, kind: DatabaseKind, tap: Arc<dyn Tap>) -> anyhow::Result<Self> {
        let template = template::parsed()?;
        let database = database::create(kind, ambient, template.tables()?)?;
        let queues = Queues::new(ambient.clone(), NOWHERE);
        let of_template = create_queues(&queues, template)?;
        let secrets = LocalSecrets::new(ambient.clone());
        let bus = LocalBus::new(ambient.clone(), EVENT_BUS);
        let writes = Writes::default();
        let streams = open_streams(ambient, &database, template, Some(&writes))?;
        let services = services(queues.clone(), secrets.clone(), bus.clone());
        let http = wire::Wire::new(database.clone(), writes.clone(), Arc::new(services), tap);
        let http = SharedHttpClient::new(http);
        Ok(Self {
            dynamodb: near_client!(aws_sdk_dynamodb, http.clone()),
            sqs: near_client!(aws_sdk_sqs, http.clone()),
            secrets_manager: near_client!(aws_sdk_secretsmanager, http.clone()),
            eventbridge: near_client!(aws_sdk_eventbridge, http.clone()),
            lambda: near_client!(aws_sdk_lambda, http.clone()),
            photos: photos(NOWHERE, http),
            database,
            queues,
            of_template,
            secrets,
            bus,
            functions: LocalFunctions::default(),
            objects: LocalObjects::default(),
            streams,
            writes,
            servers: Vec::new(),
        })
    }

    /// A client of the embedded `DynamoDB`. Like the others it doesn't retry: a fault that a test asked for arrives.
    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        self.dynamodb.clone()
    }

    /// A client of the queues.
    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        self.sqs.clone()
    }

    /// A client of Secrets Manager.
    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        self.secrets_manager.clone()
    }

    /// A client of the event bus.
    pub fn eventbridge(&self) -> aws_sdk_eventbridge::Client {
        self.eventbridge.clone()
    }

    /// A client of Lambda.
    pub fn lambda(&self) -> aws_sdk_lambda::Client {
        self.lambda.clone()
    }

    /// The operator's functions, to be deployed.
    pub fn functions(&self) -> &LocalFunctions {
        &self.functions
    }

    /// The photos' bucket.
    pub fn photos(&self) -> PhotoStore {
        self.photos.clone()
    }

    /// What is in the photos' bucket.
    pub fn objects(&self) -> &LocalObjects {
        &self.objects
    }

    /// The items of a table's index, each with those of its attributes that are texts: for who looks without being counted.
    pub fn items_of_index(&self, table: &str, index: &str) -> anyhow::Result<Vec<BTreeMap<String, String>>> {
        self.database.items_of_index(table, index)
    }

    /// The event bus, with what was put on it.
    pub fn bus(&self) -> &LocalBus {
        &self.bus
    }

    /// The stream of a table, as the template lets a function read it.
    pub fn stream(&self, table: &str) -> anyhow::Result<LocalStream> {
        let stream = self.streams.get(table);
        stream
            .cloned()
            .with_context(|| format!("in template.yaml no function reads the stream of {table}"))
    }

    /// The secrets, to be set and rotated.
    pub fn secrets(&self) -> &LocalSecrets {
        &self.secrets
    }

    /// A queue of the template, by its logical id.
    pub fn queue(&self, logical_id: &str) -> anyhow::Result<LocalQueue> {
        let queue = self.of_template.get(logical_id);
        queue
            .cloned()
            .with_context(|| format!("template.yaml has no queue {logical_id}"))
    }

    /// A queue that the template doesn't have; it takes the place of an older one of its name.
    pub fn create_queue(&self, settings: QueueSettings, dead_letters: Option<&LocalQueue>) -> LocalQueue {
        self.queues.create(settings, dead_letters)
    }

    /// Deletes the items whose time to live is over, as `DynamoDB` does in its own time. Answers how many.
    pub fn sweep_expired(&self) -> anyhow::Result<usize> {
        self.writes.count();
        self.database.sweep_expired()
    }

    /// Stops the servers and waits until they have ended.
    pub async fn stop(self) {
        for server in self.servers {
            server.stop().await;
        }
    }
}

/// The services that speak AWS JSON, by (service, action, body).
fn services(
    queues: Queues,
    secrets: LocalSecrets,
    bus: LocalBus,
) -> impl Fn(&str, &str, &[u8]) -> server::Answer + Clone + Send + Sync {
    move |service: &str, action: &str, body: &[u8]| match service {
        "AmazonSQS" => sqs::answer(&queues, action, body),
        "secretsmanager" => secrets.answer(action, body),
        "AWSEvents" => bus.answer(action, body),
        unknown => Err(Fault {
            status: StatusCode::NOT_FOUND,
            code: "UnknownOperationException",
            message: unknown.to_owned(),
        }),
    }
}

fn create_queues(queues: &Queues, template: &Template) -> anyhow::Result<BTreeMap<String, LocalQueue>> {
    let mut created = BTreeMap::<String, LocalQueue>::new();
    for spec in template.queues()? {
        let letters = match &spec.dead_letters {
            Some(id) => Some(
                created
                    .get(id)
                    .with_context(|| format!("template.yaml has no queue {id}"))?,
            ),
            None => None,
        };
        let queue = queues.create(spec.settings, letters);
        created.insert(spec.logical_id, queue);
    }
    Ok(created)
}

fn open_streams(
    ambient: &Ambient,
    database: &Arc<dyn Database>,
    template: &Template,
    writes: Option<&Writes>,
) -> anyhow::Result<BTreeMap<String, LocalStream>> {
    let streams = template.streams()?.into_iter().map(|settings| {
        let table = settings.table.clone();
        let stream = LocalStream::open(ambient.clone(), database.clone(), settings, writes.cloned());
        Ok((table, stream))
    });
    streams.collect()
}

/// Test credentials: signatures are made and not looked at.
fn credentials() -> Credentials {
    Credentials::new("test", "test", None, None, "local-stack")
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_timeout(CALL_TIMEOUT)
        .build()
}

fn photos(url: &str, http: SharedHttpClient) -> PhotoStore {
    let config = config!(aws_sdk_s3, url, http).force_path_style(true);
    PhotoStore::new(config, PHOTO_BUCKET)
}
