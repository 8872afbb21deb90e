//! The laws of the two-way sync, as properties of generated contacts.
//!
//! 256 cases each by default. A million triples for each law of the merge, as many contacts for the others, and a hundred
//! thousand stories of both sides took six and a half minutes of processor time, ten by the clock on two busy cores:
//!
//! ```text
//! PROPTEST_CASES=1000000 cargo test -p sync-core --release --test laws
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a law that can't be stated is broken"
)]

mod agreement;
mod contacts;
mod ledger;
mod matching;
mod merging;
mod mirror;
mod names;
mod outlook;
mod shapes;
mod worker;
