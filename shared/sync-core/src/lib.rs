//! The sync as pure functions.
//!
//! Knows contacts, folders and mailboxes as data, and decides. Must not know Graph's wire forms, the store's items,
//! queues, clocks or chance: those are handed in as values, and decisions are handed back as values.
//!
//! - [`sighting`]: what a contact seen in Outlook means for the mirror, and what its absence means.
//! - [`folders`]: what a listing of the mailbox's folders means for the folders that are known.
//! - [`demand`]: what a batch of jobs asks for, once.
//! - [`schedule`]: when things are due.
//! - [`client_state`]: proof that a notification is Graph's.

pub mod client_state;
pub mod demand;
pub mod folders;
pub mod ids;
pub mod schedule;
pub mod sighting;
