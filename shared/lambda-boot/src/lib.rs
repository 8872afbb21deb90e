//! What every function's `main.rs` needs before its own work begins.
//!
//! Knows the Lambda environment: variables, logs, metrics, secrets, deadlines and partial batch answers. Must not
//! know mailboxes, contacts or Graph; the one thing of ours it reads is the form of the `clientState` secret.

mod aws;
pub mod metrics;
pub mod secrets;
pub mod sqs;
mod telemetry;
mod vars;

pub use aws::{aws_config, deadline};
pub use metrics::{MetricSink, Metrics};
pub use secrets::{SecretError, SecretReader};
pub use telemetry::{chain, telemetry};
pub use vars::{Vars, VarsError, process_env};
