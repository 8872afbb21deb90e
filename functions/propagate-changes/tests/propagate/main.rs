//! What follows from a write, as those see it who are told: the worker, the event bus, and who searches by address.

#![expect(clippy::unwrap_used, reason = "a test that can't go on shall fail")]

mod aws;
mod batches;
mod contacts;
mod forms;
mod history;
mod scene;
