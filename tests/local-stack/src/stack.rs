//! The bundle wired up: the real handlers on the model of AWS, with the Graph simulator at the other end.
//!
//! Knows which function hangs on which queue, schedule or URL, as `template.yaml` has it. Must not know what any of
//! them does. Nothing runs by itself: [`LocalStack::step`] does what is due now, [`LocalStack::run_for`] lets
//! simulated time pass from one due moment to the next.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ambient::Ambient;
use anyhow::Context as _;
use aws_lambda_events::event::sqs::SqsBatchResponse;
use axum::Router;
use contact_store::{Shard, Store, Tables};
use contacts_api::Api;
use graph_client::{Endpoints, GraphClient, Transport};
use graph_sim::{Delivery, SimTransport, Webhook, WebhookAnswer, World};
use jiff::Timestamp;
use job_queue::{JobQueue, LifecycleQueue};
use lambda_boot::{MetricSink, SecretReader, secrets::client_state_keys};
use lambda_http::http::{HeaderValue, Request};
use photo_store::PhotoStore;
use propagate_changes::{EventBus, Propagate};
use receive_notifications::{Backend, Config as ReceiverConfig, Receiver};
use renew_subscriptions::{Renewer, Trigger};
use resync_mailboxes::{Resync, Task};
use sync_core::ids::MailboxId;
use sync_engine::boot::SecretCredentials;
use sync_engine::{Engine, Scheduler, Settings, Subscriber};
use sync_mailbox::Worker;

use crate::aws::{
    Batch, CONTACTS_TABLE, HISTORY_TABLE, LIFECYCLE_QUEUE, LocalAws, LocalBus, LocalQueue, LocalStream,
    STATE_TABLE, Schedules, StreamBatch, WORK_QUEUE,
};

/// The app that the simulated tenants have consented to.
pub const APP: &str = "5f0f1a5e-0000-4000-8000-6f75746c6f6f";
/// Its secret, until a test rotates it.
pub const APP_SECRET: &str = "the-app-secret-of-the-local-stack";
/// Where Graph sends notifications. Nothing listens there: the handler is called.
pub const NOTIFICATION_URL: &str = "https://notify.example/";

const GRAPH_SECRET: &str = "graph-credentials";
const CLIENT_STATE_SECRET: &str = "client-state";
/// The schedule of renew-subscriptions, for [`LocalStack::tick`].
pub const RENEW: &str = "renew";
/// The schedule of resync-mailboxes.
pub const RESYNC: &str = "resync";

/// How long versions are kept, as the template has it.
const HISTORY: Duration = Duration::from_hours(30 * 24);

/// How long functions live, as the template has it.
const WORKER_LIFE: Duration = Duration::from_mins(2);
const FUNCTION_LIFE: Duration = Duration::from_mins(1);

/// The bundle in one process, with the simulated Graph in it or behind another transport.
pub struct LocalStack<T = SimTransport> {
    /// Its time and chance.
    pub ambient: Ambient,
    /// The model of AWS below it.
    pub aws: LocalAws,
    /// The way to Graph that its functions use.
    pub transport: T,
    /// The tables, as its functions see them.
    pub store: Arc<Store>,
    /// What its functions have counted.
    pub metrics: MetricSink,
    /// The queue of work, with its faults.
    pub work: LocalQueue,
    /// The queue of lifecycle jobs.
    pub lifecycle: LocalQueue,
    /// What others are told, with its faults.
    pub bus: LocalBus,
    /// The stream of the contacts' table, with its faults.
    pub contact_changes: LocalStream,
    /// The stream of the state's table.
    pub mailbox_changes: LocalStream,
    /// sync-mailbox.
    pub worker: Worker<T>,
    /// contacts-api.
    pub api: Router,
    /// receive-notifications.
    pub receiver: Arc<Receiver>,
    /// renew-subscriptions.
    pub renewer: Renewer<T>,
    /// resync-mailboxes.
    pub resync: Resync,
    /// propagate-changes. It counts what it asks of the tables by itself: see its `store`.
    pub propagate: Propagate,
    schedules: Schedules,
    first_due: Option<FirstDue>,
    life: Duration,
}

