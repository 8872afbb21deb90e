//! What holds of Microsoft Graph, in two forms.
//!
//! [`Contract`] checks recorded requests and answers against an `OpenAPI` document of the real Graph, so that the
//! simulator can't drift from it. [`suite`] is behaviour as plain functions over a client: they run on the simulator
//! always, and on a live tenant when credentials are given, so that simulator and tenant can't drift apart.

mod contract;
mod document;
pub mod suite;
mod writes;

pub use contract::{Contract, Report, Violation};
pub use document::ReadError;
