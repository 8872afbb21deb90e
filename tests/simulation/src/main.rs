//! `simulate`: many seeds, one seed aloud, planted bugs, a death at every await, or a year.
//!
//! Knows the command line. What a seed does is the library's, how many are run at once `crowd`'s.

mod bugs;
mod crowd;
mod deaths;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simulation::{Cuts, DatabaseKind, Death, Fault, Plan, Year, shrink, simulate};

use crowd::{Crowd, Trial};

/// A third of the time goes to small pieces of memory.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Runs the whole bundle under random faults and checks what must be true afterwards.
#[derive(Parser)]
#[command(bin_name = "cargo xtask simulate")]
#[command(args_conflicts_with_subcommands = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
struct Arguments {
    #[command(subcommand)]
    other: Option<Other>,
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
    /// So many steps, instead of the seed's own number.
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
    /// Plant this bug.
    #[arg(long)]
    bug: Option<String>,
    /// Leave out every fault.
    #[arg(long)]
    calm: bool,
    /// Have a function die at this one of its awaits: sync-mailbox:17.
    #[arg(long, value_name = "FUNCTION:AWAIT")]
    death: Option<String>,
    /// Which database is below: the model, the whole of it, or both compared.
    #[arg(long, value_enum, default_value_t)]
    database: DatabaseKind,
    /// Every seed with all that otherwise a part of them has.
    #[arg(long)]
    thorough: bool,
    /// How many threads.
    #[arg(long, global = true)]
    jobs: Option<usize>,
    /// Go on after so many failures.
    #[arg(long, default_value_t = 10)]
    failures: usize,
    /// Run each n-th seed twice, and compare the traces.
    #[arg(long, default_value_t = 50)]
    twice: u64,
}

