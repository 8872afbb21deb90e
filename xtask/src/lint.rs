//! `cargo xtask lint`: everything that a published tool can check.
//!
//! Knows the tools' commands. Must not check anything by itself: that is `tidy`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, ensure};
use local_aws::tools::{self, Tool};

use crate::commands::{self, cargo};

/// Installed where it is missing, unoptimised: it runs for two seconds, and is compiled for minutes.
const CARGO_DENY: &str = "cargo-deny@0.20.2";

/// Runs them all, also after one has failed: whoever asks wants to hear everything at once.
pub(crate) fn run() -> Result<()> {
    let checks: [fn() -> Result<()>; 4] = [format, clippy, dependencies, template];
    let failed = checks.iter().filter_map(|check| check().err());
    let failed: Vec<String> = failed.map(|error| format!("{error:#}")).collect();
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

/// Where `cargo-deny` is installed to.
pub(crate) fn cargo_deny() -> PathBuf {
    local_aws::local("cargo").join("bin/cargo-deny")
}

fn format() -> Result<()> {
    commands::run(&mut cargo("fmt --all --check"))
}

fn clippy() -> Result<()> {
    commands::run(&mut cargo(
        "clippy --locked --workspace --all-targets -- --deny warnings",
    ))
}

fn dependencies() -> Result<()> {
    if !cargo_deny().exists() {
        let mut install = cargo(&format!("install --locked --debug --quiet {CARGO_DENY} --root"));
        commands::run(install.arg(local_aws::local("cargo")))?;
    }
    // Advisories change without a commit, and come over the network: CI asks for them in a job of their own.
    commands::run(tool(cargo_deny()).args(["--locked", "check", "bans", "licenses", "sources"]))
}

fn template() -> Result<()> {
    tools::install(&[Tool::Lint, Tool::Sam])?;
    commands::run(tool(Tool::Lint.programs().join("cfn-lint")).arg("template.yaml"))?;
    let mut sam = tool(Tool::Sam.programs().join("sam"));
    sam.env("SAM_CLI_TELEMETRY", "0")
        .env("__SAM_CLI_APP_DIR", local_aws::local("sam"));
    commands::run(sam.args(["validate", "--lint", "--region", local_aws::aws::REGION]))?;
    let mut checkov = tool(Tool::Lint.programs().join("checkov"));
    checkov.args([
        "--framework",
        "cloudformation",
        "--file",
        "template.yaml",
        "--compact",
        "--quiet",
    ]);
    commands::run(checkov.arg("--skip-download")) // of a text for each check, from a vendor's server
}

fn tool(program: PathBuf) -> Command {
    let mut command = Command::new(program);
    command.current_dir(local_aws::repository());
    command
}
