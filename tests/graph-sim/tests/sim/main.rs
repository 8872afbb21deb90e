//! The simulated Graph as a client meets it. Each test is a story about one behaviour of the fact sheet.
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod batch;
mod contacts;
mod delta;
mod faces;
mod faults;
mod folders;
mod scene;
mod subscriptions;
mod throttling;
mod tokens;
mod writes;