/// What else it does.
#[derive(Subcommand)]
enum Other {
    /// Plant each of the bugs in its turn, and fail where one is not found by as many seeds as it should take.
    Bugs {
        /// The first seed.
        #[arg(long, default_value_t = 0)]
        from: u64,
    },
    /// Have a function die at each of its awaits in turn, in runs in which nothing else goes wrong.
    Awaits {
        /// How many seeds' runs.
        #[arg(long, default_value_t = 2)]
        seeds: u64,
        /// The first of them.
        #[arg(long, default_value_t = 0)]
        from: u64,
        /// At each n-th await only.
        #[arg(long, default_value_t = 1)]
        every: u64,
    },
    /// Play a year in which renewals and polls fail at random, and nobody edits anything.
    Year {
        /// How many mailboxes.
        #[arg(long, default_value_t = 1000)]
        mailboxes: usize,
        /// How many days.
        #[arg(long, default_value_t = 365)]
        days: u32,
        /// By which chance.
        #[arg(long, default_value_t = 0)]
        seed: u64,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let passed = match &arguments.other {
        Some(Other::Bugs { from }) => bugs::all(jobs(&arguments), *from),
        Some(Other::Awaits { seeds, from, every }) => deaths::all(
            jobs(&arguments),
            *from..from.saturating_add(*seeds),
            (*every).max(1),
        ),
        Some(Other::Year {
            mailboxes,
            days,
            seed,
        }) => a_year(Year {
            mailboxes: *mailboxes,
            days: *days,
            seed: *seed,
        }),
        None => seeds(&arguments),
    };
    if passed {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// One seed, or many.
fn seeds(arguments: &Arguments) -> bool {
    match (cuts(arguments), arguments.seed) {
        (Err(complaint), _) => {
            eprintln!("{complaint}");
            false
        }
        (Ok(cuts), Some(seed)) => one(seed, &cuts, arguments),
        (Ok(cuts), None) => crowd::told(&Crowd {
            trials: &|number| trial(arguments, &cuts, number),
            jobs: jobs(arguments),
            failures: arguments.failures,
            twice: arguments.twice,
        }),
    }
}

fn cuts(arguments: &Arguments) -> Result<Cuts, String> {
    let mut cuts = Cuts {
        steps: arguments.steps,
        skip: arguments.skip.iter().copied().collect(),
        database: arguments.database,
        thorough: arguments.thorough,
        ..if arguments.calm {
            Cuts::calm()
        } else {
            Cuts::default()
        }
    };
    if let Some(death) = &arguments.death {
        let parsed = death.split_once(':').and_then(|(function, at)| {
            Some(Death {
                function: function.to_owned(),
                at: at.parse().ok()?,
            })
        });
        let parsed = parsed.ok_or_else(|| format!("{death} is not of the form sync-mailbox:17"))?;
        cuts.death = Some(parsed);
    }
    for name in &arguments.without {
        let names = || Fault::ALL.map(Fault::name).join(", ");
        let fault = Fault::named(name);
        let fault = fault.ok_or_else(|| format!("there is no fault {name}; there are {}", names()))?;
        cuts.without.insert(fault);
    }
    if let Some(name) = &arguments.bug {
        let names = || bugs::ALL.map(|it| it.name).join(", ");
        let planted = bugs::ALL.into_iter().find(|it| it.name == name);
        let planted = planted.ok_or_else(|| format!("there is no bug {name}; there are {}", names()))?;
        cuts.bug = Some(planted.bug);
    }
    if !arguments.only.is_empty() {
        cuts.skip = (0..1000).filter(|step| !arguments.only.contains(step)).collect();
    }
    Ok(cuts)
}

fn jobs(arguments: &Arguments) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    arguments.jobs.unwrap_or_else(cores)
}

fn trial(arguments: &Arguments, cuts: &Cuts, number: u64) -> Option<Trial> {
    let seed = arguments.from.checked_add(number)?;
    (number < arguments.seeds).then(|| Trial {
        seed,
        cuts: cuts.clone(),
    })
}

#[expect(clippy::print_stdout, reason = "it is a tool")]
fn one(seed: u64, cuts: &Cuts, arguments: &Arguments) -> bool {
    if arguments.shrink {
        let Some(small) = shrink(seed, cuts, |what| println!("  {what}")) else {
            println!("seed {seed} doesn't fail");
            return true;
        };
        println!("{}", command(&Trial { seed, cuts: small }));
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

#[expect(clippy::print_stdout, reason = "it is a tool")]
fn a_year(year: Year) -> bool {
    let told = simulation::year(year, |day, seen| {
        println!("day {day}: nobody unseen for more than {} h", seen.longest_unseen);
    });
    match told {
        Err(error) => {
            println!("{error:#}");
            false
        }
        Ok(seen) => {
            for (name, count) in &seen.counts {
                println!("{count:>10} {name}");
            }
            println!("{:>10} h at most without a successful round", seen.longest_unseen);
            println!("{:>10} h at most without a subscription", seen.longest_gap);
            true
        }
    }
}

/// What shows a failure again.
fn command(trial: &Trial) -> String {
    let Trial { seed, cuts } = trial;
    let mut words = vec![format!("cargo xtask simulate --seed {seed} --trace")];
    let planted = bugs::ALL.into_iter().find(|it| cuts.bug == Some(it.bug));
    words.extend(planted.map(|it| format!("--bug {}", it.name)));
    words.extend(cuts.steps.map(|steps| format!("--steps {steps}")));
    let death = cuts.death.as_ref();
    words.extend(death.map(|it| format!("--death {}:{}", it.function, it.at)));
    match cuts.database {
        DatabaseKind::Model => {}
        DatabaseKind::Whole => words.push("--database whole".to_owned()),
        DatabaseKind::Compared => words.push("--database compared".to_owned()),
    }
    if cuts.thorough {
        words.push("--thorough".to_owned());
    }
    if cuts.without.len() == Fault::ALL.len() {
        words.push("--calm".to_owned());
    } else if !cuts.without.is_empty() {
        let names: Vec<_> = cuts.without.iter().map(|fault| fault.name()).collect();
        words.push(format!("--without {}", names.join(",")));
    }
    if !cuts.skip.is_empty() {
        let steps = 0..Plan::of(*seed, cuts).steps;
        let steps: Vec<_> = steps
            .filter(|step| !cuts.skip.contains(step))
            .map(|step| step.to_string())
            .collect();
        words.push(format!("--only {}", steps.join(",")));
    }
    words.join(" ")
}
