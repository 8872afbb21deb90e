//! The worker: a batch of the work queue in, one run of the engine per mailbox, a partial batch answer out.
//!
//! Knows SQS events and how patience is kept in a queue. What a job means is the engine's.

mod config;
mod handler;

pub use config::Config;
pub use handler::Worker;

/// The name of the function, in logs and metrics.
pub const FUNCTION: &str = "sync-mailbox";
