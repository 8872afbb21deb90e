//! The simulator against the `OpenAPI` document, the official Python client, and our own client's suite.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that can't go on fails"
)]
#![expect(clippy::print_stdout, reason = "how much was validated is worth reading")]

mod contract;
mod driver;
mod official;
mod ours;
