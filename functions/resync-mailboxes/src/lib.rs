//! Sends the polls and comparisons that are due, and makes every mailbox's comparison due on request.
//!
//! Knows the event that starts it. Which timers there are is the engine's.

mod config;
mod handler;

pub use config::Config;
pub use handler::{Answer, Resync, Task};

/// The name of the function, in logs and metrics.
pub const FUNCTION: &str = "resync-mailboxes";
