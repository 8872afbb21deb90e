//! The bundle on a local AWS, deployed as its users deploy it: real `sam build`, real `sam deploy`, no Docker.
//!
//! ministack plays AWS: it takes the template, runs the functions as processes, and drives them from its queues,
//! schedules and function URLs, with IAM enforced. The Graph simulator plays Microsoft. [`LocalAws::start`] installs
//! the pinned tools into `.local/` of the repository, starts both on free ports of 127.0.0.1, and deploys;
//! dropping the [`LocalAws`] stops everything. A second stack runs beside the first.
//!
//! Knows tools, processes, ports and the template's parameters. Must not know mailboxes or contacts.

pub mod aws;
mod bundle;
mod emulator;
mod guarded;
pub mod schemathesis;
mod simulator;
mod stack;
pub mod steps;
pub mod tools;

use std::path::{Path, PathBuf};

pub use stack::{LocalAws, Options};

/// The root of the repository.
pub fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().and_then(Path::parent).unwrap_or(here)
}

/// What is installed, built and logged by us lives in here, and nowhere else.
pub fn local(name: &str) -> PathBuf {
    repository().join(".local").join(name)
}
