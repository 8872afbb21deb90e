//! The Graph simulator as a process.
//!
//! Knows the program's command line and the line that it prints. Must not know Graph.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::guarded::Guarded;
use crate::repository;

/// The running simulator.
#[derive(Debug)]
pub(crate) struct Simulator {
    pub(crate) process: Guarded,
    /// What it says of itself: `url`, `tenant`, `app`, `users`.
    pub(crate) scene: Value,
}

impl Simulator {
    /// Starts it on a free port, with these arguments besides.
    pub(crate) fn start(folder: &Path, arguments: &[String]) -> Result<Self> {
        let log = folder.join("graph-sim.log");
        let mut process = Guarded::start(&program()?, arguments, &folder.join("graph-sim"), &log, |_| {})?;
        let scene = process.until_up(|| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            said.lines()
                .filter_map(|line| serde_json::from_str(line).ok())
                .find(|line: &Value| line["url"].is_string())
        })?;
        Ok(Self { process, scene })
    }
}

/// Builds it, and asks cargo where it is.
fn program() -> Result<PathBuf> {
    let cargo = Command::new("cargo")
        .args([
            "build",
            "--locked",
            "--quiet",
            // Of the workspace, so that it is built with the features that the tests are built with.
            "--workspace",
            "--bin",
            "graph-sim",
            "--message-format=json-render-diagnostics",
        ])
        .current_dir(repository())
        .stderr(Stdio::inherit())
        .output()
        .context("can't run cargo")?;
    ensure!(cargo.status.success(), "the Graph simulator doesn't build");
    String::from_utf8(cargo.stdout)?
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter(|artifact| artifact["target"]["name"] == "graph-sim")
        .find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from))
        .context("cargo built no graph-sim")
}
