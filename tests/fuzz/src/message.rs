//! Messages of the queues, and the batches in which Lambda delivers them.

use aws_lambda_events::event::sqs::SqsEvent;
use job_queue::{LifecycleJob, WorkJob};
use lambda_boot::sqs::{Outcome, answer, by_group, messages};

/// Reads a message, and the same bytes as a batch of them.
///
/// # Panics
/// Where a job that was read is written as another one, or the batch's answer forgets a message that failed.
pub fn run(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else { return };
    job(text);
    if let Ok(event) = serde_json::from_str(text) {
        batch(event);
    }
}

/// Whether the text is a job of either queue.
fn job(text: &str) -> bool {
    let work = WorkJob::parse(text).ok();
    if let Some(job) = &work {
        let again = job.to_message().map(|text| WorkJob::parse(&text).ok());
        assert_eq!(again.ok().flatten().as_ref(), Some(job));
    }
    let lifecycle = LifecycleJob::parse(text).ok();
    if let Some(job) = &lifecycle {
        let again = job.to_message().map(|text| LifecycleJob::parse(&text).ok());
        assert_eq!(again.ok().flatten().as_ref(), Some(job));
    }
    work.is_some() || lifecycle.is_some()
}

fn batch(event: SqsEvent) {
    let all = messages(event);
    let groups = by_group(all.clone());
    assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), all.len());
    for group in &groups {
        let first = group.first().and_then(|message| message.group.as_ref());
        assert!(group.iter().all(|message| message.group.as_ref() == first));
        assert!(first.is_some() || group.len() == 1);
    }
    let outcomes = groups.iter().flatten().map(|message| {
        let outcome = if job(&message.body) {
            Outcome::Done
        } else {
            Outcome::Again
        };
        (message, outcome)
    });
    let outcomes: Vec<_> = outcomes.collect();
    let failed = answer(outcomes.iter().copied()).batch_item_failures;
    for (message, outcome) in outcomes {
        let told = failed.iter().any(|failure| failure.item_identifier == message.id);
        assert!(
            told || outcome == Outcome::Done,
            "a failed message would be deleted"
        );
    }
}
