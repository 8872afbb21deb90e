//! Commands in the repository's root: run, read, become.
//!
//! Knows processes. Must not know which verb needs which.

use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use local_aws::tools::{self, Tool};

/// `cargo` with these arguments, in the root.
pub(crate) fn cargo(arguments: &str) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(arguments.split(' '))
        .current_dir(local_aws::repository());
    command
}

/// Runs a command that speaks to the person in front, and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .collect();
    let line = words.join(" ".as_ref()).to_string_lossy().into_owned();
    eprintln!("$ {line}");
    let status = command.status().with_context(|| format!("can't run {line}"))?;
    ensure!(status.success(), "{line}: {status}");
    Ok(())
}

/// What a command prints; its complaints go to the person in front.
pub(crate) fn read(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let answer = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("can't run {name}"))?;
    ensure!(answer.status.success(), "{name}: {}", answer.status);
    Ok(String::from_utf8(answer.stdout)?)
}

/// The demo is a program of its own, so that this one needn't compile what it needs.
pub(crate) fn become_demo(arguments: &[String]) -> Result<()> {
    let mut demo = cargo("run --locked --package local-stack --");
    Err(demo.args(arguments).exec()).context("can't run cargo")
}

/// The simulation is a program too.
pub(crate) fn become_simulation(arguments: &[String]) -> Result<()> {
    build(&["simulate"])?;
    Err(simulation()?.args(arguments).exec()).context("can't run the simulation")
}

/// Of the workspace, so that it is built with the features that the tests are built with.
fn build(programs: &[&str]) -> Result<()> {
    let mut build = cargo("build --locked --quiet --workspace");
    run(build.args(programs.iter().flat_map(|program| ["--bin", *program])))
}

/// Built before. All programs lie beside this one.
fn simulation() -> Result<Command> {
    Ok(Command::new(std::env::current_exe()?.with_file_name("simulate")))
}

/// So is the scoreboard. It looks for the simulator's binary beside its own.
pub(crate) fn become_scoreboard(arguments: &[String]) -> Result<()> {
    tools::install(&[Tool::Usual])?;
    build(&["graph-sim", "scoreboard"])?;
    let mut scoreboard = Command::new(std::env::current_exe()?.with_file_name("scoreboard"));
    scoreboard
        .arg("--python")
        .arg(Tool::Usual.programs().join("python"));
    Err(scoreboard.args(arguments).exec()).context("can't run the scoreboard")
}

/// What every change has to pass in the simulation: some minutes of two cores.
const SIMULATED: [&str; 4] = [
    "--seeds 10000",
    "--seeds 100 --database compared",
    "awaits --every 10",
    "bugs",
];

/// All tests. The tests of the deployed bundle go last and alone: they wait for clocks, and the machine should be theirs.
pub(crate) fn test(arguments: &[String]) -> Result<()> {
    run(cargo("test --locked --workspace --exclude end-to-end").args(arguments))?;
    build(&["simulate"])?;
    for what in SIMULATED {
        run(simulation()?.args(what.split(' ')))?;
    }
    // By the target's name: of that package alone, cargo would build everything once more, with fewer features.
    run(cargo("test --locked --workspace --test deployed").args(arguments))
}
