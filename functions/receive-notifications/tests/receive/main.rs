//! The webhook, from the event of the function URL to what the queues hold, with the real AWS clients against a fake
//! SQS and a fake Secrets Manager on the loopback interface.
//!
//! `tests/events` holds events of a function URL with Graph's notifications in them, after the published examples of
//! both (facts 5.2, 5.3 and 5.5), signed with this test's key.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall fail")]

mod fake_aws;
mod hostile;
mod notifications;
mod scene;
