//! The processes of a play: the simulator, and the programs under test.
//!
//! Knows command lines, and the line of JSON with a URL that each of them prints when it is up.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// A running process. It ends when this is dropped: a simulator is killed, a program sees its standard input end, and
/// ends what it has started itself.
pub(crate) struct Running {
    /// What it says of itself.
    pub(crate) about: Value,
    _child: Child,
}

impl Running {
    async fn start(program: &Path, arguments: &[&str], kill: bool) -> Result<Self> {
        let name = program.display();
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(kill)
            .spawn()
            .with_context(|| format!("can't start {name}"))?;
        let output = child.stdout.take().context("no output")?;
        let line = BufReader::new(output).lines().next_line().await?;
        let line = line.with_context(|| format!("{name} ended before it was up"))?;
        Ok(Self {
            about: serde_json::from_str(&line)?,
            _child: child,
        })
    }

    pub(crate) fn url(&self) -> &str {
        self.about["url"].as_str().unwrap_or_default()
    }
}

/// The binary of the simulator, with an empty mailbox; the same chance in each run.
pub(crate) async fn simulator() -> Result<Running> {
    let program = beside_us("graph-sim")?;
    let options = ["--admin", "--folders", "0", "--seed", "4", "--secret", SECRET];
    Running::start(&program, &options, true).await
}

/// The app's secret in the simulated tenant.
pub(crate) const SECRET: &str = "secret-of-the-scoreboard";

/// The real handlers.
pub(crate) async fn ours() -> Result<Running> {
    let program = std::env::current_exe()?;
    Running::start(&program, &["serve"], false).await
}

/// The usual way.
pub(crate) async fn usual(python: &Path) -> Result<Running> {
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/usual/serve.py");
    Running::start(python, &[program], false).await
}

fn beside_us(name: &str) -> Result<PathBuf> {
    Ok(std::env::current_exe()?.with_file_name(name))
}
