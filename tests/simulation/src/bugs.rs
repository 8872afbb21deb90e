//! The bugs that can be planted, and how soon each must be found.
//!
//! Knows their names and what finds them. What each of them breaks is in the product, at the place of its call of
//! `sync_core::bugs::bug`.

use std::time::Duration;

use simulation::{Bug, Cuts};

use crate::crowd::{Crowd, Found, Trial};

/// A bug, and the promise that it is found.
pub(crate) struct Planted {
    pub(crate) bug: Bug,
    /// Its name on the command line.
    pub(crate) name: &'static str,
    /// So many seeds from 0 on find it. 0: nothing is promised.
    within: u64,
}

const fn planted(bug: Bug, name: &'static str, within: u64) -> Planted {
    Planted { bug, name, within }
}

pub(crate) const ALL: [Planted; 9] = [
    planted(Bug::LinkBeforePage, "link-before-page", 500),
    planted(Bug::CreateRepeated, "create-repeated", 1500),
    planted(Bug::EchoTaken, "echo-taken", 500),
    planted(Bug::TombstoneDropped, "tombstone-dropped", 500),
    planted(Bug::DeleteWithoutEvidence, "delete-without-evidence", 500),
    planted(Bug::BaseNotKept, "base-not-kept", 500),
    planted(Bug::IfMatchNotSent, "if-match-not-sent", 500),
    planted(Bug::EditCleared, "edit-cleared", 500),
    planted(Bug::ConflictNotLogged, "conflict-not-logged", 500),
];

/// Plants each of them. False where one isn't found in time.
#[expect(clippy::print_stdout, reason = "it is a tool")]
pub(crate) fn all(jobs: usize, from: u64) -> bool {
    println!("| Bug | Found by | Seeds needed | Promised |\n| --- | --- | --- | --- |");
    let mut all_found = true;
    for Planted { bug, name, within } in ALL.into_iter().filter(|it| it.within > 0) {
        let cuts = Cuts {
            bug: Some(bug),
            ..Cuts::default()
        };
        let trials = |number| {
            (number < within).then(|| Trial {
                seed: from + number,
                cuts: cuts.clone(),
            })
        };
        let crowd = Crowd {
            trials: &trials,
            jobs,
            failures: 1,
            twice: 0,
        };
        let Found { failed, .. } = crowd.run(Duration::MAX);
        if let Some(failure) = failed.iter().min_by_key(|failure| failure.trial.seed) {
            let needed = failure.trial.seed - from + 1;
            println!("| `{name}` | {} | {needed} | {within} |", failure.check);
        } else {
            all_found = false;
            println!("| `{name}` | **nothing** | - | {within} |");
        }
    }
    all_found
}
