//! Every task of a developer, as `cargo xtask <verb>`. CI calls the same verbs.
//!
//! Knows the menu. Must stay light: it is compiled before anything else can be done.

mod commands;
mod deploy_local;
mod doctor;
mod fuzz;
mod lint;
mod tidy;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Parser, Subcommand};

/// Tasks of a developer of outlook-contact-sync.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Menu {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the whole bundle at work in one process: a first sync, then live edits. Needs nothing but Rust.
    #[command(disable_help_flag = true)]
    Demo(Passed),
    /// Deploy to a local AWS with sam, and leave it running until Ctrl-C. Needs Python 3.11.
    DeployLocal(deploy_local::Arguments),
    /// Run the bundle under random faults from many seeds: --seeds N, or --seed X --trace. Needs nothing but Rust.
    #[command(disable_help_flag = true)]
    Simulate(Passed),
    /// Run all tests, those of the deployed bundle included.
    Test(Passed),
    /// Fuzz everything that reads what others send, for some seconds. Needs a C++ compiler.
    Fuzz(fuzz::Arguments),
    /// Play fixed fault scripts against this bundle and against the usual way, and write the table. Needs Python 3.11.
    #[command(disable_help_flag = true)]
    Scoreboard(Passed),
    /// Check format, lints, dependencies and the template.
    Lint,
    /// Check what neither compiler nor clippy knows: layout, dependency arrows, opening lines.
    Tidy,
    /// Show which tools are here, in which version.
    Doctor,
}

/// Arguments for the program that does the task.
#[derive(Args)]
struct Passed {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

fn main() -> ExitCode {
    match run(Menu::parse().verb) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: Verb) -> Result<()> {
    match verb {
        Verb::Demo(passed) => commands::become_demo(&passed.arguments),
        Verb::Simulate(passed) => commands::become_simulation(&passed.arguments),
        Verb::DeployLocal(arguments) => deploy_local::run(&arguments),
        Verb::Test(passed) => commands::test(&passed.arguments),
        Verb::Fuzz(arguments) => fuzz::run(&arguments),
        Verb::Scoreboard(passed) => commands::become_scoreboard(&passed.arguments),
        Verb::Lint => lint::run(),
        Verb::Tidy => tidy::run(),
        Verb::Doctor => doctor::run(),
    }
}
