//! The SDK's configuration and the invocation's deadline.
//!
//! Knows time limits for calls to AWS. Must not build clients: who uses a service builds its client.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use jiff::Timestamp;

/// The configuration for every AWS client: region, credentials and endpoints as the SDK finds them by itself
/// (`AWS_REGION`, the role of the function, `AWS_ENDPOINT_URL` for a local AWS). Call it once and share it: the clients
/// then share credentials and connections.
///
/// The SDK by itself waits for an answer without end. Every call made here is small (the largest is a page
/// of a table, 1 MB), so an attempt that takes 5 s is lost and worth repeating, and 20 s leave room for three attempts.
pub async fn aws_config() -> SdkConfig {
    let limits = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(Duration::from_secs(20))
        .build();
    aws_config::defaults(BehaviorVersion::latest())
        .timeout_config(limits)
        .load()
        .await
}

/// When Lambda will end this invocation.
pub fn deadline(context: &lambda_runtime::Context) -> Timestamp {
    let milliseconds = i64::try_from(context.deadline).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MAX)
}
