//! What the bundle does, as stories: the real handlers, in one process, on a simulated clock.
//!
//! Each file is a chapter. `scene` has the words that the stories are told with.
#![expect(clippy::unwrap_used, reason = "a story that can't go on fails")]

mod crash;
mod creates;
mod delta_links;
mod doubts;
mod edits;
mod erase;
mod errors;
mod exports;
mod faults;
mod first_sync;
mod folders;
mod forged;
mod guard;
mod history;
mod leavings;
mod linking;
mod matrix;
mod photo_pushes;
mod photos;
mod platform;
mod pushes;
mod queues;
mod rate;
mod refusals;
mod refused;
mod resync;
mod scene;
mod secrecy;
mod storm;
mod subscriptions;
mod tenants;
mod twins;
mod user;
