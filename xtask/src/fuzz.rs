//! `cargo xtask fuzz`: the targets of `tests/fuzz` under libFuzzer, for some seconds each.
//!
//! Knows how programs are built for the engine with the pinned compiler (a sanitizer would need a nightly, and what is
//! fuzzed has no unsafe code): our crates tell it where they have been, and what they depend on is what the tests
//! link. So the AWS SDK is not compiled for the engine, which takes many minutes. Must not know the targets.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread::available_parallelism;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::commands::{self, cargo};

/// Bytes of an input: more finds nothing that less does not, and slower.
const LONGEST: u32 = 8 * 1024;
/// Seconds after which an input is a find by itself.
const SLOW: u32 = 10;
/// Megabytes after which it is.
const LARGE: u32 = 1024;

#[derive(Args)]
pub(crate) struct Arguments {
    /// A folder of tests/fuzz/corpus; all of them if none is named.
    target: Option<String>,
    /// How long each of them is fuzzed.
    #[arg(long, default_value_t = 10)]
    seconds: u32,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let targets = targets(arguments.target.as_deref())?;
    let programs = build(&targets)?;
    let mut failed = Vec::new();
    let at_once = available_parallelism().map_or(1, usize::from);
    for some in targets.chunks(at_once) {
        let running: Vec<_> = some
            .iter()
            .map(|target| start(&programs, target, arguments.seconds))
            .collect::<Result<_>>()?;
        for run in running {
            failed.extend(run.finish()?);
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

fn targets(wanted: Option<&str>) -> Result<Vec<String>> {
    let mut targets = Vec::new();
    for folder in fs::read_dir(corpora())? {
        targets.push(folder?.file_name().to_string_lossy().into_owned());
    }
    targets.sort();
    if let Some(wanted) = wanted {
        ensure!(
            targets.iter().any(|target| target == wanted),
            "there is no target {wanted}, but {}",
            targets.join(", ")
        );
        targets.retain(|target| target == wanted);
    }
    Ok(targets)
}

/// Builds the programs beside this one; answers where they are.
fn build(targets: &[String]) -> Result<PathBuf> {
    // Of the workspace, and with a test, so that what they depend on is what the tests link.
    let mut build = cargo("build --locked --workspace --features fuzz/libfuzzer --test replay");
    for target in targets {
        build.args(["--bin", target]);
    }
    let wrapper = local_aws::repository().join("tests/fuzz/instrument");
    commands::run(build.env("RUSTC_WORKSPACE_WRAPPER", wrapper))?;
    let here = std::env::current_exe()?;
    Ok(here.parent().context("this program is nowhere")?.to_owned())
}

/// A target that is being fuzzed.
struct Run {
    target: String,
    engine: Child,
    log: PathBuf,
}

fn start(programs: &Path, target: &str, seconds: u32) -> Result<Run> {
    let learnt = local_aws::local("fuzz").join("corpus").join(target);
    let found = local_aws::local("fuzz").join("found");
    fs::create_dir_all(&learnt)?;
    fs::create_dir_all(&found)?;
    fs::create_dir_all(local_aws::local("logs"))?;
    let log = local_aws::local("logs").join(format!("fuzz-{target}.log"));
    let output = fs::File::create(&log)?;
    let mut engine = Command::new(programs.join(target));
    engine
        // What is learnt goes to the first folder.
        .args([&learnt, &corpora().join(target)])
        .arg(format!("-artifact_prefix={}/{target}-", found.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST}"))
        .arg(format!("-timeout={SLOW}"))
        .arg(format!("-rss_limit_mb={LARGE}"))
        .arg("-print_final_stats=1")
        .stdout(output.try_clone()?)
        .stderr(output);
    let engine = engine.spawn().with_context(|| format!("can't run {target}"))?;
    Ok(Run {
        target: target.to_owned(),
        engine,
        log,
    })
}

impl Run {
    /// Waits for the end; answers what to say if something was found.
    fn finish(mut self) -> Result<Option<String>> {
        let status = self.engine.wait()?;
        let log = String::from_utf8_lossy(&fs::read(&self.log)?).into_owned();
        let Some(executions) = statistic(&log, "stat::number_of_executed_units:") else {
            bail!("{}: {status}; its log: {}", self.target, self.log.display());
        };
        let mut out = std::io::stdout();
        let edges = log.lines().filter_map(edges).next_back().unwrap_or_default();
        let verdict = if status.success() { "ok    " } else { "FOUND " };
        writeln!(
            out,
            "{verdict} {:<14} {executions:>9} executions, {edges} edges",
            self.target
        )?;
        if status.success() {
            return Ok(None);
        }
        let lines = log
            .lines()
            .filter(|line| line.contains("panicked at") || line.contains("Test unit written to"));
        let said: Vec<&str> = lines.collect();
        Ok(Some(format!(
            "{}: {}\nits log: {}\nmend it, and keep the input in tests/fuzz/corpus/{} under a name that says what it is",
            self.target,
            said.join("\n  "),
            self.log.display(),
            self.target
        )))
    }
}

fn statistic<'a>(log: &'a str, name: &str) -> Option<&'a str> {
    log.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
}

/// Of `#1024 NEW cov: 345 ft: 789 ...`.
fn edges(line: &str) -> Option<&str> {
    line.split_once(" cov: ")?.1.split(' ').next()
}

fn corpora() -> PathBuf {
    local_aws::repository().join("tests/fuzz/corpus")
}