/// Where Graph is, who asks there, and where it is to send notifications.
#[derive(Clone, Debug)]
pub struct Cloud {
    /// Graph and the token endpoint.
    pub endpoints: Endpoints,
    /// The app's id.
    pub app: String,
    /// The app's secret.
    pub secret: String,
    /// The URL of receive-notifications.
    pub notification_url: String,
}

/// The template's parameter `ContactPhotos`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Photos {
    /// Photos are kept.
    On,
    /// They are left alone.
    Off,
}

impl Photos {
    fn store(self, aws: &LocalAws) -> Option<PhotoStore> {
        match self {
            Self::On => Some(aws.photos()),
            Self::Off => None,
        }
    }
}

/// The first due times in the state table, as they were after so many writes.
#[derive(Clone, Copy)]
struct FirstDue {
    writes: u64,
    due: Due,
}

/// The first due time of what each schedule looks for, past ones included; `None`: there is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Due {
    renewals: Option<Timestamp>,
    timers: Option<Timestamp>,
}

impl Due {
    /// Whether a schedule would find something at a moment.
    pub fn has(self, schedule: &str, now: Timestamp) -> bool {
        let first = if schedule == RENEW {
            self.renewals
        } else {
            self.timers
        };
        first.is_some_and(|at| at <= now)
    }
}

impl LocalStack {
    /// Starts the bundle against a world. The world gets the app's registration; tenants and mailboxes are the
    /// caller's.
    pub async fn start(ambient: Ambient, world: World, settings: Settings) -> anyhow::Result<Self> {
        Self::start_with(ambient, world, settings, Photos::Off).await
    }

    /// The same, with photos or without.
    pub async fn start_with(
        ambient: Ambient,
        world: World,
        settings: Settings,
        photos: Photos,
    ) -> anyhow::Result<Self> {
        let aws = LocalAws::start(ambient.clone()).await?;
        Self::upon(aws, ambient, world, settings, photos).await
    }

    /// The same on an AWS that is there already.
    pub async fn upon(
        aws: LocalAws,
        ambient: Ambient,
        mut world: World,
        settings: Settings,
        photos: Photos,
    ) -> anyhow::Result<Self> {
        world.add_app(APP, APP_SECRET);
        let cloud = Cloud {
            endpoints: Endpoints::explicit(&world.settings().graph_url, "https://login.microsoftonline.com")?,
            app: APP.to_owned(),
            secret: APP_SECRET.to_owned(),
            notification_url: NOTIFICATION_URL.to_owned(),
        };
        let clock = ambient.clone();
        Self::wire(aws, ambient, cloud, settings, photos, |receiver| {
            SimTransport::new(Arc::new(Mutex::new(world)), clock.clone())
                .with_webhook(webhook(receiver, clock))
        })
        .await
    }

    /// The simulated Graph.
    pub fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.transport)
    }

    /// Gives the app another secret; only Secrets Manager and Graph are told.
    pub fn rotate_app_secret(&self, secret: &str) {
        self.world().rotate_secret(APP, secret);
        self.aws.secrets().put(GRAPH_SECRET, &credentials(APP, secret));
    }
}

