//! A failing seed made small: fewer steps, fewer faults, as long as the same check fails.
//!
//! Each step has chance of its own, so that what is left behaves as before; what it no longer does, it does not need.

use crate::plan::{Cuts, Fault, Plan};
use crate::simulate;

/// The smallest cuts found with which the seed still fails the same check. `None`: it doesn't fail.
pub fn shrink(seed: u64, from: &Cuts, mut tell: impl FnMut(&str)) -> Option<Cuts> {
    let mut best = from.clone();
    let (check, _) = simulate(seed, &best, false).failure?;
    let fails = |cuts: &Cuts| {
        let failure = simulate(seed, cuts, false).failure;
        failure.is_some_and(|(failed, _)| failed == check)
    };
    // The shortest beginning, by halves: not every shorter one fails, so that this is a guess that is checked.
    let (mut low, mut high) = (0, Plan::of(seed, &best).steps);
    while low < high {
        let middle = low.midpoint(high);
        let cuts = Cuts {
            steps: Some(middle),
            ..best.clone()
        };
        if fails(&cuts) {
            high = middle;
            best = cuts;
        } else {
            low = middle + 1;
        }
    }
    for fault in Fault::ALL {
        let mut cuts = best.clone();
        cuts.without.insert(fault);
        if Plan::of(seed, &best).has(fault) && fails(&cuts) {
            tell(&format!("without {}", fault.name()));
            best = cuts;
        }
    }
    let steps = Plan::of(seed, &best).steps;
    let mut width = (steps / 2).max(1);
    loop {
        let mut start = 0;
        while start < steps {
            let mut cuts = best.clone();
            cuts.skip.extend(start..(start + width).min(steps));
            if cuts.skip.len() > best.skip.len() && fails(&cuts) {
                best = cuts;
            }
            start += width;
        }
        tell(&format!(
            "{} of {steps} steps are left",
            steps as usize - best.skip.len()
        ));
        if width == 1 {
            return Some(best);
        }
        width /= 2;
    }
}
