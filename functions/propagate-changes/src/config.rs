//! This function's variables, and the clients that they make.

use std::time::Duration;

use ambient::Ambient;
use contact_store::{Store, Tables};
use job_queue::JobQueue;
use lambda_boot::{MetricSink, Vars, VarsError};

use crate::bus::EventBus;
use crate::handler::Propagate;

/// What the environment says.
#[derive(Clone, Debug)]
pub struct Config {
    tables: Tables,
    work_queue: String,
    event_bus: String,
    history: String,
    history_days: u64,
}

impl Config {
    /// Reads it; every problem is reported at once.
    pub fn from_env(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, VarsError> {
        Vars::read(lookup, |vars| Self {
            tables: Tables {
                contacts: vars.required("CONTACTS_TABLE"),
                state: vars.required("STATE_TABLE"),
            },
            work_queue: vars.required("WORK_QUEUE_URL"),
            event_bus: vars.required("EVENT_BUS"),
            history: vars.required("HISTORY_TABLE"),
            history_days: vars.required("HISTORY_DAYS"),
        })
    }

    /// The function, with every client built once.
    pub async fn connect(self, ambient: Ambient, metrics: MetricSink) -> Propagate {
        let aws = lambda_boot::aws_config().await;
        Propagate {
            store: Store::new(aws_sdk_dynamodb::Client::new(&aws), self.tables.clone())
                .keeping_history(self.history, Duration::from_hours(24 * self.history_days)),
            tables: self.tables,
            work: JobQueue::new(aws_sdk_sqs::Client::new(&aws), self.work_queue),
            bus: EventBus::new(aws_sdk_eventbridge::Client::new(&aws), self.event_bus),
            ambient,
            metrics,
        }
    }
}
