//! A death at every await: each function, in runs in which nothing else goes wrong, at each of the places where it waits for
//! somebody else.
//!
//! Knows how the awaits are counted, and no more of a run than its outcome.

use std::collections::BTreeMap;
use std::ops::Range;

use simulation::{Awaits, Cuts, Death, simulate};

use crate::crowd::{self, Crowd, Trial};

/// The awaits of one seed's run, numbered through all functions.
struct Counted {
    seed: u64,
    awaits: Awaits,
}

impl Counted {
    fn len(&self) -> u64 {
        self.awaits.values().sum()
    }

    /// The run in which one of them is the last.
    fn trial(&self, number: u64) -> Option<Trial> {
        let mut at = number + 1;
        for (function, count) in &self.awaits {
            if at <= *count {
                let function = (*function).to_owned();
                return Some(Trial {
                    seed: self.seed,
                    cuts: Cuts {
                        death: Some(Death { function, at }),
                        ..thorough()
                    },
                });
            }
            at -= count;
        }
        None
    }
}

fn thorough() -> Cuts {
    Cuts {
        thorough: true,
        ..Cuts::calm()
    }
}

/// Counts the awaits of these seeds, then has each (or each n-th) be somebody's last. False where that does any harm.
#[expect(clippy::print_stdout, reason = "it is a tool")]
pub(crate) fn all(jobs: usize, seeds: Range<u64>, every: u64) -> bool {
    let mut runs = Vec::new();
    let mut by_function = BTreeMap::<&str, u64>::new();
    for seed in seeds {
        let outcome = simulate(seed, &thorough(), false);
        if let Some((check, what)) = outcome.failure {
            println!("seed {seed} fails without any death: {check}: {what}");
            return false;
        }
        for (function, count) in &outcome.awaits {
            *by_function.entry(function).or_default() += count;
        }
        runs.push(Counted {
            seed,
            awaits: outcome.awaits,
        });
    }
    println!("| Function | Awaits |\n| --- | ---: |");
    for (function, count) in &by_function {
        println!("| {function} | {count} |");
    }
    let count: u64 = runs.iter().map(Counted::len).sum();
    println!("{count} awaits, a death at {}", count.div_ceil(every));
    let trial = |number: u64| {
        let mut number = number.checked_mul(every)?;
        for run in &runs {
            if number < run.len() {
                return run.trial(number);
            }
            number -= run.len();
        }
        None
    };
    crowd::told(&Crowd {
        trials: &trial,
        jobs,
        failures: 10,
        twice: 0,
    })
}
