//! The deployed bundle: real `sam deploy`, functions as processes, queues and schedules of the local AWS, IAM enforced.
//!
//! One stack is deployed and serves every scenario in turn; each has mailboxes of its own. A word on the command line
//! runs only the scenarios whose names contain it: `cargo test -p end-to-end -- renewal`.

mod ear;
mod history;
mod matrix;
mod photos;
mod platform;
mod scenarios;
mod scene;

use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

use scene::Scene;

type Scenario = (&'static str, for<'a> fn(&'a Scene) -> scenarios::Story<'a>);

/// In turn; those of one group side by side, since they wait for the next tick of a schedule most of the time.
const SCENARIOS: [&[Scenario]; 10] = [
    &[("first_sync_of_5000_contacts_over_nested_folders", |scene| {
        Box::pin(scenarios::first_sync(scene))
    })],
    &[("edits_arrive_within_seconds", |scene| {
        Box::pin(scenarios::edits(scene))
    })],
    &[("two_tenants_side_by_side", |scene| {
        Box::pin(scenarios::two_tenants(scene))
    })],
    &[("edits_by_the_api_reach_outlook_within_two_seconds", |scene| {
        Box::pin(platform::edits(scene))
    })],
    &[("a_killed_worker_goes_on_at_the_page", |scene| {
        Box::pin(scenarios::killed_worker(scene))
    })],
    &[("a_bulk_of_5000_survives_a_killed_worker", |scene| {
        Box::pin(platform::bulk(scene))
    })],
    &[
        ("both_sides_change_one_contact", |scene| {
            Box::pin(matrix::both_sides(scene))
        }),
        ("forged_notifications_cost_nothing", |scene| {
            Box::pin(scenarios::forged(scene))
        }),
        ("a_subscription_is_renewed_before_it_ends", |scene| {
            Box::pin(scenarios::renewal(scene))
        }),
        ("a_lost_subscription_is_made_anew", |scene| {
            Box::pin(scenarios::lost_subscription(scene))
        }),
        ("missed_notifications_are_caught_up_with", |scene| {
            Box::pin(scenarios::missed(scene))
        }),
        ("a_lost_notification_is_healed_by_the_poll", |scene| {
            Box::pin(scenarios::poll(scene))
        }),
    ],
    &[("what_a_contact_was_comes_back_and_is_erased", |scene| {
        Box::pin(history::back_and_erased(scene))
    })],
    &[("photos_arrive_on_the_other_side", |scene| {
        Box::pin(photos::both_ways(scene))
    })],
    &[("removal_erases_everything", |scene| {
        Box::pin(scenarios::removal(scene))
    })],
];

#[expect(
    clippy::disallowed_methods,
    reason = "a test on real processes takes real time"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test -- --list` and the like ask for nothing to be run.
    if arguments.iter().any(|argument| argument == "--list") {
        return ExitCode::SUCCESS;
    }
    let wanted = |name: &str| {
        let mut words = arguments
            .iter()
            .filter(|argument| !argument.starts_with('-'))
            .peekable();
        words.peek().is_none() || words.any(|word| name.contains(word.as_str()))
    };
    let groups = SCENARIOS.map(|group| {
        let chosen = group.iter().filter(|(name, _)| wanted(name));
        chosen.collect::<Vec<&Scenario>>()
    });
    let all = SCENARIOS.map(<[_]>::len).iter().sum();
    let chosen = groups.iter().map(Vec::len).sum();
    if chosen == 0 {
        return summary(0, 0, all);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let (runtime, scene) = match runtime
        .map_err(anyhow::Error::from)
        .and_then(|runtime| Ok((runtime, Scene::start()?)))
    {
        Ok(ready) => ready,
        Err(error) => {
            say(&format!("the stack could not be deployed: {error:#}"));
            return ExitCode::FAILURE;
        }
    };
    let mut failed = 0;
    for group in &groups {
        let tries = group.iter().map(async |(name, scenario)| {
            let begun = Instant::now();
            let result = scenario(&scene).await;
            let seconds = begun.elapsed().as_secs_f64();
            match &result {
                Ok(()) => say(&format!("test {name} ... ok ({seconds:.1} s)")),
                Err(error) => say(&format!("test {name} ... FAILED ({seconds:.1} s)\n    {error:#}")),
            }
            result.is_err()
        });
        let failures = runtime.block_on(futures_util::future::join_all(tries));
        failed += failures.into_iter().filter(|has_failed| *has_failed).count();
    }
    if let Err(error) = runtime.block_on(scene.nothing_left_over()) {
        failed += 1;
        say(&format!("test nothing_is_left_over ... FAILED\n    {error:#}"));
    }
    if failed > 0 {
        say(&format!("what the functions logged:\n{}", scene.last_words()));
    }
    summary(chosen - failed.min(chosen), failed, all - chosen)
}

fn summary(passed: usize, failed: usize, filtered: usize) -> ExitCode {
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    say(&format!(
        "\ntest result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; {filtered} filtered out"
    ));
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn say(line: &str) {
    // Nobody listens any more: there is nobody to tell.
    let _ = writeln!(std::io::stdout(), "{line}");
}
