//! Receives Graph's notifications: answers the handshake, checks each item's `clientState`, stores hints in the
//! queues, answers 202.
//!
//! A public URL without authentication, so everything that comes in is hostile until its `clientState` says
//! otherwise. Knows Graph's webhook contract (facts 5.2 to 5.5). Must not know Graph's API, the mirror, or what a hint
//! leads to.
//!
//! | request | answer |
//! |---|---|
//! | POST with `validationToken` | 200 and the token; no AWS client is built for it |
//! | POST of notifications, all stored | 202 |
//! | POST of notifications, forged ones among them or nothing else | 202: the sender learns nothing; a metric tells us |
//! | POST of notifications that could not be checked or stored | 503: Graph sends them again for four hours |
//! | POST of anything else | 400, or 413 over 1 MiB |
//! | any other method | 405 |

mod backend;
pub mod edge;
mod handshake;
mod notifications;
mod receiver;

pub use backend::{Backend, Config};
pub use receiver::Receiver;

/// The function's name: in metrics, in logs, and of its folder.
pub const FUNCTION: &str = "receive-notifications";
