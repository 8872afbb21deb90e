//! The functions ask the same features of whatever the AWS SDK is built on, and none that is for tests.
//!
//! `sam build` builds them one by one, and cargo compiles a crate once more for each set of features that it is asked
//! for, with all that depends on it. One feature apart, and the SDK is compiled again for each function.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;

use crate::commands::{cargo, read};

const FUNCTIONS: [&str; 6] = [
    "receive-notifications",
    "sync-mailbox",
    "renew-subscriptions",
    "resync-mailboxes",
    "contacts-api",
    "propagate-changes",
];

const SDK: [&str; 7] = [
    "aws-config",
    "aws-sdk-dynamodb",
    "aws-sdk-eventbridge",
    "aws-sdk-lambda",
    "aws-sdk-s3",
    "aws-sdk-secretsmanager",
    "aws-sdk-sqs",
];

/// The feature under which bugs can be planted.
const BUGS: &str = "seeded-bugs";

/// By crate and version: the features that are asked for, and by which functions.
type Asked = BTreeMap<String, BTreeMap<String, Vec<&'static str>>>;

pub(crate) fn check() -> Result<Vec<String>> {
    let mut below_sdk = BTreeSet::new();
    for krate in SDK {
        below_sdk.extend(tree(krate)?.into_keys());
    }
    let mut asked = Asked::new();
    for function in FUNCTIONS {
        for (krate, features) in tree(function)? {
            asked
                .entry(krate)
                .or_default()
                .entry(features)
                .or_default()
                .push(function);
        }
    }
    Ok(asked
        .into_iter()
        .filter(|(krate, sets)| below_sdk.contains(krate) && sets.len() > 1)
        .map(|(krate, sets)| {
            format!("{krate}: {sets:?}; give shared/lambda-boot a line with all of these features")
        })
        .collect())
}

/// Bugs are planted by the simulation, and by nobody else.
pub(crate) fn check_bugs() -> Result<Vec<String>> {
    let mut findings = Vec::new();
    for function in FUNCTIONS {
        let built = tree(function)?.into_iter();
        let planted = built.filter(|(_, features)| features.split(',').any(|it| it == BUGS));
        findings.extend(
            planted.map(|(krate, _)| format!("{function} is built with the feature {BUGS} of {krate}")),
        );
    }
    Ok(findings)
}

/// Every crate that is compiled for this one, with its features.
fn tree(krate: &str) -> Result<BTreeMap<String, String>> {
    let tree = read(&mut cargo(&format!(
        "tree --locked --package {krate} --edges normal,build --prefix none --format {{p}}|{{f}}"
    )))?;
    let lines = tree
        .lines()
        .filter_map(|line| line.trim_end_matches(" (*)").split_once('|'));
    Ok(lines
        .map(|(krate, features)| (krate.to_owned(), features.to_owned()))
        .collect())
}