impl<T: Transport + Clone> LocalStack<T> {
    /// Wires it up on an AWS that is there, and in the way to Graph that `transport` makes.
    pub async fn wire(
        aws: LocalAws,
        ambient: Ambient,
        cloud: Cloud,
        settings: Settings,
        photos: Photos,
        transport: impl FnOnce(Arc<Receiver>) -> T,
    ) -> anyhow::Result<Self> {
        let key = aws.secrets().put(
            CLIENT_STATE_SECRET,
            r#"{"current":"0123456789abcdef0123456789abcdef","previous":""}"#,
        );
        let credentials = aws
            .secrets()
            .put(GRAPH_SECRET, &credentials(&cloud.app, &cloud.secret));
        let (work, lifecycle) = (aws.queue(WORK_QUEUE)?, aws.queue(LIFECYCLE_QUEUE)?);
        let metrics = MetricSink::memory();
        let receiver = Arc::new(receiver(&aws, &work, &lifecycle, &key, &ambient, &metrics));
        let transport = transport(Arc::clone(&receiver));

        let propagate = propagate(&aws, &work, tables(), &ambient, &metrics);
        let store = Store::new(aws.dynamodb(), tables()).keeping_tombstones(settings.tombstones_for);
        let secrets = Arc::new(SecretReader::new(
            aws.secrets_manager(),
            ambient.clone(),
            Duration::from_mins(15),
        ));
        let keys = client_state_keys(&secrets.read(&key).await?)?;
        let credentials = SecretCredentials {
            secrets: Arc::clone(&secrets),
            arn: credentials,
        };
        let graph = Arc::new(graph(&transport, cloud.endpoints, credentials, &ambient));
        let job_queue = || JobQueue::new(aws.sqs(), work.url());
        let lifecycle_queue = || LifecycleQueue::new(aws.sqs(), lifecycle.url());
        let store = Arc::new(store);
        let worker = Worker {
            engine: Engine {
                graph: Arc::clone(&graph),
                store: Arc::clone(&store),
                work: Arc::new(job_queue()),
                lifecycle: Arc::new(lifecycle_queue()),
                photos: photos.store(&aws),
                arbiter: None,
                ambient: ambient.clone(),
                settings: settings.clone(),
            },
            metrics: metrics.clone(),
        };
        let renewer = Renewer {
            subscriber: Subscriber {
                graph,
                store: Arc::clone(&store),
                work: Arc::new(job_queue()),
                ambient: ambient.clone(),
                keys: Mutex::new(keys),
                notification_url: cloud.notification_url,
                shards: Shard::all().collect(),
            },
            lifecycle: lifecycle_queue(),
            secrets: Arc::clone(&secrets),
            client_state_arn: key,
            metrics: metrics.clone(),
        };
        let resync = Resync {
            scheduler: Scheduler {
                store: Arc::clone(&store),
                work: Arc::new(job_queue()),
                ambient: ambient.clone(),
                settings,
                shards: Shard::all().collect(),
            },
            metrics: metrics.clone(),
        };
        let api = contacts_api::router(Api {
            // Like the others it counts together with the worker; only what reads and writes the history knows it.
            store: Store::clone(&store).keeping_history(HISTORY_TABLE, HISTORY),
            work: job_queue(),
            lifecycle: lifecycle_queue(),
            photos: photos.store(&aws),
            policies: contacts_api::Policies::default(),
            ambient: ambient.clone(),
        });
        let mut schedules = Schedules::new();
        schedules.add(ambient.now(), RENEW, Duration::from_mins(5));
        schedules.add(ambient.now(), RESYNC, Duration::from_mins(1));
        Ok(Self {
            bus: aws.bus().clone(),
            contact_changes: aws.stream(CONTACTS_TABLE)?,
            mailbox_changes: aws.stream(STATE_TABLE)?,
            propagate,
            ambient,
            aws,
            transport,
            store,
            metrics,
            work,
            lifecycle,
            worker,
            api,
            receiver,
            renewer,
            resync,
            schedules,
            first_due: None,
            life: WORKER_LIFE,
        })
    }

    /// Lets the schedules look in these shards only.
    pub fn look_only_in(&mut self, shards: &[Shard]) {
        self.resync.scheduler.shards = shards.to_vec();
        self.renewer.subscriber.shards = shards.to_vec();
    }

    /// Lets sync-mailbox live only so long, so that its work is cut more often.
    pub fn shorten_worker(&mut self, life: Duration) {
        self.life = life;
    }

    /// Gives Graph pages of so many contacts, so that a mailbox needs few of them to have many pages.
    pub fn set_page_size(&mut self, rows: u32) {
        self.worker.engine.graph = Arc::new(self.worker.engine.graph.with_page_size(rows));
    }

    /// The `clientState` that renew-subscriptions would give to a mailbox's subscriptions.
    pub fn client_state(&self, mailbox: &MailboxId) -> String {
        let keys = self.renewer.subscriber.keys.lock();
        keys.unwrap_or_else(PoisonError::into_inner).sign(mailbox)
    }

    /// Rotates the key of `clientState`; only Secrets Manager is told.
    pub fn rotate_client_state_key(&self, current: &str, previous: &str) {
        let text = serde_json::json!({ "current": current, "previous": previous }).to_string();
        self.aws.secrets().put(CLIENT_STATE_SECRET, &text);
    }

    /// sync-mailbox with a batch; what becomes of the batch is the caller's.
    pub async fn work_on(&self, batch: &Batch) -> SqsBatchResponse {
        Box::pin(self.worker.handle(batch.event.clone(), self.ends_in(self.life))).await
    }

