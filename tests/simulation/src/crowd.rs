//! Many runs, on all cores.
//!
//! Knows threads, the console and the machine's clock. A seed's run knows none of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use simulation::{Cuts, Figures, simulate};

use crate::command;

/// A run: a seed, and what is left out of it.
#[derive(Clone)]
pub(crate) struct Trial {
    pub(crate) seed: u64,
    pub(crate) cuts: Cuts,
}

/// Runs to be made.
pub(crate) struct Crowd<'t> {
    /// The run of each number; the first that is none is the end.
    pub(crate) trials: &'t (dyn Fn(u64) -> Option<Trial> + Sync),
    pub(crate) jobs: usize,
    /// No further run is begun after so many failures.
    pub(crate) failures: usize,
    /// Each seed that this divides is run twice; 0: none.
    pub(crate) twice: u64,
}

/// A run that failed.
pub(crate) struct Failure {
    pub(crate) trial: Trial,
    pub(crate) check: String,
    what: String,
}

/// What came of them.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) failed: Vec<Failure>,
    figures: Figures,
    done: u64,
    steps: u64,
    slowest: (Duration, u64),
}

struct Shared<'c> {
    crowd: &'c Crowd<'c>,
    next: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Found>,
    /// Who waits is told of a failure at once.
    tells: bool,
}

/// How often somebody who waits is told how far it is.
const TELL_EVERY: Duration = Duration::from_secs(10);

/// Runs them and tells everything. False where one has failed.
#[expect(clippy::print_stdout, reason = "it is a tool")]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what it tells")]
#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
pub(crate) fn told(crowd: &Crowd<'_>) -> bool {
    let begun = Instant::now();
    let found = crowd.run(TELL_EVERY);
    let seconds = begun.elapsed().as_secs_f64();
    for (name, count) in &found.figures {
        println!("{count:>10} {name}");
    }
    println!(
        "{} runs of {} steps in {seconds:.1} s, {:.1} a second; the slowest: {} in {:?}",
        found.done,
        found.steps,
        found.done as f64 / seconds.max(0.001),
        found.slowest.1,
        found.slowest.0
    );
    let mut kinds = BTreeMap::<&str, u64>::new();
    for Failure { trial, check, what } in &found.failed {
        let short: String = what.chars().take(600).collect();
        println!("seed {}: {short}\n  {}", trial.seed, command(trial));
        *kinds.entry(check).or_default() += 1;
    }
    println!("{} failed {kinds:?}", found.failed.len());
    found.failed.is_empty()
}

impl Crowd<'_> {
    /// Runs them, the first ones first.
    #[expect(clippy::print_stdout, reason = "it is a tool")]
    #[expect(
        clippy::disallowed_methods,
        reason = "who waits is told by the clock on the wall"
    )]
    pub(crate) fn run(&self, tell_every: Duration) -> Found {
        let shared = Shared {
            crowd: self,
            next: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            found: Mutex::default(),
            tells: tell_every != Duration::MAX,
        };
        // A panic is told with its seed.
        std::panic::set_hook(Box::new(|_| {}));
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..self.jobs).map(|_| scope.spawn(|| shared.work())).collect();
            let mut told = Instant::now();
            while workers.iter().any(|worker| !worker.is_finished()) {
                std::thread::sleep(Duration::from_millis(20));
                if told.elapsed() > tell_every {
                    told = Instant::now();
                    let found = lock(&shared.found);
                    println!("{} runs, {} failed", found.done, found.failed.len());
                }
            }
        });
        shared.found.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared<'_> {
    fn work(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            match (self.crowd.trials)(number) {
                Some(trial) if !self.stop.load(Ordering::Relaxed) => self.make(trial),
                Some(_) | None => return,
            }
        }
    }

    #[expect(clippy::disallowed_methods, reason = "how long it takes is what it tells")]
    #[expect(clippy::print_stdout, reason = "it is a tool")]
    fn make(&self, trial: Trial) {
        let Trial { seed, cuts } = &trial;
        let begun = Instant::now();
        let outcome = simulate(*seed, cuts, false);
        let took = begun.elapsed();
        let mut failure = outcome.failure.clone();
        if failure.is_none() && self.crowd.twice > 0 && seed.is_multiple_of(self.crowd.twice) {
            let again = simulate(*seed, cuts, false);
            if again != outcome {
                failure = Some(("same seed, same trace".to_owned(), "another trace".to_owned()));
            }
        }
        let mut found = lock(&self.found);
        found.done += 1;
        found.steps += u64::from(outcome.steps);
        for (name, count) in &outcome.figures {
            *found.figures.entry(name).or_default() += count;
        }
        found.slowest = found.slowest.max((took, *seed));
        if let Some((check, what)) = failure {
            if self.tells {
                println!("seed {seed} has failed: {check}");
            }
            found.failed.push(Failure { trial, check, what });
            if found.failed.len() >= self.crowd.failures {
                self.stop.store(true, Ordering::Relaxed);
            }
        }
    }
}

fn lock(found: &Mutex<Found>) -> MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}
