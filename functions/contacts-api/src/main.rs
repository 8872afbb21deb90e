//! The Lambda `contacts-api`: wiring, nothing else.

use aws_sdk_dynamodb::Client as DynamoDb;
use aws_sdk_sqs::Client as Sqs;
use contact_store::{Store, Tables};
use contacts_api::{Api, router};
use job_queue::{JobQueue, LifecycleQueue};
use lambda_boot::{Vars, process_env};

struct Config {
    tables: Tables,
    work: String,
    lifecycle: String,
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
    })?;
    let aws = lambda_boot::aws_config().await;
    let sqs = Sqs::new(&aws);
    let api = Api {
        store: Store::new(DynamoDb::new(&aws), config.tables),
        work: JobQueue::new(sqs.clone(), config.work),
        lifecycle: LifecycleQueue::new(sqs, config.lifecycle),
        ambient: ambient::Ambient::system(),
    };
    lambda_http::run(router(api)).await
}