    /// renew-subscriptions with a batch of the lifecycle queue.
    pub async fn renew_by(&self, batch: Batch) {
        let trigger = Trigger::Lifecycle(batch.event.clone());
        let answer = Box::pin(self.renewer.handle(trigger, self.ends_in(FUNCTION_LIFE))).await;
        self.lifecycle.finish(batch, answer);
    }

    /// propagate-changes with a batch of a stream.
    pub async fn propagate_from(&self, stream: &LocalStream, batch: StreamBatch) {
        let answer = Box::pin(self.propagate.handle(batch.event.clone())).await;
        stream.finish(batch, Ok::<_, std::convert::Infallible>(answer));
    }

    /// What a schedule does, now.
    pub async fn tick(&self, schedule: &str) -> anyhow::Result<()> {
        let ends_at = self.ends_in(FUNCTION_LIFE);
        match schedule {
            RENEW => {
                let trigger = serde_json::from_str(r#"{"task":"renew"}"#)?;
                Box::pin(self.renewer.handle(trigger, ends_at))
                    .await
                    .context("renew-subscriptions failed")?;
            }
            RESYNC => {
                Box::pin(self.resync.handle(Task::Due, ends_at))
                    .await
                    .context("resync-mailboxes failed")?;
            }
            other => anyhow::bail!("no schedule is named {other}"),
        }
        Ok(())
    }

    /// False where a tick would find nothing. Simulated days are made of such ticks, each of some fifty queries: they
    /// are left out. On the system's clock every tick is made.
    fn is_anything_due(&mut self, schedule: &str) -> anyhow::Result<bool> {
        if !self.ambient.is_simulated() {
            return Ok(true);
        }
        let writes = self.store.usage().writes;
        let known = self.first_due.filter(|known| known.writes == writes);
        let first_due = match known {
            Some(known) => known,
            None => FirstDue {
                writes,
                due: self.first_due()?,
            },
        };
        self.first_due = Some(first_due);
        Ok(first_due.due.has(schedule, self.ambient.now()))
    }

    /// The first due times in the state table: a look at all shards of the index at once, and at the database itself, for
    /// it is nothing that the bundle does.
    pub fn first_due(&self) -> anyhow::Result<Due> {
        let mut due = Due::default();
        for item in self.aws.items_of_index(STATE_TABLE, "due")? {
            let at: Timestamp = item.get("due_at").context("no due time")?.parse()?;
            let is_renewal = item
                .get("due_shard")
                .is_some_and(|shard| shard.starts_with(RENEW));
            let first = if is_renewal {
                &mut due.renewals
            } else {
                &mut due.timers
            };
            *first = Some(first.map_or(at, |first| first.min(at)));
        }
        Ok(due)
    }

    fn ends_in(&self, life: Duration) -> Timestamp {
        ambient::add(self.ambient.now(), life)
    }
}

impl LocalStack {
    /// Does one round of what is due now: notifications, schedules, streams, queues. False where nothing was due.
    pub async fn step(&mut self) -> anyhow::Result<bool> {
        let mut did = self.transport.deliver_due().await > 0;
        for schedule in self.schedules.due(self.ambient.now()) {
            if self.is_anything_due(&schedule)? {
                did = true;
                self.tick(&schedule).await?;
            }
        }
        for stream in [self.contact_changes.clone(), self.mailbox_changes.clone()] {
            if let Some(batch) = stream.poll()? {
                did = true;
                self.propagate_from(&stream, batch).await;
            }
        }
        if let Some(batch) = self.lifecycle.poll() {
            did = true;
            self.renew_by(batch).await;
        }
        if let Some(batch) = self.work.poll() {
            did = true;
            let answer = self.work_on(&batch).await;
            self.work.finish(batch, Ok::<_, std::convert::Infallible>(answer));
        }
        Ok(did)
    }

    /// Steps until nothing is due now. On a simulated clock no time passes but what the work itself takes.
    pub async fn settle(&mut self) -> anyhow::Result<()> {
        for _ in 0..100_000 {
            if !self.step().await? {
                return Ok(());
            }
        }
        anyhow::bail!("the stack does not come to rest")
    }

