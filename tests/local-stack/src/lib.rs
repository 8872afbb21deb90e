//! The whole bundle in one process: the Graph simulator, a model of AWS and the real handlers.
//!
//! Knows how the parts are wired. It must not know what they do.

pub mod aws;
mod proof;
mod stack;

pub use proof::{Difference, differences};
pub use stack::{APP, APP_SECRET, Cloud, Due, LocalStack, NOTIFICATION_URL, Photos, RENEW, RESYNC};
