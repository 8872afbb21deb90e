//! The Lambda `contacts-api`: wiring, nothing else.

use std::time::Duration;

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use contact_store::{Store, Tables};
use contacts_api::{Api, Policies, router};
use job_queue::{JobQueue, LifecycleQueue};
use lambda_boot::{Vars, process_env};
use photo_store::PhotoStore;

struct Config {
    tables: Tables,
    work: String,
    lifecycle: String,
    policies: Policies,
    photos: Option<String>,
    tombstone_days: Option<u64>,
    conflict_days: Option<u64>,
    history: String,
    history_days: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    lambda_boot::telemetry("contacts-api");
    let config = Vars::read(process_env, |vars| Config {
        tables: Tables {
            contacts: vars.required("CONTACTS_TABLE"),
            state: vars.required("STATE_TABLE"),
        },
        work: vars.required("WORK_QUEUE_URL"),
        lifecycle: vars.required("LIFECYCLE_QUEUE_URL"),
        policies: Policies {
            conflicts: vars.word("CONFLICT_POLICY"),
            fallback: vars.word("CONFLICT_FALLBACK"),
            deletions: vars.word("DELETION_POLICY"),
        },
        photos: vars.optional("PHOTO_BUCKET"),
        tombstone_days: vars.optional("TOMBSTONE_DAYS"),
        conflict_days: vars.optional("CONFLICT_DAYS"),
        history: vars.required("HISTORY_TABLE"),
        history_days: vars.required("HISTORY_DAYS"),
    })?;
    let aws = lambda_boot::aws_config().await;
    let sqs = Sqs::new(&aws);
    let mut store = Store::new(DynamoDb::new(&aws), config.tables)
        .keeping_history(config.history, days(config.history_days));
    if let Some(count) = config.tombstone_days {
        // What was deleted can be brought back as long as its history is kept.
        store = store.keeping_tombstones(days(count.max(config.history_days)));
    }
    if let Some(count) = config.conflict_days {
        store = store.keeping_conflicts(days(count));
    }
    let api = Api {
        store,
        work: JobQueue::new(sqs.clone(), config.work),
        lifecycle: LifecycleQueue::new(sqs, config.lifecycle),
        policies: config.policies,
        photos: config.photos.map(|bucket| PhotoStore::new(&aws, bucket)),
        ambient: ambient::Ambient::system(),
    };
    lambda_http::run(router(api)).await
}

fn days(count: u64) -> Duration {
    Duration::from_secs(count.saturating_mul(24 * 60 * 60))
}
