//! Sending and putting off, as SQS sees it.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use job_queue::{JobQueue, LifecycleJob, LifecycleQueue, QueueError, WorkJob};
use serde_json::json;

use crate::forms::mailbox;
use crate::sqs::FakeSqs;

const URL: &str = "https://sqs.example/1/work.fifo";

fn removals(count: usize) -> Vec<WorkJob> {
    (0..count)
        .map(|n| WorkJob::Remove {
            mailbox: mailbox(&format!("user-{n}")),
        })
        .collect()
}

#[tokio::test]
async fn jobs_go_in_batches_of_ten_each_in_the_group_of_its_mailbox() {
    let (sqs, client) = FakeSqs::start().await;
    JobQueue::new(client, URL)
        .send(&removals(23), "request")
        .await
        .unwrap();

    let sizes: Vec<_> = sqs
        .calls()
        .iter()
        .map(|(_, input)| input["Entries"].as_array().unwrap().len())
        .collect();
    assert_eq!(sizes, [10, 10, 3]);
    for (job, entry) in removals(23).iter().zip(sqs.entries()) {
        assert_eq!(entry["MessageGroupId"], job.mailbox().as_str());
        assert_eq!(
            WorkJob::parse(entry["MessageBody"].as_str().unwrap()).unwrap(),
            *job
        );
    }
}

#[tokio::test]
async fn two_sendings_of_the_same_job_are_two_messages_even_with_the_same_seed() {
    let (sqs, client) = FakeSqs::start().await;
    let queue = JobQueue::new(client, URL);
    for seed in ["request-1", "request-1", "request-2"] {
        queue.send(&removals(1), seed).await.unwrap();
    }
    let ids: BTreeSet<_> = sqs
        .entries()
        .iter()
        .map(|entry| entry["MessageDeduplicationId"].to_string())
        .collect();
    assert_eq!(ids.len(), 3, "{ids:?}");
}

#[tokio::test]
async fn nothing_to_send_asks_nothing() {
    let (sqs, client) = FakeSqs::start().await;
    JobQueue::new(client, URL).send(&[], "request").await.unwrap();
    assert_eq!(sqs.calls(), []);
}

#[tokio::test]
async fn what_a_batch_refuses_is_sent_once_more_under_the_same_id() {
    let (sqs, client) = FakeSqs::start().await;
    let jobs = removals(3);
    sqs.refuse(jobs[1].mailbox().as_str(), 1);
    JobQueue::new(client, URL).send(&jobs, "request").await.unwrap();

    let entries = sqs.entries();
    assert_eq!(entries.len(), 4);
    assert_eq!(entries[3], entries[1], "only the refused one, unchanged");
}

#[tokio::test]
async fn what_is_refused_twice_is_an_error_that_says_how_many() {
    let (sqs, client) = FakeSqs::start().await;
    let jobs = removals(3);
    sqs.refuse(jobs[1].mailbox().as_str(), 2);
    let error = JobQueue::new(client, URL)
        .send(&jobs, "request")
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::Refused { .. }));
    assert_eq!(error.to_string(), "SQS refused 1 of 3 messages: InternalError");
}

#[tokio::test]
async fn a_queue_that_is_down_is_an_error() {
    let (sqs, client) = FakeSqs::start().await;
    sqs.break_down();
    let error = JobQueue::new(client, URL)
        .send(&removals(1), "request")
        .await
        .unwrap_err();
    assert!(matches!(error, QueueError::Unavailable(_)));
}

#[tokio::test]
async fn lifecycle_jobs_carry_neither_group_nor_deduplication_which_a_standard_queue_refuses() {
    let (sqs, client) = FakeSqs::start().await;
    let job = LifecycleJob::Ensure {
        mailbox: mailbox("ada"),
    };
    LifecycleQueue::new(client, URL)
        .send(std::slice::from_ref(&job))
        .await
        .unwrap();
    assert_eq!(
        sqs.entries(),
        [json!({ "Id": "0", "MessageBody": job.to_message().unwrap() })]
    );
}

#[tokio::test]
async fn a_message_is_hidden_until_the_moment_asked_for_within_what_sqs_allows() {
    let (sqs, client) = FakeSqs::start().await;
    let queue = JobQueue::new(client, URL);
    let now: Timestamp = "2026-11-23T06:41:00Z".parse().unwrap();
    // Rounded up, never negative, and 15 minutes below the 12 hours that SQS counts from the receipt.
    for (milliseconds, seconds) in [
        (1_500, 2),
        (30_000, 30),
        (-5_000, 0),
        (0, 0),
        (86_400_000, 42_300),
    ] {
        let until = now + SignedDuration::from_millis(milliseconds);
        queue.postpone("receipt", until, now).await.unwrap();
        assert_eq!(
            *sqs.calls().last().unwrap(),
            (
                "ChangeMessageVisibility".to_owned(),
                json!({ "QueueUrl": URL, "ReceiptHandle": "receipt", "VisibilityTimeout": seconds })
            )
        );
    }
}
