//! The Lambda `sync-mailbox`: wiring, nothing else.

use ambient::Ambient;
use aws_lambda_events::event::sqs::SqsEvent;
use lambda_boot::{MetricSink, process_env};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use sync_mailbox::{Config, FUNCTION, Worker};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_boot::telemetry(FUNCTION);
    let engine = Config::from_env(process_env)?.connect(Ambient::system()).await?;
    let worker = Worker {
        engine,
        metrics: MetricSink::stdout(process_env),
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let ends_at = lambda_boot::deadline(&event.context);
        // Boxed: the compiler gives up on the layout of futures nested this deep.
        Ok::<_, Error>(Box::pin(worker.handle(event.payload, ends_at)).await)
    }))
    .await
}
