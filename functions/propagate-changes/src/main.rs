//! The Lambda `propagate-changes`: wiring, nothing else.

use ambient::Ambient;
use aws_lambda_events::event::dynamodb::Event;
use lambda_boot::{MetricSink, process_env};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use propagate_changes::{Config, FUNCTION};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_boot::telemetry(FUNCTION);
    let metrics = MetricSink::stdout(process_env);
    let propagate = Config::from_env(process_env)?
        .connect(Ambient::system(), metrics)
        .await;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Event>| {
        // Boxed: the compiler gives up on the layout of futures nested this deep.
        Ok::<_, Error>(Box::pin(propagate.handle(event.payload)).await)
    }))
    .await
}
