//! Seeds that once failed, some others, and what makes a run worth something: it repeats, and it can fail.
//!
//! Knows no more of a run than its outcome. `corpus.txt` has a seed a line with its steps, and behind them what it was about.

use simulation::{Bug, Cuts, Outcome, simulate};

const CORPUS: &str = include_str!("../corpus.txt");
/// Tests are built without optimisation: each seed takes a while.
const FRESH: std::ops::Range<u64> = 0..4;

fn run(seed: u64) -> Outcome {
    clean(seed, &Cuts::default())
}

fn clean(seed: u64, cuts: &Cuts) -> Outcome {
    let outcome = simulate(seed, cuts, false);
    if let Some((check, what)) = &outcome.failure {
        let steps = outcome.steps;
        panic!("{check}: {what}\ncargo xtask simulate --seed {seed} --steps {steps} --trace");
    }
    outcome
}

#[test]
fn seeds_that_once_failed_are_clean() {
    let lines = CORPUS.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        let mut words = line.split_whitespace();
        let seed = words.next().unwrap().parse().unwrap();
        let steps = Some(words.next().unwrap().parse().unwrap());
        // The older ones have failed thoroughly.
        for thorough in [true, false] {
            let cuts = Cuts {
                steps,
                thorough,
                ..Cuts::default()
            };
            clean(seed, &cuts);
        }
    }
}

#[test]
fn fresh_seeds_are_clean() {
    for seed in FRESH {
        run(seed);
    }
}

#[test]
fn the_same_seed_leaves_the_same_trace() {
    for seed in [3, 7, 11] {
        let (one, other) = (run(seed), run(seed));
        assert_eq!(one, other, "seed {seed}");
        assert_ne!(one.trace, 0);
    }
    assert_ne!(run(3).trace, run(7).trace);
}

/// All bugs that can be planted: `cargo xtask simulate bugs`.
#[test]
fn a_planted_bug_is_found_and_another_run_is_free_of_it() {
    let planted = Cuts {
        bug: Some(Bug::ConflictNotLogged),
        ..Cuts::default()
    };
    let found = (0..100).find_map(|seed| simulate(seed, &planted, false).failure.map(|_| seed));
    run(found.unwrap());
}
