//! The client against a scripted Graph: what it sends, how long it waits, what it makes of answers.

#![expect(
    clippy::unwrap_used,
    reason = "a test that finds nothing to unwrap has failed"
)]

mod auth;
mod batch;
mod http;
mod photos;
mod reading;
mod retries;
mod stage;
mod stamps;
mod subscriptions;
mod writes;
