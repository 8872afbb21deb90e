//! Keeps the bundle running in real time: notifications, schedules, streams and queues, each in a loop of its own, as AWS does.
//!
//! Knows what runs beside what. Must not know what any of it does.

use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::select_all;
use local_stack::aws::{LocalStream, Schedules};
use local_stack::{LocalStack, RENEW, RESYNC};

use super::trouble::Faults;

/// Workers at once, where the template has 50: more mailboxes than that are queued.
const WORKERS: usize = 16;

/// An idle loop looks again so soon. Lambda's pollers wait on the queue instead, and are as quick.
const IDLE: Duration = Duration::from_millis(2);

/// Runs until it fails or is dropped.
pub(super) async fn run(stack: &LocalStack, faults: Faults) -> anyhow::Result<Infallible> {
    let workers = select_all((0..WORKERS).map(|_| Box::pin(work(stack))));
    tokio::select! {
        never = Box::pin(deliver(stack)) => match never {},
        never = Box::pin(renew(stack)) => match never {},
        failure = Box::pin(propagate(stack, &stack.contact_changes)) => failure,
        failure = Box::pin(propagate(stack, &stack.mailbox_changes)) => failure,
        failure = Box::pin(tick(stack, faults)) => failure,
        (never, ..) = workers => match never {},
    }
}

/// Graph's notifications.
async fn deliver(stack: &LocalStack) -> Infallible {
    loop {
        if stack.transport.deliver_due().await == 0 {
            stack.ambient.sleep(IDLE).await;
        }
    }
}

/// One worker.
async fn work(stack: &LocalStack) -> Infallible {
    loop {
        match stack.work.poll() {
            Some(batch) => {
                let answer = stack.work_on(&batch).await;
                stack.work.finish(batch, Ok::<_, Infallible>(answer));
            }
            None => stack.ambient.sleep(IDLE).await,
        }
    }
}

/// renew-subscriptions at its queue.
async fn renew(stack: &LocalStack) -> Infallible {
    loop {
        match stack.lifecycle.poll() {
            Some(batch) => stack.renew_by(batch).await,
            None => stack.ambient.sleep(IDLE).await,
        }
    }
}

/// propagate-changes at a stream.
async fn propagate(stack: &LocalStack, stream: &LocalStream) -> anyhow::Result<Infallible> {
    loop {
        match stream.poll()? {
            Some(batch) => stack.propagate_from(stream, batch).await,
            None => stack.ambient.sleep(IDLE).await,
        }
    }
}

/// The schedules of the template. Where faults are shown, what is due is looked for each second instead of each minute.
async fn tick(stack: &LocalStack, faults: Faults) -> anyhow::Result<Infallible> {
    let resync_every = if faults == Faults::None {
        Duration::from_mins(1)
    } else {
        Duration::from_secs(1)
    };
    let mut schedules = Schedules::new();
    schedules.add(stack.ambient.now(), RENEW, Duration::from_mins(5));
    schedules.add(stack.ambient.now(), RESYNC, resync_every);
    loop {
        for schedule in schedules.due(stack.ambient.now()) {
            stack.tick(&schedule).await?;
        }
        stack.ambient.sleep(Duration::from_millis(50)).await;
    }
}
