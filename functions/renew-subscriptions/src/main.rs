//! The Lambda `renew-subscriptions`: wiring, nothing else.

use ambient::Ambient;
use lambda_boot::{MetricSink, process_env};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use renew_subscriptions::{Config, FUNCTION, Trigger};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_boot::telemetry(FUNCTION);
    let config = Config::from_env(process_env)?;
    let renewer = config
        .connect(Ambient::system(), MetricSink::stdout(process_env))
        .await?;
    lambda_runtime::run(service_fn(async |event: LambdaEvent<Trigger>| {
        let ends_at = lambda_boot::deadline(&event.context);
        // Boxed: the compiler gives up on the layout of futures nested this deep.
        Ok::<_, Error>(Box::pin(renewer.handle(event.payload, ends_at)).await?)
    }))
    .await
}
