//! The messages between the functions.
//!
//! Two queues: **work** (SQS FIFO, one message group per mailbox, read by sync-mailbox) and **lifecycle** (SQS
//! standard, read by renew-subscriptions). This crate knows their messages and how they are sent. It must not know
//! what a job does.

mod parse;
mod send;
mod work;

pub use parse::JobError;
pub use send::{JobQueue, LifecycleQueue, QueueError};
pub use work::{LifecycleEvent, LifecycleJob, WorkJob};
