//! A simulator of Microsoft Graph v1.0 for Outlook contacts: what a sync meets, on your machine.
//!
//! [`World`] is the state and its rules, without sockets or a clock. Two faces show it: [`http::serve`] over HTTP, for
//! any client in any language, and [`SimTransport`] in process, for tests with a virtual clock. [`faults`] is the
//! script of what goes wrong. Rules follow a fact sheet on the real Graph; comments cite its sections ("facts 4.2"),
//! and say where a rule is inferred or unverified.
//!
//! Not modelled: delegated sign-in, notifications with resource data, `$search`, throttling by cost.

mod admin;
mod face;
pub mod faults;
pub mod http;
mod journal;
mod transport;
mod world;

pub use face::{Webhook, no_webhook};
pub use journal::{Entry, Exchange};
pub use transport::SimTransport;
pub use world::{
    DeadToken, Delivery, Edit, EditError, FolderTruth, Handshake, Health, Lifecycle, Limits, MailboxKey,
    NotQuiet, Operation, Outcome, Overrun, Reply, Settings, Slot, Snapshot, Unread, Warts, WebhookAnswer,
    World,
};
