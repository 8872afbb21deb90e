//! The Lambda `resync-mailboxes`: wiring, nothing else.

use ambient::Ambient;
use lambda_boot::{MetricSink, process_env};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use resync_mailboxes::{Config, FUNCTION, Resync, Task};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_boot::telemetry(FUNCTION);
    let scheduler = Config::from_env(process_env)?.connect(Ambient::system()).await;
    let resync = Resync {
        scheduler,
        metrics: MetricSink::stdout(process_env),
    };
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Task>| {
        let ends_at = lambda_boot::deadline(&event.context);
        // Boxed: the compiler gives up on the layout of futures nested this deep.
        Ok::<_, Error>(Box::pin(resync.handle(event.payload, ends_at)).await?)
    }))
    .await
}
