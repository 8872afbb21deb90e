//! `simulate`: many seeds, or one seed aloud.
//!
//! Knows threads, the console and the machine's clock. A seed's run knows none of them.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use clap::Parser;
use simulation::{Cuts, Fault, Figures, Plan, shrink, simulate};

/// Runs the whole bundle under random faults and checks what must be true afterwards.
#[derive(Parser)]
#[command(bin_name = "cargo xtask simulate")]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 1000)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// This seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Tell what happens. With --seed.
    #[arg(long)]
    trace: bool,
    /// Find the smallest part of the run that fails. With --seed.
    #[arg(long)]
    shrink: bool,
    /// Only so many steps.
    #[arg(long)]
    steps: Option<u32>,
    /// Leave this kind of fault out.
    #[arg(long, value_name = "FAULT", value_delimiter = ',')]
    without: Vec<String>,
    /// Leave these steps out.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    skip: Vec<u32>,
    /// Leave all other steps out.
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    only: Vec<u32>,
    /// How many threads.
    #[arg(long)]
    jobs: Option<usize>,
    /// Go on after so many failures.
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Run each n-th seed twice, and compare the traces.
    #[arg(long, default_value_t = 50)]
    twice: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut cuts = Cuts {
        steps: arguments.steps,
        skip: arguments.skip.iter().copied().collect(),
        ..Cuts::default()
    };
    for name in &arguments.without {
        let Some(fault) = Fault::named(name) else {
            eprintln!("there is no fault {name}; there are {}", names());
            return ExitCode::FAILURE;
        };
        cuts.without.insert(fault);
    }
    if !arguments.only.is_empty() {
        cuts.skip = (0..1000).filter(|step| !arguments.only.contains(step)).collect();
    }
    let passed = match arguments.seed {
        Some(seed) => one(seed, &cuts, &arguments),
        None => many(&arguments, &cuts),
    };
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn names() -> String {
    Fault::ALL.map(Fault::name).join(", ")
}

#[expect(clippy::print_stdout, reason = "it is a tool")]
fn one(seed: u64, cuts: &Cuts, arguments: &Arguments) -> bool {
    if arguments.shrink {
        let Some(small) = shrink(seed, |what| println!("  {what}")) else {
            println!("seed {seed} doesn't fail");
            return true;
        };
        println!("{}", command(seed, &small));
        return false;
    }
    let outcome = simulate(seed, cuts, arguments.trace);
    println!("{:?}\ntrace {:016x}", outcome.figures, outcome.trace);
    match &outcome.failure {
        None => println!("seed {seed}: clean"),
        Some((check, what)) => println!("seed {seed}: {check}\n{what}"),
    }
    outcome.failure.is_none()
}

/// What shows a failure again.
fn command(seed: u64, cuts: &Cuts) -> String {
    let mut command = format!("cargo xtask simulate --seed {seed} --trace");
    if let Some(steps) = cuts.steps {
        command += &format!(" --steps {steps}");
    }
    if !cuts.without.is_empty() {
        let names: Vec<_> = cuts.without.iter().map(|fault| fault.name()).collect();
        command += &format!(" --without {}", names.join(","));
    }
    if !cuts.skip.is_empty() {
        let steps = 0..Plan::of(seed, cuts).steps;
        let steps: Vec<_> = steps
            .filter(|step| !cuts.skip.contains(step))
            .map(|step| step.to_string())
            .collect();
        command += &format!(" --only {}", steps.join(","));
    }
    command
}

/// What all threads know.
struct Shared {
    next: AtomicU64,
    done: AtomicU64,
    stop: AtomicBool,
    found: Mutex<Found>,
}

#[derive(Default)]
struct Found {
    figures: Figures,
    faults: BTreeMap<&'static str, u64>,
    failed: Vec<(u64, String)>,
    steps: u64,
    slowest: (Duration, u64),
}

