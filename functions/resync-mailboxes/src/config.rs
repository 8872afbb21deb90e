//! This function's variables, and the scheduler that they make.

use std::sync::Arc;

use ambient::Ambient;
use contact_store::{Shard, Store, Tables};
use job_queue::JobQueue;
use lambda_boot::{Vars, VarsError};
use sync_engine::{Scheduler, Settings};

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Config {
    state_table: String,
    work_queue: String,
    settings: Settings,
}

impl Config {
    /// Reads it; every problem is reported at once.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, VarsError> {
        Vars::read(lookup, |vars| Self {
            state_table: vars.required("STATE_TABLE"),
            work_queue: vars.required("WORK_QUEUE_URL"),
            settings: Settings::from_vars(vars),
        })
    }

    /// The scheduler, with every client built once.
    pub async fn connect(self, ambient: Ambient) -> Scheduler {
        let aws = lambda_boot::aws_config().await;
        // This function never touches the mirror: it may not, and the name says so should it try.
        let tables = Tables {
            contacts: "not-for-resync-mailboxes".to_owned(),
            state: self.state_table,
        };
        Scheduler {
            store: Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&aws), tables)),
            work: Arc::new(JobQueue::new(aws_sdk_sqs::Client::new(&aws), self.work_queue)),
            ambient,
            settings: self.settings,
            shards: Shard::all().collect(),
        }
    }
}
