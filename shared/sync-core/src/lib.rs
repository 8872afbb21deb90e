//! The sync as pure functions.
//!
//! Knows contacts, folders and mailboxes as data, and decides. Must not know Graph's wire forms, the store's items,
//! queues, clocks or chance: those are handed in as values, and decisions are handed back as values.
//!
//! - [`sighting`]: what a contact seen in Outlook means for the mirror, and what its absence means.
//! - [`record`]: a contact that both sides may change, and the edit that Outlook has not confirmed.
//! - [`members`]: what each member of a contact is, and when two values of it are the same.
//! - [`shape`]: what of a contact Outlook can hold, and what only the mirror keeps.
//! - [`merge`]: both sides have changed a contact; the three-way merge of its members.
//! - [`edit`]: an edit is made here; what it makes of the record.
//! - [`rebase`]: a contact with a pending edit meets what Outlook shows, or is gone from Outlook.
//! - [`push`]: what a pending edit asks of Outlook, and what Outlook's answer means.
//! - [`photo`]: a contact's photo meets what Outlook has.
//! - [`matching`]: which contacts of two address books are the same.
//! - [`folders`]: what a listing of the mailbox's folders means for the folders that are known.
//! - [`demand`]: what a batch of jobs asks for, once.
//! - [`schedule`]: when things are due.
//! - [`client_state`]: proof that a notification is Graph's.
//! - [`bugs`]: bugs that the simulation plants, to see whether it finds them; none in a function.

pub mod bugs;
pub mod client_state;
pub mod demand;
pub mod edit;
pub mod folders;
pub mod guard;
pub mod ids;
pub mod matching;
pub mod members;
pub mod merge;
pub mod photo;
pub mod push;
pub mod rebase;
pub mod record;
pub mod schedule;
pub mod shape;
pub mod sighting;