#[expect(clippy::print_stdout, reason = "it is a tool")]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what it tells")]
fn many(arguments: &Arguments, cuts: &Cuts) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = arguments.jobs.unwrap_or(cores);
    let begun = Instant::now();
    let shared = Shared {
        next: AtomicU64::new(arguments.from),
        done: AtomicU64::new(0),
        stop: AtomicBool::new(false),
        found: Mutex::default(),
    };
    // A panic is told with its seed.
    std::panic::set_hook(Box::new(|_| {}));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs)
            .map(|_| scope.spawn(|| work(arguments, cuts, &shared)))
            .collect();
        let mut told = begun;
        while workers.iter().any(|worker| !worker.is_finished()) {
            std::thread::sleep(Duration::from_millis(100));
            if told.elapsed() > Duration::from_secs(5) {
                told = Instant::now();
                let done = shared.done.load(Ordering::Relaxed);
                let failed = lock(&shared.found).failed.len();
                let seconds = begun.elapsed().as_secs_f64();
                println!(
                    "{done} of {} seeds, {failed} failed, {:.0} a second",
                    arguments.seeds,
                    per(done, seconds)
                );
            }
        }
    });
    let seconds = begun.elapsed().as_secs_f64();
    let done = shared.done.load(Ordering::Relaxed);
    let found = lock(&shared.found);
    println!(
        "{done} seeds of {} steps in {seconds:.1} s, {:.1} a second; the slowest: {} in {:?}",
        found.steps,
        per(done, seconds),
        found.slowest.1,
        found.slowest.0
    );
    for (name, count) in found.figures.iter().chain(&found.faults) {
        println!("{count:>10} {name}");
    }
    for (seed, check) in &found.failed {
        println!("seed {seed}: {check}\n  {}", command(*seed, cuts));
    }
    found.failed.is_empty()
}

fn work(arguments: &Arguments, cuts: &Cuts, shared: &Shared) {
    loop {
        let seed = shared.next.fetch_add(1, Ordering::Relaxed);
        if seed >= arguments.from + arguments.seeds || shared.stop.load(Ordering::Relaxed) {
            return;
        }
        try_seed(seed, arguments, cuts, shared);
    }
}

#[expect(clippy::print_stdout, reason = "it is a tool")]
#[expect(clippy::disallowed_methods, reason = "how long it takes is what it tells")]
fn try_seed(seed: u64, arguments: &Arguments, cuts: &Cuts, shared: &Shared) {
    let begun = Instant::now();
    let outcome = simulate(seed, cuts, false);
    let took = begun.elapsed();
    let mut failure = outcome.failure.clone();
    if failure.is_none() && arguments.twice > 0 && seed.is_multiple_of(arguments.twice) {
        let again = simulate(seed, cuts, false);
        if again != outcome {
            failure = Some(("same seed, same trace".to_owned(), "another trace".to_owned()));
        }
    }
    shared.done.fetch_add(1, Ordering::Relaxed);
    let mut found = lock(&shared.found);
    for (name, count) in &outcome.figures {
        *found.figures.entry(name).or_default() += count;
    }
    let plan = Plan::of(seed, cuts);
    found.steps += u64::from(plan.steps);
    if took > found.slowest.0 {
        found.slowest = (took, seed);
    }
    if let Some((check, what)) = failure {
        let short: String = what.chars().take(300).collect();
        println!("seed {seed} FAILED: {short}\n  {}", command(seed, cuts));
        found.failed.push((seed, check));
        if found.failed.len() >= arguments.failures {
            shared.stop.store(true, Ordering::Relaxed);
        }
    }
}

fn lock(found: &Mutex<Found>) -> std::sync::MutexGuard<'_, Found> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

#[expect(clippy::cast_precision_loss, reason = "it is shown with one digit")]
fn per(count: u64, seconds: f64) -> f64 {
    count as f64 / seconds.max(0.001)
}
