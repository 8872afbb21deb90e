//! Keeps the subscriptions: on a schedule those that are due, off the lifecycle queue those that Graph warns of.
//!
//! Knows the two events that start it. What is to be done with a subscription is the engine's.

mod config;
mod handler;

pub use config::Config;
pub use handler::{Renewer, Trigger};

/// The name of the function, in logs and metrics.
pub const FUNCTION: &str = "renew-subscriptions";
