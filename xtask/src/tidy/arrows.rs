//! Who must not reach whom, over any number of dependencies: ARCHITECTURE.md says why.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::commands::{cargo, read};

/// A crate, and what it must never link. A name that ends in `*` stands for all that begin so.
const ARROWS: &[(&str, &str)] = &[
    // Pure: no I/O, no clock, no chance, no async.
    ("sync-core", "tokio reqwest aws-* lambda* ambient fastrand uuid"),
    // A Graph client that others can take away: of our crates it knows time and chance alone.
    (
        "graph-client",
        "sync-* contact-store job-queue lambda* aws-config aws-sdk-*",
    ),
    // Formats are texts and values.
    (
        "contact-formats",
        "tokio reqwest aws-* lambda* ambient fastrand uuid sync-* contact-store graph-client job-queue",
    ),
    // Stores know nothing of Graph, and the queue nothing of stores.
    ("contact-store", "graph-client reqwest job-queue lambda*"),
    ("job-queue", "graph-client reqwest contact-store lambda*"),
    (
        "photo-store",
        "graph-client reqwest contact-store job-queue lambda*",
    ),
    // The webhook is small and fast to start: it enqueues, and that is all.
    (
        "receive-notifications",
        "graph-client reqwest contact-store sync-engine aws-sdk-dynamodb",
    ),
    // The API works at the mirror, and the streams tell of it; Graph is the worker's.
    ("contacts-api", "graph-client reqwest"),
    ("propagate-changes", "graph-client reqwest sync-engine"),
];

pub(crate) fn check() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for (krate, forbidden) in ARROWS {
        let reached = reached(krate)?;
        let broken = reached
            .iter()
            .filter(|name| forbidden.split(' ').any(|pattern| matches(pattern, name)));
        findings.extend(broken.map(|name| format!("{krate} reaches {name}")));
    }
    Ok(findings)
}

/// All that is linked into a crate. `cargo tree`, not `cargo metadata`: the latter mixes the features of all members.
fn reached(krate: &str) -> Result<BTreeSet<String>> {
    let tree = read(&mut cargo(&format!(
        "tree --locked --package {krate} --edges normal --prefix none --format {{p}}"
    )))?;
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    Ok(names.filter(|name| *name != krate).map(str::to_owned).collect())
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern
        .strip_suffix('*')
        .map_or(pattern == name, |start| name.starts_with(start))
}
