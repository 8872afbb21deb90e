//! Work in steps that take their time: what runs, how long it took, and what it said if it failed.
//!
//! Knows a terminal and a clock. Must not know what the steps are.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// Runs a step, showing on standard error its name, and its time when it is done.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let begun = now();
    let mut terminal = std::io::stderr();
    let _ = write!(terminal, "  {name} ... ");
    let result = work();
    let verdict = if result.is_ok() { "" } else { "FAILED after " };
    let _ = writeln!(terminal, "{verdict}{:.1} s", begun.elapsed().as_secs_f64());
    result
}

/// Runs a command to its end. What it says goes to the file; the file's end becomes the error if it fails.
pub fn run(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log).with_context(|| format!("can't write {}", log.display()))?;
    let name = command.get_program().to_string_lossy().into_owned();
    let status = command
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
        .with_context(|| format!("can't run {name}"))?;
    if !status.success() {
        bail!("{name}: {status}\n{}\n(all of it: {})", tail(log), log.display());
    }
    Ok(())
}

/// Asks every 50 ms until there is an answer.
pub fn wait_for<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let begun = now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begun.elapsed() > limit {
            bail!("{what}: not after {} s", limit.as_secs());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The last lines of a log.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

#[expect(
    clippy::disallowed_methods,
    reason = "a person waits: this is real time, and nothing is decided by it"
)]
fn now() -> Instant {
    Instant::now()
}