    /// Lets simulated time pass, and does what falls due meanwhile, at its time.
    pub async fn run_for(&mut self, duration: Duration) -> anyhow::Result<()> {
        let end = ambient::add(self.ambient.now(), duration);
        loop {
            self.settle().await?;
            let now = self.ambient.now();
            let next = self.next_due().filter(|next| *next <= end);
            // What is visible already and was not taken belongs to a group that is busy: time has to pass for it.
            let next = next.map(|next| next.max(now.saturating_add(Duration::from_millis(1)).unwrap_or(now)));
            let until = next.unwrap_or(end);
            if until > now {
                self.ambient.advance(until.duration_since(now).unsigned_abs());
            }
            if next.is_none() {
                return self.settle().await;
            }
        }
    }

    fn next_due(&self) -> Option<Timestamp> {
        [
            self.work.next_visible_at(),
            self.lifecycle.next_visible_at(),
            self.contact_changes.next_due(),
            self.mailbox_changes.next_due(),
            self.schedules.next_due(),
            self.world().next_notification(),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}

fn lock(transport: &SimTransport) -> MutexGuard<'_, World> {
    transport.world().lock().unwrap_or_else(PoisonError::into_inner)
}

fn credentials(app: &str, secret: &str) -> String {
    serde_json::json!({ "clientId": app, "clientSecret": secret }).to_string()
}

fn graph<T: Transport + Clone>(
    transport: &T,
    endpoints: Endpoints,
    credentials: SecretCredentials,
    ambient: &Ambient,
) -> GraphClient<T> {
    GraphClient::new(
        transport.clone(),
        endpoints,
        Arc::new(credentials),
        ambient.clone(),
        HeaderValue::from_static("outlook-contact-sync/local-stack"),
    )
}

fn tables() -> Tables {
    Tables {
        contacts: CONTACTS_TABLE.to_owned(),
        state: STATE_TABLE.to_owned(),
    }
}

/// With a store of its own, so that what the index of addresses and the history cost is not mixed with what the sync costs.
fn propagate(
    aws: &LocalAws,
    work: &LocalQueue,
    tables: Tables,
    ambient: &Ambient,
    metrics: &MetricSink,
) -> Propagate {
    Propagate {
        store: Store::new(aws.dynamodb(), tables.clone()).keeping_history(HISTORY_TABLE, HISTORY),
        tables,
        work: JobQueue::new(aws.sqs(), work.url()),
        bus: EventBus::new(aws.eventbridge(), aws.bus().name()),
        ambient: ambient.clone(),
        metrics: metrics.clone(),
    }
}

fn receiver(
    aws: &LocalAws,
    work: &LocalQueue,
    lifecycle: &LocalQueue,
    key: &str,
    ambient: &Ambient,
    metrics: &MetricSink,
) -> Receiver {
    let config = ReceiverConfig {
        work_queue_url: work.url().to_owned(),
        lifecycle_queue_url: lifecycle.url().to_owned(),
        client_state_secret_arn: key.to_owned(),
    };
    let (sqs, secrets, clock) = (aws.sqs(), aws.secrets_manager(), ambient.clone());
    let connect = move || {
        let (sqs, secrets, config, clock) = (sqs.clone(), secrets.clone(), config.clone(), clock.clone());
        async move { Backend::new(&sqs, secrets, config, clock) }
    };
    Receiver::new(connect, ambient.clone(), metrics.clone())
}

/// Graph's POSTs, straight into the handler.
fn webhook(receiver: Arc<Receiver>, ambient: Ambient) -> Webhook {
    Arc::new(move |delivery: Delivery| {
        let (receiver, ambient) = (Arc::clone(&receiver), ambient.clone());
        Box::pin(async move {
            let request = Request::post(&delivery.url)
                .header("content-type", delivery.content_type)
                .body(lambda_http::Body::Binary(delivery.body.to_vec()));
            let Ok(request) = request else {
                return WebhookAnswer::Unreachable;
            };
            let asked_at = ambient.now();
            let answer = receiver.handle(request).await;
            let content_type = answer
                .headers()
                .get("content-type")
                .and_then(|it| it.to_str().ok());
            WebhookAnswer::Answered {
                status: answer.status().as_u16(),
                content_type: content_type.unwrap_or_default().to_owned(),
                body: answer.body().to_vec().into(),
                took: ambient.now().duration_since(asked_at).unsigned_abs(),
            }
        })
    })
}
