//! Wiring only.

use ambient::Ambient;
use aws_lambda_events::lambda_function_urls::LambdaFunctionUrlRequest;
use lambda_boot::{MetricSink, process_env};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use receive_notifications::{Backend, Config, FUNCTION, Receiver, edge};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    lambda_boot::telemetry(FUNCTION);
    let config = Config::from_env(process_env)?;
    let ambient = Ambient::system();
    let clock = ambient.clone();
    let connect = move || Backend::connect(config.clone(), clock.clone());
    let receiver = Receiver::new(connect, ambient, MetricSink::stdout(process_env));
    lambda_runtime::run(service_fn(
        async |event: LambdaEvent<LambdaFunctionUrlRequest>| {
            Ok::<_, Error>(edge::serve(&receiver, event).await)
        },
    ))
    .await
}
