//! The queues against a fake SQS on the loopback interface, through the real SDK.
//!
//! The fake keeps what it was sent, and refuses what the test tells it to.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall fail")]

mod forms;
mod sending;
mod sqs;
