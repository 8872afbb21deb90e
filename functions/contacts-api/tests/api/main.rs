//! The API, driven as its callers drive it: the real router on the real store over an embedded `DynamoDB`, with SQS
//! played by a function. Every answer must be one that `docs/openapi.json` describes.

#![expect(
    clippy::unwrap_used,
    reason = "the tests' own helpers: a failure here is a failed test"
)]

mod bulk;
mod cards;
mod conflicts;
mod contacts;
mod creating;
mod description;
mod editing;
mod exporting;
mod following;
mod held;
mod history;
mod invalid;
mod lambda;
mod mailboxes;
mod photos;
mod policies;
mod problems;
mod world;
