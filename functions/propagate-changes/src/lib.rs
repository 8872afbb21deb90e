//! The reader of both tables' streams: what was edited here goes to the work queue, what has changed visibly goes to
//! the event bus, e-mail addresses go to their index, and what a contact was goes to the history.
//!
//! The stream is the outbox. Who writes a contact writes just that, in one place; all that has to follow from the write
//! follows from its record, which `DynamoDB` keeps and Lambda delivers until it is dealt with. A record may be delivered
//! twice, so all that is done here may be done twice: an event has the same id both times.
//!
//! Knows stream records and the events' forms (`docs/events`). What a pushed edit comes to is the engine's, and which
//! attributes an item has is the store's.

mod bus;
mod change;
mod config;
mod event;
mod handler;
mod outcome;

pub use bus::{EventBus, SOURCE};
pub use change::{Change, Now};
pub use config::Config;
pub use event::{Event, Kind};
pub use handler::Propagate;
pub use outcome::{Emails, Forget, Outcome, outcome};

/// The name of the function, in logs and metrics.
pub const FUNCTION: &str = "propagate-changes";
