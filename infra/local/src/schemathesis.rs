//! Schemathesis, the judge of an API by its description, as a process that ends with us.
//!
//! Knows the program's command line. Must not know the API, nor what is checked: that is the caller's configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;

use crate::guarded::Guarded;
use crate::local;
use crate::tools::{self, Tool};

/// It is ended after this, whatever it is doing.
const LONGEST: Duration = Duration::from_mins(5);

/// What it came to.
#[derive(Debug)]
pub struct Verdict {
    /// Whether it found nothing.
    pub is_clean: bool,
    /// What it said.
    pub report: String,
    /// Where that is kept.
    pub log: PathBuf,
}

/// Tries the API at `url` by the description in a file, with a configuration and hooks in a folder of the caller's, and
/// with what the hooks are told in the environment.
pub fn run(description: &Path, url: &str, folder: &Path, told: &[(&str, String)]) -> Result<Verdict> {
    tools::install(&[Tool::Schemathesis])?;
    let log = local("logs").join("schemathesis.log");
    let arguments = [
        "--config-file",
        &folder.join("schemathesis.toml").to_string_lossy(),
        "--no-color",
        "run",
        &description.to_string_lossy(),
        "--url",
        url,
    ]
    .map(str::to_owned);
    let program = Tool::Schemathesis.programs().join("schemathesis");
    let scratch = local("schemathesis");
    let process = Guarded::start(&program, &arguments, &scratch, &log, |command| {
        command
            .current_dir(folder)
            .env("SCHEMATHESIS_HOOKS", "hooks")
            .env("PYTHONPATH", folder)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .envs(told.iter().map(|(name, value)| (*name, value)));
    })?;
    let status = process.until_ended(LONGEST)?;
    Ok(Verdict {
        is_clean: status.success(),
        report: std::fs::read_to_string(&log)?,
        log,
    })
}
