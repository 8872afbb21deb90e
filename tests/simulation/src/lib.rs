//! The whole bundle under all faults at once, from one seed: random edits on both sides, a world that does what it can to
//! lose them, and what must be true when it has calmed down.
//!
//! Knows the bundle as [`local_stack`] wires it, and Graph as [`graph_sim`] plays it. One thread, one clock, one source of
//! chance: the same seed leaves the same trace. Must share no code with what it judges.

mod checks;
mod epilogue;
mod history;
mod people;
mod plan;
mod platform;
mod run;
mod scene;
mod shrink;
mod story;
mod tap;
mod trouble;
mod year;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use local_stack::aws::DatabaseKind;
pub use plan::{Cuts, Death, Fault, Plan};
pub use run::{Awaits, Figures};
pub use shrink::shrink;
pub use sync_core::bugs::Bug;
pub use year::{Seen, Year, year};

use history::History;
use run::Run;
use scene::Scene;

/// What came of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Why it failed: the name of the check, and what it has found.
    pub failure: Option<(String, String)>,
    /// What happened, by name.
    pub figures: Figures,
    /// A hash of all that was asked and answered.
    pub trace: u64,
    /// How many steps it had.
    pub steps: u32,
    /// How often each function has waited for somebody else before the faults stopped. Nothing where it failed.
    pub awaits: Awaits,
}

/// Runs a seed. With `aloud` it tells what it does.
pub fn simulate(seed: u64, cuts: &Cuts, aloud: bool) -> Outcome {
    let plan = Plan::of(seed, cuts);
    let steps = plan.steps;
    let mut figures = Figures::new();
    let run = AssertUnwindSafe(|| played(plan, cuts, &mut figures, aloud));
    sync_core::bugs::plant(cuts.bug);
    let done = catch_unwind(run).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(anyhow::anyhow!("panic: {}", text.unwrap_or_default()))
    });
    sync_core::bugs::plant(None);
    let (failure, trace, awaits) = match done {
        Ok((trace, awaits)) => (None, trace, awaits),
        Err(error) => {
            let name = error.downcast_ref::<checks::Broken>().map(|broken| broken.check);
            let name = name.unwrap_or("it runs");
            let failure = (name.to_owned(), format!("{error:#}"));
            (Some(failure), 0, Awaits::new())
        }
    };
    Outcome {
        failure,
        figures,
        trace,
        steps,
        awaits,
    }
}

fn played(plan: Plan, cuts: &Cuts, figures: &mut Figures, aloud: bool) -> anyhow::Result<(u64, Awaits)> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()?;
    // The SDK asks for a timer although nothing here waits for it.
    let _inside = runtime.enter();
    let mut history = History::default();
    if aloud {
        say(&format!("{plan:#?}"));
    }
    let mut scene = Scene::set(plan, &mut history, aloud)?;
    let mut run = Run::new(&scene, &mut history, figures, cuts.death.clone(), aloud);
    run.steps(cuts)?;
    let awaits = run.wind_up()?;
    checks::calm_down(&mut scene, figures)?;
    checks::all(&mut scene, &history, figures)?;
    Ok((scene.tap.trace(), awaits))
}

#[expect(clippy::print_stdout, reason = "who asks for a run aloud wants to read it")]
pub(crate) fn say(what: &str) {
    println!("{what}");
}
