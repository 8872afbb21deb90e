//! A tick of the schedule, or a person's request.

use jiff::Timestamp;
use lambda_boot::metrics::names;
use lambda_boot::{MetricSink, Metrics};
use serde::{Deserialize, Serialize};
use sync_engine::{Scheduler, Trouble, boot};

use crate::FUNCTION;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "task", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Task {
    /// Send what is due. The schedule asks for it every minute.
    Due,
    /// Compare every mailbox within the next hour.
    CompareAll {
        /// The `next` of the answer before, where there was one.
        #[serde(default)]
        after: Option<String>,
    },
}

/// The answer to a person who invokes the function.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// Polls sent.
    pub polls: u64,
    /// Comparisons sent.
    pub comparisons: u64,
    /// Mailboxes without a success for too long.
    pub silent: u64,
    /// Time was up: ask again with this as `after`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// The function.
pub struct Resync {
    /// Does the work.
    pub scheduler: Scheduler,
    /// Takes the metrics.
    pub metrics: MetricSink,
}

impl Resync {
    /// Does a task within a life that ends at `ends_at`.
    pub async fn handle(&self, task: Task, ends_at: Timestamp) -> Result<Answer, Trouble> {
        let now = self.scheduler.ambient.now();
        let deadline = boot::work_until(now, ends_at);
        match task {
            Task::Due => {
                let report = self.scheduler.send_due(deadline).await?;
                Metrics::new(FUNCTION)
                    .count("PollsSent", report.polls)
                    .count("ComparisonsSent", report.comparisons)
                    .count(names::MAILBOXES_SILENT, report.silent)
                    .emit_to(&self.metrics, now);
                Ok(Answer {
                    polls: report.polls,
                    comparisons: report.comparisons,
                    silent: report.silent,
                    next: None,
                })
            }
            Task::CompareAll { after } => {
                let next = self.scheduler.compare_all(after, deadline).await?;
                Ok(Answer {
                    next,
                    ..Answer::default()
                })
            }
        }
    }
}
